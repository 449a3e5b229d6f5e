"""Operators that work on other axes than the channels': pooling, means, padding, resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.torch_adapter.operations import Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind, schema_arguments

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.program import Value

#: Operator to number of trailing axes it works on.
_SPATIAL = {
    **{
        f"aten.{name}{spatial}d.default": spatial
        for name in ("max_pool", "avg_pool", "adaptive_avg_pool", "_adaptive_avg_pool")
        for spatial in (1, 2, 3)
    },
    **{
        f"aten.upsample_{name}.{overload}": spatial
        for name, spatial in (
            ("nearest1d", 1), ("nearest2d", 2), ("nearest3d", 3), ("linear1d", 1),
            ("bilinear2d", 2), ("bicubic2d", 2), ("trilinear3d", 3),
        )
        for overload in ("vec", "default")
    },
}  # fmt: skip
#: The same with further results beside the pooled values.
_SPATIAL_TUPLES = {
    "aten.adaptive_max_pool1d.default": 1,
    "aten.adaptive_max_pool2d.default": 2,
    "aten.adaptive_max_pool3d.default": 3,
    "aten.max_pool2d_with_indices.default": 2,
}


def per_channel(context: Context, node: fx.Node, source: Value) -> PerChannel:
    """An operator whose first argument carries the channels, each handled by itself."""
    place = schema_arguments(node)[0].name, None
    return PerChannel(node, [Operand(place, source, np.arange(source.channels))])


@rule(*_SPATIAL)
def spatial(context: Context, node: fx.Node) -> Made | None:
    """Each channel by itself, if the channels are before the spatial axes."""
    source = _before(context, node, _SPATIAL[str(node.target)])
    return None if source is None else (per_channel(context, node, source), source.flow)


@rule(*_SPATIAL_TUPLES)
def spatial_with_indices(context: Context, node: fx.Node) -> None:
    """As above, for each of the results."""
    source = _before(context, node, _SPATIAL_TUPLES[str(node.target)])
    if source is not None:
        place = schema_arguments(node)[0].name, None
        operand = Operand(place, source, np.arange(source.channels))
        context.pieces[node] = [
            (PerChannel(node, [operand], element=number), source.flow)
            for number in range(len(node.meta["val"]))
        ]


@rule("aten.pad.default", "aten.constant_pad_nd.default")
def pad(context: Context, node: fx.Node) -> Made | None:
    """Pads the last axes, two numbers each."""
    bound = bind(node)
    source = context.value(node.all_input_nodes[0])
    if source is None:
        return None
    rank = source.example.ndim
    padded = {rank - 1 - place // 2 for place, amount in enumerate(bound["pad"]) if amount != 0}
    if source.flow.axis in padded:
        raise NotUnderstoodError("pads the channel axis")
    return per_channel(context, node, source), source.flow


def _before(context: Context, node: fx.Node, trailing: int) -> Value | None:
    source = context.value(node.all_input_nodes[0])
    if source is not None and source.flow.axis >= source.example.ndim - trailing:
        raise NotUnderstoodError("works on the channel axis")
    return source


@rule(
    "aten.mean.dim",
    "aten.sum.dim_IntList",
    "aten.amax.default",
    "aten.amin.default",
    "aten.var.correction",
    "aten.std.correction",
)
def reduction(context: Context, node: fx.Node) -> Made | None:
    """Each channel by itself, if it is not the channels that are reduced."""
    bound = bind(node)
    source = context.value(bound["self"])
    if source is None:
        return None
    rank = source.example.ndim
    dims = bound["dim"]
    reduced = {axis % rank for axis in (dims if dims else range(rank))}
    if source.flow.axis in reduced:
        raise NotUnderstoodError("reduces the channel axis")
    operation = per_channel(context, node, source)
    if bound["keepdim"]:
        return operation, source.flow
    axis = source.flow.axis - sum(1 for one in reduced if one < source.flow.axis)
    return operation, source.flow.on(axis)
