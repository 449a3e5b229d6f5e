"""Operators that move data without computing: views, transposition, concatenation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.torch_adapter.build import Spread, select
from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.operations import Concatenation, Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.rules.elementwise import align
from reorder_solver.torch_adapter.rules.pooling import per_channel
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind, operator_name

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.operations import Argument, Place
    from reorder_solver.torch_adapter.program import Value

_IMPLICIT_VIEWS = (
    "aten.flatten.using_ints",
    "aten.squeeze.dim",
    "aten.squeeze.dims",
    "aten.squeeze.default",
    "aten.unsqueeze.default",
)
#: Operator to the name of the argument that gives the sizes.
_EXPLICIT_VIEWS = {
    "aten.view.default": "size",
    "aten.reshape.default": "shape",
    "aten._unsafe_view.default": "size",
}


@rule("aten.cat.default")
def cat(context: Context, node: fx.Node) -> Made | None:
    """Lays channels end to end; on another axis, it ties."""
    if not context.has_channels(node):
        return None
    bound = bind(node)
    operands = list(bound["tensors"])
    rank = context.rank(node)
    axis = bound["dim"] % rank
    values = [value for one in operands if (value := context.value(one)) is not None]
    if any(value.flow.axis == axis for value in values):
        pieces = [context.on_axis(one, axis) for one in operands]
        sizes = np.concatenate([piece.flow.sizes for piece in pieces])
        return Concatenation(node, axis, pieces), Flow(axis, sizes)
    aligned = align(
        context, node, [(("tensors", place), one) for place, one in enumerate(operands)]
    )
    return PerChannel(node, aligned.operands, aligned.parameters), aligned.flow


@rule("aten.permute.default", "aten.transpose.int")
def permute(context: Context, node: fx.Node) -> Made | None:
    """Moves the channel axis."""
    bound = bind(node)
    rank = context.rank(bound["self"])
    if operator_name(node) == "aten.permute.default":
        axes = [axis % rank for axis in bound["dims"]]
    else:
        axes = list(range(rank))
        one, other = bound["dim0"] % rank, bound["dim1"] % rank
        axes[one], axes[other] = axes[other], axes[one]
    spread = context.spreads.get(bound["self"])
    if spread is not None:
        moved = [axes.index(axis) for axis in spread.axes]
        order = np.argsort(moved)
        labels = spread.labels.transpose(order)
        context.spreads[node] = Spread(spread.source, tuple(sorted(moved)), labels)
        return None
    value = context.value(bound["self"])
    if value is None:
        return None
    return per_channel(context, node, value), value.flow.on(axes.index(value.flow.axis))


@rule("aten.clone.default", "aten.contiguous.default")
def store(context: Context, node: fx.Node) -> Made | None:
    """The same values, perhaps elsewhere in memory."""
    source = node.all_input_nodes[0]
    spread = context.spreads.get(source)
    if spread is not None:
        context.spreads[node] = spread
        return None
    value = context.value(source)
    return None if value is None else (per_channel(context, node, value), value.flow)


@rule(*_IMPLICIT_VIEWS)
def implicit_view(context: Context, node: fx.Node) -> Made | None:
    """Views whose arguments name axes, not sizes."""
    source = node.all_input_nodes[0]
    if source in context.spreads:
        return _gathered(context, node, context.spreads[source])
    value = context.value(source)
    if value is None:
        return None
    return per_channel(context, node, value), _viewed(value, context.shape(node))


@rule(*_EXPLICIT_VIEWS)
def explicit_view(context: Context, node: fx.Node) -> Made | None:
    """Views whose sizes are given; the one that counts channels must follow them."""
    source = node.all_input_nodes[0]
    if source in context.spreads:
        return _gathered(context, node, context.spreads[source])
    value = context.value(source)
    if value is None:
        return None
    try:
        flow = _viewed(value, context.shape(node))
    except NotUnderstoodError:
        context.spreads[node] = _spread_out(value, context.shape(node))
        return None
    name = _EXPLICIT_VIEWS[operator_name(node)]
    given = bind(node)[name][flow.axis]
    if not isinstance(given, int):
        raise NotUnderstoodError("the number of channels is computed")
    arguments: dict[Place, Argument] = {}
    if given != -1:
        arguments[name, flow.axis] = flow.count
    elif _count_unknown(bind(node)[name]) > 1:
        raise NotUnderstoodError("the number of channels is computed")
    operand = Operand(("self", None), value, np.arange(value.channels))
    return PerChannel(node, [operand], arguments=arguments), flow


def _count_unknown(sizes: Any) -> int:
    return sum(1 for size in sizes if isinstance(size, int) and size == -1)


def _viewed(value: Value, after: tuple[Any, ...]) -> Flow:
    """The flow of a view that keeps channels whole: one that merges or splits what is behind them.

    In row-major order, everything from the channel axis on is a block of which every channel
    takes a contiguous share. If the result has an axis from which on it holds exactly that
    block, each channel becomes a run of consecutive features there.
    """
    flow, before = value.flow, tuple(value.example.shape)
    behind = before[flow.axis + 1 :]
    if not all(isinstance(size, int) for size in behind):
        raise NotUnderstoodError("sizes behind the channels are not fixed")
    each = math.prod(behind)
    axis = _axis_of_block(after, flow.width * each)
    tail = math.prod(after[axis + 1 :])
    amounts = flow.sizes * each
    if (amounts % tail).any():
        raise NotUnderstoodError("a view that takes channels apart")
    return Flow(axis, amounts // tail)


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


def _spread_out(value: Value, after: tuple[Any, ...]) -> Spread:
    """A view that splits the channel axis into several and leaves the others alone."""
    flow, before = value.flow, tuple(value.example.shape)
    if flow.block != 1:
        raise NotUnderstoodError("a view that takes channels apart")
    axis = flow.axis
    tail = len(before) - axis - 1
    middle = after[axis : len(after) - tail]
    same = after[:axis] == before[:axis] and after[len(after) - tail :] == before[axis + 1 :]
    fixed = all(isinstance(size, int) for size in middle)
    if not same or not fixed or math.prod(middle) != flow.width:
        raise NotUnderstoodError("a view that mixes channels with other axes")
    axes = tuple(range(axis, axis + len(middle)))
    return Spread(value, axes, np.arange(flow.width).reshape(middle))


def _gathered(context: Context, node: fx.Node, spread: Spread) -> Made | None:
    """A view that puts the channels of several neighbouring axes back on one."""
    source = node.all_input_nodes[0]
    before, after = context.shape(source), context.shape(node)
    first, count = spread.axes[0], len(spread.axes)
    neighbours = spread.axes == tuple(range(first, first + count))
    merged = (*before[:first], int(spread.labels.size), *before[first + count :])
    axis = spread.source.flow.axis
    same_rest = (
        len(after) == spread.source.example.ndim
        and first == axis
        and neighbours
        and tuple(after) == merged
    )
    if not same_rest:
        raise NotUnderstoodError("the channels stay on several axes")
    rest = tuple(spread.source.example.shape)
    if rest[:axis] != after[:axis] or rest[axis + 1 :] != after[axis + 1 :]:
        raise NotUnderstoodError("the channels change places with other axes")
    return select(spread.source, spread.labels.ravel())


@rule("aten.chunk.default", "aten.split.Tensor", "aten.split_with_sizes.default", "aten.unbind.int")
def split(context: Context, node: fx.Node) -> None:
    """Pieces on the channel axis, or the same channels in each piece."""
    bound = bind(node)
    source = next(iter(node.all_input_nodes))
    value = context.value(source)
    if value is None:
        return
    name = operator_name(node)
    axis = bound["dim"] % value.example.ndim
    results = node.meta["val"]
    if name == "aten.unbind.int":
        raise NotUnderstoodError("no rule for this operator")
    if axis != value.flow.axis:
        place = ("tensor" if name == "aten.split.Tensor" else "self"), None
        operand = Operand(place, value, np.arange(value.channels))
        context.pieces[node] = [
            (PerChannel(node, [operand], element=number), value.flow)
            for number in range(len(results))
        ]
        return
    ends = np.cumsum([0, *(int(piece.shape[axis]) for piece in results)])
    context.pieces[node] = [
        _stretch(value, int(start), int(end)) for start, end in zip(ends, ends[1:], strict=False)
    ]


def _stretch(value: Value, start: int, end: int) -> Made:
    """The channels whose features are from `start` up to `end`."""
    bounds = np.cumsum([0, *value.flow.sizes])
    first, last = np.searchsorted(bounds, [start, end])
    if bounds[first] != start or bounds[last] != end:
        raise NotUnderstoodError("cuts a channel apart")
    return select(value, np.arange(first, last))


@rule("getitem")
def getitem(context: Context, node: fx.Node) -> Made | None:
    """One element of an operator's several results."""
    source, index = node.args
    pieces = context.pieces.get(source)
    if pieces is None:
        if context.has_channels(node):
            raise NotUnderstoodError("indexes a tensor")
        return None
    if not isinstance(index, int) or index >= len(pieces):
        raise NotUnderstoodError("a result that is not known")
    operation, flow = pieces[index]
    if operation.output is not None:
        raise NotUnderstoodError("a result that is used twice")
    return operation, flow


@rule("aten.slice.Tensor", "aten.narrow.default")
def slice_(context: Context, node: fx.Node) -> Made | None:
    """A stretch of the channels, or of another axis."""
    bound = bind(node)
    value = context.value(bound.get("self", bound.get("input")))
    if value is None:
        return None
    axis = bound["dim"] % value.example.ndim
    if axis != value.flow.axis:
        return per_channel(context, node, value), value.flow
    width = value.flow.width
    start = bound["start"] or 0
    if operator_name(node) == "aten.narrow.default":
        start = start + width if start < 0 else start
        end, step = start + bound["length"], 1
    else:
        end = width if bound["end"] is None else bound["end"]
        step = bound["step"]
    if not all(isinstance(bound_, int) for bound_ in (start, end, step)):
        raise NotUnderstoodError("the bounds are computed")
    picked = np.arange(width)[slice(start, end, step)]
    if step == 1 and picked.size:
        return _stretch(value, int(picked[0]), int(picked[-1]) + 1)
    if value.flow.block != 1 or not picked.size:
        raise NotUnderstoodError("cuts a channel apart")
    return select(value, picked)


@rule("aten.select.int")
def select_int(context: Context, node: fx.Node) -> Made | None:
    """One entry of another axis than the channels'."""
    bound = bind(node)
    value = context.value(bound["self"])
    if value is None:
        return None
    axis = bound["dim"] % value.example.ndim
    if axis == value.flow.axis:
        raise NotUnderstoodError("takes one feature out")
    return per_channel(context, node, value), value.flow.on(
        value.flow.axis - (1 if axis < value.flow.axis else 0)
    )
