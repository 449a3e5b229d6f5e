"""Triples of rows that conflict, many at once: Tucker's two patterns with three rows.

Three rows lack the consecutive-ones property exactly if every two of them share a column that the
third lacks, or all three share a column while each has one that the other two lack (Tucker 1972).
Which of seven kinds of columns there are is asked 64 columns at a time, and of a triple no longer
than until it is proven. With unstructured masks, most are after a hundred columns.

References
----------
A. Tucker, "A structure theorem for the consecutive 1's property", Journal of Combinatorial Theory
B 12 (1972) 153-162, DOI 10.1016/0095-8956(72)90019-6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

    IntArray: TypeAlias = npt.NDArray[np.int64]

# 64-bit words that one step works on, over all triples.
_WORDS = 1 << 19


def unproven_triples(
    count: int,
    rows: Mapping[str, Mapping[int, IntArray]],
    widths: Mapping[str, int],
    limit: int,
) -> list[tuple[int, int, int]] | None:
    """Triples of ``0 .. count - 1`` that no three rows of one tensor show to conflict.

    Parameters
    ----------
    count : int
    rows : mapping
        By tensor and number, the columns of a row.
    widths : mapping
        By tensor, how many columns there are.
    limit : int

    Returns
    -------
    list of (int, int, int), or None
        None if there are more than `limit`.
    """
    tables = [_Table(count, rows[tensor], widths[tensor]) for tensor in rows]
    pending: list[tuple[int, int, int]] = []
    for first in range(count - 2):
        upper = np.triu_indices(count - first - 1, 1)
        second, third = upper[0] + first + 1, upper[1] + first + 1
        for table in tables:
            is_open = ~table.conflicts(first, second, third)
            second, third = second[is_open], third[is_open]
        if len(pending) + second.size > limit:
            return None
        pending += [(first, int(b), int(c)) for b, c in zip(second, third, strict=True)]
    return pending


class _Table:
    """The rows of one tensor, packed into words."""

    def __init__(self, count: int, rows: Mapping[int, IntArray], width: int) -> None:
        self.has_row = np.zeros(count, dtype=np.bool_)
        matrix = np.zeros((count, width), dtype=np.bool_)
        for number, places in rows.items():
            self.has_row[number] = True
            matrix[number, places] = True
        # Columns that resemble each other tend to be neighbours; spread, the first few tell more.
        matrix = matrix[:, np.random.default_rng(0).permutation(width)]
        padded = np.zeros((count, -(-width // 64) * 64), dtype=np.bool_)
        padded[:, :width] = matrix
        self._words = np.packbits(padded, axis=1).view(np.uint64)

    def conflicts(self, first: int, second: IntArray, third: IntArray) -> npt.NDArray[np.bool_]:
        """Which of the triples ``first, second[i], third[i]`` have one of the patterns."""
        found = np.zeros(second.size, dtype=np.bool_)
        if not self.has_row[first]:
            return found
        left = np.flatnonzero(self.has_row[second] & self.has_row[third])
        seen = np.zeros((7, left.size), dtype=np.bool_)
        start, step = 0, 1
        while start < self._words.shape[1] and left.size:
            stop = min(self._words.shape[1], start + step)
            size = max(1, _WORDS // (stop - start))
            for begin in range(0, left.size, size):
                some = left[begin : begin + size]
                seen[:, begin : begin + size] |= _kinds(
                    self._words[first, start:stop],
                    self._words[second[some], start:stop],
                    self._words[third[some], start:stop],
                )
            is_conflict = seen[:3].all(axis=0) | seen[3:].all(axis=0)
            found[left[is_conflict]] = True
            left, seen = left[~is_conflict], seen[:, ~is_conflict]
            start, step = stop, 2 * step
        return found


def _kinds(
    a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64], c: npt.NDArray[np.uint64]
) -> npt.NDArray[np.bool_]:
    """Which of seven kinds of columns there are: in two rows only, in all, in one only."""
    ab, ac, bc = a & b, a & c, b & c
    all_three = ab & c
    kinds = (ab ^ all_three, ac ^ all_three, bc ^ all_three, all_three)
    alone = (a & ~(b | c), b & ~(a | c), c & ~(a | b))
    return np.stack([words.any(axis=1) for words in (*kinds, *alone)])
