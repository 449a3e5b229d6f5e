"""Distances between nodes: all of them in a matrix, or worked out from 0/1 columns on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

IntArray: TypeAlias = npt.NDArray[np.int64]

#: The number of nodes times the largest distance may be this much.
DISTANCE_LIMIT = 2**50
#: Bits of a machine word.
WORD_BITS = 64


@dataclass(frozen=True, slots=True, eq=False)
class PackedColumns:
    """The columns of a 0/1 matrix as bits, under weighted Hamming distance.

    The distance of two columns is the sum, over the words, of the word's weight times the number
    of bits in which they differ. A row whose weight is no weight of a word may be in several.

    Parameters
    ----------
    words : ndarray of uint64, (nodes, words)
        C-contiguous.
    weights : ndarray of int64, (words,)
        Not negative.

    Raises
    ------
    ValueError
        If the shapes or types are others, or the distances too large.
    """

    words: npt.NDArray[np.uint64]
    weights: IntArray

    def __post_init__(self) -> None:
        words, weights = self.words, self.weights
        if words.ndim != 2 or words.dtype != np.uint64 or not words.flags.c_contiguous:
            raise ValueError("words must be a contiguous matrix of unsigned 64-bit integers")
        if weights.shape != words.shape[1:] or weights.dtype != np.int64:
            raise ValueError(f"{words.shape[1]} words need as many signed 64-bit weights")
        if weights.size and int(weights.min()) < 0:
            raise ValueError("the weight of a word is negative")
        if len(self) * self.largest > DISTANCE_LIMIT:
            raise ValueError("the distances are too large for 64-bit sums")

    def __len__(self) -> int:
        return int(self.words.shape[0])

    @property
    def largest(self) -> int:
        """A bound on the distances."""
        used = np.bitwise_or.reduce(self.words, axis=0, initial=0).tolist()
        return sum(
            word.bit_count() * weight
            for word, weight in zip(used, self.weights.tolist(), strict=True)
        )

    @classmethod
    def of(
        cls, rows: Sequence[npt.NDArray[np.integer]], weights: Sequence[int], count: int
    ) -> PackedColumns:
        """Pack rows, given as the columns (nodes) in which they have ones.

        Rows of equal weight share words; or rows share one set of words per power of two of their
        weights, if that takes fewer.

        Parameters
        ----------
        rows : sequence of ndarray of int
            One each.
        weights : sequence of int
            As many, not negative, of any size.
        count : int
            Nodes; those in no row are columns of zeros.

        Raises
        ------
        ValueError
            If a weight is negative or the distances are too large.
        """
        if any(weight < 0 for weight in weights):
            raise ValueError("the weight of a row is negative")
        if count * sum(weights) > DISTANCE_LIMIT:
            raise ValueError("the distances are too large for 64-bit sums")
        packed = _pack(weights)
        words = np.zeros((count, len(packed)), dtype=np.uint64)
        for number, (_, members) in enumerate(packed):
            for bit, row in enumerate(members):
                words[rows[row], number] |= np.uint64(1 << bit)
        return cls(words, np.array([weight for weight, _ in packed], dtype=np.int64))


class Metric(NamedTuple):
    """Distances as the kernels take them: a matrix, or an empty one and columns.

    Attributes
    ----------
    matrix : ndarray of int32 or int64, (nodes, nodes) or (1, 1)
        In use if there are no words.
    words : ndarray of uint64, (nodes, words)
    weights : ndarray of int64, (words,)
    """

    matrix: npt.NDArray[np.integer]
    words: npt.NDArray[np.uint64]
    weights: IntArray


def tour_length(known: Metric, tour: IntArray) -> int:
    """Length of a closed tour; O(nodes), no kernel needed."""
    if tour.size < 2:
        return 0
    following = np.roll(tour, -1)
    if not known.words.shape[1]:
        return int(known.matrix[tour, following].sum(dtype=np.int64))
    differing = (known.words[tour] ^ known.words[following]).view(np.uint8)
    bits = np.unpackbits(differing, axis=1).reshape(tour.size, known.weights.size, WORD_BITS)
    return int((bits.sum(axis=(0, 2), dtype=np.int64) * known.weights).sum())


def metric(distances: npt.NDArray[np.integer] | PackedColumns) -> Metric:
    """Bring distances into the one form that kernels are compiled for.

    Raises
    ------
    ValueError
        If a matrix is not square, of integers, symmetric, or too large for 64-bit sums.
    """
    if isinstance(distances, PackedColumns):
        return Metric(np.zeros((1, 1), dtype=np.int32), distances.words, distances.weights)
    if distances.ndim != 2 or distances.shape[0] != distances.shape[1]:
        raise ValueError(f"the distances must be a square matrix, not {distances.shape}")
    if not np.issubdtype(distances.dtype, np.integer):
        raise ValueError(f"the distances must be integers, not {distances.dtype}")
    size = max(int(distances.max(initial=0)), -int(distances.min(initial=0)))
    if size * distances.shape[0] > DISTANCE_LIMIT:
        raise ValueError("the distances are too large for 64-bit sums")
    kind = np.int32 if size < 2**30 else np.int64
    matrix: npt.NDArray[np.integer] = np.ascontiguousarray(distances, dtype=kind)
    if not np.array_equal(matrix, matrix.T):
        raise ValueError("the distances are not symmetric")
    none = np.zeros((distances.shape[0], 0), dtype=np.uint64)
    return Metric(matrix, none, np.zeros(0, dtype=np.int64))


def _pack(weights: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Weights and rows of as few words as is easy."""
    by_weight: dict[int, list[int]] = {}
    by_power: dict[int, list[int]] = {}
    for row, weight in enumerate(weights):
        if weight:
            by_weight.setdefault(weight, []).append(row)
        for power in range(weight.bit_length()):
            if weight >> power & 1:
                by_power.setdefault(1 << power, []).append(row)
    return min(_words(by_weight), _words(by_power), key=len)


def _words(groups: dict[int, list[int]]) -> list[tuple[int, list[int]]]:
    return [
        (weight, rows[start : start + WORD_BITS])
        for weight, rows in sorted(groups.items())
        for start in range(0, len(rows), WORD_BITS)
    ]
