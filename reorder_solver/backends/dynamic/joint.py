"""Cheapest orders of all tensors together, where every access has one linear price."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reorder_solver.backends.dynamic.elimination import Factor, largest_table, least_sum
from reorder_solver.backends.dynamic.prefix_table import Item, PrefixTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.backends.dynamic.anatomy import Anatomy, Junction, Piece, Shape
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Orders

IntArray: TypeAlias = npt.NDArray[np.int64]
CostArray: TypeAlias = npt.NDArray[Any]

#: Run and gap charges that add up to less leave room in 64 bits for one infinity per tensor;
#: larger ones are minimised in Python integers.
LARGEST_TOTAL = 1 << 54
_INFINITY = 1 << 58


@dataclass(frozen=True, slots=True)
class Charge:
    """What an access pays: ``fixed + run * (r - 1) + gap * (s - n)``; or it must be a view.

    Attributes
    ----------
    fixed, run, gap : int
        `run` and `gap` are not negative.
    view : bool
        It must be one run, and pays nothing.
    """

    fixed: int = 0
    run: int = 0
    gap: int = 0
    view: bool = False


VIEW = Charge(view=True)


def minimise(
    anatomy: Anatomy, charges: Sequence[Charge], deadline: Deadline
) -> tuple[int, Orders] | None:
    """Orders of the smallest total charge.

    Parameters
    ----------
    anatomy : Anatomy
    charges : sequence of Charge
        One per access. Those of accesses without a shape are not read.
    deadline : Deadline

    Returns
    -------
    (int, Orders) or None
        None if some access that must be a view never is one along with the others.

    Raises
    ------
    OutOfTimeError
        If the deadline passes.

    Notes
    -----
    Per tensor, a table of costs by (what its first class continues, what its last class leaves
    open). The choices are eliminated one by one (see :func:`~.elimination.least_sum`): where
    every access goes through the tensors in the same sequence, no array has more than three axes.
    """
    paying = [
        (shape, charge)
        for shape, charge in zip(anatomy.shapes, charges, strict=True)
        if shape is not None
    ]
    if any(
        charge.view and any(each.fixed_gap for each in shape.pieces) for shape, charge in paying
    ):
        return None
    total = sum(_at_most(shape, charge) for shape, charge in paying)
    kind: Any = np.int64 if total < LARGEST_TOTAL else np.object_
    infinity = _INFINITY if total < LARGEST_TOTAL else (1 << 62) + 64 * total
    base = sum(_certain(shape, charge) for shape, charge in paying)
    junctions = [
        (junction, charge.run)
        for shape, charge in paying
        if charge.run
        for junction in shape.junctions
    ]
    tables = {
        tensor: _TensorTable.of(anatomy, tensor, paying, [each for each, _ in junctions], infinity)
        for tensor in anatomy.free
    }
    for table in tables.values():
        table.fill(deadline)
    axes = {tensor: 2 * number for number, tensor in enumerate(tables)}
    factors: list[Factor] = [
        Factor((axes[tensor], axes[tensor] + 1), table.costs.astype(kind))
        for tensor, table in tables.items()
    ]
    factors += [_credit(junction, run, tables, axes, kind) for junction, run in junctions]
    best, chosen = least_sum(factors)
    if best >= infinity // 2:
        return None
    orders = list(anatomy.problem.identity())
    for tensor, table in tables.items():
        at = axes[tensor]
        orders[tensor] = table.order(chosen[at], chosen[at + 1], deadline)
    return base + best, tuple(orders)


def largest_joint(anatomy: Anatomy) -> int:
    """Entries of the largest array that :func:`minimise` may make to bring tensors together."""
    axes = {tensor: 2 * number for number, tensor in enumerate(anatomy.free)}
    sizes = {
        axis + end: anatomy.problem.sizes[tensor].size
        for tensor, axis in axes.items()
        for end in (0, 1)
    }
    scopes = {(axis, axis + 1) for axis in axes.values()}
    for shape in anatomy.shapes:
        for junction in () if shape is None else shape.junctions:
            if junction.left.tensor in axes and junction.right.tensor in axes:
                scopes.add((axes[junction.left.tensor] + 1, axes[junction.right.tensor]))
    return largest_table(sorted(scopes), sizes)


def _at_most(shape: Shape, charge: Charge) -> int:
    """What the access never exceeds in runs and gaps."""
    runs = sum(piece.most_runs for piece in shape.pieces)
    return charge.run * runs + charge.gap * shape.most_gap


def _certain(shape: Shape, charge: Charge) -> int:
    """What the access pays whatever the orders are."""
    if charge.view:
        return 0
    certain = charge.fixed - charge.run
    for piece in shape.pieces:
        certain += charge.run * (piece.fixed_runs or 0) + charge.gap * (piece.fixed_gap or 0)
    return certain


def _credit(
    junction: Junction,
    run: int,
    tables: dict[int, _TensorTable],
    axes: dict[int, int],
    kind: Any,
) -> Factor:
    """What is saved where the left part's last run and the right part's first are one."""
    left, right = junction.left, junction.right
    ends = tables[left.tensor].ends(left) if left.tensor in tables else np.array([left.last])
    begins = (
        tables[right.tensor].begins(right) if right.tensor in tables else np.array([right.first])
    )
    saved: CostArray = np.logical_and.outer(ends, begins).astype(kind) * -run
    if left.tensor in tables and right.tensor in tables:
        return Factor((axes[left.tensor] + 1, axes[right.tensor]), saved)
    if left.tensor in tables:
        return Factor((axes[left.tensor] + 1,), saved[:, 0])
    if right.tensor in tables:
        return Factor((axes[right.tensor],), saved[0])
    return Factor((), np.asarray(saved[0, 0]))


@dataclass(slots=True, eq=False)
class _TensorTable:
    """Costs of one tensor by group of first classes and group of last classes.

    Classes of a group make no difference to any junction. The table is filled once per group of
    first classes: where there are fewer groups of last ones, orders are built from their end.

    Attributes
    ----------
    table : PrefixTable
    members : list of ndarray of int64
        The problem's classes behind each class of the table.
    begins_with, ends_with : list of int
        The groups of the table, as bit sets.
    is_mirrored : bool
        The table's first classes are the last of the order.
    chosen : ndarray of int64
        Per pair of groups, the table's last class.
    values : ndarray
        Costs by pair of groups, as the table has them.
    filled : int
        The group that the table holds at present.
    """

    table: PrefixTable
    members: list[IntArray]
    begins_with: list[int]
    ends_with: list[int]
    is_mirrored: bool
    values: CostArray
    chosen: IntArray
    filled: int = -1

    @classmethod
    def of(
        cls,
        anatomy: Anatomy,
        tensor: int,
        paying: Sequence[tuple[Shape, Charge]],
        junctions: Sequence[Junction],
        infinity: int,
    ) -> _TensorTable:
        sizes = anatomy.problem.sizes[tensor]
        items = _items(tensor, paying)
        # What nobody pays to tell apart may stay together. A table takes two classes at least.
        members = _joined(sizes.size, [item.mask for item in items])
        sizes = np.array([sizes[each].sum() for each in members], dtype=np.int64)
        items = [replace(item, mask=_reduced(item.mask, members)) for item in items]
        firsts, lasts = (
            _groups(
                sizes.size,
                [_reduced(piece.mask, members) for piece in pieces if piece.tensor == tensor],
            )
            for pieces in (
                [each.right for each in junctions],
                [each.left for each in junctions],
            )
        )
        is_mirrored = len(lasts) < len(firsts)
        if is_mirrored:
            firsts, lasts = lasts, firsts
            items = [replace(item, before=item.after, after=item.before) for item in items]
        shape = (len(firsts), len(lasts))
        kind: Any = np.int64 if infinity == _INFINITY else np.object_
        return cls(
            table=PrefixTable(sizes, items, infinity),
            members=members,
            begins_with=firsts,
            ends_with=lasts,
            is_mirrored=is_mirrored,
            values=np.empty(shape, dtype=kind),
            chosen=np.zeros(shape, dtype=np.int64),
        )

    def fill(self, deadline: Deadline) -> None:
        for row, first in enumerate(self.begins_with):
            by_last = self.table.fill(first, deadline)
            self.filled = row
            for column, last in enumerate(self.ends_with):
                members = [each for each in range(by_last.size) if last >> each & 1]
                best = members[int(by_last[members].argmin())]
                self.values[row, column] = by_last[best]
                self.chosen[row, column] = best

    @property
    def costs(self) -> CostArray:
        """By group of first classes of the order, and group of last ones."""
        return self.values.T if self.is_mirrored else self.values

    def order(self, first: int, last: int, deadline: Deadline) -> IntArray:
        row, column = (last, first) if self.is_mirrored else (first, last)
        if self.filled != row:
            self.table.fill(self.begins_with[row], deadline)
            self.filled = row
        order = self.table.order(int(self.chosen[row, column]))
        if self.is_mirrored:
            order = order[::-1]
        return np.concatenate([self.members[each] for each in order])

    def begins(self, piece: Piece) -> npt.NDArray[np.bool_]:
        return self._held(piece, self.ends_with if self.is_mirrored else self.begins_with)

    def ends(self, piece: Piece) -> npt.NDArray[np.bool_]:
        return self._held(piece, self.begins_with if self.is_mirrored else self.ends_with)

    def _held(self, piece: Piece, groups: Sequence[int]) -> npt.NDArray[np.bool_]:
        mask = _reduced(piece.mask, self.members)
        return np.array([bool(group & mask) for group in groups])


def _items(tensor: int, paying: Sequence[tuple[Shape, Charge]]) -> list[Item]:
    """Pieces of the tensor that depend on its order; equal ones pay together."""
    sums: dict[tuple[int, bool, bool], tuple[int, int, bool]] = {}
    for shape, charge in paying:
        for piece in shape.pieces:
            if piece.tensor != tensor or piece.fixed_runs is not None:
                continue
            key = (piece.mask, piece.before, piece.after)
            run, gap, view = sums.get(key, (0, 0, False))
            gap += charge.gap if piece.fixed_gap is None else 0
            sums[key] = (run + charge.run, gap, view or charge.view)
    return [
        Item(*key, run=run, gap=gap, view=view)
        for key, (run, gap, view) in sums.items()
        if run or gap or view
    ]


def _joined(count: int, masks: Sequence[int]) -> list[IntArray]:
    """Classes that exactly the same masks hold; two sets at least."""
    groups = _groups(count, masks)
    if len(groups) == 1:
        groups = [1, groups[0] & ~1]
    return [
        np.array([each for each in range(count) if group >> each & 1], dtype=np.int64)
        for group in groups
    ]


def _reduced(mask: int, members: Sequence[IntArray]) -> int:
    """The sets of classes that a mask holds, as a bit set; it holds all of a set or nothing."""
    return sum(1 << number for number, each in enumerate(members) if mask >> int(each[0]) & 1)


def _groups(count: int, masks: Sequence[int]) -> list[int]:
    """Partition of the classes, as bit sets: equal where exactly the same masks hold both."""
    groups: dict[tuple[bool, ...], int] = {}
    for bit in range(count):
        key = tuple(bool(mask >> bit & 1) for mask in masks)
        groups[key] = groups.get(key, 0) | 1 << bit
    return list(groups.values())
