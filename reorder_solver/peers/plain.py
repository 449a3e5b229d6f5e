"""Peers that are given the textbook model: ``cp-sat-plain`` and ``highs-plain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reorder_solver import Objective, StopReason
from reorder_solver.backends import Answer, Backend, Task
from reorder_solver.peers.plain_model import arc_count, plain_model, price_unit
from reorder_solver.peers.process import run_engine

if TYPE_CHECKING:
    from reorder_solver.peers.columns import IntArray
    from reorder_solver.presolve import Problem


class PlainPeer(Backend):
    """A general solver on :mod:`reorder_solver.peers.plain_model`, with nothing of ours to help.

    It sees every channel, not classes, all tensors at once, and no start. Accesses with several
    parts are refused.

    Attributes
    ----------
    engine : str
        Function of :mod:`reorder_solver.peers.engines`.
    most_arcs, largest_cost : int
        More is refused; costs over the common divisor of the prices.
    """

    is_exact: ClassVar[bool] = True
    objectives: ClassVar[frozenset[Objective]] = frozenset(Objective) - {Objective.LATENCY}
    reduces: ClassVar[bool] = False
    engine: ClassVar[str]
    most_arcs: ClassVar[int]
    largest_cost: ClassVar[int]

    def supports(self, problem: Problem) -> str | None:
        """Refuse concatenations, and what is too large."""
        if problem.objective not in self.objectives:
            return super().supports(problem)
        if any(len(access.parts) != 1 for access in problem.accesses):
            return "an access has several parts"
        arcs = arc_count(problem)
        if arcs > self.most_arcs:
            return f"{arcs} ordered pairs of channels; it takes up to {self.most_arcs}"
        unit = price_unit(problem)
        largest = sum(
            access.cost(access.channels, access.channels + 1).primary // unit
            for access in problem.accesses
        )
        if largest > self.largest_cost:
            return "the prices are too large for its engine"
        return None

    def options(self, task: Task) -> dict[str, Any]:
        """More arguments of the engine."""
        return {}

    def solve(self, task: Task) -> Answer:
        """Hand the model over; the bound is the engine's word."""
        problem = task.problem
        best = problem.identity() if task.start is None else task.start
        cost = problem.cost(best)
        if not cost.violated:
            task.report(best, None)
            if not cost.primary:
                return Answer(best, 0, StopReason.PROVEN)
        if task.deadline.expired:
            return Answer(None if cost.violated else best, None, StopReason.TIME_LIMIT)
        model, constant = plain_model(problem)
        unit = price_unit(problem)
        bound: int | None = None

        def hear(word: dict[str, Any]) -> None:
            nonlocal best, cost, bound
            if "successors" in word:
                orders = _orders(problem, word["successors"])
                found = problem.cost(orders)
                if found < cost:
                    best, cost = orders, found
                    task.report(best, None)
            if word.get("bound") is not None:
                bound = unit * word["bound"] + constant

        outcome = run_engine(
            self.engine,
            {"model": model} | self.options(task),
            seconds=task.deadline.remaining,
            tell=hear,
        )
        orders = None if cost.violated else best
        if orders is not None and bound == cost.primary:
            return Answer(orders, bound, StopReason.PROVEN)
        reason = StopReason.FINISHED if outcome.finished else StopReason.TIME_LIMIT
        return Answer(orders, bound, reason)


class CpSatPlain(PlainPeer):
    """CP-SAT with a circuit constraint per tensor and its own parameters."""

    name: ClassVar[str] = "cp-sat-plain"
    summary: ClassVar[str] = "the textbook model in CP-SAT: circuits through all channels"
    licence: ClassVar[str | None] = "Apache-2.0"
    requires: ClassVar[tuple[str, ...]] = ("ortools",)
    engine: ClassVar[str] = "cp_sat"
    most_arcs: ClassVar[int] = 300_000
    largest_cost: ClassVar[int] = 2**50

    def options(self, task: Task) -> dict[str, Any]:
        """It takes a seed and threads."""
        return {"seed": task.seed, "threads": task.threads}


class HighsPlain(PlainPeer):
    """HiGHS, through SciPy, on the programme of Miller, Tucker and Zemlin."""

    name: ClassVar[str] = "highs-plain"
    summary: ClassVar[str] = "the textbook model in HiGHS through SciPy: positions along arcs"
    licence: ClassVar[str | None] = "MIT (HiGHS), BSD-3-Clause (SciPy)"
    requires: ClassVar[tuple[str, ...]] = ("scipy",)
    engine: ClassVar[str] = "highs"
    most_arcs: ClassVar[int] = 60_000
    #: Bounds are floats, and lowered by what may be wrong with them: above, they say little.
    largest_cost: ClassVar[int] = 1_000_000


def _orders(problem: Problem, successors: list[list[int]]) -> tuple[IntArray, ...]:
    """Orders of all tensors; fixed ones stay.

    Raises
    ------
    RuntimeError
        If the engine's solution is no circuit.
    """
    free = iter(successors)
    return tuple(
        np.arange(sizes.size, dtype=np.int64) if fixed else _walk(next(free))
        for sizes, fixed in zip(problem.sizes, problem.fixed, strict=True)
    )


def _walk(successors: list[int]) -> IntArray:
    outside = len(successors) - 1
    order = [successors[outside]]
    while order[-1] != outside and len(order) <= outside:
        order.append(successors[order[-1]])
    if order[-1] != outside or len(set(order)) != outside + 1:
        raise RuntimeError("the engine's solution is no circuit")
    return np.array(order[:-1], dtype=np.int64)
