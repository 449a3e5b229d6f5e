"""Views: axes split and merged, added and dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.torch_adapter.build import select
from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.operations import Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError, Operation, Source
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind, operator_name, schema_arguments
from reorder_solver.torch_adapter.spreads import (
    Spread,
    bundle,
    is_one,
    matched,
    product,
    viewed_spread,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import fx

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.operations import Argument, Place
    from reorder_solver.torch_adapter.program import Constants, Value

_IMPLICIT = (
    "aten.flatten.using_ints",
    "aten.squeeze.dim",
    "aten.squeeze.dims",
    "aten.unsqueeze.default",
)
#: Operator to the name of the argument that gives the sizes.
_EXPLICIT = {
    "aten.view.default": "size",
    "aten.reshape.default": "shape",
    "aten._unsafe_view.default": "size",
    "aten._reshape_copy.default": "size",
    "aten.view_copy.default": "size",
    "aten.unflatten.int": "sizes",
}


@rule(*_IMPLICIT, *_EXPLICIT)
def view(context: Context, node: fx.Node) -> Made | None:
    """Splits and merges axes; sizes that count channels follow them."""
    source = node.all_input_nodes[0]
    before, after = context.shape(source), context.shape(node)
    if source in context.spreads and source not in context.program.values:
        try:
            return put_spread(context, node, viewed_spread(context.spreads[source], before, after))
        except NotUnderstoodError:
            context.settle(source)
    value = context.value(source)
    if value is None:
        return None
    try:
        return _view_of(node, value, before, after)
    except _ApartError:
        return put_spread(context, node, _spread_out(value, before, after))


def put_spread(context: Context, node: fx.Node, spread: Spread) -> Made | None:
    """What a node is whose channels lie as `spread` says."""
    if not spread.fits(context.shape(node)):
        raise NotUnderstoodError("the axes do not add up")
    if spread.is_whole():
        return select(spread.source, spread.labels)
    if len(spread.axes) == 1:
        axis = spread.axes[0]
        return bundle(spread, axis), Flow.single(axis, spread.labels.size)
    context.spreads[node] = spread
    return None


class _ApartError(NotUnderstoodError):
    """A view that leaves the channels on several axes."""


@dataclass(frozen=True, slots=True)
class _Viewed:
    """The channels behind a view: on which axis, in how many copies, how many features each."""

    axis: int
    copies: int
    sizes: IndexArray


def _view_of(
    node: fx.Node, value: Value, before: Sequence[Any], after: Sequence[Any]
) -> tuple[Operation, Flow]:
    viewed = _follow(value.flow, before, after)
    name = _EXPLICIT.get(operator_name(node))
    place = None
    if name is not None:
        sizes = bind(node)[name]
        first = 0
        if operator_name(node) == "aten.unflatten.int":
            first = bind(node)["dim"] % len(before)
        inside = 0 <= viewed.axis - first < len(sizes)
        if inside and sizes[viewed.axis - first] != -1:
            place = name, viewed.axis - first
    flow = Flow(viewed.axis, np.tile(viewed.sizes, viewed.copies))
    if viewed.copies > 1:
        return Repeat(node, value, viewed.copies, place), flow
    arguments: dict[Place, Argument] = {} if place is None else {place: flow.count}
    operand = Operand((schema_arguments(node)[0].name, None), value, np.arange(value.channels))
    return PerChannel(node, [operand], arguments=arguments), flow


def _follow(flow: Flow, before: Sequence[Any], after: Sequence[Any]) -> _Viewed:
    """Where a view puts channels that it keeps whole.

    In row-major order a channel takes a contiguous share of everything from its axis on, once
    for each place on the axes before. Behind the view, an axis carries it if all that is from
    there on, within the group of axes that the view recasts, is one or several times all
    channels, and each channel's share is a whole number of its steps.
    """
    old, new = next(group for group in matched(before, after) if flow.axis in group[0])
    if len(new) == 1 and len(old) == 1:
        return _Viewed(new[0], 1, flow.sizes)
    shares = [before[axis] for axis in old if axis > flow.axis]
    if not all(isinstance(size, int) for size in (*shares, *(after[axis] for axis in new))):
        raise NotUnderstoodError("a view that mixes channels with an axis of unknown size")
    each = int(product(shares))
    if flow.width * each == 1:
        return _Viewed(_single(new, after), 1, flow.sizes)
    for axis in reversed(new):
        inside = int(product([after[one] for one in new if one >= axis]))
        if after[axis] == 1 or inside % (flow.width * each):
            continue
        step = int(product([after[one] for one in new if one > axis]))
        amounts = flow.sizes * each
        if (amounts % step).any():
            break
        return _Viewed(axis, inside // (flow.width * each), amounts // step)
    raise _ApartError("a view that takes channels apart")


def _single(new: Sequence[int], after: Sequence[Any]) -> int:
    """The axis of a lone channel with a single feature, if there is but one for it."""
    ones = [axis for axis in new if is_one(after[axis])]
    if len(ones) != 1:
        raise NotUnderstoodError("a view of a single channel")
    return ones[0]


def _spread_out(value: Value, before: Sequence[Any], after: Sequence[Any]) -> Spread:
    flow, rank = value.flow, len(before)
    if flow.block != 1:
        raise NotUnderstoodError("a view that takes channels apart")
    others = tuple(axis for axis in range(rank) if axis != flow.axis)
    whole = Spread(value, (flow.axis,), np.arange(flow.width), others)
    return viewed_spread(whole, before, after)


class Repeat(Operation):
    """A view that merges the channels with axes before theirs: all of them, several times.

    Output channel ``i * channels + c`` is channel c at place i of the merged axes.
    """

    def __init__(self, node: fx.Node, source: Value, copies: int, place: Place | None) -> None:
        self.node = node
        self.source = source
        self.copies = copies
        self._place = place

    def sources(self) -> Sequence[Source]:
        """The source, once for each copy."""
        return [Source(self.source, np.tile(np.arange(self.source.channels), self.copies))]

    def _members(self, live: BoolArray) -> BoolArray:
        members: BoolArray = np.any(live.reshape(self.copies, -1), axis=0)
        return members

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """Channels that are live in some copy."""
        return [(self.source, self._members(live))]

    def constants(self, facts: Facts) -> Constants:
        """The source's, in each copy."""
        return np.tile(facts.constants(self.source), self.copies)

    def lower(self, sequence: IndexArray, emitter: Emitter) -> Any:
        """The view of what is needed, and a choice of the result."""
        assert self.output is not None
        count = self.source.channels
        needed = np.zeros(count, dtype=np.bool_)
        needed[sequence % count] = True
        first = sequence[: int(needed.sum())] % count
        channels = np.flatnonzero(needed)
        if np.unique(first).size == channels.size:
            channels = first
        order = (np.arange(self.copies)[:, None] * count + channels).ravel()
        replaced: dict[Place, Any] = {
            (schema_arguments(self.node)[0].name, None): emitter.get(self.source, channels)
        }
        if self._place is not None:
            replaced[self._place] = self.output.flow.count(order)
        made = emitter.call(self.node, replaced)
        return emitter.select(made, self.output.flow, order, sequence)
