"""Copying models, also those whose weights hooks and parametrisations compute."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize, prune


def copy_model(model: nn.Module) -> nn.Module:
    """A deep copy.

    A weight that a pruning hook computed has a history, and such a tensor refuses to be copied;
    here, its value is.
    """
    memo: dict[int, Any] = {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    }
    copied: nn.Module = copy.deepcopy(model, memo)
    return copied


def make_permanent(model: nn.Module) -> None:
    """Replace the weights that hooks of ``torch.nn.utils.prune`` and parametrisations compute."""
    for module in model.modules():
        for name in _pruned_names(module):
            prune.remove(module, name)  # type: ignore[no-untyped-call]
        if parametrize.is_parametrized(module):
            _store_parametrised(module)


def _store_parametrised(module: nn.Module) -> None:
    """Replace computed tensors by their values.

    ``parametrize.remove_parametrizations`` would take them from the class too, which the copy
    shares with the original module.
    """
    computed: Any = module.parametrizations
    values = {name: getattr(module, name).detach().clone() for name in computed}
    module.__class__ = type(module).__bases__[0]
    del module.parametrizations
    for name, value in values.items():
        module.register_parameter(name, nn.Parameter(value))


def _pruned_names(module: nn.Module) -> list[str]:
    if not prune.is_pruned(module):
        return []
    buffers = {name for name, _ in module.named_buffers(recurse=False)}
    originals = (name.removesuffix("_orig") for name, _ in module.named_parameters(recurse=False))
    return [name for name in originals if f"{name}_mask" in buffers]
