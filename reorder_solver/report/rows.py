"""The report as rows for CSV: runs, instances, solvers, pairs."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

from reorder_solver.report.contest import Contest, is_proof, seconds
from reorder_solver.report.scores import standings
from reorder_solver.report.statistics import bound_gap, primal_gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.bench.record import Record
    from reorder_solver.report.content import Report, Section

Row = dict[str, Any]


def run_rows(report: Report) -> list[Row]:
    """A row per run, with everything that is known of it."""
    found: list[Row] = []
    for section in report.contests:
        contest = section.scores.contest
        for problem in contest.problems:
            for solver in contest.solvers:
                for run in contest.cells.get((problem.digest, solver), ()):
                    names = {"instance": problem.name, "solver": contest.names[solver]}
                    found.append(names | _run_row(run, contest))
    return found


def _run_row(run: Record, contest: Contest) -> Row:
    asked = run.configuration
    target = contest.targets[asked.instance]
    return {
        "family": run.family,
        "source": run.source,
        "digest": asked.instance,
        "objective": asked.objective,
        "backend": asked.backend,
        "version": asked.version,
        "seed": asked.seed,
        "time_limit": asked.time_limit,
        "threads": asked.threads,
        "memory_limit": asked.memory_limit,
        "outcome": run.outcome.value,
        "status": run.status,
        "stop_reason": run.stop_reason,
        "proof": is_proof(run),
        "cost": run.cost,
        "lower_bound": run.lower_bound,
        "best_known": target.cost,
        "gap_to_best": None if target.cost is None else primal_gap(run.cost, target.cost),
        "gap_to_bound": bound_gap(run.cost, run.lower_bound),
        "tie_break": run.tie_break,
        "views": run.views,
        "runs": run.runs,
        "seconds": seconds(run),
        **{f"{name}_s": run.times.get(name) for name in ("presolve", "solve", "wall", "cpu")},
        "peak_memory": run.peak_memory,
        "started": run.started,
        **{f"size_{name}": number for name, number in run.sizes.items()},
        **{f"machine_{name}": value for name, value in run.machine.items()},
        "message": run.message,
        "key": run.key,
    }


def solver_rows(report: Report) -> list[Row]:
    """A row per objective and solver, the best first."""
    return [row for section in report.contests for row in _standing_rows(section)]


def _standing_rows(section: Section) -> list[Row]:
    return [
        {
            "objective": section.objective,
            "solver": each.name,
            "instances": each.instances,
            "refused": each.refused,
            "missing": each.missing,
            "layouts": each.layouts,
            "best": each.best,
            "proven": each.proven,
            "at_target": each.at_target,
            "failed_runs": each.failed_runs,
            "median_gap": each.gap.value,
            "median_gap_low": each.gap.low,
            "median_gap_high": each.gap.high,
            "primal_integral": each.integral,
            "proof_time_par2": each.proof_time,
        }
        for each in standings(section.scores)
    ]


def instance_rows(report: Report) -> list[Row]:
    """A row per objective, instance and solver: medians over the seeds."""
    found: list[Row] = []
    for section in report.contests:
        contest = section.scores.contest
        for problem in contest.problems:
            target = contest.targets[problem.digest]
            for solver in contest.solvers:
                each = section.scores.get(problem, solver)
                if each is None:
                    continue
                found.append(
                    {
                        "objective": section.objective,
                        "family": problem.family,
                        "instance": problem.name,
                        "digest": problem.digest,
                        "solver": contest.names[solver],
                        "best_known": target.cost,
                        "best_bound": target.lower_bound,
                        "infeasible": target.infeasible,
                        "seeds": each.runs,
                        "proofs": each.proofs,
                        "outcome": each.outcome.value,
                        "median_cost": _whole(each.cost),
                        "least_cost": _whole(each.low),
                        "largest_cost": _whole(each.high),
                        "gap": each.gap,
                        "time_to_proof_par2": each.proof_time,
                        "time_to_target": each.target_time,
                        "primal_integral": each.integral,
                    }
                )
    return found


def pair_rows(report: Report) -> list[Row]:
    """A row per objective and ordered pair of solvers that share instances."""
    return [
        {
            "objective": section.objective,
            "first": section.scores.contest.names[first],
            "second": section.scores.contest.names[second],
            "instances": each.pairs,
            "wins": each.wins,
            "ties": each.ties,
            "losses": each.losses,
            "median_ratio": each.ratio.value,
            "median_ratio_low": each.ratio.low,
            "median_ratio_high": each.ratio.high,
            "p": each.p_value,
            "p_holm": corrected,
        }
        for section in report.contests
        for (first, second), (each, corrected) in section.comparisons.items()
        if each.pairs
    ]


def _whole(value: float) -> int | float:
    """Costs are integers, failures infinite."""
    return int(value) if math.isfinite(value) else value


#: File name of each kind of row in a folder.
KINDS = {
    "runs.csv": run_rows,
    "solvers.csv": solver_rows,
    "instances.csv": instance_rows,
    "pairs.csv": pair_rows,
}


def csv_text(rows: Sequence[Row]) -> str:
    """`rows` as CSV with a header line; nothing and NaN are empty fields, infinity is ``inf``."""
    stream = io.StringIO()
    keys = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(stream, keys, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _field(value) for key, value in row.items()})
    return stream.getvalue()


def _field(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return None if isinstance(value, float) and math.isnan(value) else value


def finite_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows for JSON, which knows neither infinity nor NaN: both become None."""
    return [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in row.items()
        }
        for row in rows
    ]
