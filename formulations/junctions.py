"""Junctions: which classes lie first and last, so that neighbouring parts of accesses join.

Where a part of an access ends with a wanted class and the next part begins with one, the runs of
both are one. Whether that is so depends on the last class of the one tensor and the first of the
other alone, and each tensor has just one of either, however often it is read.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from formulations.engines import import_cp_model
from formulations.interruptible import solve_interruptibly

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Without so many seconds for each wanted class, no programme is built.
_PER_CLASS = 1e-5
#: Whose class lies at an end, and which of its classes will do.
End: TypeAlias = "tuple[int, tuple[int, ...]]"
#: A tensor's class.
Class: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Junction:
    """Where a part of an access meets the next.

    Attributes
    ----------
    weight : int
        What is saved where both are one run, in the unit of all weights; positive.
    last : (int, tuple of int) or None
        A tensor and the classes of which one must lie last in it; None where any will do.
    first : (int, tuple of int) or None
        The same for the tensor after it, and what lies first.
    """

    weight: int
    last: End | None
    first: End | None


@dataclass(frozen=True, slots=True)
class Joined:
    """What junctions save at most, and ends that save much.

    Attributes
    ----------
    most : int
        Proven: no choice of first and last classes saves more.
    lasts, firsts : dict of int to int
        Per tensor the class at an end, where it matters.
    is_best : bool
        These save `most`.
    """

    most: int
    lasts: dict[int, int]
    firsts: dict[int, int]
    is_best: bool


@dataclass(frozen=True, eq=False)
class Junctions:
    """Choose the first and the last class of every tensor.

    Parameters
    ----------
    junctions : sequence of Junction

    Notes
    -----
    No class lies at both ends, although it may have several channels: where it does, all but one
    of them can be moved beside that one, for no access more runs. Of a tensor with just one class
    every part wants all, for which any end will do.
    """

    junctions: Sequence[Junction]

    def solve(self, *, time_limit: float | None = None, seed: int = 0, threads: int = 1) -> Joined:
        """Solve with CP-SAT: a binary per junction, and one per class and end.

        Raises
        ------
        ImportError
            If OR-Tools is missing.
        """
        total = sum(junction.weight for junction in self.junctions)
        if self._is_too_short(time_limit):
            return Joined(total, {}, {}, is_best=False)
        begun = time.monotonic()
        cp: Any = import_cp_model()
        model = cp.CpModel()
        ends: tuple[dict[Class, Any], dict[Class, Any]] = ({}, {})
        saved = []
        for junction in self.junctions:
            joined = model.new_bool_var("")
            saved.append(junction.weight * joined)
            for end, known in zip((junction.last, junction.first), ends, strict=True):
                if end is not None:
                    for one in _classes(end):
                        if one not in known:
                            known[one] = model.new_bool_var("")
                    model.add_bool_or([known[one] for one in _classes(end)]).only_enforce_if(joined)
        for known in ends:
            for some in _by_tensor(known).values():
                model.add_at_most_one(known[one] for one in some)
        for one in ends[0].keys() & ends[1].keys():
            model.add_at_most_one(ends[0][one], ends[1][one])
        model.maximize(sum(saved))
        solver = cp.CpSolver()
        solver.parameters.num_workers = threads
        solver.parameters.random_seed = seed % (1 << 31)
        if time_limit is not None:
            left = time_limit - (time.monotonic() - begun)
            solver.parameters.max_time_in_seconds = max(0.01, left)
        status = solve_interruptibly(solver, model)
        if status not in (cp.OPTIMAL, cp.FEASIBLE):
            return Joined(total, {}, {}, is_best=False)
        lasts, firsts = (
            {tensor: one for (tensor, one), on in known.items() if solver.value(on)}
            for known in ends
        )
        # The bound of the response is an integer, for the negative; that of the solver is a float.
        most = min(total, -int(solver.response_proto.inner_objective_lower_bound))
        return Joined(most, lasts, firsts, is_best=status == cp.OPTIMAL)

    def shares(self, exponent: int, *, time_limit: float | None = None) -> list[int]:
        """How to divide what each junction saves between its ends, so that little is saved.

        A junction saves nothing unless both its ends are right, so no more than its shares of
        those that are. Given shares, every tensor has its best two ends, whatever the others have,
        and what these save together bounds what is saved (Lagrangian decomposition). The best
        shares are dual values of the linear relaxation, whose value they attain.

        Returns
        -------
        list of int
            Per junction the share of its last end, in units of ``2**-exponent``; the first end
            has the rest. All of it at the only end that matters, if just one does.
        """
        both = [n for n, each in enumerate(self.junctions) if each.last and each.first]
        found = [each.weight << exponent if each.last else 0 for each in self.junctions]
        for number, share in zip(both, self._dual_values(both, time_limit), strict=True):
            whole = self.junctions[number].weight << exponent
            found[number] = min(max(0, round(share * 2**exponent)), whole)
        return found

    def most_saved(self, shares: Sequence[int], exponent: int) -> int:
        """What the best two ends of every tensor save by their shares, as numerator.

        Bounds what any choice of ends saves, if no share is negative or above the whole.
        """
        constant = 0
        values: tuple[dict[Class, int], dict[Class, int]] = (defaultdict(int), defaultdict(int))
        for junction, share in zip(self.junctions, shares, strict=True):
            parts = (share, (junction.weight << exponent) - share)
            for end, value, known in zip(
                (junction.last, junction.first), parts, values, strict=True
            ):
                constant += value if end is None else 0
                for one in _classes(end) if end is not None else ():
                    known[one] += value
        lasts, firsts = (_by_tensor(known) for known in values)
        for tensor in lasts.keys() | firsts.keys():
            constant += self._best_ends(
                [(values[0][one], one) for one in lasts.get(tensor, ())],
                [(values[1][one], one) for one in firsts.get(tensor, ())],
            )
        return constant

    def _best_ends(self, lasts: list[tuple[int, Class]], firsts: list[tuple[int, Class]]) -> int:
        """The best of a tensor's last and first classes, which differ."""
        # Two of either are enough: one of them differs from the other end's best.
        some_last = [*sorted(lasts, reverse=True)[:2], (0, None)]
        some_first = [*sorted(firsts, reverse=True)[:2], (0, None)]
        return max(
            saved + more
            for saved, one in some_last
            for more, other in some_first
            if one is None or one != other
        )

    def _dual_values(self, both: list[int], time_limit: float | None) -> list[float]:
        """Of ``joined <= sum of the classes that may lie last``; halves if time runs out."""
        if not both or self._is_too_short(time_limit):
            return [self.junctions[number].weight / 2 for number in both]
        begun = time.monotonic()
        rows, columns = _Rows(), self._columns()
        limits: list[float] = []
        values: list[tuple[int, int]] = []
        for number, junction in enumerate(self.junctions):
            for place, end in enumerate((junction.last, junction.first)):
                if end is not None:
                    terms = [(columns[place, one], -1.0) for one in _classes(end)]
                    rows.add([(number, 1.0), *terms], limits, 0.0)
                    values.append((number, place))
        ends: dict[tuple[int, int], list[int]] = defaultdict(list)
        for (place, (tensor, one)), column in columns.items():
            ends[place, tensor].append(column)
            other = columns.get((1, (tensor, one)))
            if place == 0 and other is not None:
                rows.add([(column, 1.0), (other, 1.0)], limits, 1.0)
        for some in ends.values():
            rows.add([(column, 1.0) for column in some], limits, 1.0)
        width = len(self.junctions) + len(columns)
        gains = np.zeros(width)
        gains[: len(self.junctions)] = [-junction.weight for junction in self.junctions]
        free = [junction.last is None and junction.first is None for junction in self.junctions]
        gains[: len(self.junctions)][free] = 0.0
        options = {}
        if time_limit is not None:
            options["time_limit"] = max(0.01, time_limit - (time.monotonic() - begun))
        solution = linprog(
            gains, A_ub=rows.matrix(width), b_ub=limits, method="highs", options=options
        )
        if solution.status != 0:
            return [self.junctions[number].weight / 2 for number in both]
        duals = dict(zip(values, (-solution.ineqlin.marginals).tolist(), strict=False))
        return [duals[number, 0] for number in both]

    def _is_too_short(self, time_limit: float | None) -> bool:
        ends = [end for junction in self.junctions for end in (junction.last, junction.first)]
        wanted = sum(len(end[1]) for end in ends if end is not None)
        return time_limit is not None and time_limit < _PER_CLASS * wanted

    def _columns(self) -> dict[tuple[int, Class], int]:
        """A column per end and class, after those of the junctions."""
        columns: dict[tuple[int, Class], int] = {}
        for junction in self.junctions:
            for place, end in enumerate((junction.last, junction.first)):
                for one in _classes(end) if end is not None else ():
                    columns.setdefault((place, one), len(self.junctions) + len(columns))
        return columns


class _Rows:
    """A sparse matrix, row by row."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, float]] = []
        self._rows = 0

    def add(self, terms: Iterable[tuple[int, float]], limits: list[float], limit: float) -> None:
        """One row, and its limit."""
        self._entries += [(self._rows, column, value) for column, value in terms]
        self._rows += 1
        limits.append(limit)

    def matrix(self, width: int) -> Any:
        """All rows."""
        rows, columns, values = zip(*self._entries, strict=True)
        return coo_array((values, (rows, columns)), shape=(self._rows, width)).tocsr()


def _classes(end: End) -> list[Class]:
    tensor, classes = end
    return [(tensor, one) for one in classes]


def _by_tensor(classes: Iterable[Class]) -> dict[int, list[Class]]:
    found: dict[int, list[Class]] = defaultdict(list)
    for one in classes:
        found[one[0]].append(one)
    return found
