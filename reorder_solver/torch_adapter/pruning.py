"""Pruning: masks by score, one independent choice per layer."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.analysis import analyse
from reorder_solver.torch_adapter.capture import capture
from reorder_solver.torch_adapter.layer_weights import maskable
from reorder_solver.torch_adapter.masks import masked
from reorder_solver.torch_adapter.rules import RULES

if TYPE_CHECKING:
    import torch
    from torch import nn

    from reorder_solver.torch_adapter.analysis import Analysis, Read
    from reorder_solver.torch_adapter.masks import Kept

_SCORES = ("l1", "l2", "random")


def prune_inputs(
    model: nn.Module,
    example_inputs: Any,
    score: str = "l2",
    amount: float = 0.5,
    seed: int = 0,
) -> dict[str, dict[str, Kept]]:
    """Masks by which every layer drops its own lowest-scored share of input channels.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    score : {"l1", "l2", "random"}
        Norm of the weights that belong to an input channel, or a random number, drawn for each
        layer from the seed and its name.
    amount : float
        Share to drop, from 0 to 1, rounded down to whole channels.
    seed : int
        For ``random``.

    Returns
    -------
    dict
        ``{module name: {"input": kept}}`` for every convolution with ``groups=1`` and every
        linear layer, except those that read the model's input. A linear layer behind a flatten
        drops whole channels.
    """
    if score not in _SCORES:
        raise InputError(f"unknown score {score!r}; known: {', '.join(_SCORES)}")
    if not 0 <= amount <= 1:
        raise InputError(f"amount must be from 0 to 1, got {amount!r}")
    copied = masked(model).eval()
    captured = capture(copied, example_inputs)
    analysis = analyse(captured, RULES)
    raw = {root for root, reasons in analysis.tensors.pins().items() if "model input" in reasons}
    modules = copied.named_modules(remove_duplicate=False)
    layers = {name for name, module in modules if maskable(module)}
    masks: dict[str, dict[str, Kept]] = {}
    done: set[str] = set()
    for read in analysis.reads:
        roots = {analysis.tensors.root(segment.tensor) for segment in read.flow.segments}
        if read.module not in layers or read.weight in done or roots & raw:
            continue
        done.add(read.weight)
        owners, count = _channels(analysis, read)
        if score == "random":
            scores = np.random.default_rng([seed, zlib.crc32(read.module.encode())]).random(count)
        else:
            scores = _norms(captured.attributes[read.weight], owners, count, score)
        kept = np.ones(count, dtype=np.bool_)
        kept[np.argsort(scores, kind="stable")[: int(amount * count)]] = False
        masks[read.module] = {"input": kept[owners]}
    return masks


def _channels(analysis: Analysis, read: Read) -> tuple[npt.NDArray[np.int64], int]:
    """For each feature the number of its channel, counted over all segments; and their count."""
    counts = [analysis.tensors.channels(segment.tensor) for segment in read.flow.segments]
    blocks = np.repeat([segment.block for segment in read.flow.segments], counts)
    return np.repeat(np.arange(sum(counts)), blocks), sum(counts)


def _norms(
    weight: torch.Tensor, owners: npt.NDArray[np.int64], count: int, score: str
) -> npt.NDArray[np.float64]:
    entries = np.abs(weight.detach().double().cpu().numpy()) ** (1 if score == "l1" else 2)
    by_feature = np.moveaxis(entries, 1, 0).reshape(entries.shape[1], -1).sum(axis=1)
    totals = np.zeros(count, dtype=np.float64)
    np.add.at(totals, owners, by_feature)
    return totals
