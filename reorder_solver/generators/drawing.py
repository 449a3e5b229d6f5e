"""Drawing: the random stream of an instance, and the subsets that families draw from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from reorder_solver.core.instance import Access, Tensor

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class Size(NamedTuple):
    """Upper bounds on an instance, known before anything is drawn.

    Attributes
    ----------
    channels : int
        Over all tensors.
    accesses : int
    wanted : int
        Wanted channels over all accesses.
    """

    channels: int
    accesses: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Draft:
    """What a family builds: the instance but for its name, and more for its metadata."""

    tensors: list[Tensor]
    accesses: list[Access]
    meta: dict[str, Any] = field(default_factory=dict)


class Stream:
    """Random numbers that are the same on every machine and with every NumPy.

    Parameters
    ----------
    seed : int
        0 or more, of any size.

    Notes
    -----
    NumPy promises the stream of the legacy ``RandomState`` for good, but not that of its newer
    ``Generator`` (NEP 19), and instances must not change with a NumPy release.
    """

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed)))

    def integer(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""
        return int(self._state.randint(low, high + 1, dtype=np.int64))

    def permutation(self, size: int) -> IntArray:
        """The numbers below `size` in random order."""
        return self._state.permutation(size).astype(np.int64)

    def subset(self, size: int, density: float) -> IntArray:
        """Each number below `size` with probability `density`; one of them if none came up."""
        wanted = np.flatnonzero(self._state.random_sample(size) < density)
        if wanted.size == 0:
            wanted = np.array([self.integer(0, size - 1)])
        return wanted.astype(np.int64)

    def scores(self, size: int) -> FloatArray:
        """Standard normal scores."""
        scores: FloatArray = self._state.standard_normal(size)
        return scores

    def similar(self, latent: FloatArray, correlation: float) -> FloatArray:
        """Standard normal scores; two drawn from one `latent` have this correlation."""
        noise = self.scores(latent.size)
        return math.sqrt(correlation) * latent + math.sqrt(1.0 - correlation) * noise


def top(scores: FloatArray, keep: float) -> IntArray:
    """Where the highest scores are: a share `keep` of them, rounded, at least one; ascending."""
    count = max(1, math.floor(keep * scores.size + 0.5))
    return np.sort(np.argsort(-scores, kind="stable")[:count]).astype(np.int64)
