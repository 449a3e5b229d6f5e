"""Flow: which axis of a value carries channels, and how many features each of them takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IndexArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Channels laid one after the other on one axis of a value.

    Attributes
    ----------
    axis : int
        The channel axis, never negative.
    sizes : ndarray of int64, shape (channels,)
        How many consecutive features on the axis each channel takes.
    """

    axis: int
    sizes: IndexArray

    @classmethod
    def single(cls, axis: int, channels: int, block: int = 1) -> Flow:
        """`channels` channels of `block` features each."""
        return cls(axis, np.full(channels, block, dtype=np.int64))

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.sizes.size)

    @property
    def width(self) -> int:
        """Number of features on the channel axis."""
        return int(self.sizes.sum())

    @property
    def block(self) -> int | None:
        """Features per channel if that is the same for all; None if not."""
        sizes = self.sizes
        return int(sizes[0]) if sizes.size and bool((sizes == sizes[0]).all()) else None

    def on(self, axis: int) -> Flow:
        """The same channels on another axis."""
        return Flow(axis, self.sizes)

    def take(self, sequence: IndexArray) -> Flow:
        """The flow of a value made of some of the channels."""
        return Flow(self.axis, self.sizes[sequence])

    def count(self, sequence: IndexArray) -> int:
        """How many features the channels of `sequence` take."""
        return int(self.sizes[sequence].sum())

    def features(self, sequence: IndexArray) -> IndexArray:
        """The features of the channels of `sequence`, in that order."""
        starts = np.cumsum(self.sizes) - self.sizes
        return spread(starts[sequence], self.sizes[sequence])

    def owners(self) -> IndexArray:
        """For each feature the channel it belongs to."""
        return np.repeat(np.arange(self.channels, dtype=np.int64), self.sizes)

    def any_feature(self, features: BoolArray) -> BoolArray:
        """Per channel whether there is a True among its features, on the last axis."""
        if self.block == 1:
            # Much faster than sums over stretches of one.
            return features
        starts = np.cumsum(self.sizes) - self.sizes
        found: BoolArray = np.logical_or.reduceat(features, starts, axis=-1)
        return found

    def same_sizes(self, other: Flow) -> bool:
        """True if both have equally many channels of equal sizes."""
        return np.array_equal(self.sizes, other.sizes)


def spread(starts: IndexArray, sizes: IndexArray) -> IndexArray:
    """The numbers ``starts[i] ... starts[i] + sizes[i] - 1`` for each i, in order."""
    if bool((sizes == 1).all()):
        return starts.astype(np.int64)
    offsets = np.cumsum(sizes) - sizes
    total = int(sizes.sum())
    return np.repeat(starts - offsets, sizes) + np.arange(total, dtype=np.int64)


def is_run(positions: IndexArray) -> bool:
    """True for consecutive rising numbers."""
    return positions.size <= 1 or bool((np.diff(positions) == 1).all())
