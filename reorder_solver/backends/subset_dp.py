"""Exact solution of small problems by dynamic programming over subsets of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.backends.dynamic.anatomy import Anatomy, free_tensors
from reorder_solver.backends.dynamic.branch_and_bound import BranchAndBound
from reorder_solver.backends.dynamic.ties import TieBreaker
from reorder_solver.core.result import StopReason
from reorder_solver.presolve import ViewSet

if TYPE_CHECKING:
    from reorder_solver.presolve import Problem

#: Most classes, over all tensors that have more than one order.
MOST_CLASSES = 18


class SubsetDP(Backend):
    """Held and Karp's dynamic programme, inside a branch and bound over views and modes.

    Where every access pays a linear price for its runs and span (``runs`` always, the other
    objectives once views and modes are decided), one pass over all (subset placed, last class)
    is exact. The rest is decided by branching; see
    :mod:`reorder_solver.backends.dynamic.branch_and_bound`.

    References
    ----------
    M. Held, R. M. Karp, "A dynamic programming approach to sequencing problems", Journal of the
    Society for Industrial and Applied Mathematics 10 (1962) 196-210, DOI 10.1137/0110015.
    """

    name: ClassVar[str] = "subset-dp"
    summary: ClassVar[str] = f"proven optimum for any objective, up to {MOST_CLASSES} classes"
    is_exact: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("numba",)

    def supports(self, problem: Problem) -> str | None:
        """Refuse problems with too many classes."""
        classes = sum(problem.sizes[tensor].size for tensor in free_tensors(problem))
        if classes > MOST_CLASSES:
            return f"a component has {classes} classes to order; it takes at most {MOST_CLASSES}"
        return super().supports(problem)

    def solve(self, task: Task) -> Answer:
        """Return a proven optimum, or the best orders and bound when time ran out."""
        base = ViewSet(task.problem)
        for number, access in enumerate(task.problem.accesses):
            if access.required and not base.add(number):
                return Answer(None, stop_reason=StopReason.PROVEN, infeasible=True)
        anatomy = Anatomy.of(task.problem)
        search = BranchAndBound(anatomy, task, base)
        for orders in (task.start, task.problem.identity(), base.orders()):
            if orders is not None:
                search.offer(orders)
        is_proven = search.run()
        if not is_proven or search.best is None:
            return Answer(search.best, search.bound, StopReason.TIME_LIMIT)
        orders = search.best
        if search.is_flat:
            orders = TieBreaker(anatomy, task, base, search.pool, orders).run()
        return Answer(orders, search.bound, StopReason.PROVEN)
