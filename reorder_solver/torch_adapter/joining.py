"""Joining: the cheapest way to write a concatenation whose operands are stored in other orders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.torch_adapter.sizes import elements

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.operations import Concatenation
    from reorder_solver.torch_adapter.program import Value


@dataclass(frozen=True, slots=True)
class JoinCosts:
    """What the steps of a concatenation cost, in any one unit.

    Attributes
    ----------
    slice : float
        Of each slice that is not all that an operand holds.
    gather : float
        Of each selection of scattered channels, the call included, apart from the bytes.
    byte : float
        Of each byte written, per sample.
    """

    slice: float = 0.0
    gather: float = 0.0
    byte: float = 1.0


#: As few bytes as possible.
FEWEST_BYTES = JoinCosts()
#: Each operand is brought into order first, as an export does that knows no slices.
NO_SLICES = JoinCosts(slice=1e6, gather=1e6)


def join(operation: Concatenation, sequence: IndexArray, emitter: Emitter) -> fx.Node:
    """Emit a concatenation that holds the channels of `sequence`.

    Three ways are weighed: slices of the operands; operands brought into the order of the result
    first; and everything that the operands hold, of which a selection is made.
    """
    plans = (_Slices, _Gathers, _Whole)
    ways = [plan(operation, sequence, emitter) for plan in plans]
    best = min(ways, key=lambda way: way.cost(emitter.joins))
    made = best.emit()
    emitter.ledger.joined(best.node or made, best.joined(), best.count)
    return made


class _Way(ABC):
    """One way to write a concatenation."""

    def __init__(self, operation: Concatenation, sequence: IndexArray, emitter: Emitter) -> None:
        self.operation = operation
        self.sequence = sequence
        self.emitter = emitter
        self.pieces = operation.pieces(sequence)
        self.node: fx.Node | None = None
        self.count = 0

    def _join(self, nodes: list[fx.Node]) -> fx.Node:
        self.count = len(nodes)
        self.node = self.emitter.concatenate(nodes, self.operation.axis)
        return self.node

    def joined(self) -> int:
        """Bytes that the concatenation itself writes, of all samples."""
        return self._written()

    def _bytes(self, value: Value, count: int) -> int:
        each = elements(value.example) // value.flow.width
        return int(each * value.example.dtype.itemsize * count)

    def _written(self) -> int:
        return sum(self._bytes(value, channels.size) for value, channels in self.pieces)

    @abstractmethod
    def cost(self, costs: JoinCosts) -> float:
        """In the unit of `costs`."""

    @abstractmethod
    def emit(self) -> fx.Node:
        """Write it down."""


class _Slices(_Way):
    """A slice for each run of channels of one operand."""

    def cost(self, costs: JoinCosts) -> float:
        """Slices, and the result."""
        slices = sum(
            self.emitter.count_slices(value, channels)
            for value, channels in self.pieces
            if not np.array_equal(channels, self.emitter.stored(value))
        )
        return costs.slice * slices + costs.byte * self._written()

    def emit(self) -> fx.Node:
        """Slices, joined."""
        nodes = [
            node for value, channels in self.pieces for node in self.emitter.slices(value, channels)
        ]
        return self._join(nodes)


class _Gathers(_Way):
    """Each operand in the order of the result, then a slice for each uninterrupted stretch."""

    def __init__(self, operation: Concatenation, sequence: IndexArray, emitter: Emitter) -> None:
        super().__init__(operation, sequence, emitter)
        owner = operation.owner(sequence)
        self.wanted = {
            number: sequence[owner == number] - int(operation.offsets[number])
            for number in np.unique(owner).tolist()
        }

    def cost(self, costs: JoinCosts) -> float:
        """Gathers, the slices of what they made, and the result."""
        found = costs.byte * self._written()
        if len(self.pieces) > len(self.wanted):
            found += costs.slice * len(self.pieces)
        for number, channels in self.wanted.items():
            value = self.operation.operands[number]
            if np.array_equal(channels, self.emitter.stored(value)):
                continue
            if self.emitter.count_slices(value, channels) > 1:
                found += costs.gather + costs.byte * self._bytes(value, channels.size)
            else:
                found += costs.slice
        return found

    def emit(self) -> fx.Node:
        """Operands selected, sliced and joined."""
        operands = self.operation.operands
        made = {
            number: self.emitter.get(operands[number], channels)
            for number, channels in self.wanted.items()
        }
        owner = self.operation.owner(self.sequence)
        cuts = np.flatnonzero(np.diff(owner)) + 1
        nodes: list[fx.Node] = []
        for part in np.split(np.arange(owner.size), cuts):
            number = int(owner[part[0]])
            flow, order = operands[number].flow, self.wanted[number]
            own = self.sequence[part] - int(self.operation.offsets[number])
            nodes.append(
                self.emitter.select(made[number], flow, order, own, operands[number].example)
            )
        return self._join(nodes)


class _Whole(_Way):
    """All that the operands hold, joined, and a selection of it."""

    def __init__(self, operation: Concatenation, sequence: IndexArray, emitter: Emitter) -> None:
        super().__init__(operation, sequence, emitter)
        owners = np.unique(operation.owner(sequence)).tolist()
        self.held = {number: emitter.stored(operation.operands[number]) for number in owners}

    def cost(self, costs: JoinCosts) -> float:
        """Everything, a gather, and the result; or nothing more where that is everything."""
        everything = self.joined()
        order = self._order()
        if np.array_equal(order, self.sequence):
            return costs.byte * everything
        return costs.gather + costs.byte * (everything + self._written())

    def joined(self) -> int:
        """Everything the operands hold."""
        return sum(
            self._bytes(self.operation.operands[number], channels.size)
            for number, channels in self.held.items()
        )

    def _order(self) -> IndexArray:
        offsets = self.operation.offsets
        return np.concatenate([offsets[number] + held for number, held in self.held.items()])

    def emit(self) -> fx.Node:
        """A concatenation, and a selection."""
        operands = self.operation.operands
        nodes = [
            self.emitter.get(operands[number], channels) for number, channels in self.held.items()
        ]
        output = self.operation.output
        assert output is not None
        joined = self._join(nodes)
        order = self._order()
        return self.emitter.select(joined, output.flow, order, self.sequence, output.example)
