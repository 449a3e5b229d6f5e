"""``runs`` of one small tensor, proven by a compact integer programme in PuLP."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from formulations.betweenness import COST_LIMIT, BlockMinimisation, BlockSolution, solve_pulp
from reorder_solver.backends.blocks import BlockBackend

if TYPE_CHECKING:
    from reorder_solver.backends.base import Task
    from reorder_solver.presolve.problem import IntArray


class Betweenness(BlockBackend):
    """The compact programme, see :mod:`formulations.betweenness`."""

    name: ClassVar[str] = "betweenness"
    summary: ClassVar[str] = "proven optimum for the runs of one small tensor (PuLP/CBC)"
    requires: ClassVar[tuple[str, ...]] = ("pulp",)
    most_classes: ClassVar[int] = 20
    cost_limit: ClassVar[int] = COST_LIMIT

    def _order(
        self, model: BlockMinimisation, start: IntArray, task: Task, seconds: float | None
    ) -> BlockSolution:
        return solve_pulp(
            model,
            start=start,
            time_limit=seconds,
            seed=task.seed,
            threads=task.threads,
        )
