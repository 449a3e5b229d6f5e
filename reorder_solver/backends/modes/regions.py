"""How many runs some accesses have together at least, from the columns they tell apart.

On the way through a tensor, every step from one class to a different one begins or ends runs: as
many as the number of accesses that want one and not the other. Half the length of a shortest way
bounds the sum of the runs from below. Where all of the accesses have no other part, the way begins
and ends outside, where nobody wants anything.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reorder_solver.backends.dynamic.anatomy import Anatomy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.backends.dynamic.anatomy import Shape
    from reorder_solver.presolve import Problem

IntArray = npt.NDArray[np.int64]

#: A matrix of their distances is made: a tenth of a second, which nobody interrupts.
_MOST_COLUMNS = 2048


class Regions:
    """The classes of every tensor, by the accesses that want them.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._wants: list[dict[int, IntArray]] = [{} for _ in problem.sizes]
        self._alone = [len(access.parts) == 1 for access in problem.accesses]
        shapes = Anatomy.of(problem).shapes
        self._least = [0 if shape is None else _least_of(shape) for shape in shapes]
        for number, access in enumerate(problem.accesses):
            for tensor, wanted in access.parts:
                row = np.zeros(problem.sizes[tensor].size, dtype=np.int64)
                row[wanted] = 1
                # A tensor that one access meets twice tells as much as if it met it once.
                self._wants[tensor].setdefault(number, row)

    def columns(self, tensor: int, few: Sequence[int]) -> IntArray:
        """Different columns of the classes of `tensor`, over the accesses `few` that meet it."""
        rows = [self._wants[tensor][each] for each in few if each in self._wants[tensor]]
        if not rows:
            return np.zeros((1, 0), dtype=np.int64)
        found: IntArray = np.unique(np.array(rows).T, axis=0)
        return found

    def least_runs(self, few: Sequence[int]) -> int:
        """A lower bound on the sum of the runs of the accesses `few`, under every layout.

        Notes
        -----
        Every class is left and entered by different steps, each at least as long as to its
        nearest; halved, as every step has two ends. O(k^2 m) for k columns and m accesses.
        """
        doubled = 0
        for tensor, met in enumerate(self._wants):
            here = [each for each in few if each in met]
            if not here or self._problem.fixed[tensor]:
                continue
            columns = self.columns(tensor, here)
            if columns.shape[0] > _MOST_COLUMNS:
                continue
            is_closed = all(self._alone[each] for each in here)
            if is_closed and columns.any(axis=1).all():
                columns = np.vstack([columns, np.zeros(len(here), dtype=np.int64)])
            doubled += _doubled_way(columns, is_closed=is_closed)
        return max(-(-doubled // 4), sum(self._least[each] for each in few))


def _least_of(shape: Shape) -> int:
    """How few runs one access has at least, whatever the orders.

    A run goes on from a tensor's end into the next tensor only if the tensor's last class is
    wanted by the part that goes on. A tensor has one last class, however often the access meets
    it; the same holds for first classes.
    """
    runs = sum(
        (1 if piece.mask else 0) if piece.fixed_runs is None else piece.fixed_runs
        for piece in shape.pieces
    )
    lefts, rights = (
        [each.left for each in shape.junctions],
        [each.right for each in shape.junctions],
    )
    joined = min(
        _most_joined([(each.tensor, each.mask, each.last) for each in lefts]),
        _most_joined([(each.tensor, each.mask, each.first) for each in rights]),
    )
    return max(1, runs - joined)


def _most_joined(pieces: Sequence[tuple[int, int, bool]]) -> int:
    """How many of the pieces one class for every tensor can be at the edge of.

    A piece is a tensor, what it wants of it, and, where the order is given, whether its edge is
    wanted.
    """
    total = 0
    by_tensor: dict[int, list[int]] = {}
    for tensor, mask, at_edge in pieces:
        if mask:
            by_tensor.setdefault(tensor, []).append(mask)
        else:
            total += at_edge
    for masks in by_tensor.values():
        counts: Counter[int] = Counter()
        for mask in masks:
            left = mask
            while left:
                counts[left & -left] += 1
                left &= left - 1
        total += max(counts.values())
    return total


def _doubled_way(columns: IntArray, *, is_closed: bool) -> int:
    """Twice a lower bound on the length of a way through all columns, and back if closed."""
    count = columns.shape[0]
    if count < 2:
        return 0
    # Products of floats are much faster, and exact for counts.
    numbers = columns.astype(np.float64)
    common = numbers @ numbers.T
    ones = common.diagonal()
    apart = ones[:, None] + ones[None, :] - 2 * common
    np.fill_diagonal(apart, columns.shape[1] + 1)
    if count == 2:
        return 2 * int(apart[0, 1]) * (2 if is_closed else 1)
    nearest = np.partition(apart, 1, axis=1)[:, :2]
    total = int(nearest.sum())
    return total if is_closed else total - 2 * int(nearest[:, 1].max())
