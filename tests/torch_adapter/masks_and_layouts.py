"""Random masks of a network, and layouts of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

import reorder_solver as rs

if TYPE_CHECKING:
    from collections.abc import Iterator


def layers_of(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every layer that an input mask can be given for, once."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) or (
            isinstance(module, nn.Conv2d | nn.Conv1d | nn.Conv3d) and module.groups == 1
        ):
            yield name, module


def random_masks(model: nn.Module, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Any share of any layer's inputs, now and then all of them or none."""
    masks = {}
    for name, module in layers_of(model):
        share = rng.choice([0.0, 0.25, 0.5, 0.75, 1.0], p=[0.05, 0.3, 0.3, 0.3, 0.05])
        masks[name] = {"input": rng.random(module.weight.shape[1]) < share}
    return masks


def random_layout(instance: rs.Instance, rng: np.random.Generator) -> rs.Layout:
    orders = {
        tensor.id: np.arange(tensor.channels) if tensor.fixed else rng.permutation(tensor.channels)
        for tensor in instance.tensors
    }
    return rs.Layout(orders)


def layouts(instance: rs.Instance, seed: int = 0, count: int = 2) -> list[rs.Layout]:
    """The identity and some random layouts."""
    rng = np.random.default_rng(seed)
    return [rs.Layout.identity(instance), *(random_layout(instance, rng) for _ in range(count))]
