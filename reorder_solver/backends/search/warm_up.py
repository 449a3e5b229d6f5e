"""Compile the kernels beside the caller, so that a first use does not overrun its time limit."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.search.build import build
from reorder_solver.backends.search.iterate import begin, run
from reorder_solver.core.prices import Objective, PriceList
from reorder_solver.presolve.problem import Problem, ProblemAccess

if TYPE_CHECKING:
    from reorder_solver.core.limits import Deadline

#: Seconds between two looks at a deadline while waiting.
_SLICE = 0.1


def kernels_ready(deadline: Deadline) -> bool:
    """Wait until the kernels are compiled, or loaded from the cache; False if time ran out first.

    The first call starts a thread for it. Compiling takes some seconds, once per installation;
    the thread then goes on after `deadline`, and the interpreter waits for it at exit, so that the
    next run finds the kernels in the cache.
    """
    compilation = _compilation()
    while not compilation.finished.wait(min(_SLICE, deadline.remaining)):
        if deadline.expired:
            return False
    if compilation.error is not None:
        raise compilation.error
    return True


class _Compilation:
    """One search on a tiny problem, which makes numba compile or load every kernel."""

    def __init__(self) -> None:
        self.finished = threading.Event()
        self.error: Exception | None = None
        threading.Thread(target=self._compile, name="kernel compilation").start()

    def _compile(self) -> None:
        try:
            problem = _tiny_problem()
            data, exact = build(problem, problem.identity(), 0)
            begin(data, 0)
            run(data, 1, 1000, not exact)
        except Exception as error:
            self.error = error
        finally:
            self.finished.set()


@cache
def _compilation() -> _Compilation:
    return _Compilation()


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
