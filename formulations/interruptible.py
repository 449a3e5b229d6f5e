"""Run CP-SAT so that Ctrl-C works at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ortools.sat.python import cp_model


def solve_interruptibly(
    solver: cp_model.CpSolver,
    model: cp_model.CpModel,
    listener: cp_model.CpSolverSolutionCallback | None = None,
    poll: Callable[[], None] | None = None,
) -> cp_model.CpSolverStatus:
    """Solve in a worker thread, and stop the search when the calling thread is interrupted.

    The calling thread waits in Python, where signals are delivered; within the C++ search they
    would wait for its end. Works from any thread.

    Parameters
    ----------
    solver : ortools.sat.python.cp_model.CpSolver
        With its parameters set; its own handling of SIGINT is switched off.
    model : ortools.sat.python.cp_model.CpModel
    listener : CpSolverSolutionCallback, optional
        Hears of solutions, in a thread of the solver.
    poll : callable, optional
        Called ten times a second in the calling thread, and at the end; may raise to end the
        search.

    Returns
    -------
    CpSolverStatus
        As of ``solver.solve(model)``.

    Raises
    ------
    BaseException
        Whatever interrupted the wait (as KeyboardInterrupt) or the solver raised; the search has
        ended by then.
    """
    solver.parameters.catch_sigint_signal = False
    search = _Search(solver, model, listener)
    try:
        search.thread.start()
        # Not Thread.join: in CPython 3.11 an interrupted join takes a running thread for ended.
        while not search.finished.wait(0.1):
            if poll is not None:
                poll()
    except BaseException:
        search.cancel()
        raise
    search.thread.join()
    if search.error is not None:
        raise search.error
    if poll is not None:
        # What came between the last look and the end.
        poll()
    return search.status


class _Search:
    """One call of a solver in a thread of its own."""

    def __init__(
        self,
        solver: cp_model.CpSolver,
        model: cp_model.CpModel,
        listener: cp_model.CpSolverSolutionCallback | None,
    ) -> None:
        self.thread = threading.Thread(target=self._work, name="cp-sat", daemon=True)
        self.finished = threading.Event()
        self.status: cp_model.CpSolverStatus
        self.error: BaseException | None = None
        self._solver = solver
        self._model = model
        self._listener = listener
        self._begun = threading.Event()
        self._cancelled = threading.Event()

    def _work(self) -> None:
        self._begun.set()
        try:
            if not self._cancelled.is_set():
                listening = () if self._listener is None else (self._listener,)
                self.status = self._solver.solve(self._model, *listening)
        except BaseException as error:  # handed over to the calling thread
            self.error = error
        finally:
            self.finished.set()

    def cancel(self) -> None:
        """Stop the search and wait for its end, further interrupts notwithstanding."""
        self._cancelled.set()
        # A thread that has not begun by now will find that it is cancelled.
        while self._begun.is_set() and not self.finished.is_set():
            try:
                # Once is not enough: before the search itself has begun, a stop is lost.
                self._solver.stop_search()
                self.finished.wait(0.02)
            except KeyboardInterrupt:
                continue
