"""Checking that accesses cannot all be views, and what that costs at least."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from reorder_solver.consecutive_ones import PQTree
from reorder_solver.core.errors import VerificationError
from reorder_solver.proofs.covering import check_covering
from reorder_solver.proofs.triples import unproven_triples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_solver.core.proof import ViewsPart
    from reorder_solver.proofs.groups import Group, Groups, IntArray

#: Columns that must be consecutive in the order of a tensor; its ends are columns as well.
Row: TypeAlias = "tuple[str, IntArray]"

#: Most sets of accesses that one constraint may have tested one by one.
MOST_TESTS = 50_000


def check_views(
    part: ViewsPart[str], groups: Groups, taken: set[int], *, prefers_cpsat: bool
) -> None:
    """Raise :class:`VerificationError` unless the constraints of `part` hold and cost its bound."""
    place: dict[int, int] = {}
    weights: list[int] = []
    conditions = ViewConditions(groups)
    constraints: list[tuple[tuple[int, ...], int]] = []
    for number, (names, demand) in enumerate(part.constraints, start=1):
        where = f"constraint {number}"
        members = [groups.number(name) for name in names]
        if len(set(members)) < len(members):
            raise VerificationError(f"{where} names an access, or one equal to it, twice")
        if type(demand) is not int or not 1 <= demand <= len(members):
            raise VerificationError(f"{where} demands {demand} of {len(members)} accesses")
        for member, name in zip(members, names, strict=True):
            if member not in place:
                (group,) = groups.take([name], taken)
                place[member] = len(weights)
                weights.append(group.price_as_no_view)
                if group.required:
                    raise VerificationError(f"{group.name} is required to be a view")
        try:
            conditions.check([groups.all[member] for member in members], demand)
        except VerificationError as error:
            raise VerificationError(f"{where}: {error}") from None
        constraints.append((tuple(place[member] for member in members), demand))
    check_covering(weights, constraints, part.bound, prefers_cpsat=prefers_cpsat)


class ViewConditions:
    """What it takes for accesses to be views, as rows whose ones must be consecutive."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._rows: dict[int, list[Row] | None] = {}
        self._required = [
            row for group in groups.all if group.required for row in self.rows(group) or ()
        ]

    def rows(self, group: Group) -> list[Row] | None:
        """Rows that are consecutive exactly where `group` is a view; None if it never is.

        Places count the channels of a tensor that take up room; the next two numbers are its
        left and right end. Conditions on fixed tensors are decided here.
        """
        key = id(group)
        if key not in self._rows:
            self._rows[key] = self._make_rows(group)
        return self._rows[key]

    def _make_rows(self, group: Group) -> list[Row] | None:
        if group.size <= 1:
            return []
        rows: list[Row] = []
        last = len(group.parts) - 1
        for number, (tensor, wanted) in enumerate(group.parts):
            placed = self._groups.placed[tensor]
            if wanted.size == placed.size:
                continue
            if 0 < number < last:
                return None
            touches_left, touches_right = number > 0, number < last
            places = np.searchsorted(placed, wanted)
            if self._groups.fixed[tensor]:
                first, final = int(places[0]), int(places[-1])
                if (
                    final - first + 1 != places.size
                    or (touches_left and first != 0)
                    or (touches_right and final != placed.size - 1)
                ):
                    return None
                continue
            ends = [placed.size] * touches_left + [placed.size + 1] * touches_right
            rows.append((tensor, np.concatenate([places, np.array(ends, dtype=np.int64)])))
        return rows

    def conflict(self, members: Iterable[Group]) -> bool:
        """Whether no layout makes views of all `members` and of what is required."""
        by_tensor: dict[str, list[IntArray]] = {}
        for group in members:
            rows = self.rows(group)
            if rows is None:
                return True
            for tensor, places in rows:
                by_tensor.setdefault(tensor, []).append(places)
        for tensor, places in self._required:
            if tensor in by_tensor:
                by_tensor[tensor].append(places)
        return any(
            not _is_consecutive(rows, self._groups.placed[tensor].size)
            for tensor, rows in by_tensor.items()
        )

    def check(self, members: list[Group], demand: int) -> None:
        """Raise unless at least `demand` of `members` are no views in any layout.

        That is: every ``len(members) - demand + 1`` of them conflict.
        """
        size = len(members) - demand + 1
        if size == 3 and demand > 1:
            pending = self._unproven_triples(members)
        elif comb(len(members), size) <= MOST_TESTS:
            pending = combinations(range(len(members)), size)
        else:
            raise VerificationError(
                f"{comb(len(members), size)} sets of {size} accesses are too many to test"
            )
        for chosen in pending:
            if not self.conflict(members[place] for place in chosen):
                names = ", ".join(members[place].name for place in chosen[:4])
                more = ", ..." if size > 4 else ""
                raise VerificationError(f"{names}{more} can be views together")

    def _unproven_triples(self, members: list[Group]) -> Iterable[tuple[int, ...]]:
        by_tensor: dict[str, dict[int, IntArray]] = {}
        for number, group in enumerate(members):
            # Where it has two rows on a tensor, or is never a view, the tree is asked.
            for tensor, places in self.rows(group) or ():
                by_tensor.setdefault(tensor, {})[number] = places
        widths = {tensor: self._groups.placed[tensor].size + 2 for tensor in by_tensor}
        pending = unproven_triples(len(members), by_tensor, widths, MOST_TESTS)
        if pending is None:
            raise VerificationError(
                f"more than {MOST_TESTS} of its triples show no conflict of three rows"
            )
        return pending


def _is_consecutive(rows: list[IntArray], width: int) -> bool:
    """Whether some order of `width` columns between two ends makes all `rows` consecutive."""
    matrix = np.zeros((len(rows) + 2, width + 2), dtype=np.bool_)
    for number, places in enumerate(rows):
        matrix[number, places] = True
    # All but one end are consecutive: so that end is an end, and likewise the other.
    matrix[-2, : width + 1] = True
    matrix[-1, :width] = matrix[-1, width + 1] = True
    # Equal columns can be neighbours without loss.
    packed = np.ascontiguousarray(np.packbits(matrix, axis=0).T)
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    distinct = matrix[:, np.unique(keys, return_index=True)[1]]
    tree = PQTree(distinct.shape[1])
    return all(tree.reduce(np.flatnonzero(row)) for row in distinct)
