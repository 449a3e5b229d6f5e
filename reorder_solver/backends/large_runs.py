"""Runs on one tensor of many classes: a tour by chained exchanges, a bound by 1-trees.

The weighted runs of an order are half the length of the tour through the classes' columns and one
of zeros (Kou 1977). Distances are worked out from the packed columns as they are needed, so memory
grows with the number of classes, not with its square. The bound seldom proves a layout optimal, as
branch and cut does, but no linear programme has to fit.

References
----------
L. T. Kou, "Polynomial complete consecutive information retrieval problems", SIAM Journal on
Computing 6 (1977) 67-75, DOI 10.1137/0206004.
"""

from __future__ import annotations

import time
from math import gcd
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.backends.blocks import refusal
from reorder_solver.backends.concatenation import run_weight
from reorder_solver.backends.tours import PackedColumns, solve_large
from reorder_solver.core.prices import Objective
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from reorder_solver.presolve import Orders, Problem
    from reorder_solver.presolve.problem import IntArray

#: Between two reports of tours, so many times as long as the last one took.
_PAUSE = 20
#: Nodes times the largest distance may be this much.
_DISTANCE_LIMIT = 2**50


class LargeRuns(Backend):
    """A short tour through the columns of one tensor, and a bound on all tours."""

    name: ClassVar[str] = "large-runs"
    summary: ClassVar[str] = "runs of one tensor of any size: tour search and a bound by 1-trees"
    objectives: ClassVar[frozenset[Objective]] = frozenset({Objective.RUNS})
    requires: ClassVar[tuple[str, ...]] = ("numba",)

    def supports(self, problem: Problem) -> str | None:
        """Refuse what is not one tour through columns."""
        if problem.objective not in self.objectives:
            return super().supports(problem)
        reason = refusal(problem)
        if reason is not None:
            return reason
        weights = [run_weight(access) for access in problem.accesses]
        if any(weight is None for weight in weights):
            return "an access has prices other than split"
        known = [weight for weight in weights if weight is not None]
        if (problem.classes + 1) * sum(known) > _DISTANCE_LIMIT * max(1, gcd(*known)):
            return "the weights are too large for its 64-bit integers"
        return None

    def solve(self, task: Task) -> Answer:
        """Search until the time is over, or the bound is reached."""
        problem, outside = task.problem, task.problem.classes
        weights = [run_weight(access) or 0 for access in problem.accesses]
        unit = gcd(*weights)
        best: Orders = task.start or problem.identity()
        if not unit:
            return Answer(best, 0, StopReason.PROVEN)
        rows = [access.parts[0][1] for access in problem.accesses]
        columns = PackedColumns.of(rows, [weight // unit for weight in weights], outside + 1)
        # Half a tour's length counts first runs as well.
        first_runs = sum(weight for weight, row in zip(weights, rows, strict=True) if row.size)

        def cost(length: int) -> int:
            return max(0, unit * length // 2 - first_runs)

        allowed = time.perf_counter()

        def report(tour: IntArray | None, _length: int, bound: int) -> None:
            nonlocal allowed
            began = time.perf_counter()
            if tour is None:
                task.report(None, cost(bound))
            elif began >= allowed:
                task.report(_orders(tour, outside), cost(bound))
                # Whoever is told works out the cost anew, which takes a while.
                ended = time.perf_counter()
                allowed = ended + _PAUSE * (ended - began)

        found = solve_large(
            columns,
            tour=np.append(best[0], outside),
            deadline_seconds=task.deadline.limit,
            threads=task.threads,
            seed=task.seed,
            report=report,
        )
        bound = cost(found.bound.bound)
        if found.length == found.bound.bound:
            return Answer(_orders(found.tour, outside), bound, StopReason.PROVEN)
        reason = StopReason.TIME_LIMIT if task.deadline.expired else StopReason.FINISHED
        return Answer(_orders(found.tour, outside), bound, reason)


def _orders(tour: IntArray, outside: int) -> Orders:
    """The order of the classes: the tour from the outside node on."""
    place = int(np.flatnonzero(tour == outside)[0])
    return (np.roll(tour, -place)[1:],)
