"""Operators that make one channel of several, or several of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.operations import Opaque
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.rules.pooling import per_channel
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind
from reorder_solver.torch_adapter.spreads import Bundle

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.program import Value


class Regroup(Bundle):
    """An operator that reads several channels of its operand for each that it makes."""

    def __init__(self, node: fx.Node, source: Value, labels: IndexArray, axis: int) -> None:
        def finish(emitter: Emitter, made: Any, shape: tuple[int, ...]) -> Any:
            return emitter.call(node, {("self", None): made})

        super().__init__(source, labels, axis, finish)
        self.node = node


@rule("aten.glu.default")
def glu(context: Context, node: fx.Node) -> Made | None:
    """The first half of an axis, each entry scaled by its partner in the second."""
    bound = bind(node)
    axis = bound["dim"] % context.rank(bound["self"])
    value = context.settle(bound["self"], {axis})
    if value is None:
        return None
    if value.flow.axis != axis:
        return per_channel(context, node, value), value.flow
    half = value.channels // 2
    if value.channels % 2 or not np.array_equal(value.flow.sizes[:half], value.flow.sizes[half:]):
        raise NotUnderstoodError("the halves are made of different pieces")
    labels = np.arange(value.channels).reshape(2, half)
    return Regroup(node, value, labels, 1), value.flow.take(labels[0])


@rule("aten.pixel_shuffle.default")
def pixel_shuffle(context: Context, node: fx.Node) -> Made | None:
    """Blocks of channels become squares of pixels."""
    bound = bind(node)
    axis = context.rank(bound["self"]) - 3
    value = context.settle(bound["self"], {axis + 1, axis + 2})
    if value is None:
        return None
    size = bound["upscale_factor"] ** 2
    if value.flow.axis != axis:
        if value.flow.axis > axis:
            raise NotUnderstoodError("works on the channel axis")
        return per_channel(context, node, value), value.flow
    if not (value.flow.sizes % size).any():
        return per_channel(context, node, value), Flow(axis, value.flow.sizes // size)
    if value.flow.block != 1:
        raise NotUnderstoodError("takes channels apart")
    labels = np.arange(value.channels).reshape(-1, size)
    return Regroup(node, value, labels, 0), Flow.single(axis, len(labels))


@rule("aten.pixel_unshuffle.default")
def pixel_unshuffle(context: Context, node: fx.Node) -> Made | None:
    """Squares of pixels become features one after the other."""
    bound = bind(node)
    axis = context.rank(bound["self"]) - 3
    value = context.settle(bound["self"], {axis + 1, axis + 2})
    if value is None:
        return None
    if value.flow.axis > axis:
        raise NotUnderstoodError("works on the channel axis")
    if value.flow.axis < axis:
        return per_channel(context, node, value), value.flow
    sizes = value.flow.sizes * bound["downscale_factor"] ** 2
    return per_channel(context, node, value), Flow(axis, sizes)


@rule("aten.sym_size.int")
def sym_size(context: Context, node: fx.Node) -> Opaque | None:
    """A size of another axis than the channels': any channel has it."""
    bound = bind(node)
    value = context.settle(bound["self"])
    if value is None or bound["dim"] % context.rank(bound["self"]) == value.flow.axis:
        return None
    return Size(node, [value], "a size")


class Size(Opaque):
    """A size that does not depend on the channels."""

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """Any one channel."""
        wanted = np.zeros(self._sources[0].channels, dtype=np.bool_)
        wanted[facts.filler(self._sources[0])] = True
        return [(self._sources[0], wanted)]

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The size of one channel."""
        channel = np.array([emitter.facts.filler(self._sources[0])])
        return emitter.call(self.node, {("self", None): emitter.get(self._sources[0], channel)})
