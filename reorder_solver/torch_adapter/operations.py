"""Operations that keep channels apart: each output channel comes from given source channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.torch_adapter.functional import written_argument
from reorder_solver.torch_adapter.joining import join
from reorder_solver.torch_adapter.program import Operation, Source, chosen, marked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import fx

    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.program import Constants, Value

#: Place of an argument: its name in the schema, and the element if it is a list.
Place = tuple[str, int | None]
#: From the channels to make, the value of an argument.
Argument = Callable[["IndexArray"], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """An argument that carries channels; see :class:`Source` for the index."""

    place: Place
    value: Value
    index: IndexArray | None


class Opaque(Operation):
    """An operator, or the model's output, that wants everything as it was.

    Attributes
    ----------
    pins : bool
        False for a kind that takes channels in any order after all.
    """

    pins = True

    def __init__(self, node: fx.Node, sources: Sequence[Value], reason: str) -> None:
        self.node = node
        self.reason = reason
        self._sources = tuple(sources)

    @property
    def is_result(self) -> bool:
        """True for the model's output and for what it writes to its buffers or inputs."""
        return self.node.op == "output" or written_argument(self.node) is not None

    def sources(self) -> Sequence[Source]:
        """Every argument with channels."""
        return [Source(value, None) for value in self._sources]

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """All channels."""
        return [(value, np.ones(value.channels, dtype=np.bool_)) for value in self._sources]

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The operator, on original values."""
        return emitter.call(self.node, {})


class Adopt(Operation):
    """A value without known channels, taken for one whose channels are all there, in order."""

    ordered = True

    def __init__(self, node: fx.Node, reason: str) -> None:
        self.node = node
        self.reason = reason

    def inputs(self) -> Iterable[fx.Node]:
        """The node itself."""
        return (self.node,)

    def sources(self) -> Sequence[Source]:
        """None."""
        return ()

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """Nothing that has channels."""
        return []

    def widen(self, live: BoolArray, facts: Facts) -> BoolArray:
        """All or nothing."""
        return np.full_like(live, live.any())

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The value itself, or some of it."""
        assert self.output is not None
        everything = np.arange(self.output.channels)
        return emitter.select(emitter.original(self.node), self.output.flow, everything, sequence)


class Select(Operation):
    """A choice of channels: no operator, only another way to look at the source.

    With ``copied``, the chosen channels are stored anew.
    """

    def __init__(self, source: Value, index: IndexArray, *, copied: bool = False) -> None:
        self.source = source
        self.index = index
        self.copied = copied

    def sources(self) -> Sequence[Source]:
        """The value looked at."""
        return [Source(self.source, self.index)]

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """What the live channels are."""
        return [(self.source, marked(self.source.channels, self.index[live]))]

    def constants(self, facts: Facts) -> Constants:
        """The source's."""
        return facts.constants(self.source)[self.index]

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The channels of the source."""
        return emitter.get(self.source, self.index[sequence])


def resolve(value: Value) -> tuple[Value, IndexArray]:
    """The stored value that `value` looks at, and which of its channels they are."""
    index = np.arange(value.channels, dtype=np.int64)
    while isinstance(value.operation, Select) and not value.operation.copied:
        index = value.operation.index[index]
        value = value.operation.source
    return value, index


class ChannelWise(Operation):
    """Makes each output channel of given channels of its operands.

    Attributes
    ----------
    operands : tuple of Operand
        An index of None stands for an operand that is used as a whole.
    """

    operands: tuple[Operand, ...]

    def sources(self) -> Sequence[Source]:
        """The operands."""
        return [Source(operand.value, operand.index) for operand in self.operands]

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """Of each operand the channels that belong to live ones."""
        found: list[tuple[Value, BoolArray]] = []
        sequence = np.flatnonzero(live)
        for operand in self.operands:
            if operand.index is None:
                mask = np.full(operand.value.channels, sequence.size > 0)
            else:
                mask = marked(operand.value.channels, chosen(operand.index, sequence))
            found.append((operand.value, mask))
        return found

    def constants(self, facts: Facts) -> Constants:
        """What becomes of channels made of constants alone."""
        assert self.output is not None
        found = np.full(self.output.channels, np.nan)
        known = np.ones(self.output.channels, dtype=np.bool_)
        for operand in self.operands:
            if operand.index is None:
                return found
            numbers = facts.constants(operand.value)[operand.index]
            known &= (operand.index < 0) | ~np.isnan(numbers)
        if known.any():
            sequence = np.flatnonzero(known)
            found[sequence] = facts.evaluate(self, sequence)
        return found


class PerChannel(ChannelWise):
    """An operator that makes each output channel of given channels of its operands.

    Parameters
    ----------
    node : torch.fx.Node
    operands : sequence of Operand
        An index of None stands for an operand that is used as a whole.
    parameters : mapping of place to (name, axis)
        Stored arguments that follow the output's features on an axis.
    arguments : mapping of place to callable
        Arguments that depend on which channels are made.
    target : operator, optional
        What to call instead of the node's operator.
    absorbing : bool
        True if the output is zero wherever an operand is.
    settled : callable, optional
        Given the facts, the channels that stored arguments alone make constant.
    element : int, optional
        Of an operator with several results, the one that is the output.
    """

    def __init__(
        self,
        node: fx.Node,
        operands: Sequence[Operand],
        parameters: Mapping[Place, tuple[str, int]] | None = None,
        arguments: Mapping[Place, Argument] | None = None,
        *,
        target: Any = None,
        absorbing: bool = False,
        settled: Callable[[Facts], Constants] | None = None,
        element: int | None = None,
    ) -> None:
        self.node = node
        self.operands = tuple(operands)
        self.parameters = dict(parameters or {})
        self.arguments = dict(arguments or {})
        self.target = target
        self.absorbing = absorbing
        self.settled = settled
        self.element = element

    def constants(self, facts: Facts) -> Constants:
        """What the operator makes of constants."""
        found = super().constants(facts)
        if self.absorbing:
            for operand in self.operands:
                if operand.index is not None:
                    zero = facts.constants(operand.value)[operand.index] == 0
                    found[zero & (operand.index >= 0)] = 0.0
        if self.settled is not None:
            found = np.where(np.isnan(found), self.settled(facts), found)
        return found

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The operator on the operands' channels, in the same order.

        Or on all that is stored, and a choice of the result: see `late`.
        """
        assert self.output is not None
        whole = self._all_stored(sequence, emitter) if self in emitter.late else None
        if whole is None:
            return self._lowered(sequence, emitter)
        return emitter.select(self._lowered(whole, emitter), self.output.flow, whole, sequence)

    def _all_stored(self, sequence: IndexArray, emitter: Emitter) -> IndexArray | None:
        """All that can be made of what is stored, if `sequence` is made of a slice of that."""
        (operand,) = self.operands
        assert operand.index is not None
        assert self.output is not None
        stored = emitter.stored(operand.value)
        wanted = operand.index[sequence]
        if wanted.size >= stored.size or len(emitter.runs(operand.value, wanted)) > 1:
            return None
        made_of = np.full(operand.value.channels, -1, dtype=np.int64)
        made_of[operand.index] = np.arange(self.output.channels)
        whole: IndexArray = made_of[stored]
        is_one_to_one = np.unique(operand.index).size == operand.index.size
        return whole if is_one_to_one and bool((whole >= 0).all()) else None

    def _lowered(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        assert self.output is not None
        replaced: dict[Place, Any] = {}
        for operand in self.operands:
            if operand.index is None:
                replaced[operand.place] = emitter.whole(operand.value)
            else:
                replaced[operand.place] = emitter.get(operand.value, operand.index[sequence])
        features = self.output.flow.features(sequence)
        for place, (name, axis) in self.parameters.items():
            replaced[place] = emitter.parameter(name, {axis: features})
        for place, argument in self.arguments.items():
            replaced[place] = argument(sequence)
        made = emitter.call(self.node, replaced, target=self.target)
        return made if self.element is None else emitter.item(made, self.element)


class Inseparable(PerChannel):
    """A per-channel operator that can only make all of its channels, in any order.

    Normalisations whose statistics take in every channel.
    """

    def widen(self, live: BoolArray, facts: Facts) -> BoolArray:
        """All or nothing."""
        return np.full_like(live, live.any())

    def constants(self, facts: Facts) -> Constants:
        """None: the statistics depend on every channel."""
        assert self.output is not None
        return np.full(self.output.channels, np.nan)

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """All channels, if any is live."""
        return super().needs(self.widen(live, facts), facts)

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The operator on everything, as it is stored, and a choice of the result."""
        assert self.output is not None
        order = self.order(emitter)
        return emitter.select(super().lower(order, emitter), self.output.flow, order, sequence)

    def order(self, emitter: Emitter) -> IndexArray:
        """The output's channels as the first operand has them stored."""
        operand = self.operands[0]
        assert operand.index is not None
        stored = emitter.stored(operand.value)
        return np.argsort(operand.index)[stored]


class Grouped(Inseparable):
    """The same for an operator that wants its groups of channels together and in order."""

    ordered = True

    def order(self, emitter: Emitter) -> IndexArray:
        """The original order."""
        assert self.output is not None
        return np.arange(self.output.channels)


class Concatenation(Operation):
    """Channels of several values written one after the other into fresh memory."""

    def __init__(self, node: fx.Node, axis: int, operands: Sequence[Value]) -> None:
        self.node = node
        self.axis = axis
        self.operands = tuple(operands)
        counts = [value.channels for value in operands]
        self.offsets = np.cumsum([0, *counts])

    def again(self) -> Concatenation:
        """The same concatenation, to be written once more."""
        return Concatenation(self.node, self.axis, self.operands)

    def owner(self, sequence: IndexArray) -> IndexArray:
        """For each channel the number of its operand."""
        found: IndexArray = np.searchsorted(self.offsets, sequence, side="right") - 1
        return found.astype(np.int64)

    def sources(self) -> Sequence[Source]:
        """Each operand fills its own stretch of the output."""
        found = []
        for number, value in enumerate(self.operands):
            index = np.full(int(self.offsets[-1]), -1, dtype=np.int64)
            index[self.offsets[number] : self.offsets[number + 1]] = np.arange(value.channels)
            found.append(Source(value, index))
        return found

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """Each operand's stretch."""
        return [
            (value, live[self.offsets[number] : self.offsets[number + 1]])
            for number, value in enumerate(self.operands)
        ]

    def constants(self, facts: Facts) -> Constants:
        """The operands'."""
        return np.concatenate([facts.constants(value) for value in self.operands])

    def pieces(self, sequence: IndexArray) -> list[tuple[Value, IndexArray]]:
        """Stretches of `sequence` that come from one operand, with that operand's channels."""
        owner = self.owner(sequence)
        cuts = np.flatnonzero(np.diff(owner)) + 1
        return [
            (self.operands[int(owner[part[0]])], sequence[part] - self.offsets[owner[part[0]]])
            for part in np.split(np.arange(sequence.size), cuts)
        ]

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """One concatenation, in the way that costs least."""
        return join(self, sequence, emitter)
