"""Masks: which input channels each layer keeps, declared or read off its weights."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

from reorder_solver.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: ``{module name: {"input": kept}}`` with one boolean per input feature of the module's weight.
Masks = Mapping[str, Mapping[str, Any]]
Kept = npt.NDArray[np.bool_]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def masked(model: nn.Module, masks: Masks | None = None) -> nn.Module:
    """A copy of `model` whose masked weights are zero: what every export must equal.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed. Active pruning and other parametrisations are made permanent in the copy.
    masks : mapping, optional
        ``{"layer1.0.conv1": {"input": kept}}`` with a boolean array, True where the weights of
        an input channel (an input feature for a linear layer) stay.

    Returns
    -------
    torch.nn.Module
        In the same mode (training or evaluation) as `model`.

    Raises
    ------
    InputError
        If a mask names no layer or does not fit it.
    """
    copied, _ = masked_with_kept(model, masks)
    return copied


def masked_with_kept(
    model: nn.Module, masks: Masks | None = None
) -> tuple[nn.Module, dict[str, Kept]]:
    """As :func:`masked`, with the declared masks by the name of the weight, for every name."""
    copied = _copy(model)
    _make_permanent(copied)
    kept = _read_masks(copied, masks or {})
    for name, keep in kept.items():
        weight = copied.get_parameter(name)
        with torch.no_grad():
            weight[:, torch.from_numpy(~keep).to(weight.device)] = 0
    return copied, kept


def kept_columns(weight: torch.Tensor) -> Kept:
    """True for every index on axis 1 of `weight` where something is not exactly zero."""
    others = [axis for axis in range(weight.ndim) if axis != 1]
    found: Kept = (weight.detach() != 0).sum(dim=others).cpu().numpy() > 0
    return found


def maskable(module: nn.Module) -> bool:
    """True for the layers that an input mask can be given for."""
    return isinstance(module, nn.Linear) or (
        isinstance(module, _CONVOLUTIONS) and module.groups == 1
    )


def _copy(model: nn.Module) -> nn.Module:
    # A weight that a pruning hook computed has a history, and such a tensor refuses to be copied.
    memo: dict[int, Any] = {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    }
    copied: nn.Module = copy.deepcopy(model, memo)
    return copied


def _make_permanent(model: nn.Module) -> None:
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


def _read_masks(model: nn.Module, masks: Masks) -> dict[str, Kept]:
    if not isinstance(masks, Mapping):
        raise InputError("masks must be a mapping from module names to {'input': kept}")
    by_weight: dict[int, Kept] = {}
    for name, sides in masks.items():
        module = _layer(model, name)
        weight = dict(module.named_parameters(recurse=False)).get("weight")
        if weight is None:
            raise _wrong(name, "its weight is computed, not stored; mask the weight itself")
        for keep in _sides(name, sides, int(weight.shape[1])):
            by_weight[id(weight)] = keep & by_weight.get(id(weight), True)
    return {
        name: by_weight[id(parameter)]
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if id(parameter) in by_weight
    }


def _layer(model: nn.Module, name: str) -> nn.Module:
    modules = dict(model.named_modules(remove_duplicate=False))
    if name not in modules:
        names = [key for key, module in modules.items() if maskable(module)]
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise _wrong(name, f"the model has no such module{hint}")
    module: nn.Module = modules[name]
    if not maskable(module):
        raise _wrong(
            name,
            f"is a {type(module).__name__}; masks are for convolutions with groups=1 "
            "and linear layers",
        )
    return module


def _sides(name: str, sides: Any, features: int) -> Iterator[Kept]:
    if not isinstance(sides, Mapping):
        raise _wrong(name, "must be a mapping {'input': kept}")
    for side, kept in sides.items():
        if side == "output":
            raise _wrong(name, "output masks are not supported yet; give 'input'")
        if side != "input":
            raise _wrong(name, f"unknown side {side!r}; give 'input'")
        array = kept.detach().cpu().numpy() if isinstance(kept, torch.Tensor) else np.asarray(kept)
        if array.dtype != np.bool_ or array.ndim != 1:
            raise _wrong(name, "input mask must be a flat boolean array, True = kept")
        if array.size != features:
            raise _wrong(name, f"input mask must have {features} entries, got {array.size}")
        yield array


def _wrong(name: object, rule: str) -> InputError:
    return InputError(rule, source="masks", place=f"module {name!r}")
