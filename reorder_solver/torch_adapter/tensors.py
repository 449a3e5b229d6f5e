"""Tensors: values whose channels must be in the same order are one tensor of the instance."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.torch_adapter.flow import is_run
from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.operations import (
    ChannelWise,
    Concatenation,
    Opaque,
    Select,
    resolve,
)
from reorder_solver.torch_adapter.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.program import Operation, Value


#: How often layers may be cut further.
_MOST_ROUNDS = 8


@dataclass(eq=False)
class TensorClass:
    """Channels that several values share, in one order.

    Attributes
    ----------
    keys : ndarray of float64, shape (channels,)
        Sorting by them gives the original order.
    producers : dict of int to str
        Names of what writes to it, by the number of the tensor that each made.
    ordered : bool
        True if the original order must stay (channels may still be dropped).
    """

    keys: np.ndarray
    producers: dict[int, str] = field(default_factory=dict)
    ordered: bool = False

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.keys.size)


@dataclass(frozen=True, slots=True, eq=False)
class Atoms:
    """Where the channels of a value belong: for each its tensor, its channel there, its stretch.

    The stretches of a value laid end to end of several others are numbered.
    """

    tensors: IndexArray
    channels: IndexArray
    numbers: IndexArray

    def take(self, index: IndexArray) -> Atoms:
        """Some of them."""
        return Atoms(self.tensors[index], self.channels[index], self.numbers[index])

    def stretches(self) -> list[slice]:
        """Where each uninterrupted stretch is, in order."""
        cuts: list[int] = (np.flatnonzero(np.diff(self.numbers)) + 1).tolist()
        ends = [*cuts, self.numbers.size] if self.numbers.size else []
        return [slice(*ends) for ends in itertools.pairwise([0, *ends])]


class _MismatchError(Exception):
    """Two values are made of different stretches, so they cannot share an order."""

    def __init__(self, concatenations: set[Operation]) -> None:
        super().__init__()
        self.concatenations = concatenations


class Tensors:
    """The tensors of a programme.

    Parameters
    ----------
    facts : Facts
        Only live values belong to tensors.
    fresh : set of operation
        Concatenations whose result has an order of its own; layers that are not to be cut.
    cuts : mapping of operation to set of int
        Layers whose channels are several tensors laid end to end, and where each but the first
        begins.

    Attributes
    ----------
    wanted : dict of operation to set of int
        The same, of layers whose channels meet each other otherwise.
    """

    def __init__(
        self, facts: Facts, fresh: set[Operation], cuts: Mapping[Operation, set[int]] | None = None
    ) -> None:
        self.wanted: dict[Operation, set[int]] = {}
        self._cuts = cuts or {}
        self.classes: dict[int, TensorClass] = {}
        self._atoms: dict[Value, Atoms] = {}
        self._members: dict[int, list[Value]] = {}
        self._laid: dict[Value, set[Operation]] = {}
        self._fresh = fresh
        self._count = 0
        for operation in facts.program.operations:
            output = operation.output
            if output is not None and facts.live(output).any():
                self._add(operation, output)
            elif is_pinning(operation, facts):
                for source in operation.sources():
                    self._keep_order(self.atoms(source.value))
        sizes = np.zeros(self._count + 1, dtype=np.int64)
        for number, one in self.classes.items():
            sizes[number + 1] = one.channels
        self._offsets: IndexArray = np.cumsum(sizes)
        self._numbers: dict[Value, IndexArray] = {}

    def atoms(self, value: Value) -> Atoms:
        """Tensor and channel of each channel of a live value."""
        base, index = resolve(value)
        return self._atoms[base].take(index)

    def __contains__(self, value: Value) -> bool:
        return value in self._atoms

    def numbers(self, value: Value) -> IndexArray:
        """A number for each channel of a live value, the same for the same channel of a tensor."""
        if value not in self._numbers:
            atoms = self.atoms(value)
            found = self._offsets[atoms.tensors] + atoms.channels
            found.setflags(write=False)
            self._numbers[value] = found
        return self._numbers[value]

    def offset(self, tensor: int) -> int:
        """The number of the first channel of a tensor."""
        return int(self._offsets[tensor])

    @property
    def count(self) -> int:
        """How many such numbers there are."""
        return int(self._offsets[-1])

    def stored(self) -> Sequence[Value]:
        """The values that take up memory of their own, in order."""
        return list(self._atoms)

    def _add(self, operation: Operation, output: Value) -> None:
        if isinstance(operation, Select) and not operation.copied:
            return
        if isinstance(operation, Concatenation) and operation not in self._fresh:
            self._lay(operation, output)
        elif isinstance(operation, ChannelWise):
            self._follow(operation, output)
        else:
            self._start(output)
        if operation.ordered:
            self._keep_order(self._atoms[output])
            for source in operation.sources():
                if resolve(source.value)[0] in self._atoms:
                    self._keep_order(self.atoms(source.value))

    def _start(self, output: Value) -> None:
        operation = output.operation
        cuts = [] if operation in self._fresh else sorted(self._cuts.get(operation, ()))
        if cuts:
            self._laid[output] = {operation}
        sizes = np.diff([0, *cuts, output.channels])
        tensors = self._count + np.arange(sizes.size)
        self._count += sizes.size
        for tensor, size in zip(tensors.tolist(), sizes.tolist(), strict=True):
            self.classes[tensor] = TensorClass(
                np.arange(size, dtype=np.float64), {tensor: output.origin}
            )
            self._members[tensor] = []
        channels = np.concatenate([np.arange(size) for size in sizes])
        numbers = np.repeat(np.arange(sizes.size), sizes)
        self._place(output, Atoms(np.repeat(tensors, sizes), channels, numbers))

    def _place(self, output: Value, atoms: Atoms) -> None:
        self._atoms[output] = atoms
        for tensor in np.unique(atoms.tensors):
            self._members[int(tensor)].append(output)

    def _lay(self, operation: Concatenation, output: Value) -> None:
        pieces = [self.atoms_or_new(value) for value in operation.operands]
        self._laid[output] = {operation}.union(
            *(self._laid.get(resolve(value)[0], set()) for value in operation.operands)
        )
        offsets = np.cumsum([0, *(int(piece.numbers.max(initial=0)) + 1 for piece in pieces)])
        numbers = [piece.numbers + offset for piece, offset in zip(pieces, offsets, strict=False)]
        self._place(
            output,
            Atoms(
                np.concatenate([piece.tensors for piece in pieces]),
                np.concatenate([piece.channels for piece in pieces]),
                np.concatenate(numbers),
            ),
        )

    def atoms_or_new(self, value: Value) -> Atoms:
        """The atoms of a value, which need not be live: then it is given a tensor."""
        base, _ = resolve(value)
        if base not in self._atoms:
            self._start(base)
        return self.atoms(value)

    def _follow(self, operation: ChannelWise, output: Value) -> None:
        operands = [
            operand
            for operand in operation.operands
            if operand.index is not None
            and (operand.index >= 0).all()
            and resolve(operand.value)[0] in self._atoms
        ]
        if not operands:
            self._start(output)
            return
        bases = [resolve(operand.value)[0] for operand in operands]
        laid: set[Operation] = set().union(*(self._laid.get(base, set()) for base in bases))
        if laid:
            self._laid[output] = laid
        first = operands[0]
        assert first.index is not None
        self._place(output, self.atoms(first.value).take(first.index))
        for operand in operands[1:]:
            assert operand.index is not None
            self._tie(output, operand.value, operand.index)

    def _tie(self, output: Value, value: Value, index: IndexArray) -> None:
        one, other = self._atoms[output], self.atoms(value).take(index)
        stretches = one.stretches()
        if stretches != other.stretches():
            laid = self._laid.get(output, set()) | self._laid.get(resolve(value)[0], set())
            if laid:
                raise _MismatchError(laid)
        for places in stretches:
            tensor, another = int(one.tensors[places.start]), int(other.tensors[places.start])
            mine, theirs = one.channels[places], other.channels[places]
            if tensor == another:
                if not np.array_equal(mine, theirs):
                    self.classes[tensor].ordered = True
                    self._want_cuts(tensor, mine, theirs)
                continue
            if tensor < another:
                self._merge(tensor, another, mine, theirs)
            else:
                self._merge(another, tensor, theirs, mine)
            one, other = self._atoms[output], self.atoms(value).take(index)

    def _want_cuts(self, tensor: int, mine: IndexArray, theirs: IndexArray) -> None:
        """Where two sets of channels meet that one layer makes: each could be a tensor of its own.

        Only for the first such meeting of a layer: once it is cut, others may be no more.
        """
        cut = set(self.wanted)
        for value in self._members[tensor]:
            operation = value.operation
            if not isinstance(operation, Mix | Stored) or operation in self._fresh | cut:
                continue
            atoms = self._atoms[value]
            for places in atoms.stretches():
                if atoms.tensors[places.start] != tensor:
                    continue
                found = [
                    places.start + np.flatnonzero(np.isin(atoms.channels[places], each))
                    for each in (mine, theirs)
                ]
                if any(each.size == 0 or not is_run(each) for each in found):
                    continue
                if np.isin(found[0], found[1]).any():
                    continue
                ends = {int(end) for each in found for end in (each[0], each[-1] + 1)}
                self.wanted.setdefault(operation, set()).update(ends - {0, value.channels})

    def _merge(self, kept: int, gone: int, mine: IndexArray, theirs: IndexArray) -> None:
        """Make one tensor of two, in which the channels `mine` and `theirs` are the same."""
        one, other = self.classes[kept], self.classes[gone]
        if np.unique(mine).size < mine.size or np.unique(theirs).size < theirs.size:
            one.ordered = other.ordered = True
            return
        names = np.full(other.channels, -1, dtype=np.int64)
        names[theirs] = mine
        new = np.flatnonzero(names < 0)
        names[new] = one.channels + np.arange(new.size)
        # New channels sort behind the shared one that they followed.
        order = np.argsort(other.keys[theirs], kind="stable")
        behind = np.searchsorted(other.keys[theirs][order], other.keys[new])
        before = np.concatenate([[one.keys.min() - 1], one.keys[mine][order]])[behind]
        fraction = (1 + np.argsort(np.argsort(other.keys[new]))) / (2 + new.size)
        self.classes[kept] = TensorClass(
            np.concatenate([one.keys, before + fraction]),
            dict(sorted({**one.producers, **other.producers}.items())),
            one.ordered or other.ordered,
        )
        for value in self._members.pop(gone):
            atoms = self._atoms[value]
            moved = atoms.tensors == gone
            channels = np.where(moved, names[np.where(moved, atoms.channels, 0)], atoms.channels)
            tensors = np.where(moved, kept, atoms.tensors)
            self._atoms[value] = Atoms(tensors, channels, atoms.numbers)
            if value not in self._members[kept]:
                self._members[kept].append(value)
        del self.classes[gone]

    def _keep_order(self, atoms: Atoms) -> None:
        for tensor in np.unique(atoms.tensors):
            self.classes[int(tensor)].ordered = True


def is_pinning(operation: Operation, facts: Facts) -> bool:
    """True for an operation that is needed and wants its sources as they were."""
    return isinstance(operation, Opaque) and operation.pins and facts.is_needed(operation.node)


def find_tensors(facts: Facts, *, end_to_end: bool) -> Tensors:
    """The tensors of a programme.

    Parameters
    ----------
    facts : Facts
    end_to_end : bool
        True if a concatenation lays its operands end to end, each in its own order, wherever
        that agrees with what else is done with it; False if its result has an order of its own.
    """
    concatenations = {
        operation for operation in facts.program.operations if isinstance(operation, Concatenation)
    }
    own_order: set[Operation] = set() if end_to_end else set(concatenations)
    fresh = set(own_order)
    cuts: dict[Operation, set[int]] = {}
    for _ in range(_MOST_ROUNDS):
        found = _consistent(facts, fresh, cuts)
        merged = {
            operation: cuts.get(operation, set()) | found.wanted.get(operation, set())
            for operation in {**cuts, **found.wanted}
        }
        if merged == cuts:
            return found
        cuts = merged
    # Layers that fall into ever more pieces, as under rotary embeddings, stay whole: all tensors
    # are found anew for each piece.
    return _consistent(facts, own_order, {})


def _consistent(facts: Facts, fresh: set[Operation], cuts: Mapping[Operation, set[int]]) -> Tensors:
    """The tensors where what cannot be laid end to end has an order of its own, as `fresh` then."""
    while True:
        try:
            return Tensors(facts, fresh, cuts)
        except _MismatchError as mismatch:
            fresh |= mismatch.concatenations
