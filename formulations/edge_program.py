"""The linear programme of edges that the subtour bound is computed with, in OR-Tools' GLOP.

Edges and cuts may be added between solves; GLOP goes on from the basis it has, as long as only
one of the two was added.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from formulations.engines import import_cp_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from formulations.cut_separation import BoolArray, FloatArray, IntArray


# Simplex iterations at first in a row; Ctrl-C works between the rows.
_SLICE = 1000
_MOST = 2**30
# Longer than this many seconds is as good as forever.
_LONG = 1e6


class LinearSolution(NamedTuple):
    """Values of the edges, and the dual values of nodes and cuts."""

    edges: FloatArray
    nodes: FloatArray
    cuts: FloatArray


def import_glop() -> ModuleType:
    """Import OR-Tools' wrapper of linear solvers.

    Raises
    ------
    ImportError
        If OR-Tools is not installed, or cannot be loaded beside what is loaded already.
    """
    try:
        pywraplp = import_module("ortools.linear_solver.pywraplp")
    except ImportError:
        # Fails as well, but says what stands in the way.
        import_cp_model()
        raise
    return pywraplp


class EdgeProgram:
    """Minimise the length of edges, two (fractionally) at each node, under cuts.

    Edges have values between 0 and 1, and at least two leave every cut.

    Parameters
    ----------
    n_nodes : int
    unit : float
        Lengths are divided by it, as GLOP's tolerances are absolute.
    """

    def __init__(self, n_nodes: int, unit: float) -> None:
        self._glop = import_glop()
        self._solver: Any = self._glop.Solver("subtour", self._glop.Solver.GLOP_LINEAR_PROGRAMMING)
        self._solver.SuppressOutput()
        self._unit = unit
        self._nodes: list[Any] = [self._solver.Constraint(2.0, 2.0) for _ in range(n_nodes)]
        self._cuts: list[Any] = []
        self._edges: list[Any] = []
        self.tails: IntArray = np.zeros(0, dtype=np.int64)
        self.heads: IntArray = np.zeros(0, dtype=np.int64)
        self.members: BoolArray = np.zeros((0, n_nodes), dtype=np.bool_)

    def add_edges(self, tails: IntArray, heads: IntArray, lengths: FloatArray) -> None:
        """Add edges; a tour must be among the first, lest there be no solution."""
        crossed = self.members[:, tails] != self.members[:, heads]
        objective = self._solver.Objective()
        for place, (tail, head, length) in enumerate(
            zip(tails.tolist(), heads.tolist(), (lengths / self._unit).tolist(), strict=True)
        ):
            edge = self._solver.NumVar(0.0, 1.0, "")
            objective.SetCoefficient(edge, length)
            self._nodes[tail].SetCoefficient(edge, 1.0)
            self._nodes[head].SetCoefficient(edge, 1.0)
            for cut in np.flatnonzero(crossed[:, place]).tolist():
                self._cuts[cut].SetCoefficient(edge, 1.0)
            self._edges.append(edge)
        self.tails = np.concatenate([self.tails, tails])
        self.heads = np.concatenate([self.heads, heads])

    def add_cuts(self, members: BoolArray) -> None:
        """Ask that at least two edges leave each of these sets (one a row)."""
        for inside in members:
            cut = self._solver.Constraint(2.0, self._solver.infinity())
            for edge in np.flatnonzero(inside[self.tails] != inside[self.heads]).tolist():
                cut.SetCoefficient(self._edges[edge], 1.0)
            self._cuts.append(cut)
        self.members = np.concatenate([self.members, members])

    def solve(self, seconds: Callable[[], float], *, dual: bool) -> LinearSolution | None:
        """Solve, and stop early when `seconds` says that no time is left.

        Parameters
        ----------
        seconds : callable
            Returns the seconds left, possibly infinite.
        dual : bool
            By the dual simplex method: right after cuts were added. Else by the primal one:
            right after edges were.

        Returns
        -------
        LinearSolution or None
            None if no optimum was found.
        """
        solver = self._glop.Solver
        unfinished = (solver.NOT_SOLVED, solver.FEASIBLE)
        status = solver.NOT_SOLVED
        parameters = self._parameters(dual=dual)
        iterations = limit = _SLICE
        while status in unfinished and iterations > 0:
            left = seconds()
            if left <= 0.0:
                return None
            # Twice as many each time, for what keeps GLOP from cycling is lost in between.
            self._solver.SetSolverSpecificParametersAsString(f"max_number_of_iterations: {limit}")
            limit = min(2 * limit, _MOST)
            self._solver.SetTimeLimit(0 if left > _LONG else max(1, int(1000 * left)))
            status = self._solver.Solve(parameters)
            iterations = self._solver.iterations()
        if status != solver.OPTIMAL:
            return None
        return LinearSolution(
            np.array([edge.solution_value() for edge in self._edges]),
            np.array([node.dual_value() for node in self._nodes]) * self._unit,
            np.array([cut.dual_value() for cut in self._cuts]) * self._unit,
        )

    def _parameters(self, *, dual: bool) -> Any:
        parameters = self._glop.MPSolverParameters()
        method = parameters.DUAL if dual else parameters.PRIMAL
        parameters.SetIntegerParam(parameters.LP_ALGORITHM, method)
        parameters.SetIntegerParam(parameters.PRESOLVE, parameters.PRESOLVE_OFF)
        parameters.SetIntegerParam(parameters.INCREMENTALITY, parameters.INCREMENTALITY_ON)
        return parameters
