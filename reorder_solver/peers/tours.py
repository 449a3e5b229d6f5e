"""Peers that look for short tours: ``fast-tsp``, ``elkai`` and ``ortools-routing``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reorder_solver import Objective, StopReason
from reorder_solver.backends import Answer, Backend, Task
from reorder_solver.peers import engines
from reorder_solver.peers.columns import distances, no_tour, run_weights
from reorder_solver.peers.process import run_engine

if TYPE_CHECKING:
    from reorder_solver.peers.columns import IntArray
    from reorder_solver.presolve import Problem


class TourPeer(Backend):
    """The runs of one tensor as a symmetric travelling salesman problem.

    The engine sees weighted Hamming distances of the channel classes. It has no seed of its own:
    seed 0 leaves the nodes as they are, another one renames them.

    Attributes
    ----------
    engine : str
        Function of :mod:`reorder_solver.peers.engines`.
    most_classes, largest_distance : int
        More is refused.
    takes_threads : bool
    """

    objectives: ClassVar[frozenset[Objective]] = frozenset({Objective.RUNS})
    engine: ClassVar[str]
    most_classes: ClassVar[int]
    largest_distance: ClassVar[int]
    takes_threads: ClassVar[bool] = False

    def supports(self, problem: Problem) -> str | None:
        """Refuse what is no single tour, or too large."""
        if problem.objective not in self.objectives:
            return super().supports(problem)
        if problem.classes > self.most_classes:
            return f"{problem.classes} channel classes; it takes up to {self.most_classes}"
        reason = no_tour(problem)
        if reason is None and sum(run_weights(problem)) > self.largest_distance:
            return "the weights are too large for its integers"
        return reason

    def solve(self, task: Task) -> Answer:
        """Give the distances to the engine, and take the best tour it tells."""
        classes = task.problem.classes
        start = (task.problem.identity() if task.start is None else task.start)[0]
        best, cost = start, task.problem.cost((start,))
        task.report((start,), None)
        if task.deadline.expired:
            return Answer((best,), None, StopReason.TIME_LIMIT)
        names = _names(classes + 1, task.seed)

        def hear(word: dict[str, Any]) -> None:
            nonlocal best, cost
            if "tour" not in word:
                return
            order = _order(names[np.array(word["tour"], dtype=np.int64)], classes)
            found = task.problem.cost((order,))
            if found < cost:
                best, cost = order, found
                task.report((best,), None)

        data = {"distances": distances(task.problem)[np.ix_(names, names)]}
        threads = {"threads": task.threads} if self.takes_threads else {}
        if classes + 1 <= engines.FEW_NODES:
            # Starting a process would take longer than solving.
            getattr(engines, self.engine)(
                **data, **threads, end=None, tell=lambda **word: hear(word)
            )
            return Answer((best,), None, StopReason.FINISHED)
        outcome = run_engine(
            self.engine, data | threads, seconds=task.deadline.remaining, tell=hear
        )
        reason = StopReason.FINISHED if outcome.finished else StopReason.TIME_LIMIT
        return Answer((best,), None, reason)


class FastTsp(TourPeer):
    """The package fast-tsp: Or-opt, and Lin-Kernighan style search on larger problems."""

    name: ClassVar[str] = "fast-tsp"
    summary: ClassVar[str] = "runs of one tensor by the TSP code fast-tsp (no bound)"
    licence: ClassVar[str | None] = "MIT"
    requires: ClassVar[tuple[str, ...]] = ("fast_tsp",)
    engine: ClassVar[str] = "fast_tsp"
    most_classes: ClassVar[int] = 5000
    largest_distance: ClassVar[int] = 2**16 - 1
    takes_threads: ClassVar[bool] = True


class Elkai(TourPeer):
    """The package elkai: LKH-3 by K. Helsgaun."""

    name: ClassVar[str] = "elkai"
    summary: ClassVar[str] = "runs of one tensor by LKH through elkai (no bound)"
    licence: ClassVar[str | None] = "LKH: academic and non-commercial use only"
    requires: ClassVar[tuple[str, ...]] = ("elkai",)
    engine: ClassVar[str] = "elkai"
    most_classes: ClassVar[int] = 3000
    #: LKH works on hundreds of a unit in 32 bits.
    largest_distance: ClassVar[int] = 2**31 // 400


class OrtoolsRouting(TourPeer):
    """The routing library of OR-Tools with guided local search."""

    name: ClassVar[str] = "ortools-routing"
    summary: ClassVar[str] = "runs of one tensor by guided local search in OR-Tools (no bound)"
    licence: ClassVar[str | None] = "Apache-2.0"
    requires: ClassVar[tuple[str, ...]] = ("ortools",)
    engine: ClassVar[str] = "routing"
    most_classes: ClassVar[int] = 2000
    largest_distance: ClassVar[int] = 2**40


def _names(nodes: int, seed: int) -> IntArray:
    """The node behind each name."""
    if not seed:
        return np.arange(nodes, dtype=np.int64)
    return np.random.default_rng(seed).permutation(nodes).astype(np.int64)


def _order(tour: IntArray, outside: int) -> IntArray:
    """The classes from the outside node on.

    Raises
    ------
    RuntimeError
        If it is no tour through all nodes.
    """
    if not np.array_equal(np.sort(tour), np.arange(outside + 1)):
        raise RuntimeError("the engine's tour does not visit every node once")
    place = int(np.flatnonzero(tour == outside)[0])
    return np.roll(tour, -place)[1:]
