"""Compile the kernels beside the caller, so that a first use does not overrun its time limit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from formulations.warm_up import is_ready
from reorder_solver.backends.search.build import build
from reorder_solver.backends.search.iterate import begin, run
from reorder_solver.core.prices import Objective, PriceList
from reorder_solver.presolve.problem import Problem, ProblemAccess

if TYPE_CHECKING:
    from reorder_solver.core.limits import Deadline


def kernels_ready(deadline: Deadline) -> bool:
    """Wait until the kernels are compiled, or loaded from the cache; False if time ran out first.

    See :func:`formulations.warm_up.is_ready`.
    """
    return is_ready("local search", _use_all, time.perf_counter() + deadline.remaining)


def _use_all() -> None:
    """One search on a tiny problem, which makes numba compile or load every kernel."""
    problem = _tiny_problem()
    data, exact = build(problem, problem.identity(), 0)
    begin(data, 0)
    run(data, 1, 1000, not exact)


def _tiny_problem() -> Problem:
    access = ProblemAccess(
        parts=((0, np.array([0, 2], dtype=np.int64)),),
        channels=2,
        prices=(PriceList(split=(1,)),),
        tie_weight=0,
        required=False,
        members=(0,),
    )
    return Problem(Objective.RUNS, (np.ones(3, dtype=np.int64),), (False,), (access,))
