"""OR-Tools' GLOP by its wrapper: import it, and solve such that clock and Ctrl-C are heard."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from formulations.engines import import_cp_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

# Simplex iterations at first in a row; Ctrl-C works between the rows.
_SLICE = 1000
_MOST = 2**30
# Longer than this many seconds is as good as forever.
_LONG = 1e6


def import_glop() -> ModuleType:
    """Import OR-Tools' wrapper of linear solvers.

    Raises
    ------
    ImportError
        If OR-Tools is not installed, or cannot be loaded beside what is loaded already.
    """
    try:
        return import_module("ortools.linear_solver.pywraplp")
    except ImportError:
        # Fails as well, but says what stands in the way.
        import_cp_model()
        raise


def solve_to_optimum(
    glop: ModuleType, solver: Any, seconds: Callable[[], float], *, dual: bool
) -> bool:
    """Solve from the last basis, and stop early when `seconds` says that no time is left.

    Parameters
    ----------
    glop : module
        As of :func:`import_glop`.
    solver : pywraplp.Solver
    seconds : callable
        Returns the seconds left, possibly infinite.
    dual : bool
        By the dual simplex method, else by the primal one.

    Returns
    -------
    bool
        Whether an optimum was found.
    """
    unfinished = (glop.Solver.NOT_SOLVED, glop.Solver.FEASIBLE)
    status = glop.Solver.NOT_SOLVED
    parameters = _parameters(glop, dual=dual)
    iterations = limit = _SLICE
    while status in unfinished and iterations > 0:
        left = seconds()
        if left <= 0.0:
            return False
        # Twice as many each time, for what keeps GLOP from cycling is lost in between.
        solver.SetSolverSpecificParametersAsString(f"max_number_of_iterations: {limit}")
        limit = min(2 * limit, _MOST)
        solver.SetTimeLimit(0 if left > _LONG else max(1, int(1000 * left)))
        status = solver.Solve(parameters)
        iterations = solver.iterations()
    return bool(status == glop.Solver.OPTIMAL)


def _parameters(glop: ModuleType, *, dual: bool) -> Any:
    parameters = glop.MPSolverParameters()
    method = parameters.DUAL if dual else parameters.PRIMAL
    parameters.SetIntegerParam(parameters.LP_ALGORITHM, method)
    parameters.SetIntegerParam(parameters.PRESOLVE, parameters.PRESOLVE_OFF)
    parameters.SetIntegerParam(parameters.INCREMENTALITY, parameters.INCREMENTALITY_ON)
    return parameters
