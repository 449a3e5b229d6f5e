"""Operators that work on other axes than the channels': pooling, means, padding, resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.torch_adapter.analysis import NotUnderstoodError, bind
from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.rules.table import rule

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.analysis import FlowContext
    from reorder_solver.torch_adapter.flow import Value

#: Operator to number of trailing axes it works on.
_SPATIAL = {
    **{
        f"aten.{name}{spatial}d.default": spatial
        for name in ("max_pool", "avg_pool", "adaptive_avg_pool")
        for spatial in (1, 2, 3)
    },
    "aten.adaptive_max_pool2d.default": 2,
    "aten.upsample_nearest2d.vec": 2,
    "aten.upsample_bilinear2d.vec": 2,
}


@rule(*_SPATIAL)
def spatial(context: FlowContext, node: fx.Node) -> Value:
    """Each channel by itself, if the channels are before the spatial axes."""
    flow = _behind_channels(context, node, _SPATIAL[str(node.target)])
    results = node.meta["val"]
    return tuple([flow] * len(results)) if isinstance(results, tuple | list) else flow


@rule("aten.pad.default", "aten.constant_pad_nd.default")
def pad(context: FlowContext, node: fx.Node) -> Value:
    """Pads the last axes, two numbers each."""
    return _behind_channels(context, node, len(bind(node)["pad"]) // 2)


def _behind_channels(context: FlowContext, node: fx.Node, trailing: int) -> Value:
    source = node.all_input_nodes[0]
    flow = context.value(source)
    if flow is None:
        return None
    rank = len(context.shape(source))
    if not isinstance(flow, Flow) or flow.axis >= rank - trailing:
        raise NotUnderstoodError("works on the channel axis")
    return flow


@rule("aten.mean.dim", "aten.sum.dim_IntList", "aten.amax.default", "aten.amin.default")
def reduction(context: FlowContext, node: fx.Node) -> Value:
    """Each channel by itself, if it is not the channels that are reduced."""
    bound = bind(node)
    flow = context.value(bound["self"])
    if flow is None:
        return None
    rank = len(context.shape(bound["self"]))
    reduced = {axis % rank for axis in bound["dim"] or range(rank)}
    if not isinstance(flow, Flow) or flow.axis in reduced:
        raise NotUnderstoodError("reduces the channel axis")
    if bound["keepdim"]:
        return flow
    return flow.on(flow.axis - sum(1 for axis in reduced if axis < flow.axis))
