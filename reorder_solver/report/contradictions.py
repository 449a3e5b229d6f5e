"""Contradictions: claims of runs that cannot all be true. A report must not hide one."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from reorder_solver.bench.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.bench.record import Record
    from reorder_solver.report.contest import Contest


def contradictions(contest: Contest) -> list[str]:
    """A sentence for each: a bound above a layout's cost, or "infeasible" beside a layout."""
    found: list[str] = []
    by_instance: dict[str, list[Record]] = defaultdict(list)
    for run in contest.runs:
        by_instance[run.configuration.instance].append(run)
    for problem in contest.problems:
        runs = by_instance[problem.digest]
        found += [f"{problem.name}: {each}" for each in _of_runs(runs)]
        target = contest.targets[problem.digest]
        if None not in (target.cost, target.lower_bound) and not any(
            _bound_above(run, target.cost) for run in runs
        ):
            assert target.cost is not None
            assert target.lower_bound is not None
            if target.lower_bound > target.cost:
                found.append(
                    f"{problem.name}: the best-known bound {target.lower_bound:,} is above the "
                    f"cost {target.cost:,} of a layout"
                )
    return found


def _of_runs(runs: Sequence[Record]) -> list[str]:
    solved = [run for run in runs if run.cost is not None]
    if not solved:
        return []
    best = min(solved, key=lambda run: run.cost or 0)
    return [
        f"the bound {run.lower_bound:,} of {_who(run)} is above the cost {best.cost:,} that "
        f"{_who(best)} found"
        for run in runs
        if _bound_above(run, best.cost)
    ] + [
        f"{_who(run)} calls it infeasible, but {_who(best)} found a layout"
        for run in runs
        if run.outcome is Outcome.INFEASIBLE
    ]


def _bound_above(run: Record, cost: int | None) -> bool:
    return run.lower_bound is not None and cost is not None and run.lower_bound > cost


def _who(run: Record) -> str:
    return f"{run.configuration.backend} (seed {run.configuration.seed})"
