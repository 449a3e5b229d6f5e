"""The subtour bound on weighted runs: no better orders, but proof of how good they can be.

With one tensor, the weighted number of runs of an order is half the length of the tour through
its classes' columns and one column of zeros, under weighted Hamming distance (Kou 1977). Every
such tour is divisible by twice the weights' common divisor, so the bound of the subtour programme
(Dantzig, Fulkerson, Johnson 1954) may be rounded up to a multiple of that: enough to prove most
layouts optimal that are.

References
----------
L. T. Kou, "Polynomial complete consecutive information retrieval problems", SIAM Journal on
Computing 6 (1977) 67-75, DOI 10.1137/0206004.

G. Dantzig, R. Fulkerson, S. Johnson, "Solution of a large-scale traveling-salesman problem",
Journal of the Operations Research Society of America 2 (1954) 393-410, DOI 10.1287/opre.2.4.393.
"""

from __future__ import annotations

from math import gcd, isinf
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from formulations.subtour import DISTANCE_LIMIT, nearest_neighbour_tour, subtour_bound
from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.core.prices import Objective
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from reorder_solver.presolve import Orders, Problem, ProblemAccess
    from reorder_solver.presolve.problem import IntArray

#: More classes than this are refused: all their distances are kept.
MOST_CLASSES = 6000


class Subtour(Backend):
    """Bounds the runs of one tensor by the subtour programme of a travelling salesman."""

    name: ClassVar[str] = "subtour"
    summary: ClassVar[str] = "lower bound on the runs of one tensor (subtour LP, GLOP)"
    objectives: ClassVar[frozenset[Objective]] = frozenset({Objective.RUNS})
    requires: ClassVar[tuple[str, ...]] = ("ortools",)

    def supports(self, problem: Problem) -> str | None:
        """Refuse what is no travelling salesman problem, or too large a one."""
        if problem.objective not in self.objectives:
            return super().supports(problem)
        if len(problem.sizes) != 1:
            return f"{len(problem.sizes)} tensors depend on each other; it takes one at a time"
        if problem.fixed[0]:
            return "the tensor is fixed"
        if any(len(access.parts) != 1 for access in problem.accesses):
            return "an access has several parts"
        if any(access.required for access in problem.accesses):
            return "an access is required"
        if problem.classes > MOST_CLASSES:
            return f"{problem.classes} channel classes; it takes up to {MOST_CLASSES}"
        weights = [_weight(access) for access in problem.accesses]
        if (problem.classes + 1) * sum(weights) > DISTANCE_LIMIT * max(1, gcd(*weights)):
            return "the weights are too large for its 64-bit integers"
        return None

    def solve(self, task: Task) -> Answer:
        """Return the orders of the start, or those of a nearest neighbour tour, and a bound."""
        problem = task.problem
        weights = [_weight(access) for access in problem.accesses]
        unit = gcd(*weights)
        if not unit or task.deadline.expired:
            reason = StopReason.TIME_LIMIT if unit else StopReason.PROVEN
            return Answer(task.start or problem.identity(), 0, reason)
        distances = _distances(problem, [weight // unit for weight in weights])
        orders: Orders
        if task.start is None:
            orders = (nearest_neighbour_tour(distances, problem.classes)[1:],)
        else:
            orders = task.start
        cost = problem.cost(orders).primary
        first_runs = sum(
            weight // unit
            for weight, access in zip(weights, problem.accesses, strict=True)
            if access.parts[0][1].size
        )
        task.report(orders, None)

        def primary(length: int) -> int:
            return max(0, unit * (length // 2 - first_runs))

        left = task.deadline.remaining
        found = subtour_bound(
            distances,
            step=2,
            tour=np.append(orders[0], problem.classes),
            target=2 * (cost // unit + first_runs),
            time_limit=None if isinf(left) else left,
            report=lambda length: task.report(None, primary(length)),
        )
        bound = primary(found.bound)
        if bound == cost:
            return Answer(orders, bound, StopReason.PROVEN)
        is_late = not found.is_complete and task.deadline.expired
        return Answer(orders, bound, StopReason.TIME_LIMIT if is_late else StopReason.FINISHED)


def _weight(access: ProblemAccess) -> int:
    """Price of every run of `access` beyond its first."""
    return sum(each.split[0] for each in access.prices if each.split is not None)


def _distances(problem: Problem, weights: list[int]) -> IntArray:
    """Weighted Hamming distances of the classes' columns, and last of a column of zeros."""
    wants = np.zeros((problem.classes + 1, len(weights)))
    for number, access in enumerate(problem.accesses):
        wants[access.parts[0][1], number] = 1.0
    # Sums of integers below 2**53: exact in floats.
    common = (wants * np.array(weights, dtype=np.float64)) @ wants.T
    sizes = common.diagonal().copy()
    common *= -2.0
    common += sizes[:, None]
    common += sizes
    return common.astype(np.int64)
