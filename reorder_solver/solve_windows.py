"""Solve windows: the one front door to zero-copy pruning."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.base import package_version
from reorder_solver.core.errors import BackendContractError, InputError
from reorder_solver.core.limits import Deadline
from reorder_solver.core.prices import as_integer
from reorder_solver.core.result import Status, StopReason
from reorder_solver.core.window_result import WindowsResult, evaluate_windows, windows_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.windows import WindowsModel, WindowsSolution
    from reorder_solver.core.windows import WindowsInstance
    from reorder_solver.windows.compile import Piece

#: Solvers of windows problems: what they do.
WINDOWS_BACKENDS = {
    "auto": "heuristic, bound, and the exact programme where it is small",
    "exact": "CP-SAT, from the heuristic's solution on",
    "heuristic": "annealing of layout and windows, with a bound",
}

#: Selections (accesses times channels) up to which ``auto`` calls the exact programme.
_SMALL = 160
#: Annealings in a row without success after which the search of a piece ends.
_PATIENCE = 2
#: Share of the time left that bounds may take before the search.
_BOUND_SHARE = 0.2
_EXACT_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class WindowsProgress:
    """What a callback is told: seconds since the call, importance and upper bound so far."""

    elapsed: float
    importance: int | None
    upper_bound: int | None


def solve_windows(
    instance: WindowsInstance,
    backend: str = "auto",
    time_limit: float | None = 10.0,
    seed: int = 0,
    threads: int = 1,
    callback: Callable[[WindowsProgress], None] | None = None,
) -> WindowsResult:
    """Choose a layout and one window per access, to retain as much importance as possible.

    Parameters
    ----------
    instance : WindowsInstance
    backend : {"auto", "exact", "heuristic"}
    time_limit : float or None
        Wall seconds from this call; None for no limit.
    seed : int
        The same seed, threads and arguments give the same answer if no limit was reached.
    threads : int
        For the exact programme.
    callback : callable, optional
        Called with a :class:`WindowsProgress` whenever the importance of a part improves.

    Returns
    -------
    WindowsResult
        ``OPTIMAL`` only if the importance equals a proven upper bound. ``NO_SOLUTION`` if no
        selection within the limits was found. After Ctrl-C, the best selection so far.

    Raises
    ------
    InputError
        If an argument is wrong.
    BackendContractError
        If what a solver returned contradicts itself.
    """
    deadline = Deadline(time_limit)
    seed, threads = as_integer(seed, "seed"), as_integer(threads, "threads", minimum=1)
    if backend not in WINDOWS_BACKENDS:
        known = ", ".join(WINDOWS_BACKENDS)
        raise InputError(f"unknown windows backend {backend!r}; known: {known}")
    run = _Run(instance, backend, deadline, time_limit, seed, threads, callback)
    return run.solve()


@dataclass(slots=True)
class _Run:
    instance: WindowsInstance
    backend: str
    deadline: Deadline
    time_limit: float | None
    seed: int
    threads: int
    callback: Callable[[WindowsProgress], None] | None
    interrupted: bool = False
    #: Whether the kernels were compiled in time; without them there are nested windows only.
    compiled: bool = False

    def solve(self) -> WindowsResult:
        from reorder_solver.windows.compile import compile_windows, joined, pieces
        from reorder_solver.windows.warm_up import kernels_ready

        try:
            self.compiled = kernels_ready(self.deadline)
        except KeyboardInterrupt:
            self.interrupted = True
        parts = pieces(compile_windows(self.instance))
        sizes = [_weight(piece.model) for piece in parts]
        solved: list[tuple[Piece, WindowsSolution]] = []
        for number, piece in enumerate(parts):
            share = sizes[number] / max(1, sum(sizes[number:]))
            solved.append((piece, self._piece(piece.model, self.deadline.share(share), solved)))
        bounds = [one.upper_bound for _, one in solved]
        bound = None if None in bounds else sum(each for each in bounds if each is not None)
        if any(one.value is None for _, one in solved):
            infeasible = any(one.value is None and one.upper_bound is None for _, one in solved)
            status = Status.INFEASIBLE if infeasible else Status.NO_SOLUTION
            proven = StopReason.PROVEN if infeasible else self._stop_reason()
            return self._result(status, proven, None if infeasible else bound)
        layout, selected, gathered = joined(self.instance, solved)
        facts = evaluate_windows(self.instance, layout, selected, gathered)
        claimed = sum(one.value for _, one in solved if one.value is not None)
        if facts.violations:
            raise BackendContractError(f"windows: {facts.violations[0]}")
        if facts.importance != claimed or (bound is not None and bound < claimed):
            raise BackendContractError(
                f"windows: importance {facts.importance}, claimed {claimed}, bound {bound}"
            )
        optimal = bound == facts.importance
        result = self._result(
            Status.OPTIMAL if optimal else Status.FEASIBLE,
            StopReason.PROVEN if optimal else self._stop_reason(),
            bound,
        )
        return replace(
            result,
            importance=facts.importance,
            layout=layout,
            selected=selected,
            gathered=gathered,
            windows=facts.windows,
            spent=facts.spent,
        )

    def _stop_reason(self) -> StopReason:
        if self.interrupted:
            return StopReason.INTERRUPTED
        return StopReason.TIME_LIMIT if self.deadline.expired else StopReason.FINISHED

    def _result(self, status: Status, reason: StopReason, bound: int | None) -> WindowsResult:
        return WindowsResult(
            status,
            reason,
            None,
            bound,
            None,
            backend=self.backend,
            seed=self.seed,
            threads=self.threads,
            time_limit=self.time_limit,
            instance_name=self.instance.name,
            instance_sha256=windows_digest(self.instance),
            versions={
                "reorder-solver": package_version("reorder-solver") or "",
                "python": platform.python_version(),
            },
            times={"total": self.deadline.elapsed},
        )

    def _piece(
        self, model: WindowsModel, deadline: Deadline, before: list[tuple[Piece, WindowsSolution]]
    ) -> WindowsSolution:
        from formulations.windows import WindowsSolution, solve_cpsat, total_scores
        from formulations.windows_bound import upper_bound
        from reorder_solver.windows.nested import nested_windows
        from reorder_solver.windows.search import Search

        if not model.accesses:
            orders = tuple(np.arange(channels, dtype=np.int64) for channels in model.channels)
            return WindowsSolution(0, 0, orders)
        if self.interrupted:
            # What comes after Ctrl-C is served at once, not searched for.
            deadline = Deadline(0)
        left = None if deadline.remaining == np.inf else deadline.remaining
        bound = total_scores(model)
        if not self.compiled:
            return replace(nested_windows(model) or WindowsSolution(None, bound), upper_bound=bound)
        search = Search(model, self.seed)
        exact = self.backend == "exact" or (self.backend == "auto" and _weight(model) <= _SMALL)
        done = sum(one.value or 0 for _, one in before)

        def report(found: WindowsSolution) -> None:
            if self.callback is not None and found.value is not None:
                elapsed = self.deadline.elapsed
                self.callback(WindowsProgress(elapsed, done + found.value, None))

        try:
            bound = upper_bound(
                model, time_limit=None if left is None else left * _BOUND_SHARE, seed=self.seed
            )
            search.upper_bound = bound
            search.run(deadline.share(1 - _EXACT_SHARE) if exact else deadline, _PATIENCE, report)
            found = search.best or WindowsSolution(None, bound)
            if exact and (found.value is None or found.value < bound):
                found = _better(
                    found,
                    solve_cpsat(
                        model,
                        start=search.best,
                        upper_bound=bound,
                        time_limit=None if left is None else deadline.remaining,
                        seed=self.seed,
                        threads=self.threads,
                    ),
                )
                if found.value is None and found.upper_bound is None:
                    return found
        except KeyboardInterrupt:
            self.interrupted = True
            found = search.best or nested_windows(model) or WindowsSolution(None, bound)
        best = bound if found.upper_bound is None else min(bound, found.upper_bound)
        return replace(found, upper_bound=best)


def _better(one: WindowsSolution, other: WindowsSolution) -> WindowsSolution:
    """The better selection, with the bound of the second."""
    if other.value is None and other.upper_bound is None:
        if one.value is not None:
            raise BackendContractError("windows: a selection of an instance said to have none")
        return other
    best = one if other.value is None or (one.value or -1) >= other.value else other
    return replace(best, upper_bound=other.upper_bound)


def _weight(model: WindowsModel) -> int:
    return sum(scores.size for access in model.accesses for _, scores in access.parts)
