"""Which accesses can be views together: consecutive-ones conditions, one PQ-tree per tensor.

An access to one tensor is a view exactly if its classes are consecutive. An access with several
parts is a view exactly if its first wanted part is a suffix of its tensor, its last a prefix, and
all between are whole. Suffixes and prefixes become consecutive ones with two dummy end columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from reorder_solver.consecutive_ones import PQTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.presolve.problem import IntArray, Orders, Problem, ProblemAccess

#: A tensor index and the leaves that must be consecutive.
Row: TypeAlias = "tuple[int, IntArray]"


def view_rows(problem: Problem, access: ProblemAccess) -> list[Row] | None:
    """Consecutive-ones rows that hold exactly when `access` is a view; None if it never is.

    Leaves ``0 .. k-1`` are the classes of a tensor, ``k`` its left and ``k+1`` its right end.
    Conditions on fixed tensors are decided here and leave no row.
    """
    wanted_parts = [number for number, (_, wanted) in enumerate(access.parts) if wanted.size]
    if not wanted_parts or access.channels <= 1:
        return []
    first, last = wanted_parts[0], wanted_parts[-1]
    rows: list[Row] = []
    for number in range(first, last + 1):
        tensor, wanted = access.parts[number]
        width = problem.sizes[tensor].size
        if wanted.size == width:
            continue
        if first < number < last:
            return None
        ends = []
        if number > first:
            ends.append(width)
        if number < last:
            ends.append(width + 1)
        if not problem.fixed[tensor]:
            rows.append((tensor, np.concatenate([wanted, np.array(ends, dtype=np.int64)])))
        elif not _holds_in_place(wanted, width, at_start=number > first, at_end=number < last):
            return None
    return rows


def _holds_in_place(wanted: IntArray, width: int, *, at_start: bool, at_end: bool) -> bool:
    if wanted[-1] - wanted[0] + 1 != wanted.size:
        return False
    return not (at_start and wanted[0] != 0) and not (at_end and wanted[-1] != width - 1)


class ViewSet:
    """A set of accesses that can all be views together, and orders under which they are.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(
        self,
        problem: Problem,
        rows: Sequence[list[Row] | None] | None = None,
        trees: Sequence[PQTree | None] | None = None,
        blanks: dict[int, PQTree] | None = None,
    ) -> None:
        self._problem = problem
        self._rows = (
            [view_rows(problem, access) for access in problem.accesses] if rows is None else rows
        )
        self._trees: list[PQTree | None] = (
            [None] * len(problem.sizes) if trees is None else list(trees)
        )
        # Trees that know the ends alone, by tensor; all copies share them.
        self._blanks: dict[int, PQTree] = {} if blanks is None else blanks

    def copy(self) -> ViewSet:
        """An independent copy."""
        trees = [tree if tree is None else tree.copy() for tree in self._trees]
        return ViewSet(self._problem, self._rows, trees, self._blanks)

    def empty(self) -> ViewSet:
        """A set for the same problem with no accesses in it."""
        return ViewSet(self._problem, self._rows, None, self._blanks)

    def rows(self, access: int) -> list[Row] | None:
        """The conditions for `access` to be a view (see :func:`view_rows`)."""
        return self._rows[access]

    def add(self, access: int) -> bool:
        """Add an access if it can be a view along with those added so far.

        Returns
        -------
        bool
            False if it cannot; then the set is unchanged.
        """
        rows = self._rows[access]
        if rows is None:
            return False
        if len(rows) == 1:
            tensor, leaves = rows[0]
            return self._tree(tensor).reduce(leaves)
        changed: dict[int, PQTree] = {}
        for tensor, leaves in rows:
            tree = changed.setdefault(tensor, self._tree(tensor).copy())
            if not tree.reduce(leaves):
                return False
        for tensor, tree in changed.items():
            self._trees[tensor] = tree
        return True

    def _tree(self, tensor: int) -> PQTree:
        tree = self._trees[tensor]
        if tree is None:
            tree = self._trees[tensor] = self._blank(tensor).copy()
        return tree

    def _blank(self, tensor: int) -> PQTree:
        blank = self._blanks.get(tensor)
        if blank is None:
            width = self._problem.sizes[tensor].size
            blank = self._blanks[tensor] = PQTree(width + 2)
            blank.reduce(np.arange(width + 1))
            blank.reduce(np.append(np.arange(width), width + 1))
        return blank

    def orders(self) -> Orders:
        """Orders under which every added access is a view."""
        found: list[IntArray] = []
        for tree, sizes in zip(self._trees, self._problem.sizes, strict=True):
            if tree is None:
                found.append(np.arange(sizes.size, dtype=np.int64))
                continue
            leaves = tree.frontier()
            if leaves[0] != sizes.size:
                leaves = leaves[::-1]
            found.append(np.ascontiguousarray(leaves[1:-1]))
        return tuple(found)
