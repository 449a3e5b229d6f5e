"""Channel flow: which tensor's channels a value carries, and the classes of tied tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Segment:
    """All channels of one tensor, in order, each spread over `block` consecutive features."""

    tensor: int
    block: int = 1


@dataclass(frozen=True, slots=True)
class Flow:
    """What the indices on a value's channel axis carry: whole tensors laid end to end.

    Attributes
    ----------
    axis : int
        The channel axis, never negative.
    segments : tuple of Segment
    """

    axis: int
    segments: tuple[Segment, ...]

    def on(self, axis: int) -> Flow:
        """The same channels on another axis."""
        return Flow(axis, self.segments)


#: A flow, one value per element of a tuple, or None: original order, every channel alive.
Value: TypeAlias = "Flow | tuple[Value, ...] | None"


def flows_in(value: Value) -> Iterator[Flow]:
    """All flows inside `value`."""
    if isinstance(value, Flow):
        yield value
    elif value is not None:
        for element in value:
            yield from flows_in(element)


def same_structure(one: Flow, other: Flow, tensors: TensorTable) -> bool:
    """True if both have the same sequence of channel counts and blocks."""
    return [(tensors.channels(s.tensor), s.block) for s in one.segments] == [
        (tensors.channels(s.tensor), s.block) for s in other.segments
    ]


class TensorTable:
    """Tensors by handle, tied into classes that share one channel order (union-find).

    The class of a handle is named by its root; the smallest handle is the root, so that names
    and orders do not depend on the sequence of ties.
    """

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._channels: list[int] = []
        self._producers: list[str] = []
        self._pins: list[tuple[int, str]] = []

    def new(self, channels: int, producer: str) -> int:
        """Handle of a new tensor, written first by `producer`."""
        self._parent.append(len(self._parent))
        self._channels.append(channels)
        self._producers.append(producer)
        return len(self._parent) - 1

    def root(self, handle: int) -> int:
        """The representative of the class of `handle`."""
        while self._parent[handle] != handle:
            self._parent[handle] = self._parent[self._parent[handle]]
            handle = self._parent[handle]
        return handle

    def channels(self, handle: int) -> int:
        """How many channels the tensor has."""
        return self._channels[handle]

    def tie(self, one: int, other: int) -> None:
        """Make both share one order; they must have equally many channels."""
        first, second = sorted((self.root(one), self.root(other)))
        if self._channels[first] != self._channels[second]:
            raise ValueError("tied tensors must have equally many channels")
        self._parent[second] = first

    def pin(self, handle: int, reason: str) -> None:
        """Keep the original order and every channel of the class of `handle`."""
        if (handle, reason) not in self._pins:
            self._pins.append((handle, reason))

    def pins(self) -> dict[int, tuple[str, ...]]:
        """Per pinned root the reasons, in order of discovery."""
        found: dict[int, dict[str, None]] = {}
        for handle, reason in self._pins:
            found.setdefault(self.root(handle), {})[reason] = None
        return {root: tuple(reasons) for root, reasons in sorted(found.items())}

    def classes(self) -> dict[int, tuple[str, ...]]:
        """Per root the producers of its members, in order of creation."""
        found: dict[int, list[str]] = {}
        for handle, producer in enumerate(self._producers):
            found.setdefault(self.root(handle), []).append(producer)
        return {root: tuple(producers) for root, producers in sorted(found.items())}

    def width(self, flow: Flow) -> int:
        """Number of features on the channel axis, before anything is dropped."""
        return sum(self._channels[s.tensor] * s.block for s in flow.segments)


class Arrangement:
    """The channels of every tensor class as they are stored after a layout was chosen.

    Parameters
    ----------
    tensors : TensorTable
    orders : mapping of int to ndarray
        Per root the channels that take up a position, position by position.
    """

    def __init__(self, tensors: TensorTable, orders: Mapping[int, IndexArray]) -> None:
        self._tensors = tensors
        self._orders = orders

    def features(self, flow: Flow) -> IndexArray:
        """The original feature at each position of the channel axis of `flow`."""
        offset = 0
        pieces: list[IndexArray] = []
        for segment in flow.segments:
            order = self._orders[self._tensors.root(segment.tensor)]
            inner = np.arange(segment.block, dtype=np.int64)
            pieces.append((offset + order[:, None] * segment.block + inner).ravel())
            offset += self._tensors.channels(segment.tensor) * segment.block
        return np.concatenate(pieces)

    def width(self, flow: Flow) -> int:
        """How many features the channel axis of `flow` has now."""
        return sum(
            int(self._orders[self._tensors.root(s.tensor)].size) * s.block for s in flow.segments
        )
