"""Operators with weights: those that mix channels, and the per-channel ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.torch_adapter.analysis import NotUnderstoodError, Read, bind
from reorder_solver.torch_adapter.rules.table import rule

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.analysis import FlowContext
    from reorder_solver.torch_adapter.flow import Flow, Value

#: Operator to number of spatial axes.
_CONVOLUTIONS = {
    f"aten.conv{spatial}d.{overload}": spatial
    for spatial in (1, 2, 3)
    for overload in ("default", "padding")
}


@rule(*_CONVOLUTIONS)
def convolution(context: FlowContext, node: fx.Node) -> Value:
    """A dense one reads all its input channels; a depthwise one handles each by itself."""
    bound = bind(node)
    source, groups = bound["input"], bound["groups"]
    if len(context.shape(source)) != _CONVOLUTIONS[str(node.target)] + 2:
        raise NotUnderstoodError("the input has no batch axis")
    weight = context.attribute(bound["weight"])
    if groups == 1:
        return _mix(context, node, axis=1)
    if not groups == weight.shape[0] == context.size(source, 1) or weight.shape[1] != 1:
        raise NotUnderstoodError(f"a grouped convolution ({groups} groups)")
    flow = context.value(source)
    if flow is None:
        return None
    flow = context.flow(source, 1)
    context.use(node, "weight", {0: flow})
    context.use(node, "bias", {0: flow})
    context.use_width(node, "groups", flow)
    return flow


@rule("aten.linear.default")
def linear(context: FlowContext, node: fx.Node) -> Value:
    """Reads the last axis."""
    rank = len(context.shape(bind(node)["input"]))
    if rank < 2:
        raise NotUnderstoodError("the input has no batch axis")
    return _mix(context, node, axis=rank - 1)


def _mix(context: FlowContext, node: fx.Node, axis: int) -> Flow:
    bound = bind(node)
    weight = context.attribute(bound["weight"])
    if bound["bias"] is not None:
        context.attribute(bound["bias"])
    flow = context.flow(bound["input"], axis)
    if context.tensors.width(flow) != weight.shape[1]:
        raise NotUnderstoodError("the weight does not fit the input")
    name = bound["weight"].target
    output = context.produce(node, name, int(weight.shape[0]), axis)
    module = context.module_path(node, name)
    read = Read(node, bound["input"], flow, output, name, module)
    context.found.reads.append(read)
    context.use(node, "weight", {0: output, 1: read})
    context.use(node, "bias", {0: output})
    return output


@rule("aten.batch_norm.default")
def batch_norm(context: FlowContext, node: fx.Node) -> Value:
    """In evaluation mode, a scale and a shift per channel."""
    bound = bind(node)
    if bound["training"] or bound["running_mean"] is None or bound["running_var"] is None:
        raise NotUnderstoodError("batch statistics are computed")
    if context.value(bound["input"]) is None:
        return None
    flow = context.flow(bound["input"], 1)
    for argument in ("weight", "bias", "running_mean", "running_var"):
        if bound[argument] is not None:
            context.attribute(bound[argument])
    for argument in ("weight", "bias", "running_mean", "running_var"):
        context.use(node, argument, {0: flow})
    return flow


@rule("aten.prelu.default")
def prelu(context: FlowContext, node: fx.Node) -> Value:
    """One slope per channel, or one for all."""
    bound = bind(node)
    if context.value(bound["self"]) is None:
        return None
    flow = context.flow(bound["self"], 1)
    if context.attribute(bound["weight"]).numel() != 1:
        context.use(node, "weight", {0: flow})
    return flow
