"""``runs`` of one tensor, proven by a circuit constraint in CP-SAT."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from formulations.block_minimisation import COST_LIMIT
from formulations.circuit import BlockMinimisation, BlockSolution, solve_cpsat
from reorder_solver.backends.blocks import BlockBackend

if TYPE_CHECKING:
    from reorder_solver.backends.base import Task
    from reorder_solver.presolve.problem import IntArray


class Circuit(BlockBackend):
    """The shortest circuit through the channel classes, see :mod:`formulations.circuit`."""

    name: ClassVar[str] = "circuit"
    summary: ClassVar[str] = "proven optimum for the runs of one tensor (circuit, CP-SAT)"
    requires: ClassVar[tuple[str, ...]] = ("ortools",)
    most_classes: ClassVar[int] = 300
    cost_limit: ClassVar[int] = COST_LIMIT

    def _order(
        self, model: BlockMinimisation, start: IntArray, task: Task, seconds: float | None
    ) -> BlockSolution:
        return solve_cpsat(
            model,
            start=start,
            time_limit=seconds,
            seed=task.seed,
            threads=task.threads,
            report=lambda order: task.report((order,), None),
        )
