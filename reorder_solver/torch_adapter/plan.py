"""Plan: from the tensors of a programme to an instance, and from a layout to what is stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.instance import Access, Instance, Part, Role, Tensor
from reorder_solver.torch_adapter.joining import FEWEST_BYTES
from reorder_solver.torch_adapter.names import name_tensors, number_repeats
from reorder_solver.torch_adapter.operations import Adopt, Opaque
from reorder_solver.torch_adapter.sizes import elements
from reorder_solver.torch_adapter.tensors import find_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reorder_solver.core.layout import Layout
    from reorder_solver.core.prices import Mode
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.grouped import GroupedMix
    from reorder_solver.torch_adapter.joining import JoinCosts
    from reorder_solver.torch_adapter.mixing import Mix
    from reorder_solver.torch_adapter.program import Operation, Program, Value
    from reorder_solver.torch_adapter.tensors import Tensors


@dataclass(frozen=True, slots=True)
class Pin:
    """A tensor that keeps its original order, and why."""

    tensor: str
    reason: str


class Numbering:
    """How the channels of the tensors are numbered in the instance.

    A tensor that must keep its order has its stored channels numbered in that order; any other
    tensor has all its channels.

    Parameters
    ----------
    tensors : Tensors
    stored : ndarray of bool, shape (tensors.count,)
        True for channels that some value stores.
    """

    def __init__(self, tensors: Tensors, stored: BoolArray) -> None:
        self.names = name_tensors(
            {
                number: list(one.producers.values())
                for number, one in sorted(tensors.classes.items())
            }
        )
        self._channels: dict[int, IndexArray] = {}
        self._numbers: dict[int, IndexArray] = {}
        for number, one in tensors.classes.items():
            channels = np.argsort(one.keys, kind="stable")
            if one.ordered:
                channels = channels[stored[tensors.offset(number) + channels]]
            numbers = np.full(one.channels, -1, dtype=np.int64)
            numbers[channels] = np.arange(channels.size)
            self._channels[number] = channels
            self._numbers[number] = numbers

    def count(self, tensor: int) -> int:
        """Number of channels in the instance."""
        return int(self._channels[tensor].size)

    def channels(self, tensor: int) -> IndexArray:
        """For each channel of the instance the channel of the tensor."""
        return self._channels[tensor]

    def number(self, tensor: int, channels: IndexArray) -> IndexArray:
        """From channels of the tensor to channels of the instance."""
        found: IndexArray = self._numbers[tensor][channels]
        assert (found >= 0).all()
        return found

    def ranks(self, tensor: int, order: IndexArray) -> IndexArray:
        """For each channel of the tensor its place in an order of the instance, -1 for none."""
        ranks = np.full(self._numbers[tensor].size, -1, dtype=np.int64)
        ranks[self._channels[tensor][order]] = np.arange(order.size)
        return ranks


@dataclass(frozen=True, slots=True, eq=False)
class PlannedAccess:
    """An access before it has its name, and where it comes from.

    Attributes
    ----------
    label : str
        Of the access, unless it is taken.
    role : Role
    source : Value
        What is read, written or passed on.
    wanted : ndarray of bool
        Its channels that are wanted.
    bytes : int
        Per channel, of a copy.
    operation : Operation or None
        What reads; None where nothing but a choice of channels takes place.
    copied : bool
        True for a copy into an order of its own, which is never a view.
    layer : Operation or None
        The layer whose read this is, wherever its channels are chosen.
    inside : int
        Bytes per channel that the operator copies of a slice, too.
    """

    label: str
    role: Role
    source: Value
    wanted: BoolArray
    bytes: int
    operation: Operation | None = None
    copied: bool = False
    layer: Mix | GroupedMix | None = None
    inside: int = 0


class Plan(ABC):
    """What is stored where, apart from the order.

    Attributes
    ----------
    facts : Facts
    tensors : Tensors
    numbering : Numbering
    instance : Instance
    planned : dict of str to PlannedAccess
        By id of the access.
    joins : JoinCosts
        What decides how concatenations are written.
    stored : int
        Channels of all tensors that are computed.
    """

    joins: JoinCosts = FEWEST_BYTES

    def __init__(self, facts: Facts, name: str, *, end_to_end: bool) -> None:
        self.facts = facts
        self.tensors = find_tensors(facts, end_to_end=end_to_end)
        self._storable = storable(facts)
        stored = np.zeros(self.tensors.count, dtype=np.bool_)
        for value, mask in self.close(self.loosest()).items():
            stored[self.tensors.numbers(value)[mask]] = True
        self.stored = int(stored.sum())
        self.numbering = Numbering(self.tensors, stored)
        accesses = self.accesses()
        ids = number_repeats(one.label for one in accesses)
        self.planned = dict(zip(ids, accesses, strict=True))
        self.instance = self._build(name)

    @abstractmethod
    def groups(self) -> Mapping[Value, int]:
        """For each stored value the group of values that hold the same channels."""

    @abstractmethod
    def accesses(self) -> Sequence[PlannedAccess]:
        """The accesses of the instance."""

    def settled(self, ranks: IndexArray, modes: Mapping[Operation, Mode]) -> Mapping[Value, int]:
        """The groups once the places of channels are known, and how operations are served."""
        del ranks, modes
        return self.groups()

    def arranged(self, ranks: IndexArray) -> IndexArray:
        """The places of channels, improved where the layout leaves a choice."""
        return ranks

    def sequences(
        self, layout: Layout, modes: Mapping[Operation, Mode] | None = None
    ) -> dict[Value, IndexArray]:
        """For each stored value its channels, position by position."""
        ranks = self.arranged(self.ranks(layout))
        kept = self.close(self.settled(ranks, modes or {}))
        return {value: self._sequence(value, mask, ranks) for value, mask in kept.items()}

    def loosest(self) -> Mapping[Value, int]:
        """The groups if no channel leaves where a layout may let it."""
        return self.groups()

    def revived(self) -> dict[Value, BoolArray]:
        """Channels that must be stored, although nothing needs the value that they are of.

        That is where a value that something else is tied to is made of one that is dead.
        """
        kept = self.facts.close(self.close(self.loosest()))
        return {
            value: mask
            for value, mask in kept.items()
            if mask.any() and not self.facts.live(value).any()
        }

    def pins(self) -> tuple[Pin, ...]:
        """Every tensor that keeps its order, and why."""
        found: dict[tuple[str, str], None] = {}
        for value, reason in _pinned(self.facts):
            for tensor in np.unique(self.tensors.atoms(value).tensors):
                found[self.numbering.names[int(tensor)], reason] = None
        known = {tensor for tensor, _ in found}
        for number, one in self.tensors.classes.items():
            name = self.numbering.names[number]
            if one.ordered and name not in known:
                found[name, "its channels meet each other in two orders"] = None
        return tuple(Pin(*key) for key in found)

    def ranks(self, layout: Layout) -> IndexArray:
        """For each channel of each tensor its place in the layout, -1 for none."""
        ranks = np.full(self.tensors.count, -1, dtype=np.int64)
        for number, name in self.numbering.names.items():
            if self.numbering.count(number):
                own = self.numbering.ranks(number, np.asarray(layout[name]))
                start = self.tensors.offset(number)
                ranks[start : start + own.size] = own
        return ranks

    def close(self, groups: Mapping[Value, int]) -> dict[Value, BoolArray]:
        """For each stored value the channels it holds, if those of a group hold the same."""
        stored = self.tensors.stored()
        keep = {value: self.facts.live(value) for value in stored}
        while True:
            kept: dict[int, BoolArray] = {}
            for value, mask in keep.items():
                own = kept.setdefault(groups[value], np.zeros(self.tensors.count, dtype=np.bool_))
                own[self.tensors.numbers(value)[mask]] = True
            wanted = {
                value: keep[value]
                | (kept[groups[value]][self.tensors.numbers(value)] & self._storable[value])
                for value in stored
            }
            closed = self.facts.close(wanted)
            if all(np.array_equal(closed[value], keep[value]) for value in stored):
                return keep
            keep = {value: closed[value] for value in stored}

    def _sequence(self, value: Value, mask: BoolArray, ranks: IndexArray) -> IndexArray:
        own = ranks[self.tensors.numbers(value)]
        pieces: list[IndexArray] = []
        for places in self.tensors.atoms(value).stretches():
            held = places.start + np.flatnonzero(mask[places])
            assert (own[held] >= 0).all()
            pieces.append(held[np.argsort(own[held], kind="stable")])
        return np.concatenate(pieces) if pieces else np.arange(0)

    def _build(self, name: str) -> Instance:
        tensors = tuple(
            Tensor(label, self.numbering.count(number), fixed=self.tensors.classes[number].ordered)
            for number, label in self.numbering.names.items()
            if self.numbering.count(number)
        )
        accesses = tuple(
            Access(access_id, self._parts(one), one.role, bytes=one.bytes)
            for access_id, one in self.planned.items()
        )
        return Instance(name, tensors, accesses)

    def _parts(self, planned: PlannedAccess) -> tuple[Part, ...]:
        """The wanted channels of a value, stretch by stretch.

        A copy has the first of its channels, nothing, and the others for parts: between the two
        lies the whole tensor, so that no layout makes it a view.
        """
        atoms = self.tensors.atoms(planned.source)
        found: list[Part] = []
        for places in atoms.stretches():
            tensor = int(atoms.tensors[places.start])
            if not self.numbering.count(tensor):
                # Nothing of it is stored: it is no tensor of the instance and takes no room.
                continue
            channels = np.unique(atoms.channels[places][planned.wanted[places]])
            number = self.numbering.number(tensor, channels)
            name = self.numbering.names[tensor]
            if planned.copied and number.size > 1:
                found += [Part(name, number[:1]), Part(name, number[:0]), Part(name, number[1:])]
            else:
                found.append(Part(name, number))
        return tuple(found)


def planned_read(facts: Facts, operation: Mix | GroupedMix) -> PlannedAccess:
    """What a layer reads."""
    assert operation.output is not None
    ((source, wanted),) = operation.needs(facts.live(operation.output), facts)
    size = channel_bytes(facts.program, source, wanted)
    return PlannedAccess(
        operation.module, Role.READ, source, wanted, size, operation, layer=operation
    )


def channel_bytes(program: Program, source: Value, wanted: BoolArray) -> int:
    """Bytes per channel and sample; the mean where channels differ in size, rounded up."""
    each = elements(source.example) // source.flow.width // program.captured.batch
    features = int(source.flow.sizes[wanted].sum())
    count = int(wanted.sum())
    return int(source.example.dtype.itemsize * max(each, 1) * -(-features // count))


def storable(facts: Facts) -> dict[Value, BoolArray]:
    """Per value the channels that could be stored: they are made of values that are live."""
    found: dict[Value, BoolArray] = {}
    for operation in facts.program.operations:
        output = operation.output
        if output is None:
            continue
        mask = np.full(output.channels, facts.live(output).any())
        for source in operation.sources():
            if source.index is not None:
                made = source.index >= 0
                mask[made] &= found[source.value][source.index[made]]
        found[output] = mask
    return found


def live_operations(facts: Facts) -> list[Operation]:
    """The operations whose results are needed, in order."""
    return [
        operation
        for operation in facts.program.operations
        if (
            facts.is_needed(operation.node)
            if isinstance(operation, Opaque)
            else facts.live(operation.output).any()
        )
    ]


def _pinned(facts: Facts) -> list[tuple[Value, str]]:
    """Values that an operation wants in their original order, and why."""
    found: list[tuple[Value, str]] = []
    for operation in live_operations(facts):
        if isinstance(operation, Opaque):
            if operation.pins:
                found += [(source.value, operation.reason) for source in operation.sources()]
        elif isinstance(operation, Adopt):
            assert operation.output is not None
            found.append((operation.output, operation.reason))
        elif operation.ordered and operation.output is not None:
            reason = f"{operation.output.name}: its groups stay in order"
            found += [(source.value, reason) for source in operation.sources()]
            found.append((operation.output, reason))
    return found
