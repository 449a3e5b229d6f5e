"""Auto: the method that proves a component where there is one, heuristics for the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.backends.registry import make_backend
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from reorder_solver.core.proof import ComponentPart
    from reorder_solver.presolve import Cost, Orders

#: Share of the time left that the provers get before local search takes over.
_PROOF_SHARE = 0.7
#: The same for the constructive heuristics, which hardly ever need it.
_SHARES = {"greedy": 0.5, "upscale": 0.1}


class Portfolio(Backend):
    """Constructive heuristics, then an exact method that takes the problem, then local search."""

    name: ClassVar[str] = "auto"
    summary: ClassVar[str] = "heuristics, then whatever can prove the component, then local search"
    leaves_ties: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("ortools",)

    def solve(self, task: Task) -> Answer:
        """Return the best orders and bound that the members found."""
        best: Orders | None = task.start
        cost: Cost | None = None if best is None else task.problem.cost(best)
        bound: int | None = None
        proof: ComponentPart | None = None
        reason = StopReason.FINISHED
        for name in ("greedy", "upscale", *self._provers(task), "local_search"):
            deadline = task.deadline
            if name != "local_search":
                deadline = task.deadline.share(_SHARES.get(name, _PROOF_SHARE))
            member = make_backend(name)
            answer = member.solve(replace(task, start=best, deadline=deadline))
            reason = answer.stop_reason
            if answer.orders is not None:
                found = task.problem.cost(answer.orders)
                if not found.violated and (cost is None or found < cost):
                    best, cost = answer.orders, found
            if answer.lower_bound is not None and (bound is None or answer.lower_bound > bound):
                bound, proof = answer.lower_bound, None
            if answer.lower_bound == bound and proof is None:
                proof = answer.proof
            task.report(best, bound)
            if cost is not None and cost.primary == (bound or 0):
                return Answer(best, cost.primary, StopReason.PROVEN, proof=proof)
        return Answer(best, bound, reason, proof=proof)

    def _provers(self, task: Task) -> list[str]:
        """Exact backends that take the problem, the quicker first; the first is enough."""
        for name in ("exact", "subset-dp"):
            if make_backend(name).supports(task.problem) is None:
                return [name]
        return []
