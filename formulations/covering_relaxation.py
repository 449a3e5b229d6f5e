"""The linear relaxation of a covering programme, in OR-Tools' GLOP, to look for cuts with.

Constraints may be added between solves. What it says is floating point and proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from formulations.edge_program import import_glop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from formulations.covering import Constraint

# Simplex iterations at first in a row; Ctrl-C works between the rows.
_SLICE = 1000
_MOST = 2**30
# Longer than this many seconds is as good as forever.
_LONG = 1e6


class CoveringRelaxation:
    """Minimise ``weights . x`` with ``0 <= x <= 1`` and ``sum(x[members]) >= demand`` throughout.

    Parameters
    ----------
    weights : sequence of int
        Non-negative, of any size.
    """

    def __init__(self, weights: Sequence[int]) -> None:
        self._glop = import_glop()
        self._solver: Any = self._glop.Solver("cover", self._glop.Solver.GLOP_LINEAR_PROGRAMMING)
        self._solver.SuppressOutput()
        self._most = max(weights, default=0) or 1
        objective = self._solver.Objective()
        self._variables: list[Any] = []
        for weight in weights:
            variable = self._solver.NumVar(0.0, 1.0, "")
            objective.SetCoefficient(variable, weight / self._most)
            self._variables.append(variable)

    def add(self, constraints: Iterable[Constraint]) -> None:
        """Add constraints: members and demand each."""
        for members, demand in constraints:
            row = self._solver.Constraint(float(demand), self._solver.infinity())
            for item in members:
                row.SetCoefficient(self._variables[item], 1.0)

    def solve(self, seconds: Callable[[], float]) -> tuple[npt.NDArray[np.float64], float] | None:
        """Solve by the dual simplex method, from the last basis.

        Parameters
        ----------
        seconds : callable
            Returns the seconds left, possibly infinite.

        Returns
        -------
        (ndarray of float64, float) or None
            The solution, and its value over the largest weight. None if none was found in time.
        """
        solver = self._glop.Solver
        status = solver.NOT_SOLVED
        parameters = self._parameters()
        limit, iterations = _SLICE, _SLICE
        while status in (solver.NOT_SOLVED, solver.FEASIBLE) and iterations > 0:
            left = seconds()
            if left <= 0.0:
                return None
            self._solver.SetSolverSpecificParametersAsString(f"max_number_of_iterations: {limit}")
            limit = min(2 * limit, _MOST)
            self._solver.SetTimeLimit(0 if left > _LONG else max(1, int(1000 * left)))
            status = self._solver.Solve(parameters)
            iterations = self._solver.iterations()
        if status != solver.OPTIMAL:
            return None
        values = np.array([variable.solution_value() for variable in self._variables])
        return values, float(self._solver.Objective().Value())

    def _parameters(self) -> Any:
        parameters = self._glop.MPSolverParameters()
        parameters.SetIntegerParam(parameters.LP_ALGORITHM, parameters.DUAL)
        parameters.SetIntegerParam(parameters.PRESOLVE, parameters.PRESOLVE_OFF)
        parameters.SetIntegerParam(parameters.INCREMENTALITY, parameters.INCREMENTALITY_ON)
        return parameters
