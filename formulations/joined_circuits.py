"""Runs over several tensors: a circuit through each, tied where runs of different tensors join.

A binary variable per ordered pair of a tensor's columns says that one directly follows the other;
with a column of zeros, where the order begins and ends, they form a circuit
(:mod:`formulations.circuit`). The first and the last column are those next to it, and a junction
(:mod:`formulations.junctions`) saves a run if both its ends are right.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from formulations.block_minimisation import order_of_successors
from formulations.engines import import_cp_model
from formulations.interruptible import solve_interruptibly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from formulations.block_minimisation import IntArray
    from formulations.junctions import End, Junction

# Subtour cuts come with level 2 only.
_LINEARIZATION_LEVEL = 2
#: Without so many seconds for each pair of columns, no programme is built.
_PER_PAIR = 1e-5


@dataclass(frozen=True, slots=True)
class CircuitsSolution:
    """Orders of all tensors, and a bound.

    Attributes
    ----------
    orders : tuple of ndarray of int64, or None
        None if none better than the start was found.
    lower_bound : int
        Proven: runs less what is joined are at least so many.
    """

    orders: tuple[IntArray, ...] | None
    lower_bound: int


@dataclass(frozen=True, eq=False)
class JoinedCircuits:
    """Minimise the runs of all tensors, less what junctions save.

    Parameters
    ----------
    starts : sequence of ndarray of int64, (columns + 1, columns + 1)
        Per tensor, at ``(i, j)`` the weights of the rows that want column ``j`` and not ``i``; the
        last column is one of zeros.
    fixed : sequence of bool
        Whether the columns of a tensor stay in their order.
    junctions : sequence of Junction
    """

    starts: Sequence[IntArray]
    fixed: Sequence[bool]
    junctions: Sequence[Junction]

    def solve(
        self,
        start: Sequence[IntArray],
        *,
        time_limit: float | None = None,
        seed: int = 0,
        threads: int = 1,
    ) -> CircuitsSolution:
        """Solve with CP-SAT, from orders to begin with.

        Raises
        ------
        ImportError
            If OR-Tools is missing.
        """
        end = inf if time_limit is None else time.monotonic() + time_limit
        if end - time.monotonic() < _PER_PAIR * sum(costs.size for costs in self.starts):
            return CircuitsSolution(None, 0)
        cp: Any = import_cp_model()
        model = cp.CpModel()
        arcs: list[dict[tuple[int, int], Any]] = []
        terms: list[Any] = []
        for tensor, costs in enumerate(self.starts):
            if time.monotonic() >= end:
                return CircuitsSolution(None, 0)
            arcs.append(self._circuit(model, tensor, start[tensor].tolist()))
            terms += [
                int(costs[pair]) * follows for pair, follows in arcs[-1].items() if costs[pair]
            ]
        model.minimize(sum(terms + self._saved(model, arcs)))
        solver = cp.CpSolver()
        parameters = solver.parameters
        parameters.num_workers = threads
        parameters.random_seed = seed % 2**31
        parameters.linearization_level = _LINEARIZATION_LEVEL
        # Gaps are measured in floats, where two large integers can look equal.
        parameters.absolute_gap_limit = parameters.relative_gap_limit = 0.0
        if end < inf:
            parameters.max_time_in_seconds = max(0.01, end - time.monotonic())
        status = solve_interruptibly(solver, model)
        if status == cp.UNKNOWN:
            return CircuitsSolution(
                None, max(0, int(solver.response_proto.inner_objective_lower_bound))
            )
        if status not in (cp.OPTIMAL, cp.FEASIBLE):
            raise RuntimeError(f"CP-SAT refused the model: {model.validate()}")
        orders = tuple(
            self._order(
                costs.shape[0] - 1, [pair for pair, on in known.items() if solver.value(on)]
            )
            for costs, known in zip(self.starts, arcs, strict=True)
        )
        return CircuitsSolution(orders, int(solver.response_proto.inner_objective_lower_bound))

    def _circuit(self, model: Any, tensor: int, start: list[int]) -> dict[tuple[int, int], Any]:
        """Variables of one tensor's pairs; where it is fixed, of those that follow each other."""
        columns = self.starts[tensor].shape[0] - 1
        path = set(pairwise([columns, *start, columns]))
        arcs = {}
        for tail in range(columns + 1):
            for head in range(columns + 1):
                if tail == head or (self.fixed[tensor] and (tail, head) not in path):
                    continue
                arcs[tail, head] = model.new_bool_var("")
                model.add_hint(arcs[tail, head], (tail, head) in path)
        if columns:
            model.add_circuit([(tail, head, follows) for (tail, head), follows in arcs.items()])
        return arcs

    def _saved(self, model: Any, arcs: list[dict[tuple[int, int], Any]]) -> list[Any]:
        """What junctions take off."""
        terms = []
        for junction in self.junctions:
            joined = model.new_bool_var("")
            terms.append(-junction.weight * joined)
            for end, is_last in ((junction.last, True), (junction.first, False)):
                if end is not None:
                    right = self._at_end(arcs, end, is_last=is_last)
                    model.add_bool_or(right).only_enforce_if(joined)
        return terms

    def _at_end(
        self, arcs: list[dict[tuple[int, int], Any]], end: End, *, is_last: bool
    ) -> list[Any]:
        tensor, columns = end
        outside = self.starts[tensor].shape[0] - 1
        pairs = [(one, outside) if is_last else (outside, one) for one in columns]
        return [arcs[tensor][pair] for pair in pairs if pair in arcs[tensor]]

    @staticmethod
    def _order(columns: int, taken: list[tuple[int, int]]) -> IntArray:
        found = order_of_successors(dict(taken), columns)
        if found is None:
            raise RuntimeError("CP-SAT's solution is no circuit")
        return np.asarray(found, dtype=np.int64)
