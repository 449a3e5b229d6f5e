"""How many runs some accesses have together at least, from the columns they tell apart.

On the way through a tensor, every step from one class to a different one begins or ends runs: as
many as the number of accesses that want one and not the other. Half the length of a shortest way
bounds the sum of the runs from below. Where all of the accesses have no other part, the way begins
and ends outside, where nobody wants anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.presolve import Problem

IntArray = npt.NDArray[np.int64]

#: A matrix of their distances is made.
_MOST_COLUMNS = 4096


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
        return -(-doubled // 4)


def _doubled_way(columns: IntArray, *, is_closed: bool) -> int:
    """Twice a lower bound on the length of a way through all columns, and back if closed."""
    count = columns.shape[0]
    if count < 2:
        return 0
    common = columns @ columns.T
    ones = common.diagonal()
    apart = ones[:, None] + ones[None, :] - 2 * common
    np.fill_diagonal(apart, columns.shape[1] + 1)
    if count == 2:
        return 2 * int(apart[0, 1]) * (2 if is_closed else 1)
    nearest = np.partition(apart, 1, axis=1)[:, :2]
    total = int(nearest.sum())
    return total if is_closed else total - 2 * int(nearest[:, 1].max())
