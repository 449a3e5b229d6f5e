"""The linear relaxation of a covering programme, in OR-Tools' GLOP, to look for cuts with.

Constraints may be added between solves. What it says is floating point and proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from formulations.glop import import_glop, solve_to_optimum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from formulations.covering import Constraint


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
        if not solve_to_optimum(self._glop, self._solver, seconds, dual=True):
            return None
        values = np.array([variable.solution_value() for variable in self._variables])
        return values, float(self._solver.Objective().Value())
