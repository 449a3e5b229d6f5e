"""Improve orders by iterated local search until time, iterations or the cost run out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

from reorder_solver.backends.search.arrays import BEST
from reorder_solver.backends.search.build import build, orders_of
from reorder_solver.backends.search.iterate import begin, run
from reorder_solver.backends.search.warm_up import kernels_ready
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Cost, Orders, Problem

#: Seconds between two looks at the clock, roughly.
_CHUNK = 0.02
#: Work of the first chunk.
_FIRST_WORK = 20_000
_LEAST_WORK = 1000
#: Share of the time that may go into reports.
_REPORT_SHARE = 0.1
#: Perturbations that a search from the best orders starts with at most; every other search starts
#: with one for so many classes: deep basins are left no other way.
_JOLTS = 8
_CLASSES_PER_JOLT = 3

_UNLIMITED = (1 << 63) - 1

#: See :attr:`reorder_solver.backends.base.Task.report`.
Report: TypeAlias = "Callable[[Orders | None, int | None], None]"


def improve(
    problem: Problem,
    start: Orders,
    *,
    deadline: Deadline,
    seed: int,
    report: Report | None = None,
    max_iterations: int | None = None,
) -> tuple[Orders, Cost, StopReason]:
    """Lower the cost of `start` by iterated local search.

    Parameters
    ----------
    problem : Problem
    start : Orders
        Must not break a required access.
    deadline : Deadline
    seed : int
        The same seed gives the same answer unless the deadline ends the search.
    report : callable, optional
        As :attr:`~reorder_solver.backends.base.Task.report`; called with better orders now and
        then.
    max_iterations : int, optional
        Perturbations to make at most. By default a search ends after an amount of work that grows
        with the problem: a fraction of a second's for some dozens of classes, minutes' for
        thousands.

    Returns
    -------
    (Orders, Cost, StopReason)
        Never worse than `start`. ``FINISHED`` if nothing is left to gain.

    Raises
    ------
    ValueError
        If `start` breaks a required access.

    References
    ----------
    .. [1] Lourenco, H. R., Martin, O. C., Stutzle, T. (2003). Iterated local search. Handbook of
       Metaheuristics, 320-353. https://doi.org/10.1007/0-306-48056-5_11
    .. [2] Croes, G. A. (1958). A method for solving traveling-salesman problems. Operations
       Research 6(6), 791-812. https://doi.org/10.1287/opre.6.6.791
    .. [3] Or, I. (1976). Traveling salesman-type combinatorial problems and their relation to the
       logistics of regional blood banking. PhD thesis, Northwestern University.
    .. [4] Kou, L. T. (1977). Polynomial complete consecutive information retrieval problems. SIAM
       Journal on Computing 6(1), 67-75. https://doi.org/10.1137/0206004
    """
    cost = problem.cost(start)
    if cost.violated:
        raise ValueError("the start breaks a required access")
    if not (cost.primary or cost.tie) or not _can_move(problem):
        return start, cost, StopReason.FINISHED
    if deadline.expired or not kernels_ready(deadline):
        return start, cost, StopReason.TIME_LIMIT
    search = _Search(problem, start, cost, seed, _Reporter(report))
    if max_iterations is None:
        reason = search.run(deadline, _UNLIMITED, default_work(problem))
    else:
        reason = search.run(deadline, max_iterations, _UNLIMITED)
    return search.best, problem.cost(search.best), reason


def default_work(problem: Problem) -> int:
    """Steps, of some dozens of nanoseconds, after which a search ends even if there is time."""
    classes = problem.classes
    return 100_000 + 500 * classes * min(classes, 1000)


def _can_move(problem: Problem) -> bool:
    return any(
        sizes.size > 1 and not fixed
        for sizes, fixed in zip(problem.sizes, problem.fixed, strict=True)
    )


class _Reporter:
    """Passes better orders on, as long as that takes up little of the time."""

    def __init__(self, report: Report | None) -> None:
        self._report = report
        self._waiting: Orders | None = None
        self._spent = 0.0

    def offer(self, orders: Orders) -> None:
        """Have `orders` reported when there is time."""
        self._waiting = orders

    def flush(self, elapsed: float, *, last: bool) -> None:
        """Report what waits; if not `last`, only if there is time."""
        if self._report is None or self._waiting is None:
            return
        if last or self._spent <= _REPORT_SHARE * elapsed:
            started = time.perf_counter()
            self._report(self._waiting, None)
            self._waiting = None
            self._spent += time.perf_counter() - started


class _Search:
    """One search: its arrays, and the best orders by exact cost."""

    def __init__(
        self, problem: Problem, start: Orders, cost: Cost, seed: int, reporter: _Reporter
    ) -> None:
        self.best = start
        self.cost = cost
        self._problem = problem
        self._reporter = reporter
        self._data, self._exact = build(problem, start, seed)
        self._control = self._data.control[0]
        # Plateaus are wide: with less patience, large problems end worse.
        self._control["patience"] = 100 + problem.classes**2 // 2

    def run(self, deadline: Deadline, max_kicks: int, max_work: int) -> StopReason:
        """Search until the deadline, so many perturbations or steps, or a cost of zero."""
        begin(self._data, 0)
        self._value = int(self._control["best"])
        work, restarts = _FIRST_WORK, 0
        reason = None
        while reason is None:
            started, before = time.perf_counter(), int(self._control["work"])
            run(self._data, max_kicks, min(before + work, max_work), not self._exact)
            elapsed = time.perf_counter() - started
            rate = (int(self._control["work"]) - before) / max(elapsed, 1e-6)
            # The first chunk may have had to compile, so its rate says nothing.
            wanted = int(rate * min(_CHUNK, deadline.remaining))
            work = max(work // 4, min(wanted, work * 4), _LEAST_WORK)
            reason = self._stop_reason(deadline, max_kicks, max_work)
            self._look(last=reason is not None)
            self._reporter.flush(deadline.elapsed, last=reason is not None)
            if self._control["stale"] >= self._control["patience"]:
                restarts += 1
                wide = self._problem.classes // _CLASSES_PER_JOLT
                begin(self._data, 2 + (restarts % _JOLTS if restarts % 2 else wide))
        return reason

    def _stop_reason(self, deadline: Deadline, max_kicks: int, max_work: int) -> StopReason | None:
        control = self._control
        if control["best"] < control["unit"]:
            # Rounded prices may add up to nothing where the exact ones do not.
            return StopReason.FINISHED if self._exact else StopReason.ITERATION_LIMIT
        resting = not control["waiting"] and not control["descending"]
        if control["work"] >= max_work or (control["kicks"] >= max_kicks and resting):
            return StopReason.ITERATION_LIMIT
        return StopReason.TIME_LIMIT if deadline.expired else None

    def _look(self, *, last: bool) -> None:
        """See whether the kernels have better orders.

        Orders in the midst of a descent count, since it can only make them better: but not where
        costs are rounded, for then the answer would depend on when we look.
        """
        control, data = self._control, self._data
        value, slots = int(control["best"]), data.saved[BEST]
        if control["value"] < value and (self._exact or last):
            value, slots = int(control["value"]), data.order
        if self._exact and value < self._value:
            self.best = orders_of(data, slots)
            if value // control["unit"] < self._value // control["unit"]:
                self._reporter.offer(self.best)
            self._value = value
        elif not self._exact and (control["better"] or last):
            orders = orders_of(data, slots)
            cost = self._problem.cost(orders)
            if cost < self.cost:
                self.best, self.cost = orders, cost
                self._reporter.offer(orders)
        control["better"] = 0
