"""Masks: which channels each layer keeps on either side, declared or read off its weights."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter import layer_weights
from reorder_solver.torch_adapter.copying import copy_model, make_permanent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reorder_solver.torch_adapter.layer_weights import Side

#: ``{module name: {"input": kept, "output": kept}}``, one boolean per channel of that side.
Masks = Mapping[str, Mapping[str, Any]]
Kept = npt.NDArray[np.bool_]

_SIDES: tuple[Side, ...] = ("input", "output")


@dataclass(frozen=True, slots=True)
class DeclaredMasks:
    """Masks that were given, checked, by the name of the weight instead of the module.

    A weight that several modules share is listed under every name it has, with what all masks
    given for it keep. The weights of what is not kept are zero in the masked copy (of two modules
    that share a weight but not a bias, only the one a mask was given for loses its bias); what is
    kept may be zero as well, and is still to be computed and read.

    Attributes
    ----------
    inputs : dict of str to ndarray of bool
        One entry per input channel of the layer (of all its groups), True = kept.
    outputs : dict of str to ndarray of bool
        One entry per output channel.
    """

    inputs: dict[str, Kept] = field(default_factory=dict)
    outputs: dict[str, Kept] = field(default_factory=dict)


def masked(model: nn.Module, masks: Masks | None = None) -> nn.Module:
    """A copy of `model` whose masked weights are zero: what every export must equal.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed. Active pruning and other parametrisations are made permanent in the copy.
    masks : mapping, optional
        ``{"layer1.0.conv1": {"input": kept, "output": kept}}`` with boolean arrays, True = kept;
        either side may be missing. ``input`` has one entry per input channel (input feature of a
        linear layer); the weights that belong to a dropped one are zeroed. ``output`` has one
        per output channel; its weights and its bias are zeroed. Both are for linear layers and
        convolutions (grouped, depthwise, transposed; a mask counts the channels of all groups);
        batch, instance and group norms with weights take ``output``.

    Returns
    -------
    torch.nn.Module
        In the same mode (training or evaluation) as `model`.

    Raises
    ------
    InputError
        If a mask names no layer or does not fit it.

    Notes
    -----
    The parameters are masked, not the activations: behind a masked output, a norm or an
    activation function may turn the zero into another constant.
    """
    copied, _ = masked_with_kept(model, masks)
    return copied


def masked_with_kept(
    model: nn.Module, masks: Masks | None = None
) -> tuple[nn.Module, DeclaredMasks]:
    """As :func:`masked`, with the masks that were given by the name of the weight."""
    copied = copy_model(model)
    make_permanent(copied)
    declared = _Declared(copied)
    for module, side, kept in list(_read_masks(copied, masks or {})):
        declared.add(module, side, kept)
        layer_weights.zero(module, side, kept)
    return copied, declared.by_weight_name()


class _Declared:
    """Collects masks by weight: modules may share one."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._kept: dict[tuple[int, Side], Kept] = {}
        self._signatures: dict[int, set[tuple[bool, int]]] = {}

    def add(self, module: nn.Module, side: Side, kept: Kept) -> None:
        weight = id(module.get_parameter("weight"))
        self._signatures.setdefault(weight, set()).add(layer_weights.signature(module))
        before = self._kept.get((weight, side))
        if before is not None and before.size == kept.size:
            kept = kept & before
        self._kept[weight, side] = kept

    def by_weight_name(self) -> DeclaredMasks:
        """Where modules read one weight in different ways, its zeros must do: nothing is listed."""
        found = DeclaredMasks()
        for name, parameter in self._model.named_parameters(remove_duplicate=False):
            if len(self._signatures.get(id(parameter), ())) != 1:
                continue
            for side, listed in (("input", found.inputs), ("output", found.outputs)):
                kept = self._kept.get((id(parameter), cast("Side", side)))
                if kept is not None:
                    listed[name] = kept
        return found


def _read_masks(model: nn.Module, masks: Masks) -> Iterator[tuple[nn.Module, Side, Kept]]:
    if not isinstance(masks, Mapping):
        raise InputError("masks must be a mapping from module names to {'input': kept}")
    modules = dict(model.named_modules(remove_duplicate=False))
    for name, sides in masks.items():
        module = _module(modules, name)
        if not isinstance(sides, Mapping):
            raise _wrong(name, "must be a mapping {'input': kept, 'output': kept}")
        for side, kept in sides.items():
            if side not in _SIDES:
                raise _wrong(name, f"unknown side {side!r}; give 'input' or 'output'")
            _check_layer(name, module, side)
            yield module, side, _array(name, side, kept, layer_weights.channels(module, side))


def _module(modules: Mapping[str, nn.Module], name: str) -> nn.Module:
    if name not in modules:
        names = [key for key, module in modules.items() if layer_weights.maskable(module, "output")]
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise _wrong(name, f"the model has no such module{hint}")
    module = modules[name]
    if not layer_weights.maskable(module, "output"):
        kind = type(module).__name__
        raise _wrong(
            name, f"is a {kind}; masks are for convolutions, linear layers and norms over channels"
        )
    return module


def _check_layer(name: str, module: nn.Module, side: Side) -> None:
    if not layer_weights.maskable(module, side):
        kind = type(module).__name__
        raise _wrong(name, f"is a {kind}, which has no weights per input; give 'output'")
    parameters = dict(module.named_parameters(recurse=False))
    weight = parameters.get("weight")
    if weight is None and getattr(module, "weight", None) is None:
        raise _wrong(name, "has no weights to mask")
    if weight is None:
        raise _wrong(name, "its weight is computed, not stored; mask the weight itself")
    if is_lazy(weight):
        raise _wrong(name, "its weight has no shape yet; run the model once")
    if side == "output" and parameters.get("bias") is None and module.bias is not None:
        raise _wrong(name, "its bias is computed, not stored")


def _array(name: str, side: Side, kept: Any, size: int) -> Kept:
    array = kept.detach().cpu().numpy() if isinstance(kept, torch.Tensor) else np.asarray(kept)
    if array.dtype != np.bool_ or array.ndim != 1:
        raise _wrong(name, f"{side} mask must be a flat boolean array, True = kept")
    if array.size != size:
        raise _wrong(name, f"{side} mask must have {size} entries, got {array.size}")
    return array


def _wrong(name: object, rule: str) -> InputError:
    return InputError(rule, source="masks", place=f"module {name!r}")
