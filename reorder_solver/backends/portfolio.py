"""Auto: constructive heuristics, then what proves a component, and search where that takes long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.backends.registry import make_backend
from reorder_solver.core.prices import Objective
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reorder_solver.core.proof import ComponentPart
    from reorder_solver.presolve import Cost, Orders, Problem

#: With more classes, runs are for ``large-runs``.
_LARGE = 4096


class Turn(NamedTuple):
    """A member, its share of the time that is left when its turn comes, and if it proves."""

    member: Backend
    share: float
    proves: bool = False


class Portfolio(Backend):
    """Members in turn, each from the best orders so far, until one proves them."""

    name: ClassVar[str] = "auto"
    summary: ClassVar[str] = "heuristics, then whatever can prove the component, then local search"
    leaves_ties: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("ortools",)

    def solve(self, task: Task) -> Answer:
        """Return the best orders and bound that the members found."""
        best = _Best(task)
        reason = StopReason.FINISHED
        is_cut = False
        for member, share, proves in _turns(task.problem):
            deadline = task.deadline if share == 1.0 else task.deadline.share(share)
            answer = member.solve(replace(task, start=best.orders, deadline=deadline))
            reason = answer.stop_reason
            is_cut |= proves and reason is StopReason.TIME_LIMIT
            if best.take(answer):
                return Answer(best.orders, best.bound or 0, StopReason.PROVEN, proof=best.proof)
            if task.deadline.expired:
                break
        if is_cut:
            # Its share was too small: what other components leave of the time is for this one.
            reason = StopReason.TIME_LIMIT
        return Answer(best.orders, best.bound, reason, proof=best.proof)


def _turns(problem: Problem) -> Iterator[Turn]:
    """Who tries a problem, one after the other."""
    if problem.objective is Objective.RUNS and problem.classes > _LARGE:
        # Makes a better start of its own, in less time.
        large = make_backend("large-runs")
        if large.supports(problem) is None:
            yield Turn(large, 1.0, proves=True)
            return
    yield Turn(make_backend("greedy"), 0.5)
    yield Turn(make_backend("upscale"), 0.1)
    if problem.objective is Objective.RUNS:
        yield from _runs_turns(problem)
    elif problem.objective is Objective.LATENCY:
        yield from _latency_turns()
    else:
        yield Turn(make_backend("exact"), 0.9, proves=True)
        yield Turn(make_backend("local_search"), 1.0)


def _runs_turns(problem: Problem) -> Iterator[Turn]:
    # Loads scipy: not at module level.
    from reorder_solver.backends.branch_and_cut import SequenceBound
    from reorder_solver.backends.junctions import JunctionBound

    exact, small, bound = make_backend("branch-and-cut"), make_backend("subset-dp"), SequenceBound()
    joined = make_backend("circuits")
    if exact.supports(problem) is None:
        yield Turn(exact, 1.0, proves=True)
        yield Turn(make_backend("local_search"), 1.0)
        return
    junctions = JunctionBound()
    if junctions.supports(problem) is None:
        yield Turn(junctions, 0.5, proves=True)
    if small.supports(problem) is None:
        yield Turn(small, 0.7, proves=True)
    elif bound.supports(problem) is None:
        is_small = joined.supports(problem) is None
        yield Turn(make_backend("local_search"), 0.4)
        yield Turn(bound, 0.5 if is_small else 1.0, proves=True)
        if is_small:
            yield Turn(joined, 0.9, proves=True)
    yield Turn(make_backend("local_search"), 1.0)


def _latency_turns() -> Iterator[Turn]:
    yield Turn(make_backend("modes"), 0.9, proves=True)
    yield Turn(make_backend("local_search"), 1.0)


@dataclass(slots=True)
class _Best:
    """Best orders and bound of all members."""

    task: Task
    orders: Orders | None = None
    cost: Cost | None = None
    bound: int | None = None
    proof: ComponentPart | None = None

    def __post_init__(self) -> None:
        if self.task.start is not None:
            self.orders = self.task.start
            self.cost = self.task.problem.cost(self.orders)

    def take(self, answer: Answer) -> bool:
        """Take over what is better; whether that is proven to be the optimum."""
        if answer.orders is not None:
            found = self.task.problem.cost(answer.orders)
            if not found.violated and (self.cost is None or found < self.cost):
                self.orders, self.cost = answer.orders, found
        if answer.lower_bound is not None:
            if self.bound is None or answer.lower_bound > self.bound:
                self.bound, self.proof = answer.lower_bound, None
            if answer.lower_bound == self.bound and self.proof is None:
                self.proof = answer.proof
        self.task.report(self.orders, self.bound)
        return self.cost is not None and self.cost.primary == (self.bound or 0)
