"""Operators that treat every element alike: they tie all their operands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import fx

from reorder_solver.torch_adapter.analysis import NotUnderstoodError, bind
from reorder_solver.torch_adapter.flow import Flow, same_structure
from reorder_solver.torch_adapter.rules.table import rule

if TYPE_CHECKING:
    from collections.abc import Collection

    from reorder_solver.torch_adapter.analysis import FlowContext
    from reorder_solver.torch_adapter.flow import Value

_SCALARS = (int, float, bool, torch.SymInt, torch.SymFloat, torch.SymBool)
_IN_PLACE_TOO = (
    "relu", "relu6", "hardtanh", "hardswish", "hardsigmoid", "silu", "mish", "sigmoid", "tanh",
    "leaky_relu", "elu", "selu", "celu", "gelu", "abs", "neg", "exp", "sqrt", "square", "clamp",
)  # fmt: skip
_UNARY = (
    *(f"aten.{name}{suffix}.default" for name in _IN_PLACE_TOO for suffix in ("", "_")),
    "aten.softplus.default",
    "aten.pow.Tensor_Scalar",
    "aten.clone.default",
    "aten.contiguous.default",
    "aten.detach.default",
    "aten.alias.default",
    "aten.to.dtype",
    "aten.to.dtype_layout",
)
_BINARY = (
    *(f"aten.{name}{end}.Tensor" for name in ("add", "sub", "mul", "div") for end in ("", "_")),
    "aten.maximum.default",
    "aten.minimum.default",
)
_DROPOUT = tuple(
    f"aten.{name}{suffix}.default"
    for name in ("dropout", "feature_dropout", "alpha_dropout")
    for suffix in ("", "_")
)


@rule(*_DROPOUT)
def dropout(context: FlowContext, node: fx.Node) -> Value:
    """Nothing, in evaluation mode."""
    if bind(node)["train"]:
        raise NotUnderstoodError("drops at random")
    return elementwise(context, node)


@rule(*_UNARY, *_BINARY)
def elementwise(context: FlowContext, node: fx.Node) -> Value:
    """Tie the operands, broadcasting them as PyTorch does.

    A stored operand with one entry per channel follows the channels. An operand with a single
    channel that meets many must keep that channel.
    """
    operands = _tensor_operands(node)
    flows = {name: flow for name, one in operands if (flow := context.value(one)) is not None}
    if not flows:
        return None
    rank = len(context.shape(node))
    aligned: dict[str, Flow] = {}
    for name, one in operands:
        if name in flows:
            flow = flows[name]
            if not isinstance(flow, Flow):
                raise NotUnderstoodError("an operand is a tuple")
            aligned[name] = flow.on(flow.axis + rank - len(context.shape(one)))
    axis = next(iter(aligned.values())).axis
    if any(flow.axis != axis for flow in aligned.values()):
        raise NotUnderstoodError("operands have their channels on different axes")
    width = context.size(node, axis)
    full = [flow for flow in aligned.values() if context.tensors.width(flow) == width]
    if not full:
        raise NotUnderstoodError("one channel is repeated")
    if not all(same_structure(full[0], flow, context.tensors) for flow in full):
        raise NotUnderstoodError("operands are made of different pieces")
    stored = _stored_operands(context, operands, flows, axis - rank, width)
    for flow in aligned.values():
        if flow not in full:
            context.pin_value(flow, f"{node.name}: one channel is used for all")
    for flow in full[1:]:
        for one_segment, other in zip(full[0].segments, flow.segments, strict=True):
            context.tensors.tie(one_segment.tensor, other.tensor)
    for name, own_axis in stored.items():
        context.use(node, name, {own_axis: full[0]})
    return full[0]


def _tensor_operands(node: fx.Node) -> list[tuple[str, fx.Node]]:
    return [
        (name, operand)
        for name, operand in bind(node).items()
        if isinstance(operand, fx.Node) and not isinstance(operand.meta.get("val"), _SCALARS)
    ]


def _stored_operands(
    context: FlowContext,
    operands: list[tuple[str, fx.Node]],
    flows: Collection[str],
    from_end: int,
    width: int,
) -> dict[str, int]:
    """Of the operands without a flow, those with an entry per channel, and on which axis."""
    stored: dict[str, int] = {}
    for name, one in operands:
        if name in flows:
            continue
        own_axis = len(context.shape(one)) + from_end
        size = context.shape(one)[own_axis] if own_axis >= 0 else 1
        if width == 1 or (isinstance(size, int) and size == 1):
            continue
        if not context.is_attribute(one):
            raise NotUnderstoodError(f"meets {one.name}, whose channels keep their order")
        context.attribute(one)
        stored[name] = own_axis
    return stored
