"""Stretches: the orders that windows lie in, and which channels form one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.torch_adapter.connections import connections_among, label_of
from reorder_solver.torch_adapter.tensors import find_tensors

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from reorder_solver.torch_adapter.connections import Channels
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.tensors import TensorClass, Tensors

    IntArray = npt.NDArray[np.int64]

#: A tensor: whether a concatenation that it is has an order of its own, and what it is called.
TensorKey = tuple[bool, str]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Channels in one order: a tensor, or the part of one that some layers read.

    Attributes
    ----------
    id : str
    channels : int
    fixed : bool
        True if the order must stay.
    held : bool
        True if all channels stay whatever the windows are.
    """

    id: str
    channels: int
    fixed: bool
    held: bool


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Where some of a layer's owners (see :class:`Channels`) lie in a stretch.

    Attributes
    ----------
    stretch : str
    owners, channels : ndarray of int64
        Owner and channel of the stretch, pair by pair.
    """

    stretch: str
    owners: IntArray
    channels: IntArray


class Order:
    """Tensors as one way to lay concatenations out has them, and the calls of layers on them."""

    def __init__(self, model: nn.Module, facts: Facts, *, end_to_end: bool) -> None:
        self.tensors: Tensors = find_tensors(facts, end_to_end=end_to_end)
        self.calls = connections_among(model, facts, self.tensors)
        classes = self.tensors.classes
        self.by_label = {label_of(self.tensors, number): each for number, each in classes.items()}

    def fixed(self, label: str) -> bool:
        """True for a tensor whose order must stay."""
        return self.by_label[label].ordered

    def follows(self, channels: Channels) -> bool:
        """True if it is known where the channels lie, each in a place of its own."""
        places = set(zip(channels.tensor, channels.channel.tolist(), strict=True))
        return all(label in self.by_label for label in channels.tensor) and (
            len(places) == channels.owners
        )


class Cuts:
    """Which channels of each tensor form a stretch: those that the same layers read.

    Attributes
    ----------
    mixed : set
        Tensors of which layers read parts that overlap without being equal.
    held : set
        Tensors of which a layer reads something in full.
    """

    def __init__(
        self,
        homes: dict[str, tuple[TensorKey, IntArray]],
        whole: list[tuple[TensorKey, IntArray]],
        orders: dict[bool, Order],
    ) -> None:
        self._readers: dict[TensorKey, int] = defaultdict(int)
        self.sets: dict[TensorKey, dict[bytes, IntArray]] = defaultdict(dict)
        self.held = {key for key, _ in whole}
        for key, channels in homes.values():
            self._readers[key] += 1
            self._add(key, channels)
        for key, channels in whole:
            if key in self._readers:
                self._add(key, channels)
        self.mixed = {
            key
            for key, sets in self.sets.items()
            if _overlap(list(sets.values()))
            or any(_scattered(orders[key[0]].by_label[key[1]], each) for each in sets.values())
        }

    def alone(self, key: TensorKey) -> bool:
        """True if one layer reads the tensor."""
        return self._readers[key] == 1 and key not in self.held

    def _add(self, key: TensorKey, channels: IntArray) -> None:
        ordered = np.sort(channels)
        self.sets[key][ordered.tobytes()] = ordered


class Stretches:
    """The stretches in use, made when they are asked for."""

    def __init__(self, orders: dict[bool, Order], cuts: Cuts) -> None:
        self.found: dict[str, Stretch] = {}
        self.cuts = cuts
        self._orders = orders
        self._places: dict[TensorKey, tuple[IntArray, IntArray, list[str]]] = {}

    def window(self, key: TensorKey, channels: IntArray) -> tuple[Piece, ...]:
        """All owners, in the stretch they lie in."""
        block, place, ids = self._cut(key)
        stretch = ids[int(block[channels[0]])] if channels.size else ids[0]
        return (Piece(stretch, np.arange(channels.size), place[channels]),)

    def pieces(self, channels: Channels) -> tuple[Piece, ...]:
        """The owners by the stretches they lie in."""
        labels = np.array(channels.tensor)
        found: list[Piece] = []
        for label in dict.fromkeys(channels.tensor):
            block, place, ids = self._cut((False, label))
            owners = np.flatnonzero(labels == label)
            numbers = channels.channel[owners]
            for each in np.unique(block[numbers]).tolist():
                here = block[numbers] == each
                found.append(Piece(ids[each], owners[here], place[numbers[here]]))
        return tuple(found)

    def _cut(self, key: TensorKey) -> tuple[IntArray, IntArray, list[str]]:
        """Per channel of a tensor its stretch and its place there, and the stretches' ids."""
        if key in self._places:
            return self._places[key]
        joined, label = key
        tensor = self._orders[joined].by_label[label]
        order = np.argsort(tensor.keys, kind="stable")
        block = np.full(tensor.channels, -1, dtype=np.int64)
        sets = [] if key in self.cuts.mixed else list(self.cuts.sets.get(key, {}).values())
        for number, channels in enumerate(sets):
            block[channels] = number
        if (block < 0).any():
            block[block < 0] = len(sets)
        place = np.zeros(tensor.channels, dtype=np.int64)
        name = f"{label} joined" if joined else label
        count = int(block.max(initial=0)) + 1
        ids = [f"{name} part {number + 1}" if count > 1 else name for number in range(count)]
        held = tensor.ordered or key in self.cuts.held or key in self.cuts.mixed
        for number, stretch in enumerate(ids):
            inside = order[block[order] == number]
            place[inside] = np.arange(inside.size)
            self.found[stretch] = Stretch(stretch, inside.size, tensor.ordered, held)
        self._places[key] = block, place, ids
        return self._places[key]


def _scattered(tensor: TensorClass, channels: IntArray) -> bool:
    """True for channels of a tensor in a fixed order that are no stretch of it."""
    if not tensor.ordered:
        return False
    ranks = np.argsort(np.argsort(tensor.keys, kind="stable"), kind="stable")[channels]
    return bool(np.ptp(ranks) + 1 != ranks.size)


def _overlap(sets: list[IntArray]) -> bool:
    together = np.concatenate(sets) if sets else np.arange(0)
    return np.unique(together).size < together.size
