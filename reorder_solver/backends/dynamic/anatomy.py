"""Anatomy: a problem taken apart tensor by tensor, the way the dynamic programme works on it.

An access in several parts meets each tensor on its own, except that it may run on from the last
class of one tensor to the first of the next: a *junction*. Whether it is open at a tensor's start
or end does not depend on the order, only on which of its parts are wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from reorder_solver.core.evaluate import runs_and_span

if TYPE_CHECKING:
    from reorder_solver.presolve import Problem, ProblemAccess

IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Piece:
    """What one part of an access means for its tensor.

    Attributes
    ----------
    tensor : int
    mask : int
        Bit set of the wanted classes; 0 where the tensor has one order only.
    before, after : bool
        Whether the access goes on to the left, to the right.
    most_runs : int
        It never has more runs in this tensor.
    fixed_runs, fixed_gap : int or None
        Runs, and positions spanned but not wanted, where no order changes them.
    first, last : bool
        Whether the tensor's first, last class is wanted, if it has one order only.
    """

    tensor: int
    mask: int
    before: bool
    after: bool
    most_runs: int
    fixed_runs: int | None
    fixed_gap: int | None
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Junction:
    """Two parts of an access that are neighbours: there, two runs may be one.

    Attributes
    ----------
    left, right : Piece
    """

    left: Piece
    right: Piece


@dataclass(frozen=True, slots=True)
class Shape:
    """One access: its pieces, and how few positions some number of runs must span.

    Attributes
    ----------
    pieces : tuple of Piece
    junctions : tuple of Junction
    least_gaps : tuple of int
        For ``r = 1, 2 ..`` runs up to the most possible, a lower bound on the positions spanned
        but not wanted; never falling.
    most_gap : int
        No order spans more.
    """

    pieces: tuple[Piece, ...]
    junctions: tuple[Junction, ...]
    least_gaps: tuple[int, ...]
    most_gap: int

    @property
    def most_runs(self) -> int:
        """No order has more runs."""
        return len(self.least_gaps)


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """A problem as seen by the dynamic programme.

    Attributes
    ----------
    problem : Problem
    free : tuple of int
        Tensors of two classes or more whose order may change.
    shapes : tuple of Shape or None
        Per access; None where it is one run, or nothing, under every order.
    """

    problem: Problem
    free: tuple[int, ...]
    shapes: tuple[Shape | None, ...]

    @classmethod
    def of(cls, problem: Problem) -> Anatomy:
        """Take `problem` apart."""
        free = free_tensors(problem)
        shapes = tuple(_shape(problem, access, frozenset(free)) for access in problem.accesses)
        return cls(problem, free, shapes)


def free_tensors(problem: Problem) -> tuple[int, ...]:
    """Tensors of two classes or more whose order may change."""
    return tuple(
        tensor
        for tensor, (sizes, fixed) in enumerate(zip(problem.sizes, problem.fixed, strict=True))
        if sizes.size > 1 and not fixed
    )


def _shape(problem: Problem, access: ProblemAccess, free: frozenset[int]) -> Shape | None:
    if access.channels <= 1:
        return None
    parts = [part for part in access.parts if problem.sizes[part[0]].size]
    wanted = [number for number, part in enumerate(parts) if part[1].size]
    parts = parts[wanted[0] : wanted[-1] + 1]
    pieces = tuple(
        _piece(problem, part, number > 0, number < len(parts) - 1, part[0] in free)
        for number, part in enumerate(parts)
    )
    junctions = tuple(
        Junction(left, right)
        for left, right in pairwise(pieces)
        if left.most_runs and right.most_runs
    )
    unwanted = [np.delete(problem.sizes[tensor], classes) for tensor, classes in parts]
    least = _least_gaps(pieces, np.sort(np.concatenate(unwanted)))
    return Shape(pieces, junctions, least, int(sum(sizes.sum() for sizes in unwanted)))


def _least_gaps(pieces: tuple[Piece, ...], unwanted: IntArray) -> tuple[int, ...]:
    """Between ``r`` runs lie ``r - 1`` gaps, each of at least one unwanted class."""
    most = max(1, min(sum(piece.most_runs for piece in pieces), unwanted.size + 1))
    certain = sum(piece.fixed_gap or 0 for piece in pieces)
    sums = np.concatenate([[0], np.cumsum(unwanted)])
    return tuple(max(certain, int(sums[runs])) for runs in range(most))


def _piece(
    problem: Problem, part: tuple[int, IntArray], before: bool, after: bool, is_free: bool
) -> Piece:
    tensor, wanted = part
    sizes = problem.sizes[tensor]
    count = sizes.size
    gap = int(sizes.sum() - sizes[wanted].sum())
    if not is_free:
        runs, inner = _in_place(sizes, wanted, before, after)
        first, last = (bool(np.isin(edge, wanted)) for edge in (0, count - 1))
        return Piece(tensor, 0, before, after, runs, runs, inner, first, last)
    mask = sum(1 << int(each) for each in wanted)
    most = min(wanted.size, count - wanted.size + 1)
    whole_width = (before and after) or wanted.size in (0, count)
    return Piece(
        tensor=tensor,
        mask=mask,
        before=before,
        after=after,
        most_runs=most,
        fixed_runs=most if wanted.size in (0, count) else None,
        fixed_gap=gap if whole_width else None,
        first=wanted.size == count,
        last=wanted.size == count,
    )


def _in_place(sizes: IntArray, wanted: IntArray, before: bool, after: bool) -> tuple[int, int]:
    """Runs of `wanted` in the original order, and the unwanted positions the access spans."""
    width = int(sizes.sum())
    if not wanted.size:
        return 0, width
    starts = (np.cumsum(sizes) - sizes)[wanted]
    runs, _ = runs_and_span(starts, sizes[wanted])
    begin = 0 if before else int(starts[0])
    end = width if after else int(starts[-1] + sizes[wanted[-1]])
    return runs, end - begin - int(sizes[wanted].sum())
