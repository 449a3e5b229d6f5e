"""Iterated local search over the orders of all tensors, for any objective."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.backends.search.improve import improve
from reorder_solver.presolve import ViewSet

if TYPE_CHECKING:
    from reorder_solver.presolve import Orders, Problem

__all__ = ["LocalSearch", "feasible_start", "improve"]


class LocalSearch(Backend):
    """Moves segments about, and perturbs where that no longer helps; see :func:`improve`."""

    name: ClassVar[str] = "local_search"
    summary: ClassVar[str] = "iterated local search; good orders fast, proves nothing"
    requires: ClassVar[tuple[str, ...]] = ("numba",)

    def solve(self, task: Task) -> Answer:
        """Improve the warm start, or the original order, or one that serves what is required."""
        start = feasible_start(task.problem, task.start)
        if start is None:
            return Answer(None, infeasible=True)
        task.report(start, None)
        orders, cost, reason = improve(
            task.problem, start, deadline=task.deadline, seed=task.seed, report=task.report
        )
        return Answer(orders, 0 if cost.primary == 0 else None, reason)


def feasible_start(problem: Problem, start: Orders | None) -> Orders | None:
    """Orders under which every required access is a view; None if there are none.

    Parameters
    ----------
    problem : Problem
    start : Orders or None
        Returned if it will do.
    """
    wanted = problem.identity() if start is None else start
    if problem.cost(wanted).violated == 0:
        return wanted
    views = ViewSet(problem)
    for number, access in enumerate(problem.accesses):
        if access.required and not views.add(number):
            return None
    return views.orders()
