"""Operators that move data without computing: concatenation, views, transposition, tuples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reorder_solver.torch_adapter.analysis import NotUnderstoodError, bind, operator_name
from reorder_solver.torch_adapter.flow import Flow, Segment, same_structure
from reorder_solver.torch_adapter.rules.table import rule

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.analysis import FlowContext
    from reorder_solver.torch_adapter.flow import Value


@rule("getitem")
def getitem(context: FlowContext, node: fx.Node) -> Value:
    """One element of an operator's several results."""
    value, index = context.value(node.args[0]), node.args[1]
    if value is None:
        return None
    if isinstance(value, Flow) or not isinstance(index, int):
        raise NotUnderstoodError("indexes a tensor")
    return value[index]


@rule("aten.sym_size.int")
def sym_size(context: FlowContext, node: fx.Node) -> Value:
    """A size, which is the same as before on every axis but the channels'."""
    bound = bind(node)
    flow = context.value(bound["self"])
    if flow is not None:
        raise NotUnderstoodError("asks for the size of a value whose channels may be dropped")
    return None


@rule("aten.cat.default")
def cat(context: FlowContext, node: fx.Node) -> Value:
    """Lays channels end to end; on another axis, it ties."""
    bound = bind(node)
    operands = list(bound["tensors"])
    flows = [context.value(one) for one in operands]
    if all(flow is None for flow in flows):
        return None
    axis = bound["dim"] % len(context.shape(node))
    known = [flow for flow in flows if isinstance(flow, Flow)]
    if all(flow.axis == axis for flow in known):
        pieces = [context.flow(one, axis) for one in operands]
        return Flow(axis, tuple(segment for piece in pieces for segment in piece.segments))
    channels = known[0].axis
    pieces = [context.flow(one, channels) for one in operands]
    if axis == channels or not all(same_structure(pieces[0], p, context.tensors) for p in pieces):
        raise NotUnderstoodError("the pieces have different channels")
    for piece in pieces[1:]:
        for segment, other in zip(pieces[0].segments, piece.segments, strict=True):
            context.tensors.tie(segment.tensor, other.tensor)
    return pieces[0]


@rule("aten.permute.default", "aten.transpose.int")
def permute(context: FlowContext, node: fx.Node) -> Value:
    """Moves the channel axis."""
    bound = bind(node)
    flow = context.value(bound["self"])
    if not isinstance(flow, Flow):
        return None
    rank = len(context.shape(bound["self"]))
    if operator_name(node) == "aten.permute.default":
        axes = [axis % rank for axis in bound["dims"]]
    else:
        axes = list(range(rank))
        one, other = bound["dim0"] % rank, bound["dim1"] % rank
        axes[one], axes[other] = axes[other], axes[one]
    return flow.on(axes.index(flow.axis))


@rule("aten.flatten.using_ints", "aten.squeeze.dim", "aten.squeeze.dims", "aten.unsqueeze.default")
def implicit_view(context: FlowContext, node: fx.Node) -> Value:
    """Views whose arguments name axes, not sizes."""
    source = node.all_input_nodes[0]
    flow = context.value(source)
    if not isinstance(flow, Flow):
        return None
    return _viewed(context, flow, context.shape(source), context.shape(node))


@rule("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default")
def explicit_view(context: FlowContext, node: fx.Node) -> Value:
    """Views whose sizes are given; the one that counts channels must follow them."""
    source = node.all_input_nodes[0]
    flow = context.value(source)
    if not isinstance(flow, Flow):
        return None
    result = _viewed(context, flow, context.shape(source), context.shape(node))
    argument = "shape" if operator_name(node) == "aten.reshape.default" else "size"
    given = bind(node)[argument][result.axis]
    if not isinstance(given, int):
        raise NotUnderstoodError("the number of channels is computed")
    if given != -1:
        context.use_width(node, argument, result, element=result.axis)
    return result


def _viewed(
    context: FlowContext, flow: Flow, before: tuple[Any, ...], after: tuple[Any, ...]
) -> Flow:
    """The flow of a view that keeps channels whole: one that merges or splits what is behind them.

    In row-major order, everything from the channel axis on is a block of which every channel
    takes an equal, contiguous share. If the result has an axis from which on it holds exactly
    that block, and its size there is a multiple of the channels, each channel becomes a run of
    consecutive features.
    """
    behind = before[flow.axis + 1 :]
    if not all(isinstance(size, int) for size in behind):
        raise NotUnderstoodError("sizes behind the channels are not fixed")
    width = context.tensors.width(flow)
    axis = _axis_of_block(after, width * math.prod(behind))
    segments = flow.segments
    if after[axis] % width == 0:
        merged = after[axis] // width
        return Flow(axis, tuple(Segment(s.tensor, s.block * merged) for s in segments))
    split, odd = divmod(width, after[axis])
    if odd or any(segment.block % split for segment in segments):
        raise NotUnderstoodError("a view that takes channels apart")
    return Flow(axis, tuple(Segment(s.tensor, s.block // split) for s in segments))


def _axis_of_block(sizes: tuple[Any, ...], block: int) -> int:
    """The last axis of more than one element from which on there are `block` elements."""
    count = 1
    for axis in reversed(range(len(sizes))):
        if not isinstance(sizes[axis], int):
            break
        count *= sizes[axis]
        if count == block and sizes[axis] > 1:
            return axis
    raise NotUnderstoodError("a view that mixes channels with the axes before them")
