"""Scores: what came of a solver on an instance, over its seeds, and on all instances together."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.bench.record import Outcome
from reorder_solver.report.contest import is_proof, seconds
from reorder_solver.report.statistics import (
    Interval,
    bound_gap,
    median_interval,
    median_over_seeds,
    penalised,
    primal_gap,
    primal_integral,
    shifted_geometric_mean,
    time_to_gap,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from reorder_solver.bench.record import Record, TracePoint
    from reorder_solver.report.contest import Contest, Problem, Target
    from reorder_solver.report.solvers import Solver

#: A time to target counts from when the primal gap is at most this.
TARGET_GAP = 0.01
#: What an unfinished run counts, in time limits.
PENALTY = 2.0
#: Added to seconds before geometric means are taken.
SHIFT = 1.0
#: Outcomes that are neither an answer nor a refusal.
FAILURES = (Outcome.TIMEOUT, Outcome.MEMORY, Outcome.CRASH, Outcome.ERROR)


@dataclass(frozen=True, slots=True)
class Score:
    """One solver on one instance: medians over its seeds.

    Attributes
    ----------
    runs : int
    refused : bool
        The solver does not take this instance; all figures are NaN then.
    outcome : Outcome
        The most common one, the worst of equals.
    cost, low, high : float
        Median, least and largest cost; infinity for no layout.
    gap : float
        Primal gap of the median cost to the best known; 1 where nobody has a layout, NaN for an
        infeasible instance.
    bound_gap : float or None
        Smallest gap to the run's own bound.
    proofs : int
        Runs that settled the instance.
    proof_time : float
        Median seconds to the proof, :data:`PENALTY` limits for none.
    proof_time_or_never : float
        The same, infinity for none.
    target_time : float
        Median seconds to a gap of :data:`TARGET_GAP`; infinity for never.
    integral : float
        Median primal integral over the contest's horizon.
    """

    runs: int
    refused: bool
    outcome: Outcome
    cost: float
    low: float
    high: float
    gap: float
    bound_gap: float | None
    proofs: int
    proof_time: float
    proof_time_or_never: float
    target_time: float
    integral: float


def full_trace(run: Record) -> tuple[TracePoint, ...]:
    """The trace up to the result; none for a run that brought no layout home."""
    if run.cost is None:
        return ()
    return (*run.trace, (seconds(run), run.cost, run.lower_bound))


def score(runs: Sequence[Record], target: Target, limit: float, horizon: float) -> Score:
    """The score of the runs of one solver on one instance, at least one.

    Parameters
    ----------
    runs : sequence of Record
    target : Target
    limit : float
        Time limit of the solver, in seconds.
    horizon : float
        Seconds that the primal integral covers.
    """
    refused = all(run.outcome is Outcome.UNSUPPORTED for run in runs)
    costs = [math.inf if run.cost is None else _as_float(run.cost) for run in runs]
    proofs = [is_proof(run) for run in runs]
    times = [seconds(run) for run in runs]
    cost = math.nan if refused else median_over_seeds(costs)
    nothing = refused or target.infeasible

    def median(values: Sequence[float]) -> float:
        return math.nan if refused else median_over_seeds(values)

    def to_best(measure: Callable[[Record], float]) -> float:
        return math.nan if nothing else median_over_seeds([measure(run) for run in runs])

    gaps = [bound_gap(run.cost, run.lower_bound) for run in runs]
    return Score(
        runs=len(runs),
        refused=refused,
        outcome=_common([run.outcome for run in runs]),
        cost=cost,
        low=min(costs),
        high=max(costs),
        gap=math.nan if nothing else primal_gap(cost, target.cost),
        bound_gap=min((gap for gap in gaps if gap is not None), default=None),
        proofs=sum(proofs),
        proof_time=median(
            [
                penalised(time, finished=proof, limit=limit, factor=PENALTY)
                for time, proof in zip(times, proofs, strict=True)
            ]
        ),
        proof_time_or_never=median(
            [time if proof else math.inf for time, proof in zip(times, proofs, strict=True)]
        ),
        target_time=to_best(lambda run: time_to_gap(full_trace(run), target.cost, TARGET_GAP)),
        integral=to_best(lambda run: primal_integral(full_trace(run), target.cost, horizon)),
    )


def _as_float(cost: int) -> float:
    """A cost may be larger than any float; it is no failure all the same."""
    return float(min(cost, sys.float_info.max))


def _common(outcomes: Sequence[Outcome]) -> Outcome:
    order = list(Outcome)
    return max(order, key=lambda each: (outcomes.count(each), order.index(each)))


class Scores:
    """The scores of a contest, and tables of them.

    Parameters
    ----------
    contest : Contest
    """

    def __init__(self, contest: Contest) -> None:
        self.contest = contest
        horizon = contest.horizon
        self.cells: dict[tuple[str, Solver], Score] = {
            (digest, solver): score(
                runs, contest.targets[digest], solver.time_limit or horizon, horizon
            )
            for (digest, solver), runs in contest.cells.items()
        }

    def get(self, problem: Problem, solver: Solver) -> Score | None:
        """The score of `solver` on `problem`; None if it did not run there."""
        return self.cells.get((problem.digest, solver))

    def of(self, solver: Solver) -> list[Score]:
        """The scores of `solver` on the instances that it took."""
        found = (self.get(problem, solver) for problem in self.contest.problems)
        return [each for each in found if each is not None and not each.refused]

    def common(self) -> list[Problem]:
        """The instances that every solver ran on, be it to refuse."""
        return [
            problem
            for problem in self.contest.problems
            if all(self.get(problem, solver) for solver in self.contest.solvers)
        ]

    def table(
        self, measure: Callable[[Score], float], problems: Sequence[Problem]
    ) -> npt.NDArray[np.float64]:
        """A measure as an array, shape (problems, solvers); NaN where there is no score."""
        solvers = self.contest.solvers
        found = np.full((len(problems), len(solvers)), math.nan)
        for row, problem in enumerate(problems):
            for column, solver in enumerate(solvers):
                each = self.get(problem, solver)
                if each is not None:
                    found[row, column] = measure(each)
        return found


@dataclass(frozen=True, slots=True)
class Standing:
    """A solver on all its instances.

    Attributes
    ----------
    solver : Solver
    name : str
    instances, refused, missing : int
        Taken, refused, not run (yet).
    layouts, best, proven, at_target : int
        Instances with a layout, at the best known cost, settled, and within the target gap, by
        the median over seeds.
    failed_runs : int
        Killed, out of memory, crashed or ended by an exception.
    gap : Interval
        Median primal gap over the instances.
    integral : float
        Mean primal integral.
    proof_time : float
        Shifted geometric mean of the seconds to a proof, penalised.
    """

    solver: Solver
    name: str
    instances: int
    refused: int
    missing: int
    layouts: int
    best: int
    proven: int
    at_target: int
    failed_runs: int
    gap: Interval
    integral: float
    proof_time: float


def standings(scores: Scores) -> list[Standing]:
    """All solvers: first those that are best on most instances, then by the mean gap."""
    found = [_standing(scores, solver) for solver in scores.contest.solvers]
    mean = {each.solver: _mean([s.gap for s in scores.of(each.solver)]) for each in found}
    return sorted(found, key=lambda each: (-each.best, _last(mean[each.solver]), each.name))


def _last(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _standing(scores: Scores, solver: Solver) -> Standing:
    contest = scores.contest
    taken = scores.of(solver)
    every = [scores.get(problem, solver) for problem in contest.problems]
    gaps = [each.gap for each in taken if not math.isnan(each.gap)]
    failures = [
        run
        for (_, who), runs in contest.cells.items()
        if who == solver
        for run in runs
        if run.outcome in FAILURES
    ]
    return Standing(
        solver=solver,
        name=contest.names[solver],
        instances=len(taken),
        refused=sum(each is not None and each.refused for each in every),
        missing=sum(each is None for each in every),
        layouts=sum(math.isfinite(each.cost) for each in taken),
        best=sum(gap == 0 for gap in gaps),
        proven=sum(math.isfinite(each.proof_time_or_never) for each in taken),
        at_target=sum(math.isfinite(each.target_time) for each in taken),
        failed_runs=len(failures),
        gap=median_interval(gaps),
        integral=_mean([each.integral for each in taken]),
        proof_time=shifted_geometric_mean([each.proof_time for each in taken], SHIFT),
    )
