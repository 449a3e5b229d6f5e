"""Operators with weights: those that mix channels, and the per-channel ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.mixing import GroupedMix, Mix, Weights
from reorder_solver.torch_adapter.operations import Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.program import Constants

#: Operator to number of spatial axes.
_CONVOLUTIONS = {
    f"aten.conv{spatial}d.{overload}": spatial
    for spatial in (1, 2, 3)
    for overload in ("default", "padding")
}


@rule(*_CONVOLUTIONS)
def convolution(context: Context, node: fx.Node) -> Made:
    """A dense one reads all its input channels; a depthwise one handles each by itself."""
    bound = bind(node)
    groups = bound["groups"]
    if context.rank(bound["input"]) != _CONVOLUTIONS[str(node.target)] + 2:
        raise NotUnderstoodError("the input has no batch axis")
    weight = context.attribute(bound["weight"])
    channels = context.size(bound["input"], 1)
    if groups == 1:
        return _mix(context, node, axis=1, padded=_is_padded(bound["padding"]))
    if groups == channels:
        return _depthwise(context, node, int(weight.shape[0]) // groups)
    source = context.on_axis(bound["input"], 1)
    if source.flow.block != 1:
        raise NotUnderstoodError("a grouped convolution of blocks of features")
    name = str(bound["weight"].target)
    operation = GroupedMix(
        node,
        source,
        Weights(name, weight, 0, 1, _bias(context, bound)),
        groups,
        context.module_path(node, name),
    )
    return operation, Flow.single(1, int(weight.shape[0]))


def _depthwise(context: Context, node: fx.Node, multiplier: int) -> Made | None:
    bound = bind(node)
    if context.value(bound["input"]) is None:
        return None
    source = context.on_axis(bound["input"], 1)
    if source.flow.block != 1:
        raise NotUnderstoodError("a depthwise convolution of blocks of features")
    parameters = {("weight", None): (str(bound["weight"].target), 0)}
    bias = _bias(context, bound)
    if bias is not None:
        parameters["bias", None] = bias, 0
    index = np.arange(source.channels)
    operation = PerChannel(
        node,
        [Operand(("input", None), source, index)],
        parameters,
        {("groups", None): lambda sequence: int(sequence.size)},
    )
    return operation, Flow.single(1, source.channels, multiplier)


@rule("aten.linear.default")
def linear(context: Context, node: fx.Node) -> Made | None:
    """Reads the last axis; channels on another axis are left alone."""
    bound = bind(node)
    last = context.rank(bound["input"]) - 1
    if last < 1:
        raise NotUnderstoodError("the input has no batch axis")
    value = context.value(bound["input"])
    if value is not None and value.flow.axis != last:
        index = np.arange(value.channels)
        return PerChannel(node, [Operand(("input", None), value, index)]), value.flow
    return _mix(context, node, axis=last, padded=False)


def _mix(context: Context, node: fx.Node, axis: int, *, padded: bool) -> Made:
    bound = bind(node)
    weight = context.attribute(bound["weight"])
    bias = _bias(context, bound)
    source = context.on_axis(bound["input"], axis)
    if source.flow.width != weight.shape[1]:
        raise NotUnderstoodError("the weight does not fit the input")
    name = str(bound["weight"].target)
    operation = Mix(
        node,
        source,
        Weights(name, weight, 0, 1, bias),
        context.module_path(node, name),
        context.declared.get(name),
        padded=padded,
    )
    return operation, Flow.single(axis, int(weight.shape[0]))


def _bias(context: Context, bound: dict[str, Any]) -> str | None:
    if bound["bias"] is None:
        return None
    context.attribute(bound["bias"])
    return str(bound["bias"].target)


def _is_padded(padding: Any) -> bool:
    if isinstance(padding, str):
        return padding != "valid"
    return any(padding) if isinstance(padding, list | tuple) else bool(padding)


@rule("aten.batch_norm.default")
def batch_norm(context: Context, node: fx.Node) -> Made | None:
    """In evaluation mode, a scale and a shift per channel."""
    bound = bind(node)
    if bound["training"] or bound["running_mean"] is None or bound["running_var"] is None:
        raise NotUnderstoodError("batch statistics are computed")
    return _scale_and_shift(context, node)


@rule("aten._native_batch_norm_legit_no_training.default")
def native_batch_norm(context: Context, node: fx.Node) -> None:
    """The same, with further results that nobody uses."""
    made = _scale_and_shift(context, node, element=0)
    if made is not None:
        context.pieces[node] = [made]


def _scale_and_shift(context: Context, node: fx.Node, element: int | None = None) -> Made | None:
    bound = bind(node)
    if context.value(bound["input"]) is None:
        return None
    source = context.on_axis(bound["input"], 1)
    parameters = {}
    for argument in ("weight", "bias", "running_mean", "running_var"):
        if bound[argument] is not None:
            context.attribute(bound[argument])
            parameters[argument, None] = str(bound[argument].target), 0
    operation = PerChannel(
        node,
        [Operand(("input", None), source, np.arange(source.channels))],
        parameters,
        settled=_Unscaled(parameters, source.flow),
        element=element,
    )
    return operation, source.flow


class _Unscaled:
    """Channels of a normalisation whose scale is zero: their shift is all that is left."""

    def __init__(self, parameters: dict[Any, tuple[str, int]], flow: Flow) -> None:
        self._scale = parameters.get(("weight", None))
        self._shift = parameters.get(("bias", None))
        self._flow = flow

    def __call__(self, facts: Facts) -> Constants:
        """The shift there, NaN elsewhere."""
        found = np.full(self._flow.channels, np.nan)
        if self._scale is None or self._flow.block != 1:
            return found
        zero = facts.attribute(self._scale[0]).detach().eq(0).cpu().numpy()
        shift = np.zeros(found.shape)
        if self._shift is not None:
            shift = facts.attribute(self._shift[0]).detach().double().cpu().numpy()
        found[zero] = shift[zero]
        return found


@rule("aten.prelu.default")
def prelu(context: Context, node: fx.Node) -> Made | None:
    """One slope per channel, or one for all."""
    bound = bind(node)
    if context.value(bound["self"]) is None:
        return None
    source = context.on_axis(bound["self"], 1)
    parameters = {}
    if context.attribute(bound["weight"]).numel() != 1:
        parameters["weight", None] = str(bound["weight"].target), 0
    operand = Operand(("self", None), source, np.arange(source.channels))
    return PerChannel(node, [operand], parameters), source.flow
