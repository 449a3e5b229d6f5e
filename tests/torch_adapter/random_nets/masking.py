"""Masks of random networks: which, and zeros written into the weights without the adapter."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta

if TYPE_CHECKING:
    from collections.abc import Iterable

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, *_TRANSPOSED)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d)
#: Who is masked: (inputs, outputs, harsh), with its probability.
_SCHEMES = {(1, 0, 0): 0.25, (0, 1, 0): 0.2, (1, 1, 0): 0.35, (1, 1, 1): 0.12, (0, 0, 0): 0.08}
_SHARES = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]
_MILD = [0.03, 0.07, 0.2, 0.3, 0.2, 0.1, 0.1]
_HARSH = [0.25, 0.2, 0.2, 0.15, 0.1, 0.05, 0.05]


@dataclass(frozen=True)
class Mask:
    """Channels that one side of a layer (or one axis of a table) keeps.

    Attributes
    ----------
    declared : bool
        Given to the adapter; else it has to find the zeros in the weights.
    bias : bool
        The bias of a masked output is zero too.
    """

    layer: str
    side: str
    kept: tuple[bool, ...]
    declared: bool
    bias: bool

    def __str__(self) -> str:
        channels = " ".join(str(i) for i, keep in enumerate(self.kept) if keep) or "nothing"
        how = "declared" if self.declared else "written" if self.bias else "written, bias stays"
        return f"{self.layer} {self.side}: keeps {channels} of {len(self.kept)}, {how}"


def draw_masks(model: nn.Module, seed: int, mask_seed: int) -> tuple[Mask, ...]:
    """Masks for some sides of some layers; amounts from everything to nothing."""
    rng = np.random.default_rng([seed, 2, mask_seed])
    schemes = list(_SCHEMES)
    inputs, outputs, harsh = schemes[int(rng.choice(len(schemes), p=list(_SCHEMES.values())))]
    common = np.random.default_rng([seed, 3, mask_seed]).random(512)
    masks = []
    for name, side, channels in _sides(model):
        asked = {"input": inputs, "output": outputs, "table": 0.3 * outputs}[side]
        if rng.random() >= 0.85 * asked:
            continue
        share = rng.choice(_SHARES, p=_HARSH if harsh else _MILD)
        kept = _pattern(channels, share, common, rng)
        declared = side != "table" and bool(rng.random() < 0.5)
        mask = Mask(name, side, tuple(kept.tolist()), declared, declared or rng.random() < 0.5)
        if declared and not _declarable(model, mask):
            mask = Mask(name, side, mask.kept, False, True)
        masks.append(mask)
    return tuple(masks)


def _sides(model: nn.Module) -> list[tuple[str, str, int]]:
    """Every side that can be masked, with its channels."""
    found = []
    for name, module in model.named_modules():
        if isinstance(module, _CONVOLUTIONS):
            found.append((name, "input", module.in_channels))
            found.append((name, "output", module.out_channels))
        elif isinstance(module, nn.Linear):
            found.append((name, "input", module.in_features))
            found.append((name, "output", module.out_features))
        elif isinstance(module, _NORMS) and module.weight is not None:
            found.append((name, "output", len(module.weight)))
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if "." not in name and tensor.is_floating_point():
            found.append((name, "table", tensor.shape[_table_axis(tensor)]))
    return found


def _pattern(
    channels: int, share: float, common: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Independent, the same for all layers of a width, or one block."""
    kind = rng.choice(["random", "common", "block"], p=[0.5, 0.3, 0.2])
    if kind == "common":
        return common[np.arange(channels) % common.size] < share
    if kind == "block":
        start = int(rng.integers(0, channels))
        return (np.arange(channels) - start) % channels < round(share * channels)
    return rng.random(channels) < share


def _table_axis(tensor: torch.Tensor) -> int:
    return next((axis for axis, size in enumerate(tensor.shape) if size > 1), 0)


def _declarable(model: nn.Module, mask: Mask) -> bool:
    module = model.get_submodule(mask.layer)
    return _takes(type(module), mask.side, getattr(module, "groups", 1) > 1, "." in mask.layer)


@functools.cache
def _takes(kind: type[nn.Module], side: str, grouped: bool, nested: bool) -> bool:
    """Whether this version of the adapter takes such a mask."""
    if nested:
        return False
    groups = 2 if grouped else 1
    if issubclass(kind, _CONVOLUTIONS):
        layer = kind(4, 4, 1, groups=groups)  # type: ignore[call-arg]
    elif issubclass(kind, nn.GroupNorm):
        layer = kind(2, 4)
    elif issubclass(kind, nn.Linear):
        layer = kind(4, 4)
    else:
        layer = kind(4, affine=True)  # type: ignore[call-arg]
    try:
        ta.masked(nn.Sequential(layer), {"0": {side: np.ones(4, dtype=bool)}})
    except rs.InputError:
        return False
    return True


def write_zeros(model: nn.Module, masks: Iterable[Mask]) -> None:
    """Write the zeros of the masks into the weights, in place."""
    with torch.no_grad():
        for mask in masks:
            dropped = ~torch.tensor(mask.kept)
            if mask.side == "table":
                table: Any = getattr(model, mask.layer)
                axis = _table_axis(table)
                table.index_fill_(axis, dropped.nonzero().flatten(), 0.0)
                continue
            module: Any = model.get_submodule(mask.layer)
            if isinstance(module, _CONVOLUTIONS):
                _zero_convolution(module, mask.side, dropped)
            elif mask.side == "input":
                module.weight[:, dropped] = 0
            else:
                module.weight[dropped] = 0
            if mask.side == "output" and mask.bias and module.bias is not None:
                module.bias[dropped] = 0


def _zero_convolution(module: Any, side: str, dropped: torch.Tensor) -> None:
    weight, groups = module.weight, module.groups
    first = "input" if isinstance(module, _TRANSPOSED) else "output"
    if side == first:
        weight[dropped] = 0
        return
    # The other axis counts within a group; the groups lie one after the other on the first.
    rows, columns = weight.shape[0] // groups, weight.shape[1]
    for group in range(groups):
        inside = dropped[group * columns : (group + 1) * columns]
        weight[group * rows : (group + 1) * rows, inside] = 0


def fitting(model: nn.Module, masks: Iterable[Mask]) -> tuple[Mask, ...]:
    """The masks of layers that the model has."""
    names = {name for name, _, _ in _sides(model)}
    return tuple(mask for mask in masks if mask.layer in names)


def declared(masks: Iterable[Mask]) -> dict[str, dict[str, np.ndarray]]:
    """The masks as the adapter takes them."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for mask in masks:
        if mask.declared:
            found.setdefault(mask.layer, {})[mask.side] = np.array(mask.kept)
    return found
