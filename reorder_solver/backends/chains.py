"""Chains: orders of the columns of a 0/1 matrix in which neighbours are alike.

The weighted number of runs of an order is half the length of the tour through its columns and
one column of zeros, under weighted Hamming distance (Kou 1977). So construction heuristics for
the travelling salesman serve.

References
----------
L. T. Kou, "Polynomial complete consecutive information retrieval problems", SIAM Journal on
Computing 6 (1977) 67-75, DOI 10.1137/0206004.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float32]
#: From a matrix and the weights of its rows to an order of its columns.
Chain: TypeAlias = Callable[[BoolArray, Sequence[int]], IntArray]

#: Neighbours of each column that greedy_edge considers.
_NEIGHBOURS = 12


def nearest_neighbour(wants: BoolArray, weights: Sequence[int]) -> IntArray:
    """From the column of zeros always on to the nearest column left. O(columns squared)."""
    distances = _distances(wants, weights)
    count = wants.shape[1]
    order = np.empty(count, dtype=np.int64)
    is_left = np.zeros(count + 1, dtype=np.float32)
    is_left[count] = np.inf
    last = count
    for place in range(count):
        last = int((distances[last] + is_left).argmin())
        is_left[last] = np.inf
        order[place] = last
    return order


def greedy_edge(wants: BoolArray, weights: Sequence[int]) -> IntArray:
    """Join the two nearest ends of different chains until one chain is left.

    Looks at the nearest few ends of every end at a time; O(columns squared).
    """
    distances = _distances(wants, weights)
    count = distances.shape[0]
    chains = _Chains(count)
    while chains.joined < count - 1:
        ends = chains.ends()
        block = distances[np.ix_(ends, ends)] if chains.joined else distances.copy()
        place = np.full(count, -1, dtype=np.int64)
        place[ends] = np.arange(ends.size)
        own = place[chains.opposite[ends]]
        np.fill_diagonal(block, np.inf)
        block[np.arange(ends.size), own] = np.inf
        near = min(_NEIGHBOURS, ends.size - 1)
        columns = np.argpartition(block, near - 1, axis=1)[:, :near]
        lengths = np.take_along_axis(block, columns, axis=1).ravel()
        first, second = np.repeat(ends, near), ends[columns.ravel()]
        for at in np.lexsort((second, first, lengths)):
            if np.isfinite(lengths[at]):
                chains.join(int(first[at]), int(second[at]))
    tour = chains.walk()
    zero = tour.index(count - 1)
    return np.array(tour[zero + 1 :] + tour[:zero], dtype=np.int64)


class _Chains:
    """Nodes joined into paths.

    Attributes
    ----------
    opposite : ndarray of int64
        Of the end of a chain, its other end.
    joined : int
        Number of joins.
    """

    def __init__(self, count: int) -> None:
        self.opposite = np.arange(count, dtype=np.int64)
        self.joined = 0
        self._linked: list[list[int]] = [[] for _ in range(count)]

    def ends(self) -> IntArray:
        """The nodes that can still be joined."""
        return np.array(
            [node for node, linked in enumerate(self._linked) if len(linked) < 2], dtype=np.int64
        )

    def join(self, first: int, second: int) -> None:
        """Join two nodes if both are ends, of different chains."""
        if len(self._linked[first]) > 1 or len(self._linked[second]) > 1:
            return
        far_first, far_second = int(self.opposite[first]), int(self.opposite[second])
        if far_first == second:
            return
        self._linked[first].append(second)
        self._linked[second].append(first)
        self.opposite[far_first], self.opposite[far_second] = far_second, far_first
        self.joined += 1

    def walk(self) -> list[int]:
        """The nodes of the only chain, from one end to the other."""
        node, came_from = int(self.ends()[0]), -1
        path = [node]
        while following := [each for each in self._linked[node] if each != came_from]:
            node, came_from = following[0], node
            path.append(node)
        return path


def sorted_columns(wants: BoolArray, weights: Sequence[int]) -> IntArray:
    """Columns by their rank in the reflected Gray code, the heaviest row as the leading bit.

    Words that follow each other in that code differ in one bit. O(rows * columns * log(columns)).
    """
    heaviest = np.argsort([-weight for weight in weights], kind="stable")
    words = wants[heaviest].astype(np.int8)
    ranks = np.bitwise_xor.accumulate(words, axis=0)
    order: IntArray = np.lexsort(ranks[::-1])
    return order


def _distances(wants: BoolArray, weights: Sequence[int]) -> FloatArray:
    """Weighted Hamming distances of all columns, and last of a column of zeros."""
    total = max(1, sum(weights))
    # Whole numbers that float32 holds exactly, so that the result does not depend on rounding.
    most = min(total, 1 << 22)
    scaled = np.array([weight * most // total for weight in weights], dtype=np.float32)
    columns = np.zeros((wants.shape[1] + 1, len(weights)), dtype=np.float32)
    columns[:-1] = wants.T
    shared = (columns * scaled) @ columns.T
    own = shared.diagonal().copy()
    shared *= -2
    shared += own[:, None]
    shared += own[None, :]
    return shared
