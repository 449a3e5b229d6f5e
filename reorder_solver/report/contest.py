"""Contests: the runs of one objective as a table of instances by solvers."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from reorder_solver.bench.record import Outcome
from reorder_solver.report.solvers import Solver, labels
from reorder_solver.report.words import natural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reorder_solver.bench.record import Record


class Known(Protocol):
    """A best-known value from outside the store."""

    @property
    def cost(self) -> int | None:
        """Of the best layout known."""

    @property
    def lower_bound(self) -> int | None:
        """The best bound known."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An instance as a row.

    Attributes
    ----------
    digest, name, family : str
        `name` is unique within the report.
    sizes : mapping of str to int
    """

    digest: str
    name: str
    family: str
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """What is known about an instance under an objective, from the store and from outside.

    Attributes
    ----------
    cost, lower_bound : int or None
    infeasible : bool
        Proven by some run; nobody has a layout.
    improved : bool
        A run of this store is better than the value from outside.
    """

    cost: int | None
    lower_bound: int | None
    infeasible: bool = False
    improved: bool = False

    @property
    def proven(self) -> bool:
        """Whether nothing is left to find."""
        return self.infeasible or (self.cost is not None and self.cost == self.lower_bound)


@dataclass(frozen=True, eq=False)
class Contest:
    """All runs of an objective.

    Attributes
    ----------
    objective : str
    problems : tuple of Problem
        By family, then by name, numbers in names by value.
    solvers : tuple of Solver
    names : mapping of Solver to str
    cells : mapping of (str, Solver) to tuple of Record
        By digest; the runs of all seeds, which are there or not.
    targets : mapping of str to Target
        By digest.
    """

    objective: str
    problems: tuple[Problem, ...]
    solvers: tuple[Solver, ...]
    names: Mapping[Solver, str]
    cells: Mapping[tuple[str, Solver], tuple[Record, ...]]
    targets: Mapping[str, Target]

    @cached_property
    def runs(self) -> tuple[Record, ...]:
        """Every run, by instance and solver."""
        return tuple(
            run
            for problem in self.problems
            for solver in self.solvers
            for run in self.cells.get((problem.digest, solver), ())
        )

    @cached_property
    def horizon(self) -> float:
        """Seconds that anytime curves cover: the longest time limit, else the longest run."""
        limits = [solver.time_limit for solver in self.solvers if solver.time_limit]
        longest = max((seconds(run) for run in self.runs), default=1.0)
        return max(limits) if limits else max(longest, 1e-3)

    def families(self) -> dict[str, list[Problem]]:
        """Problems by family, in their order."""
        found: dict[str, list[Problem]] = defaultdict(list)
        for problem in self.problems:
            found[problem.family].append(problem)
        return dict(found)


def seconds(run: Record) -> float:
    """How long a run took: inside ``solve()`` if it came back, else until it was gone."""
    return run.times.get("total", run.times.get("wall", 0.0))


def is_proof(run: Record) -> bool:
    """Whether the run settled its instance: an optimal layout, or that there is none."""
    return run.outcome is Outcome.INFEASIBLE or run.status == "optimal"


def contests(
    records: Iterable[Record], known: Mapping[tuple[str, str], Known] | None = None
) -> list[Contest]:
    """A contest per objective.

    Parameters
    ----------
    records : iterable of Record
    known : mapping of (digest, objective) to a best-known value, optional
    """
    runs = sorted(records, key=lambda run: run.configuration.seed)
    named = labels(Solver.of(run.configuration) for run in runs)
    problems = _problems(runs)
    objectives = dict.fromkeys(run.configuration.objective for run in runs)
    return [
        _contest(
            name, [r for r in runs if r.configuration.objective == name], problems, named, known
        )
        for name in sorted(objectives, key=_usual_place)
    ]


def _usual_place(objective: str) -> tuple[int, str]:
    usual = ("bytes", "copies", "runs", "latency")
    return usual.index(objective) if objective in usual else len(usual), objective


def _contest(
    objective: str,
    runs: Sequence[Record],
    problems: Mapping[str, Problem],
    named: Mapping[Solver, str],
    known: Mapping[tuple[str, str], Known] | None,
) -> Contest:
    cells: dict[tuple[str, Solver], list[Record]] = defaultdict(list)
    rows: dict[str, list[Record]] = defaultdict(list)
    for run in runs:
        cells[run.configuration.instance, Solver.of(run.configuration)].append(run)
        rows[run.configuration.instance].append(run)
    there = {solver for _, solver in cells}
    return Contest(
        objective,
        tuple(problem for key, problem in problems.items() if key in rows),
        tuple(sorted(there, key=lambda solver: natural(named[solver]))),
        {solver: named[solver] for solver in there},
        {place: tuple(found) for place, found in cells.items()},
        {
            digest: _target(found, (known or {}).get((digest, objective)))
            for digest, found in rows.items()
        },
    )


def _problems(runs: Sequence[Record]) -> dict[str, Problem]:
    """By digest, sorted; instances of one name are told apart by their digests."""
    first = {run.configuration.instance: run for run in reversed(runs)}
    taken = Counter(_name(run) for run in first.values())
    found = []
    for digest, run in first.items():
        name = _name(run)
        unique = name if taken[name] == 1 else f"{name} ({digest[:8]})"
        found.append(Problem(digest, unique, run.family or "no family", dict(run.sizes)))
    found.sort(key=lambda each: (natural(each.family), natural(each.name), each.digest))
    return {problem.digest: problem for problem in found}


def _name(run: Record) -> str:
    return run.name or run.source or run.configuration.instance[:8]


def _target(runs: Sequence[Record], known: Known | None) -> Target:
    costs = [run.cost for run in runs if run.cost is not None]
    bounds = [run.lower_bound for run in runs if run.lower_bound is not None]
    found = min(costs, default=None)
    outside = None if known is None else known.cost
    if known is not None and known.lower_bound is not None:
        bounds.append(known.lower_bound)
    improved = found is not None and outside is not None and found < outside
    best = min((cost for cost in (found, outside) if cost is not None), default=None)
    infeasible = best is None and any(run.outcome is Outcome.INFEASIBLE for run in runs)
    return Target(best, max(bounds, default=None), infeasible, improved)
