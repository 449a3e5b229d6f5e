"""``runs`` of several tensors, proven by circuits tied at junctions, in CP-SAT."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from formulations.block_minimisation import COST_LIMIT, BlockMinimisation
from formulations.joined_circuits import JoinedCircuits
from formulations.junctions import Junction
from reorder_solver.backends.base import Answer, Task
from reorder_solver.backends.concatenation import run_weight
from reorder_solver.backends.junctions import meetings
from reorder_solver.backends.runs_backend import RunsBackend
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from reorder_solver.presolve import Problem
    from reorder_solver.presolve.problem import IntArray

#: Ordered pairs of classes, over all tensors.
MOST_PAIRS = 100_000


class Circuits(RunsBackend):
    """A circuit through each tensor's classes, see :mod:`formulations.joined_circuits`."""

    name: ClassVar[str] = "circuits"
    summary: ClassVar[str] = "proven optimum for runs, however accesses meet tensors (CP-SAT)"
    is_exact: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("ortools",)

    def _too_large(self, problem: Problem, weights: list[int]) -> str | None:
        pairs = sum(sizes.size * (sizes.size + 1) for sizes in problem.sizes)
        if pairs > MOST_PAIRS:
            return f"{pairs} pairs of channel classes; it takes up to {MOST_PAIRS}"
        parts = sum(len(access.parts) for access in problem.accesses)
        if sum(weights) * parts * (problem.classes + 1) > COST_LIMIT * gcd(*weights):
            return "the weights are too large for its engine"
        return None

    def solve(self, task: Task) -> Answer:
        """Return the best orders and bound of the formulation."""
        problem = task.problem
        orders = problem.identity() if task.start is None else task.start
        task.report(orders, 0)
        model, unit, first_runs = _model(problem)
        left = task.deadline.limit
        found = model.solve(
            orders,
            time_limit=left,
            seed=task.seed,
            threads=task.threads,
        )
        if found.orders is not None:
            orders = min(found.orders, orders, key=problem.cost)
        cost = problem.cost(orders).primary
        bound = max(0, unit * found.lower_bound - first_runs)
        if cost == bound:
            reason = StopReason.PROVEN
        else:
            # Nothing else ends the search, and it is not begun if there is too little time.
            reason = StopReason.FINISHED if left is None else StopReason.TIME_LIMIT
        return Answer(orders, bound, reason)


def _model(problem: Problem) -> tuple[JoinedCircuits, int, int]:
    """The programme, its unit, and what the first runs of all accesses weigh."""
    weights = [run_weight(access) or 0 for access in problem.accesses]
    unit = gcd(*weights) or 1
    rows: list[list[tuple[IntArray, int]]] = [[] for _ in problem.sizes]
    made: list[Junction] = []
    first_runs = 0
    for access, weight in zip(problem.accesses, weights, strict=True):
        if not weight:
            continue
        for tensor, wanted in access.parts:
            rows[tensor].append((wanted, weight // unit))
        for last, first in meetings(problem, access):
            if not any(end is not None and not end[1] for end in (last, first)):
                made.append(Junction(weight // unit, last, first))
        if any(wanted.size for _, wanted in access.parts):
            first_runs += weight
    starts = [_starts(sizes.size, some) for sizes, some in zip(problem.sizes, rows, strict=True)]
    return JoinedCircuits(starts, problem.fixed, made), unit, first_runs


def _starts(columns: int, rows: list[tuple[IntArray, int]]) -> IntArray:
    """What the runs that begin at a column cost if another comes before it."""
    matrix = np.zeros((len(rows), columns), dtype=np.bool_)
    for row, (wanted, _) in enumerate(rows):
        matrix[row, wanted] = True
    blocks = BlockMinimisation(matrix, tuple(weight for _, weight in rows))
    return blocks.starts() * blocks.unit
