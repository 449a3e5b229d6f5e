"""Plan: from the tensors of a programme to an instance, and from a layout to what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.instance import Access, Instance, Part, Role, Tensor
from reorder_solver.torch_adapter.facts import elements
from reorder_solver.torch_adapter.mixing import GroupedMix, Mix
from reorder_solver.torch_adapter.names import name_tensors, number_repeats
from reorder_solver.torch_adapter.operations import Adopt, Opaque
from reorder_solver.torch_adapter.tensors import find_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reorder_solver.core.layout import Layout
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.program import Program, Value
    from reorder_solver.torch_adapter.tensors import Atoms, Tensors


@dataclass(frozen=True, slots=True)
class Pin:
    """A tensor that keeps its original order and all its channels, and why."""

    tensor: str
    reason: str


class Numbering:
    """How the channels of the tensor classes are numbered in the instance.

    A tensor that must keep its order has its stored channels numbered in that order; any other
    tensor has all its channels.
    """

    def __init__(self, tensors: Tensors, kept: Mapping[int, BoolArray]) -> None:
        self.names = name_tensors(
            {number: one.producers for number, one in sorted(tensors.classes.items())}
        )
        self._channels: dict[int, IndexArray] = {}
        self._numbers: dict[int, IndexArray] = {}
        for number, one in tensors.classes.items():
            channels = np.argsort(one.keys, kind="stable")
            if one.ordered:
                channels = channels[kept[number][channels]]
            self._channels[number] = channels
            numbers = np.full(one.channels, -1, dtype=np.int64)
            numbers[channels] = np.arange(channels.size)
            self._numbers[number] = numbers

    def count(self, tensor: int) -> int:
        """Number of channels in the instance."""
        return int(self._channels[tensor].size)

    def number(self, tensor: int, channels: IndexArray) -> IndexArray:
        """From channels of the class to channels of the instance."""
        found: IndexArray = self._numbers[tensor][channels]
        assert (found >= 0).all()
        return found

    def ranks(self, tensor: int, order: IndexArray) -> IndexArray:
        """For each channel of the class its place in an order of the instance, -1 for none."""
        ranks = np.full(self._numbers[tensor].size, -1, dtype=np.int64)
        ranks[self._channels[tensor][order]] = np.arange(order.size)
        return ranks


class PlainPlan:
    """Channels are selected right before the operation that reads them, nothing else moves.

    Each tensor holds the channels that something wants, for all values that share it;
    concatenations lay theirs end to end.
    """

    def __init__(self, facts: Facts, name: str) -> None:
        self.facts = facts
        self.tensors = find_tensors(facts, end_to_end=True)
        self.kept = self._close()
        self.numbering = Numbering(self.tensors, self.kept)
        self.reads: dict[str, Mix | GroupedMix] = {}
        self.instance = self._build(name)

    def sequences(self, layout: Layout) -> dict[Value, IndexArray]:
        """For each stored value its channels, position by position."""
        ranks = {
            number: self.numbering.ranks(number, layout[name])
            for number, name in self.numbering.names.items()
            if self.numbering.count(number)
        }
        return {value: self._sequence(value, ranks) for value in self.tensors.stored()}

    def pins(self) -> tuple[Pin, ...]:
        """Every tensor that keeps its order, and why."""
        found: dict[tuple[str, str], None] = {}
        for value, reason in _pinned(self.facts):
            for tensor in np.unique(self.tensors.atoms(value).tensors):
                found[self.numbering.names[int(tensor)], reason] = None
        return tuple(Pin(*key) for key in found)

    def _close(self) -> dict[int, BoolArray]:
        """Per tensor the channels that are stored."""
        tensors = self.tensors
        keep = {value: self.facts.live(value) for value in tensors.stored()}
        while True:
            kept = {
                number: np.zeros(one.channels, dtype=np.bool_)
                for number, one in tensors.classes.items()
            }
            for value, mask in keep.items():
                atoms = tensors.atoms(value)
                for tensor in np.unique(atoms.tensors):
                    kept[int(tensor)][atoms.channels[mask & (atoms.tensors == tensor)]] = True
            wanted = {value: self._stored(value, kept) for value in keep}
            closed = self.facts.close(wanted)
            if all(np.array_equal(closed[value], keep[value]) for value in keep):
                return kept
            keep = {value: closed[value] for value in keep}

    def _stored(self, value: Value, kept: Mapping[int, BoolArray]) -> BoolArray:
        atoms = self.tensors.atoms(value)
        mask = np.zeros(value.channels, dtype=np.bool_)
        for tensor in np.unique(atoms.tensors):
            here = atoms.tensors == tensor
            mask[here] = kept[int(tensor)][atoms.channels[here]]
        return mask

    def _sequence(self, value: Value, ranks: Mapping[int, IndexArray]) -> IndexArray:
        atoms = self.tensors.atoms(value)
        stored = self._stored(value, self.kept)
        pieces: list[IndexArray] = []
        for places in atoms.stretches():
            places = places[stored[places]]
            if places.size:
                tensor = int(atoms.tensors[places[0]])
                own = ranks[tensor][atoms.channels[places]]
                assert (own >= 0).all()
                pieces.append(places[np.argsort(own, kind="stable")])
        return np.concatenate(pieces) if pieces else np.arange(0)

    def _build(self, name: str) -> Instance:
        operations = [
            operation
            for operation in self.facts.program.operations
            if isinstance(operation, Mix | GroupedMix) and self.facts.live(operation.output).any()
        ]
        ids = number_repeats(operation.module for operation in operations)
        accesses = []
        for access_id, operation in zip(ids, operations, strict=True):
            self.reads[access_id] = operation
            accesses.append(self._access(access_id, operation))
        tensors = tuple(
            Tensor(label, self.numbering.count(number), fixed=self.tensors.classes[number].ordered)
            for number, label in self.numbering.names.items()
            if self.numbering.count(number)
        )
        return Instance(name, tensors, tuple(accesses))

    def _access(self, access_id: str, operation: Mix | GroupedMix) -> Access:
        facts = self.facts
        ((source, wanted),) = operation.needs(facts.live(operation.output), facts)
        atoms = self.tensors.atoms(source)
        parts = tuple(
            self._part(atoms, places[wanted[places]], int(atoms.tensors[places[0]]))
            for places in atoms.stretches()
        )
        return Access(
            access_id, parts, Role.READ, bytes=channel_bytes(facts.program, source, wanted)
        )

    def _part(self, atoms: Atoms, places: IndexArray, tensor: int) -> Part:
        channels = np.unique(atoms.channels[places])
        return Part(self.numbering.names[tensor], self.numbering.number(tensor, channels))


def channel_bytes(program: Program, source: Value, wanted: BoolArray) -> int:
    """Bytes per channel and sample; the mean where channels differ in size, rounded up."""
    each = elements(source.example) // source.flow.width // program.captured.batch
    features = int(source.flow.sizes[wanted].sum())
    count = int(wanted.sum())
    return int(source.example.dtype.itemsize * max(each, 1) * -(-features // count))


def _pinned(facts: Facts) -> list[tuple[Value, str]]:
    """Values that an operation wants as they were, and why."""
    found: list[tuple[Value, str]] = []
    for operation in facts.program.operations:
        if isinstance(operation, Opaque):
            if facts.is_needed(operation.node):
                found += [(source.value, operation.reason) for source in operation.sources()]
        elif isinstance(operation, Adopt) and facts.live(operation.output).any():
            assert operation.output is not None
            found.append((operation.output, operation.reason))
        elif operation.ordered and facts.live(operation.output).any():
            reason = f"{operation.output.name}: its groups stay in order"
            found += [(source.value, reason) for source in operation.sources()]
            found.append((operation.output, reason))
    return found


__all__ = ["Pin", "PlainPlan", "channel_bytes"]
