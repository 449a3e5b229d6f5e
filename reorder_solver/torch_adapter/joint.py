"""Joint masks: channels that all layers around a tensor must keep or drop together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    from torch import nn

    from reorder_solver.torch_adapter.connections import Channels, Connection
    from reorder_solver.torch_adapter.layer_weights import Side
    from reorder_solver.torch_adapter.masks import Kept

    IntArray = npt.NDArray[np.int64]
    FloatArray = npt.NDArray[np.float64]


class Score(Protocol):
    """A score per owner of one side of a layer."""

    def __call__(self, name: str, module: nn.Module, channels: Channels, side: Side) -> FloatArray:
        """One number per owner of `channels`."""


class JointChannels:
    """Channels of tensors in *groups* that stay or go together, and tensors in *units*.

    Two channels are in one group if one weight column (or row) belongs to both: a layer called
    on two tensors, features behind a flatten. Two tensors are in one unit if they share a group;
    a share to drop is taken of each unit.

    Parameters
    ----------
    calls : sequence of Connection
        Those of layers that take part.
    readers, writers : sequence of str
        Names of the layers whose inputs (outputs) follow the tensors they read (write); layers
        with several calls once.
    """

    def __init__(
        self, calls: Sequence[Connection], readers: Sequence[str], writers: Sequence[str]
    ) -> None:
        self._sides: list[tuple[str, Side]] = [(name, "input") for name in readers]
        self._sides += [(name, "output") for name in writers]
        self._calls = {
            key: [channels_of(call, key[1]) for call in calls if call.module == key[0]]
            for key in self._sides
        }
        self._tensor_start = self._number_channels()
        count = sum(self._tensor_count.values())
        starts: dict[tuple[str, Side], int] = {}
        edges: list[tuple[IntArray, IntArray]] = []
        for key, channels in self._calls.items():
            starts[key] = count
            features = channels[0].owner.size
            edges += [(count + np.arange(features), self._elements(each)) for each in channels]
            count += features
        self._groups = _components(edges, count)
        self._starts = starts
        self._units = self._units_of_groups()

    def scored(self, score: Score, modules: dict[str, nn.Module], side: Side) -> FloatArray:
        """Per group the sum of the scores on one side of all layers."""
        totals = np.zeros(self._units.size)
        for name, each in self._sides:
            if each == side:
                channels = self._calls[name, side][0]
                np.add.at(
                    totals, self._of_owners(channels), score(name, modules[name], channels, side)
                )
        return totals

    def readers(self) -> IntArray:
        """Per group how many channels of all layers together read it."""
        count = np.zeros(self._units.size, dtype=np.int64)
        for name, side in self._sides:
            if side == "input":
                np.add.at(count, self._of_owners(self._calls[name, side][0]), 1)
        return count

    def shares(self, score: Score, modules: dict[str, nn.Module], side: Side) -> FloatArray:
        """Per group the mean score on one side over its unit, each layer counting once."""
        totals, layers = np.zeros(self._units.size), np.zeros(self._units.size)
        for name, each in self._sides:
            if each == side:
                channels = self._calls[name, side][0]
                units = self._units[self._of_owners(channels)]
                sums = np.bincount(units, score(name, modules[name], channels, side), totals.size)
                counts = np.bincount(units, minlength=totals.size)
                totals += sums / np.maximum(counts, 1)
                layers += counts > 0
        means = np.divide(totals, layers, out=np.ones_like(totals), where=layers > 0)
        return means[self._units]

    def units(self) -> Iterator[IntArray]:
        """The groups of each unit that some layer reads."""
        read = np.zeros(self._units.size, dtype=np.bool_)
        for name, side in self._sides:
            if side == "input":
                read[self._of_features(name, side)] = True
        for unit in range(int(self._units.max(initial=-1)) + 1):
            groups = np.flatnonzero((self._units == unit) & read)
            if groups.size:
                yield groups

    def masks(self, dropped: Kept) -> dict[str, dict[str, Kept]]:
        """The masks of all layers that take part; `dropped` has one entry per group."""
        found: dict[str, dict[str, Kept]] = {}
        for name, side in self._sides:
            found.setdefault(name, {})[side] = ~dropped[self._of_features(name, side)]
        return found

    def _number_channels(self) -> dict[str, int]:
        self._tensor_count: dict[str, int] = {}
        for channels in (each for calls in self._calls.values() for each in calls):
            for tensor, channel in zip(channels.tensor, channels.channel.tolist(), strict=True):
                self._tensor_count[tensor] = max(self._tensor_count.get(tensor, 0), channel + 1)
        offsets = np.cumsum([0, *self._tensor_count.values()])
        return dict(zip(self._tensor_count, offsets.tolist(), strict=False))

    def _elements(self, channels: Channels) -> IntArray:
        """Per feature the number of the channel it is made of."""
        return self._of_tensors(channels)[channels.owner]

    def _of_tensors(self, channels: Channels) -> IntArray:
        starts = np.array([self._tensor_start[each] for each in channels.tensor], dtype=np.int64)
        return starts + channels.channel

    def _of_owners(self, channels: Channels) -> IntArray:
        return self._groups[self._of_tensors(channels)]

    def _of_features(self, name: str, side: Side) -> IntArray:
        start = self._starts[name, side]
        return self._groups[start : start + self._calls[name, side][0].owner.size]

    def _units_of_groups(self) -> IntArray:
        """The unit of every group."""
        groups = int(self._groups.max(initial=-1)) + 1
        tensors = np.repeat(np.arange(len(self._tensor_count)), list(self._tensor_count.values()))
        own = self._groups[: tensors.size]
        return _components([(groups + tensors, own)], groups + len(self._tensor_count))[:groups]


def channels_of(call: Connection, side: Side) -> Channels:
    """What a call reads or writes."""
    return call.reads if side == "input" else call.writes


def _components(edges: list[tuple[IntArray, IntArray]], count: int) -> IntArray:
    if not edges:
        return np.zeros(count, dtype=np.int64)
    rows = np.concatenate([one for one, _ in edges])
    columns = np.concatenate([other for _, other in edges])
    graph = coo_array((np.ones(rows.size), (rows, columns)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
