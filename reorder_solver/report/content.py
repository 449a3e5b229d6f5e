"""The content of a report, before it becomes a page, Markdown or CSV."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reorder_solver.core.errors import InputError
from reorder_solver.report.contest import contests, seconds
from reorder_solver.report.contradictions import contradictions
from reorder_solver.report.layouts import BUDGET, Explorer, explore
from reorder_solver.report.scaling import count_classes, scaling_table
from reorder_solver.report.scores import Scores, standings
from reorder_solver.report.tables import (
    comparison_table,
    comparisons,
    failures_table,
    family_table,
    machines_table,
    pairs_table,
    standings_table,
    versions_table,
)
from reorder_solver.report.words import count, duration, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reorder_solver.bench.record import Record
    from reorder_solver.bench.store import Store
    from reorder_solver.core.instance import Instance
    from reorder_solver.report.contest import Contest, Known
    from reorder_solver.report.table import Table
    from reorder_solver.report.tables import Comparisons

#: The protocol in short; ``docs/protocol.md`` has it in full.
PROTOCOL = (
    "Every run is a process of its own with a wall-clock and a memory limit; a run that crashed, "
    "ran out of memory or was killed is a result and counts as one without a layout.",
    "Seeds are repetitions, not instances: per instance the median over the seeds counts, of an "
    "even number the worse of the two in the middle.",
    "The gap of a cost is (cost − best known) / cost, 0 for two zeros and 1 without a layout; "
    "the best known is the best of the best-known file and of this store.",
    "Proven means optimal with a bound equal to the cost, or proven infeasible. Infeasible "
    "instances say nothing about costs and count in proofs only.",
    "An unfinished run counts twice its time limit in mean times, and never in profiles.",
    "Refusals are no failures: the instance is left out of that solver's averages and pairs, and "
    "counts as not solved in profiles.",
    "Intervals are 95 % percentile bootstrap intervals over instances; means of times are "
    "geometric, shifted by 1 s.",
    "Pairs: two-sided Wilcoxon signed-rank tests on relative differences, one value per "
    "instance, p-values corrected after Holm.",
)


@dataclass(frozen=True, slots=True)
class Section:
    """What is said about an objective.

    Attributes
    ----------
    objective, finding : str
    scores : Scores
    comparisons : mapping
        See :func:`reorder_solver.report.tables.comparisons`.
    standings, scaling, matrix, pairs, failures : Table
    families : list of (str, Table)
    """

    objective: str
    finding: str
    scores: Scores
    standings: Table
    families: list[tuple[str, Table]]
    scaling: Table
    comparisons: Comparisons
    matrix: Table
    pairs: Table
    failures: Table


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report says.

    Attributes
    ----------
    source, headline : str
    figures : list of (str, str)
        What is counted, and how many.
    contests : list of Section
    machines, versions : Table
    alarms : list of str
        Contradictions between runs, and stored layouts that are not what their runs claim.
    explorer : Explorer
    protocol : tuple of str
    """

    source: str
    headline: str
    figures: list[tuple[str, str]]
    contests: list[Section]
    machines: Table
    versions: Table
    alarms: list[str]
    explorer: Explorer
    protocol: tuple[str, ...] = field(default=PROTOCOL)

    @property
    def left_out(self) -> list[str]:
        """Instances that the explorer does not show, and why."""
        return self.explorer.left_out


def make_report(
    store: Store,
    source: str,
    known: Mapping[tuple[str, str], Known] | None = None,
    *,
    budget: int = BUDGET,
) -> Report:
    """Work out the report of a store.

    Parameters
    ----------
    store : Store
    source : str
        What the store is called in the report.
    known : mapping of (digest, objective) to a best-known value, optional
    budget : int
        Bytes of layouts for the explorer; 0 for none.

    Raises
    ------
    InputError
        If the store has no finished run, or a damaged one.
    """
    runs = list(store.records())
    if not runs:
        raise InputError("has no finished run to report", source=source)
    instances = _instances(runs, store)
    found = contests(_with_classes(runs, instances), known)
    explorer = explore(store, instances, found, budget)
    return Report(
        source=source,
        headline=_headline(runs),
        figures=_figures(runs, found),
        contests=[_section(each) for each in found],
        machines=machines_table(runs),
        versions=versions_table(runs),
        alarms=[line for each in found for line in contradictions(each)] + explorer.wrong,
        explorer=explorer,
    )


def _instances(runs: Sequence[Record], store: Store) -> dict[str, Instance | InputError]:
    """By digest, or why it cannot be read: then scaling and pictures go without it."""
    found: dict[str, Instance | InputError] = {}
    for digest in dict.fromkeys(run.configuration.instance for run in runs):
        try:
            found[digest] = store.instance(digest)
        except InputError as error:
            found[digest] = error
    return found


def _with_classes(
    runs: Sequence[Record], instances: Mapping[str, Instance | InputError]
) -> list[Record]:
    """The runs, their instances' sizes with the number of channel classes."""
    classes = {
        digest: count_classes(each)
        for digest, each in instances.items()
        if not isinstance(each, InputError)
    }
    return [
        replace(run, sizes={**run.sizes, "classes": classes[run.configuration.instance]})
        if run.configuration.instance in classes
        else run
        for run in runs
    ]


def _headline(runs: Sequence[Record]) -> str:
    days = sorted({run.started[:10] for run in runs if run.started})
    machines = {str(run.machine.get("cpu", "unknown")) for run in runs}
    when = "" if not days else days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return " · ".join(each for each in (when, listed(sorted(machines))) if each)


def _figures(runs: Sequence[Record], found: Sequence[Contest]) -> list[tuple[str, str]]:
    problems = {problem.digest: problem for each in found for problem in each.problems}
    solvers = {solver for each in found for solver in each.solvers}
    spent = sum(run.times.get("wall", seconds(run)) for run in runs)
    return [
        ("runs", f"{len(runs):,}"),
        ("instances", f"{len(problems):,}"),
        ("families", f"{len({problem.family for problem in problems.values()}):,}"),
        ("solvers", f"{len(solvers):,}"),
        ("seeds", f"{len({run.configuration.seed for run in runs}):,}"),
        ("solving in all", duration(spent)),
    ]


def _section(contest: Contest) -> Section:
    scores = Scores(contest)
    compared = comparisons(scores)
    return Section(
        objective=contest.objective,
        finding=_finding(scores),
        scores=scores,
        standings=standings_table(scores),
        families=[
            (family, family_table(scores, family, problems))
            for family, problems in contest.families().items()
        ],
        scaling=scaling_table(scores),
        comparisons=compared,
        matrix=comparison_table(scores, compared),
        pairs=pairs_table(scores, compared),
        failures=failures_table(contest),
    )


def _finding(scores: Scores) -> str:
    contest = scores.contest
    total = len(contest.problems)
    settled = sum(target.proven for target in contest.targets.values())
    unsolved = sum(t.cost is None and not t.infeasible for t in contest.targets.values())
    order = standings(scores)
    most = order[0].best
    leaders = [each.name for each in order if each.best == most]
    text = f"{settled} of {count(total, 'instance')} settled (optimal or infeasible)"
    if most:
        verb = "reaches" if len(leaders) == 1 else "reach"
        text += f"; {listed(leaders)} {verb} the best known cost on {most}"
    provers = sorted(order, key=lambda each: -each.proven)
    if provers[0].proven:
        leaders = [each.name for each in order if each.proven == provers[0].proven]
        verb = "proves" if len(leaders) == 1 else "prove"
        text += f"; {listed(leaders)} {verb} most ({provers[0].proven})"
    return f"{text}; nobody has a layout of {unsolved}." if unsolved else f"{text}."
