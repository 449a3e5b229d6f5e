"""Consecutive block minimisation as a shortest circuit, in CP-SAT.

A binary variable per ordered pair of columns says that one directly follows the other; together
they form a circuit through all columns and one of zeros, where the order begins and ends. The
pair ``(i, j)`` costs the weights of the rows that want ``j`` and not ``i``, as their runs begin
there. So the objective counts runs once, not twice as under Hamming distance, and rounding its
bound up to an integer already makes use of Kou's parity.

References
----------
L. T. Kou, "Polynomial complete consecutive information retrieval problems", SIAM Journal on
Computing 6 (1977) 67-75, DOI 10.1137/0206004.
"""

from __future__ import annotations

import time
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from formulations.block_minimisation import (
    BlockMinimisation,
    BlockSolution,
    IntArray,
    checked_start,
    order_of_successors,
)
from formulations.engines import import_cp_model
from formulations.interruptible import solve_interruptibly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ortools.sat.python import cp_model

    Report = Callable[[IntArray], None]

__all__ = ["BlockMinimisation", "BlockSolution", "solve_cpsat"]

# Subtour cuts come with level 2 only.
_LINEARIZATION_LEVEL = 2


def solve_cpsat(
    model: BlockMinimisation,
    *,
    start: Iterable[int] | IntArray | None = None,
    target: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    threads: int = 1,
    report: Report | None = None,
) -> BlockSolution:
    """Order the columns with CP-SAT.

    Parameters
    ----------
    model : BlockMinimisation
    start : sequence of int, optional
        A good order, from which the search starts; the answer is never worse.
    target : int, optional
        Look only for an order that costs at most this, and stop at the first. Where there is
        none, the bound ends above the target.
    time_limit : float, optional
        Wall-clock seconds, from the call on.
    seed : int
        With one thread and no time limit reached, the same seed gives the same answer.
    threads : int
        Search workers.
    report : callable, optional
        Called in the calling thread with better orders as they are found.

    Returns
    -------
    BlockSolution
        The optimum, or the best order and bound by then.

    Raises
    ------
    ValueError
        If `threads` is not positive, `start` no permutation or the weights are too large.
    ImportError
        If OR-Tools is not installed.

    Notes
    -----
    A variable for each of the ``columns * (columns + 1)`` ordered pairs.
    """
    end = inf if time_limit is None else time.monotonic() + time_limit
    if threads < 1:
        raise ValueError(f"the number of threads must be positive, not {threads}")
    first = checked_start(model, start)
    trivial = BlockSolution.of(model, [first], model.cost(first) if model.columns <= 2 else 0)
    if trivial.is_optimal or (target is not None and not trivial.lower_bound <= target):
        return trivial
    if target is not None and trivial.value <= target:
        return trivial
    program = _Program(model, first, target, end)
    if not program.is_complete or time.monotonic() >= end:
        return trivial
    return program.solve(end, seed, threads, report)


class _Program:
    """The CP-SAT model, and how its answer reads."""

    def __init__(
        self, model: BlockMinimisation, start: IntArray, target: int | None, end: float
    ) -> None:
        self._cp_model = import_cp_model()
        self._model = model
        self._start = start
        self._target = target
        self._program = self._cp_model.CpModel()
        self._arcs: list[tuple[int, int, cp_model.IntVar]] = []
        self.is_complete = self._build(end)

    def _build(self, end: float) -> bool:
        """State the programme; False if there is no time for it."""
        costs = self._model.starts().tolist()
        nodes = range(self._model.columns + 1)
        path = [self._model.columns, *self._start.tolist(), self._model.columns]
        started = set(pairwise(path))
        coefficients: list[int] = []
        for tail in nodes:
            if time.monotonic() >= end:
                return False
            for head in nodes:
                if head == tail:
                    continue
                follows = self._program.new_bool_var("")
                self._arcs.append((tail, head, follows))
                coefficients.append(costs[tail][head])
                self._program.add_hint(follows, (tail, head) in started)
        self._program.add_circuit(self._arcs)
        variables = [follows for _, _, follows in self._arcs]
        runs = self._cp_model.LinearExpr.weighted_sum(variables, coefficients)
        self._program.minimize(runs)
        if self._target is not None:
            self._program.add(runs <= self._target // self._model.unit)
        return True

    def solve(self, end: float, seed: int, threads: int, report: Report | None) -> BlockSolution:
        cp = self._cp_model
        solver = cp.CpSolver()
        parameters = solver.parameters
        parameters.num_workers = threads
        parameters.random_seed = seed % 2**31
        parameters.linearization_level = _LINEARIZATION_LEVEL
        # Gaps are measured in floats, where two large integers can look equal.
        parameters.absolute_gap_limit = 0.0
        parameters.relative_gap_limit = 0.0
        parameters.stop_after_first_solution = self._target is not None
        if end < inf:
            parameters.max_time_in_seconds = max(0.01, end - time.monotonic())
        listener, heard = _listener(self._arcs)
        poll = None if report is None else self._teller(heard, report)
        status = solve_interruptibly(solver, self._program, listener, poll)
        if status == cp.MODEL_INVALID:
            raise RuntimeError(f"CP-SAT refused the model: {self._program.validate()}")
        if status == cp.INFEASIBLE:
            return self._refuted()
        # The bound of the response is an integer, that of the solver a float.
        bound = int(solver.response_proto.inner_objective_lower_bound)
        orders = [self._start]
        if status in (cp.OPTIMAL, cp.FEASIBLE):
            taken = {tail: head for tail, head, arc in self._arcs if solver.boolean_value(arc)}
            found = order_of_successors(taken, self._model.columns)
            if found is None:
                raise RuntimeError("CP-SAT's solution is no circuit")
            # A tie goes to the engine: the answer then does not depend on the start.
            orders.insert(0, found)
        return BlockSolution.of(self._model, orders, self._model.unit * bound)

    def _refuted(self) -> BlockSolution:
        """No order meets the target; without one there is always an order."""
        if self._target is None:
            raise RuntimeError("CP-SAT found no circuit in a complete graph")
        unit = self._model.unit
        bound = (self._target // unit + 1) * unit
        return BlockSolution.of(self._model, [self._start], bound)

    def _teller(self, found: list[dict[int, int]], report: Report) -> Callable[[], None]:
        """What the waiting thread does now and then: hand on the best order found so far."""
        best = self._model.cost(self._start)

        def tell() -> None:
            nonlocal best
            while found:
                order = order_of_successors(found.pop(), self._model.columns)
                if order is not None and (cost := self._model.cost(order)) < best:
                    best = cost
                    report(order)

        return tell


def _listener(
    arcs: list[tuple[int, int, cp_model.IntVar]],
) -> tuple[cp_model.CpSolverSolutionCallback, list[dict[int, int]]]:
    """A callback that appends the successors in every solution to a list."""
    found: list[dict[int, int]] = []

    class Listener(import_cp_model().CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            found.append({tail: head for tail, head, arc in arcs if self.boolean_value(arc)})

    return Listener(), found
