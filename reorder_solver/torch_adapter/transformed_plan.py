"""The transformed plan: copies that no order can remove are moved to where they cost less.

Each value holds only what is still needed of it: a channel that no later operation reads leaves
there (narrow), a choice of channels is made where the data is first written for its only reader
(hoist), and a concatenation, which copies anyway, takes just the wanted slices of its operands
and lays them in an order of its own (fuse).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from reorder_solver.core.instance import Role
from reorder_solver.core.prices import Mode
from reorder_solver.torch_adapter.arrange import arrange
from reorder_solver.torch_adapter.grouped import GroupedMix
from reorder_solver.torch_adapter.hidden import copied_share
from reorder_solver.torch_adapter.late import late_choices
from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.operations import ChannelWise, Concatenation, Select, resolve
from reorder_solver.torch_adapter.plan import (
    Plan,
    PlannedAccess,
    channel_bytes,
    live_operations,
    planned_read,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.operations import Operand
    from reorder_solver.torch_adapter.program import Operation, Value
    from reorder_solver.torch_adapter.tensors import Tensors
    from reorder_solver.torch_adapter.usage import Usage


@dataclass(frozen=True, slots=True)
class Transformations:
    """Which copies may be moved.

    Attributes
    ----------
    hoist : bool
        Choose channels where data is written for its only reader.
    fuse : bool
        Let a concatenation take slices, in an order of its own.
    narrow : bool
        Let channels leave a chain of values where their last reader is behind them.
    share : bool
        Let readers of one value share a copy of it, in an order that makes each of them a view.
    multiply : bool
        Let pointwise convolutions that would copy a slice of channels read it by a product of
        matrices.
    late : bool
        Let operators without weights that would copy a slice of channels, such as pools, handle
        all that is stored instead, unless the objective is ``latency``.
    sums : bool
        Let a sum do without those channels of an operand that are constant, so that the layer
        that writes the operand need not compute them.
    memory_format : bool
        Compute with images in another memory format than they are handed over in, where the
        whole network is measured to be faster then; for the objective ``latency`` only.
    """

    hoist: bool = True
    fuse: bool = True
    narrow: bool = True
    share: bool = True
    multiply: bool = True
    late: bool = True
    sums: bool = True
    memory_format: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """A value made of another one of the same tensor, with fewer channels needed of it."""

    source: Value
    operand: Operand
    target: Value

    def wanted(self, live: BoolArray) -> BoolArray:
        """The channels of the source that the target's live ones are made of."""
        assert self.operand.index is not None
        mask = np.zeros(self.operand.value.channels, dtype=np.bool_)
        mask[self.operand.index[live]] = True
        return mask

    def bytes(self, facts: Facts) -> int:
        """Bytes per channel of the source."""
        return channel_bytes(
            facts.program, self.operand.value, self.wanted(facts.live(self.target))
        )


class TransformedPlan(Plan):
    """Values hold what is needed of them; see the module's description."""

    def __init__(
        self, facts: Facts, name: str, allowed: Transformations, usage: Usage | None = None
    ) -> None:
        self._allowed = allowed
        self._usage = usage
        self._steps: _Steps | None = None
        self._late = late_choices(facts, usage)
        super().__init__(facts, name, end_to_end=not allowed.fuse)

    @property
    def steps(self) -> _Steps:
        """The steps from value to value, sorted."""
        if self._steps is None:
            self._steps = _Steps(self.facts, self.tensors, self._allowed)
        return self._steps

    def groups(self) -> Mapping[Value, int]:
        """Values with the same live channels, unless something else was decided."""
        return self._numbered(())

    def settled(self, ranks: IndexArray, modes: Mapping[Operation, Mode]) -> Mapping[Value, int]:
        """Channels leave where the rest is contiguous, or where a copy of it was chosen.

        Elsewhere both values hold the same.
        """
        stays = [
            edge
            for edge in self.steps.optional
            if modes.get(edge.target.operation) not in (Mode.GATHER, Mode.CAT)
            and not self._is_slice(edge, ranks)
        ]
        return self._numbered(stays)

    def loosest(self) -> Mapping[Value, int]:
        """Both values of each such step hold the same."""
        return self._numbered(self.steps.optional)

    def _numbered(self, joined: Iterable[Edge]) -> dict[Value, int]:
        """For each stored value the number of its group, where further edges join groups."""
        groups = DisjointSet(self.tensors.stored())
        for first, *others in self.steps.same.subsets():
            for other in others:
                groups.merge(first, other)
        for edge in joined:
            groups.merge(edge.source, edge.target)
        numbers: dict[Value, int] = {}
        return {
            value: numbers.setdefault(groups[value], len(numbers))
            for value in self.tensors.stored()
        }

    def _is_slice(self, edge: Edge, ranks: IndexArray) -> bool:
        """True if what stays is one run among what the source holds."""
        held = np.sort(ranks[live_numbers(self.facts, self.tensors, edge.source)])
        stays = ranks[live_numbers(self.facts, self.tensors, edge.target)]
        places = np.unique(np.searchsorted(held, stays))
        return bool(places[-1] - places[0] + 1 == places.size)

    def arranged(self, ranks: IndexArray) -> IndexArray:
        """Channels that nothing tells apart follow the order of the concatenations they are in."""
        return arrange(self.facts, self.tensors, self._signatures(), ranks)

    def _signatures(self) -> IndexArray:
        """For each channel a number that is the same for channels with the same accesses."""
        found = np.zeros(self.tensors.count, dtype=np.int64)
        starts = {
            name: (number, self.tensors.offset(number))
            for number, name in self.numbering.names.items()
        }
        for place, access in enumerate(self.instance.accesses):
            if self.planned[access.id].copied:
                continue
            for part in access.parts:
                number, start = starts[part.tensor]
                channels = start + self.numbering.channels(number)[part.channels]
                found[channels] = found[channels] * 1_000_003 + place + 1
        return found

    def accesses(self) -> Sequence[PlannedAccess]:
        """Reads, copies, and the steps at which channels may leave."""
        found: list[PlannedAccess] = []
        moved = {self.steps.same[edge.target]: edge for edge in self.steps.hoisted}
        for operation in live_operations(self.facts):
            if isinstance(operation, Mix | GroupedMix):
                read = planned_read(self.facts, operation)
                edge = moved.pop(self.steps.same[resolve(read.source)[0]], None)
                found.append(self._direct(read) if edge is None else self._hoisted(edge, read))
            elif isinstance(operation, Concatenation) and self._allowed.fuse:
                found += self._fills(operation)
            elif isinstance(operation, Select) and operation.copied:
                found.append(self._copy(operation))
        found += [self._step(edge, edge.bytes(self.facts)) for edge in moved.values()]
        found += [self._step(edge, 0) for edge in self.steps.optional]
        return found

    def _direct(self, read: PlannedAccess) -> PlannedAccess:
        """The choice of a read, made right before it."""
        assert read.layer is not None
        return replace(read, inside=self._copied(read.layer, read.bytes))

    def _copied(self, operation: Operation, size: int) -> int:
        """What an operation copies of a slice, of `size` bytes per channel."""
        if self._usage is None or operation in self._late:
            return 0
        return round(size * copied_share(getattr(operation, "node", None), self._usage))

    def _hoisted(self, edge: Edge, read: PlannedAccess) -> PlannedAccess:
        """The choice of a read, made where the edge begins."""
        wanted = edge.wanted(self.facts.live(edge.target))
        made_by = edge.target.operation
        size = edge.bytes(self.facts)
        return PlannedAccess(
            read.label,
            read.role,
            edge.operand.value,
            wanted,
            size,
            made_by,
            layer=read.layer,
            inside=self._copied(made_by, size),
        )

    def _step(self, edge: Edge, size: int) -> PlannedAccess:
        wanted = edge.wanted(self.facts.live(edge.target))
        made_by = edge.target.operation
        return PlannedAccess(
            edge.target.name,
            Role.PASS,
            edge.operand.value,
            wanted,
            size,
            made_by,
            inside=self._copied(made_by, size),
        )

    def _copy(self, operation: Select) -> PlannedAccess:
        output = operation.output
        assert output is not None
        wanted = np.zeros(operation.source.channels, dtype=np.bool_)
        wanted[operation.index[self.facts.live(output)]] = True
        size = channel_bytes(self.facts.program, operation.source, wanted)
        return PlannedAccess(
            output.name, Role.READ, operation.source, wanted, size, operation, copied=True
        )

    def _fills(self, operation: Concatenation) -> list[PlannedAccess]:
        """Each operand writes to its own stretch of the result, whatever its order costs."""
        output = operation.output
        assert output is not None
        live = self.facts.live(output)
        found: list[PlannedAccess] = []
        for number, value in enumerate(operation.operands):
            stretch = np.zeros_like(live)
            stretch[operation.offsets[number] : operation.offsets[number + 1]] = True
            stretch &= live
            if stretch.any():
                own = stretch[operation.offsets[number] : operation.offsets[number + 1]]
                found.append(PlannedAccess(output.name, Role.WRITE, output, stretch, 0, operation))
                found.append(PlannedAccess(output.name, Role.READ, value, own, 0, operation))
        return found


class _Steps:
    """The steps from value to value within tensors.

    Attributes
    ----------
    same : DisjointSet of Value
        Values that hold the same channels are in one class.
    hoisted : list of Edge
        Where the choice of channels of the only reader behind is made.
    optional : list of Edge
        Where channels leave if that takes no copy.
    """

    def __init__(self, facts: Facts, tensors: Tensors, allowed: Transformations) -> None:
        self.same = DisjointSet(tensors.stored())
        self.hoisted: list[Edge] = []
        self.optional: list[Edge] = []
        self._facts = facts
        self._tensors = tensors
        self._allowed = allowed
        edges = self._unite()
        consumers = self._consumers(edges)
        entries = Counter(self.same[edge.target] for edge in edges)
        decided = [self._decide(edge, consumers, entries) for edge in edges]
        for edge, where in zip(edges, decided, strict=True):
            if where is None:
                self.same.merge(edge.source, edge.target)
            else:
                where.append(edge)

    def _unite(self) -> list[Edge]:
        """Unite values with the same live channels; return the steps between others."""
        edges: list[Edge] = []
        for operation in live_operations(self._facts):
            output = operation.output
            if isinstance(operation, ChannelWise) and output is not None:
                for operand in operation.operands:
                    source, _ = resolve(operand.value)
                    if not self._follows(operand, output):
                        continue
                    if self._numbers(source) == self._numbers(output):
                        self.same.merge(source, output)
                    else:
                        edges.append(Edge(source, operand, output))
            elif isinstance(operation, Concatenation) and not self._allowed.fuse:
                assert output is not None
                for value in operation.operands:
                    base, _ = resolve(value)
                    if self._facts.live(base).any():
                        self.same.merge(base, output)
        return [edge for edge in edges if self.same[edge.source] != self.same[edge.target]]

    def _follows(self, operand: Operand, output: Value) -> bool:
        if operand.index is None or (operand.index < 0).any():
            return False
        if not self._facts.live(resolve(operand.value)[0]).any():
            return False
        live = self._facts.live(output)
        source = self._tensors.numbers(operand.value)[operand.index]
        return bool(np.array_equal(source[live], self._tensors.numbers(output)[live]))

    def _numbers(self, value: Value) -> bytes:
        return live_numbers(self._facts, self._tensors, value).tobytes()

    def _consumers(self, edges: list[Edge]) -> dict[Value, list[int]]:
        """Per group the bytes per channel at each place where something is chosen of it.

        Where it is copied anyway, a choice costs nothing.
        """
        found: dict[Value, list[int]] = defaultdict(list)
        for operation in live_operations(self._facts):
            if isinstance(operation, ChannelWise):
                continue
            output = operation.output
            mask = np.ones(1, np.bool_) if output is None else self._facts.live(output)
            copies = isinstance(operation, Concatenation | Select)
            if isinstance(operation, Select) and not operation.copied:
                continue
            for value, wanted in operation.needs(mask, self._facts):
                if wanted.any():
                    size = 0 if copies else channel_bytes(self._facts.program, value, wanted)
                    found[self.same[resolve(value)[0]]].append(size)
        for edge in edges:
            found[self.same[edge.source]].append(edge.bytes(self._facts))
        return found

    def _decide(
        self, edge: Edge, consumers: dict[Value, list[int]], entries: Counter[Value]
    ) -> list[Edge] | None:
        """Where to file an edge; None if both its values are to hold the same channels."""
        group = self.same[edge.target]
        alone = len(consumers[group]) == 1 and entries[group] == 1
        if alone and edge.bytes(self._facts) <= consumers[group][0]:
            return self.hoisted if self._allowed.hoist else None
        return self.optional if self._allowed.narrow else None


def live_numbers(facts: Facts, tensors: Tensors, value: Value) -> IndexArray:
    """The numbers of the live channels of a stored value."""
    return np.unique(tensors.numbers(value)[facts.live(value)])
