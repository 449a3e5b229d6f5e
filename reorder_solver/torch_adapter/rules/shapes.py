"""Operators that move whole axes, or entries along them: transposition, repetition, rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.torch_adapter.build import select
from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.operations import Concatenation, Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.rules.pooling import per_channel
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.rules.views import put_spread
from reorder_solver.torch_adapter.schema import bind, operator_name

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.operations import Argument, Place

_TRANSPOSITIONS = ("transpose.int", "swapaxes.default", "swapdims.default")
_MOVES = ("movedim.int", "movedim.intlist", "moveaxis.int", "moveaxis.intlist")
_LAST = ("t.default", "mT.default")


@rule(
    "aten.permute.default",
    "aten.permute_copy.default",
    *(f"aten.{name}" for name in (*_TRANSPOSITIONS, *_MOVES, *_LAST)),
)
def permute(context: Context, node: fx.Node) -> Made | None:
    """Moves the channel axis."""
    source = node.all_input_nodes[0]
    axes = _permutation(node, context.rank(source))
    spread = context.spreads.get(source)
    if spread is not None and source not in context.program.values:
        return put_spread(context, node, spread.permuted(axes))
    value = context.value(source)
    if value is None:
        return None
    return per_channel(context, node, value), value.flow.on(axes.index(value.flow.axis))


def _permutation(node: fx.Node, rank: int) -> list[int]:
    """For each axis of the result the axis that it was."""
    bound, name = bind(node), operator_name(node).split(".")[1]
    if name.startswith("permute"):
        return [axis % rank for axis in bound["dims"]]
    if name in ("movedim", "moveaxis"):
        moved = [axis % rank for axis in _as_list(bound["source"])]
        places = [axis % rank for axis in _as_list(bound["destination"])]
        left = iter(axis for axis in range(rank) if axis not in moved)
        return [
            moved[places.index(place)] if place in places else next(left) for place in range(rank)
        ]
    axes = list(range(rank))
    numbers = list(bound.values())[1:3] if len(bound) > 1 else [-2, -1]
    if name == "t" and rank < 2:
        return axes
    one, other = (number % rank for number in numbers)
    axes[one], axes[other] = axes[other], axes[one]
    return axes


def _as_list(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


@rule("aten.clone.default", "aten.contiguous.default")
def store(context: Context, node: fx.Node) -> Made | None:
    """The same values, perhaps elsewhere in memory."""
    source = node.all_input_nodes[0]
    spread = context.spreads.get(source)
    if spread is not None and source not in context.program.values:
        context.spreads[node] = spread
        return None
    value = context.value(source)
    return None if value is None else (per_channel(context, node, value), value.flow)


@rule("aten.expand.default", "aten.broadcast_to.default")
def expand(context: Context, node: fx.Node) -> Made | None:
    """Repeats axes of size 1; a single channel may become many alike."""
    source = node.all_input_nodes[0]
    value = context.settle(source)
    if value is None:
        return None
    axis = value.flow.axis + context.rank(node) - value.example.ndim
    width = context.size(node, axis)
    flow = value.flow.on(axis)
    index = np.arange(value.channels) if width == value.flow.width else None
    if index is None:
        flow = Flow.single(axis, width)
    arguments = {} if bind(node)["size"][axis] == -1 else {("size", axis): flow.count}
    operand = Operand(("self", None), value, index)
    return PerChannel(node, [operand], arguments=arguments), flow


@rule("aten.repeat.default", "aten.tile.default")
def repeat(context: Context, node: fx.Node) -> Made | None:
    """Lays copies of a value side by side; on the channel axis, that is a concatenation."""
    value = context.settle(node.all_input_nodes[0])
    if value is None:
        return None
    counts = list(bind(node)["repeats" if "repeat" in operator_name(node) else "dims"])
    rank = context.rank(node)
    counts = [1] * (rank - len(counts)) + counts
    axis = value.flow.axis + rank - value.example.ndim
    if counts[axis] == 1:
        return per_channel(context, node, value), value.flow.on(axis)
    alone = all(count == 1 for place, count in enumerate(counts) if place != axis)
    if not alone or rank != value.example.ndim or not isinstance(counts[axis], int):
        raise NotUnderstoodError("repeats the channels and other axes")
    pieces = [value] * counts[axis]
    return Concatenation(node, axis, pieces), Flow(axis, np.tile(value.flow.sizes, len(pieces)))


@rule("aten.repeat_interleave.self_int")
def repeat_interleave(context: Context, node: fx.Node) -> Made | None:
    """Repeats each entry of an axis."""
    bound = bind(node)
    value = context.settle(bound["self"])
    if value is None:
        return None
    if bound["dim"] is None:
        raise NotUnderstoodError("flattens")
    if bound["dim"] % value.example.ndim != value.flow.axis:
        return per_channel(context, node, value), value.flow
    if value.flow.block != 1 or not isinstance(bound["repeats"], int):
        raise NotUnderstoodError("takes channels apart")
    return select(value, np.repeat(np.arange(value.channels), bound["repeats"]))


@rule("aten.flip.default")
def flip(context: Context, node: fx.Node) -> Made | None:
    """Reverses axes."""
    bound = bind(node)
    value = context.settle(bound["self"])
    if value is None:
        return None
    dims = [axis % value.example.ndim for axis in bound["dims"]]
    others = [axis for axis in dims if axis != value.flow.axis]
    features = np.arange(value.flow.width)
    order = features[::-1] if others != dims else features
    return _rearranged(context, node, {"dims": others}, order)


@rule("aten.roll.default")
def roll(context: Context, node: fx.Node) -> Made | None:
    """Rotates axes."""
    bound = bind(node)
    value = context.settle(bound["self"])
    if value is None:
        return None
    if not bound["dims"]:
        raise NotUnderstoodError("rotates everything")
    features, shifts, others = np.arange(value.flow.width), [], []
    for shift, axis in zip(bound["shifts"], bound["dims"], strict=True):
        if axis % value.example.ndim != value.flow.axis:
            shifts.append(shift)
            others.append(axis)
        elif isinstance(shift, int):
            features = np.roll(features, shift)
        else:
            raise NotUnderstoodError("rotates the channels by a computed number")
    return _rearranged(context, node, {"shifts": shifts, "dims": others}, features)


def _rearranged(
    context: Context, node: fx.Node, arguments: dict[str, list[Any]], features: IndexArray
) -> Made:
    """The features of the channel axis in another order, and the operator on the other axes."""
    value = context.settle(node.all_input_nodes[0])
    assert value is not None
    owners = value.flow.owners()[features]
    first = np.concatenate([[True], owners[1:] != owners[:-1]])
    index = owners[first]
    if not np.array_equal(value.flow.features(index), features):
        raise NotUnderstoodError("takes channels apart")
    if not arguments["dims"]:
        return select(value, index)
    given: dict[Place, Argument] = {
        (name, None): _constantly(numbers) for name, numbers in arguments.items()
    }
    operand = Operand(("self", None), value, index)
    return PerChannel(node, [operand], arguments=given), value.flow.take(index)


def _constantly(given: Any) -> Argument:
    return lambda sequence: given


@rule("aten.channel_shuffle.default", "aten.native_channel_shuffle.default")
def channel_shuffle(context: Context, node: fx.Node) -> Made | None:
    """Channels of the groups in turn."""
    bound = bind(node)
    value = context.settle(bound["self"])
    if value is None:
        return None
    if value.flow.axis != 1 or value.flow.block != 1:
        raise NotUnderstoodError("shuffles another axis than the channels'")
    return select(value, np.arange(value.channels).reshape(bound["groups"], -1).T.ravel())
