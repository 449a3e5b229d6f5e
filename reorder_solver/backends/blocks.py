"""The runs of one tensor as consecutive block minimisation, for the formulations of that."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from formulations.block_minimisation import BlockMinimisation, BlockSolution
from formulations.subtour import nearest_neighbour_tour
from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.core.prices import Objective
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from reorder_solver.presolve import Problem
    from reorder_solver.presolve.problem import IntArray


def refusal(problem: Problem) -> str | None:
    """Why the runs of `problem` are no consecutive block minimisation; None if they are."""
    if len(problem.sizes) != 1:
        return f"{len(problem.sizes)} tensors depend on each other; it takes one at a time"
    if problem.fixed[0]:
        return "the tensor is fixed"
    if any(len(access.parts) != 1 for access in problem.accesses):
        return "an access has several parts"
    if any(access.required for access in problem.accesses):
        return "an access is required"
    return None


def block_minimisation(problem: Problem) -> BlockMinimisation:
    """The matrix of accesses and classes, and what each run beyond the first costs.

    Every run costs so much in the formulation, the first ones included.
    """
    matrix = np.zeros((len(problem.accesses), problem.sizes[0].size), dtype=np.bool_)
    weights = []
    for number, access in enumerate(problem.accesses):
        matrix[number, access.parts[0][1]] = True
        weights.append(sum(each.split[0] for each in access.prices if each.split is not None))
    return BlockMinimisation(matrix, tuple(weights))


class BlockBackend(Backend):
    """A formulation of consecutive block minimisation as a backend for ``runs``.

    Attributes
    ----------
    most_classes : int
        Larger tensors are refused.
    cost_limit : int
        So are weights that could add up to more than this, over their common divisor.
    """

    is_exact: ClassVar[bool] = True
    objectives: ClassVar[frozenset[Objective]] = frozenset({Objective.RUNS})
    most_classes: ClassVar[int]
    cost_limit: ClassVar[int]

    def supports(self, problem: Problem) -> str | None:
        """Refuse all but the runs of one free tensor of moderate size."""
        if problem.objective not in self.objectives:
            return super().supports(problem)
        if problem.classes > self.most_classes:
            return f"{problem.classes} channel classes; it takes up to {self.most_classes}"
        reason = refusal(problem)
        if reason is None and block_minimisation(problem).largest > self.cost_limit:
            return "the weights are too large for its engine"
        return reason

    @abstractmethod
    def _order(
        self, model: BlockMinimisation, start: IntArray, task: Task, seconds: float | None
    ) -> BlockSolution:
        """Solve `model` from `start` within `seconds`."""

    def solve(self, task: Task) -> Answer:
        """Return the best order and bound of the formulation."""
        model = block_minimisation(task.problem)
        start = _start(model) if task.start is None else task.start[0]
        task.report((start,), 0)
        found = self._order(model, start, task, task.deadline.limit)
        bound = found.lower_bound - model.lowest
        if found.is_optimal:
            return Answer((found.order,), bound, StopReason.PROVEN)
        reason = StopReason.TIME_LIMIT if task.deadline.expired else StopReason.FINISHED
        return Answer((found.order,), bound, reason)


def _start(model: BlockMinimisation) -> IntArray:
    """Always on to the nearest column, from the column of zeros."""
    return nearest_neighbour_tour(model.distances(), model.columns)[1:]
