"""The channel programme: a captured graph seen as values with channels and operations on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import fx

    from reorder_solver.torch_adapter.capture import Captured
    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, Flow, IndexArray

#: Per channel the number it always is, NaN where it is not known to be one.
Constants = npt.NDArray[np.float64]


class NotUnderstoodError(Exception):
    """A rule met something it cannot prove to be safe."""


@dataclass(eq=False)
class Value:
    """A tensor of the programme that carries channels.

    Attributes
    ----------
    name : str
        For messages: the graph node's.
    flow : Flow
    example : torch.Tensor
        Without data; sizes of the captured run, symbolic where they may change.
    operation : Operation
        What makes it.
    """

    name: str
    flow: Flow
    example: Any
    operation: Operation = field(repr=False)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.flow.channels

    @property
    def origin(self) -> str:
        """Name of the module that writes it, or of the graph node."""
        return str(getattr(self.operation, "module", "") or self.name)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A value that an operation reads.

    Attributes
    ----------
    value : Value
    index : ndarray of int64, shape (channels of the output,), or None
        For each output channel the channel it is made of, -1 for none. None if the operation
        takes channels of the source in any order and number.
    """

    value: Value
    index: IndexArray | None


class Operation(ABC):
    """What makes a value; see the subclasses in ``operations`` and ``mixing``.

    Attributes
    ----------
    output : Value or None
        None if the result has no channels that may be moved.
    ordered : bool
        True if the output must keep its channels in rising order to be made without a copy.
    """

    output: Value | None = None
    ordered: bool = False

    @abstractmethod
    def sources(self) -> Sequence[Source]:
        """The values read, and how the output's channels follow from theirs."""

    @abstractmethod
    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """The channels needed of each source so that the `live` ones of the output are right."""

    def inputs(self) -> Iterable[fx.Node]:
        """Nodes of the graph that may be asked for as they were in the model."""
        node = getattr(self, "node", None)
        return () if node is None else node.all_input_nodes

    def constants(self, facts: Facts) -> Constants:
        """Per output channel the number it always is, else NaN."""
        assert self.output is not None
        return np.full(self.output.channels, np.nan)

    def widen(self, live: BoolArray, facts: Facts) -> BoolArray:
        """The least set of output channels, including `live`, that can be made."""
        return live

    @abstractmethod
    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """Emit the operation so that it makes the channels of `sequence`, in that order."""


@dataclass(eq=False)
class Program:
    """A captured graph and what is known of its channels.

    Attributes
    ----------
    captured : Captured
    operations : list of (node or None, Operation)
        In an order in which every value is made before it is read. The node is None for
        operations that the graph does not have.
    values : dict of node to Value
    reasons : dict of node to str
        Why a node has no channels that may be moved.
    """

    captured: Captured
    operations: list[Operation] = field(default_factory=list)
    values: dict[fx.Node, Value] = field(default_factory=dict)
    reasons: dict[fx.Node, str] = field(default_factory=dict)


def chosen(index: IndexArray, sequence: IndexArray) -> IndexArray:
    """The source channels of the output channels in `sequence`, without "none"."""
    picked = index[sequence]
    return picked[picked >= 0]


def marked(channels: int, which: IndexArray) -> BoolArray:
    """A boolean array that is True at `which`."""
    mask = np.zeros(channels, dtype=np.bool_)
    mask[which] = True
    return mask
