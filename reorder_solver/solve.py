"""Solve: the one front door to every backend."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from reorder_solver.backends import Backend, Task, make_backend
from reorder_solver.backends.base import package_version
from reorder_solver.core.digest import digest
from reorder_solver.core.errors import BackendContractError, UnsupportedError
from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.limits import Deadline
from reorder_solver.core.prices import Objective, as_integer
from reorder_solver.core.result import Result, Status, StopReason
from reorder_solver.incumbent import Incumbent, Watcher, total_bound
from reorder_solver.presolve import (
    Compiled,
    Component,
    Cost,
    Orders,
    Presolved,
    ViewSet,
    compile_problem,
    lift_proof,
    presolve,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from reorder_solver.core.evaluate import Evaluation
    from reorder_solver.core.instance import Instance
    from reorder_solver.core.layout import Layout
    from reorder_solver.core.result import Progress


def solve(
    instance: Instance,
    objective: str | Objective = Objective.BYTES,
    backend: str | Backend = "auto",
    time_limit: float | None = 10.0,
    seed: int = 0,
    threads: int = 1,
    warm_start: Layout | None = None,
    callback: Callable[[Progress], None] | None = None,
) -> Result:
    """Find a layout of `instance` with the smallest cost, and a bound on how small it can be.

    Parameters
    ----------
    instance : Instance
    objective : str or Objective
        ``copies``, ``bytes``, ``runs`` or ``latency``.
    backend : str or Backend
        A registered name (see ``reorder-solver backends``) or a backend of your own.
    time_limit : float or None
        Wall seconds from this call; None for no limit.
    seed : int
        The same seed, threads and arguments give the same answer if no limit was reached.
    threads : int
        At most this many.
    warm_start : Layout, optional
        The result is never worse, unless it breaks a required access.
    callback : callable, optional
        Called with a :class:`Progress` whenever the cost or the bound improves.

    Returns
    -------
    Result
        ``OPTIMAL`` only if the cost equals a proven bound. After Ctrl-C, the best layout so far.

    Raises
    ------
    InputError
        If an argument is wrong or the objective needs prices that an access lacks.
    UnknownBackendError, MissingPackageError, UnsupportedError
        If there is no such backend, a package is missing, or it does not take the instance.
    BackendContractError
        If what the backend returned contradicts itself.
    """
    deadline = Deadline(time_limit)
    objective = Objective.parse(objective)
    seed, threads = as_integer(seed, "seed"), as_integer(threads, "threads", minimum=1)
    chosen = make_backend(backend) if isinstance(backend, str) else backend
    if warm_start is not None:
        warm_start.check(instance)
    compiled = compile_problem(instance, objective)
    run = _Run(instance, chosen, deadline, time_limit, seed, threads, callback)
    return run.solve(compiled, warm_start)


_Evaluated: TypeAlias = "tuple[Layout, Evaluation]"

#: Share of the time left that ties may wait for the first compilation of the local search.
_TIES_WAIT = 0.3

#: Later ones say more about what was left undone.
_STOP_ORDER = (
    StopReason.PROVEN,
    StopReason.FINISHED,
    StopReason.TARGET_REACHED,
    StopReason.ITERATION_LIMIT,
    StopReason.TIME_LIMIT,
    StopReason.INTERRUPTED,
)


@dataclass(slots=True)
class _Run:
    """One call of :func:`solve`."""

    instance: Instance
    backend: Backend
    deadline: Deadline
    time_limit: float | None
    seed: int
    threads: int
    callback: Callable[[Progress], None] | None
    presolve_seconds: float = 0.0

    def solve(self, compiled: Compiled, warm_start: Layout | None) -> Result:
        reduced = presolve(compiled.problem)
        feasible = _feasible_orders(reduced)
        if feasible is None:
            self.presolve_seconds = self.deadline.elapsed
            return self._result(compiled, None, None, Status.INFEASIBLE, StopReason.PROVEN)
        if not self.backend.reduces:
            reduced = _unreduced(compiled)
            feasible = [compiled.problem.identity()]
        starts = [
            None if warm_start is None else component.restrict(compiled.orders(warm_start))
            for component in reduced.components
        ]
        incumbents = [Incumbent(component.problem) for component in reduced.components]
        for component in reduced.components:
            reason = self.backend.supports(component.problem)
            if reason is not None:
                raise UnsupportedError(f"backend {self.backend.name!r}: {reason}")
        self.presolve_seconds = self.deadline.elapsed
        stop = self._solve_components(reduced, incumbents, starts)
        if stop in (StopReason.TIME_LIMIT, StopReason.INTERRUPTED):
            for incumbent, orders in zip(incumbents, feasible, strict=True):
                if incumbent.orders is None:
                    incumbent.offer(orders, None)
        return self._combine(compiled, reduced, incumbents, stop, warm_start)

    def _solve_components(
        self,
        reduced: Presolved,
        incumbents: list[Incumbent],
        starts: list[Orders | None],
    ) -> StopReason:
        watcher = Watcher(incumbents, reduced.constant.primary, self.deadline, self.callback)
        reasons = [StopReason.FINISHED] * len(incumbents)
        pending = list(range(len(incumbents)))
        try:
            # A share of the time that was too small is made up for once, with what others left.
            for _ in range(2):
                for place, number in enumerate(pending):
                    component = reduced.components[number]
                    task = Task(
                        problem=component.problem,
                        deadline=self.deadline.share(_fraction(reduced, pending[place:])),
                        seed=self.seed,
                        threads=self.threads,
                        start=starts[number],
                        report=watcher.reporter(number),
                    )
                    reasons[number] = self._solve_one(task, incumbents[number])
                pending = [
                    number
                    for number in pending
                    if reasons[number] is StopReason.TIME_LIMIT and not self.deadline.expired
                ]
            if self.backend.leaves_ties:
                self._polish(incumbents)
        except KeyboardInterrupt:
            return StopReason.INTERRUPTED
        return max(reasons, key=_STOP_ORDER.index, default=StopReason.FINISHED)

    def _polish(self, incumbents: list[Incumbent]) -> None:
        """Lower the tie-break with what is left of the time; the primary cost stays."""
        open_ties = [each for each in incumbents if each.cost is not None and each.cost.tie]
        if not open_ties or self.deadline.expired:
            return
        # Loads the compiler, which a solve without ties to break can do without.
        from reorder_solver.backends.search.tie_break import polish_ties
        from reorder_solver.backends.search.warm_up import kernels_ready

        if not kernels_ready(self.deadline.share(_TIES_WAIT)):
            return
        for each in open_ties:
            if each.orders is not None:
                each.offer(polish_ties(each.problem, each.orders, self.deadline, self.seed), None)

    def _solve_one(self, task: Task, incumbent: Incumbent) -> StopReason:
        try:
            answer = self.backend.solve(task)
            if answer.infeasible:
                raise BackendContractError("claims infeasible, but a feasible layout is known")
            incumbent.offer(answer.orders, answer.lower_bound, answer.proof)
        except BackendContractError as error:
            raise BackendContractError(f"backend {self.backend.name!r}: {error}") from None
        return answer.stop_reason

    def _combine(
        self,
        compiled: Compiled,
        reduced: Presolved,
        incumbents: list[Incumbent],
        stop: StopReason,
        warm_start: Layout | None,
    ) -> Result:
        solutions = [each.orders for each in incumbents if each.orders is not None]
        bound = total_bound(incumbents, reduced.constant.primary)
        best: _Evaluated | None = None
        if len(solutions) == len(incumbents):
            layout = compiled.layout(reduced.lift(solutions))
            claimed = _total(reduced, incumbents)
            found = evaluate(self.instance, layout, compiled.problem.objective)
            if found.violated or (found.total, found.tie_break) != (claimed.primary, claimed.tie):
                raise BackendContractError("the lifted layout does not cost what its parts cost")
            best = layout, found
        if warm_start is not None:
            best = self._better(best, warm_start, compiled.problem.objective)
        status = Status.NO_SOLUTION if best is None else Status.FEASIBLE
        result = self._result(compiled, best, bound, status, stop)
        parts = [None if each.lower_bound == 0 else each.proof for each in incumbents]
        proof = lift_proof(compiled, reduced, parts)
        if proof.bound != result.lower_bound:
            return result
        return replace(result, proof=proof)

    def _better(
        self, best: _Evaluated | None, warm_start: Layout, objective: Objective
    ) -> _Evaluated | None:
        """The cheaper layout: joining channels into classes may lose a warm start's details."""
        given = evaluate(self.instance, warm_start, objective)
        if given.violated:
            return best
        if best is not None and _rank(best[1]) <= _rank(given):
            return best
        return warm_start.unused_last(self.instance), given

    def _result(
        self,
        compiled: Compiled,
        best: _Evaluated | None,
        bound: int | None,
        status: Status,
        stop: StopReason,
    ) -> Result:
        layout, found = (None, None) if best is None else best
        cost = None if found is None else found.total
        if cost == 0 and bound is None:
            bound = 0
        if cost is not None and bound is not None:
            if bound > cost:
                raise BackendContractError(
                    f"backend {self.backend.name!r}: lower bound {bound} is above cost {cost}"
                )
            if bound == cost:
                status, stop = Status.OPTIMAL, StopReason.PROVEN
        total = self.deadline.elapsed
        return Result(
            status=status,
            stop_reason=stop,
            cost=cost,
            lower_bound=bound,
            layout=layout,
            objective=compiled.problem.objective,
            backend=self.backend.name,
            accesses={} if found is None else dict(found.accesses),
            tie_break=0 if found is None else found.tie_break,
            seed=self.seed,
            threads=self.threads,
            time_limit=self.time_limit,
            instance_name=self.instance.name,
            instance_sha256=digest(self.instance),
            versions=_versions(self.backend),
            times={
                "presolve": self.presolve_seconds,
                "solve": total - self.presolve_seconds,
                "total": total,
            },
        )


def _fraction(reduced: Presolved, pending: list[int]) -> float:
    """Share of the time left for the first of the `pending` components, by their sizes.

    Not less than a fifth: even a small component may have to load an engine.
    """
    effort = [max(1, reduced.components[number].problem.classes) for number in pending]
    return max(0.2, effort[0] / sum(effort))


def _feasible_orders(reduced: Presolved) -> list[Orders] | None:
    """Orders per component that keep all required accesses; None if there are none."""
    if reduced.constant.violated:
        return None
    found: list[Orders] = []
    for component in reduced.components:
        views = ViewSet(component.problem)
        for number, access in enumerate(component.problem.accesses):
            if access.required and not views.add(number):
                return None
        found.append(views.orders())
    return found


def _unreduced(compiled: Compiled) -> Presolved:
    """The whole problem as its only component."""
    problem = compiled.problem
    identity: tuple[tuple[np.ndarray, ...], ...] = tuple(
        tuple(order[:, None]) for order in problem.identity()
    )
    whole = Component(problem, tuple(range(len(problem.sizes))), identity)
    return Presolved(problem, (whole,), Cost(0, 0, 0))


def _rank(found: Evaluation) -> tuple[int, int]:
    """What layouts without violations are compared by."""
    assert found.total is not None
    return found.total, found.tie_break


def _total(reduced: Presolved, incumbents: list[Incumbent]) -> Cost:
    costs = [each.cost for each in incumbents if each.cost is not None]
    return Cost(
        0,
        reduced.constant.primary + sum(cost.primary for cost in costs),
        reduced.constant.tie + sum(cost.tie for cost in costs),
    )


def _versions(backend: Backend) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "reorder-solver": package_version("reorder-solver") or "unknown",
        "numpy": package_version("numpy") or "unknown",
        **backend.versions(),
    }
