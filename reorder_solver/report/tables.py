"""The tables of a report, made of contests and their scores."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from reorder_solver.bench.record import Outcome
from reorder_solver.report.scores import FAILURES, SHIFT, standings
from reorder_solver.report.statistics import Comparison, compare_pair, holm
from reorder_solver.report.table import Cell, Column, Table, words
from reorder_solver.report.words import (
    OUTCOMES,
    between,
    duration,
    integer,
    listed,
    p_value,
    percent,
    ratio,
    size,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reorder_solver.bench.record import Record
    from reorder_solver.report.contest import Contest, Problem, Target
    from reorder_solver.report.scores import Score, Scores, Standing
    from reorder_solver.report.solvers import Solver

    #: Per ordered pair of solvers, and the p-value after correction.
    Comparisons: TypeAlias = dict[tuple[Solver, Solver], tuple[Comparison, float]]

NOTHING = Cell("–", mark="none")
#: Level below which a difference counts, after correction for the number of comparisons.
LEVEL = 0.05
_SCORE_NOTE = "gap of the median cost to the best known; ✓ all seeds proved it"


def standings_table(scores: Scores) -> Table:
    """All solvers of a contest, the best first."""
    columns = (
        Column("solver", right=False),
        Column("instances", "taken on; refused ones are no failures"),
        Column("refused", "instances that the solver does not take, and says so"),
        Column("layout found", "instances on which at least half of the seeds found a layout"),
        Column("best", "instances on which the median cost is the best known"),
        Column("proven", "instances settled: optimal, or proven infeasible"),
        Column("median gap", "primal gap to the best known, with a 95 % bootstrap interval"),
        Column("mean gap over time", "primal integral: 0 % at once best, 100 % never a layout"),
        Column(
            "time to proof",
            f"shifted geometric mean (shift {SHIFT:g} s), unfinished runs counting twice the limit",
        ),
        Column("failed runs", "killed, out of memory, crashed, or ended by an exception"),
    )
    return Table(
        f"Solvers, objective {scores.contest.objective}",
        columns,
        tuple(_standing_row(each) for each in standings(scores)),
    )


def _standing_row(each: Standing) -> tuple[Cell, ...]:
    if not each.instances:
        refused = Cell(integer(each.refused), each.refused)
        return (words(each.name), Cell("0", 0), refused, *[NOTHING] * 6, _failures(each))
    missing = f"{each.missing} not run" if each.missing else ""
    return (
        words(each.name),
        Cell(integer(each.instances), each.instances, note=missing),
        Cell(integer(each.refused), each.refused),
        *(
            Cell(integer(number), number, note=percent(number / each.instances))
            for number in (each.layouts, each.best, each.proven)
        ),
        NOTHING if math.isnan(each.gap.value) else Cell(between(each.gap), each.gap.value),
        NOTHING if math.isnan(each.integral) else Cell(percent(each.integral), each.integral),
        _proof_time(each),
        _failures(each),
    )


def _proof_time(each: Standing) -> Cell:
    if each.proven:
        return Cell(duration(each.proof_time), each.proof_time)
    return Cell(duration(each.proof_time), each.proof_time, "none", "no proof: twice the limit")


def _failures(each: Standing) -> Cell:
    mark = "fail" if each.failed_runs else ""
    return Cell(integer(each.failed_runs), each.failed_runs, mark)


def family_table(scores: Scores, family: str, problems: Sequence[Problem]) -> Table:
    """The instances of a family: what is known, and what every solver reached."""
    contest = scores.contest
    solvers = [
        solver
        for solver in contest.solvers
        if any(scores.get(problem, solver) for problem in problems)
    ]
    columns = (
        Column("instance", right=False),
        Column("channels"),
        Column("accesses"),
        Column("best known", "cost of the best layout known; * better than the best-known file"),
        Column("gap to bound", "between that and the best bound; ✓ proven optimal"),
        *(
            Column(
                contest.names[solver],
                _SCORE_NOTE,
            )
            for solver in solvers
        ),
    )
    rows = []
    for problem in problems:
        target = contest.targets[problem.digest]
        rows.append(
            (
                words(problem.name, note=_sizes(problem)),
                _size(problem, "channels"),
                _size(problem, "accesses"),
                _best_cell(target),
                _proof_cell(target),
                *(_score_cell(scores.get(problem, solver)) for solver in solvers),
            )
        )
    return Table(f"{family}: gap of every solver", columns, tuple(rows))


def _sizes(problem: Problem) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in problem.sizes.items())


def _size(problem: Problem, name: str) -> Cell:
    number = problem.sizes.get(name)
    return NOTHING if number is None else Cell(integer(number), number)


def _best_cell(target: Target) -> Cell:
    if target.infeasible:
        return Cell("infeasible", mark="none")
    if target.cost is None:
        return NOTHING
    return Cell(f"{target.cost:,}{'*' * target.improved}", target.cost)


def _proof_cell(target: Target) -> Cell:
    if target.infeasible:
        return Cell("✓", 0.0, "best", "proven infeasible")
    if target.cost is None or target.lower_bound is None:
        return NOTHING
    if target.lower_bound > target.cost:
        return Cell("contradiction", math.inf, "fail", f"bound {target.lower_bound:,}")
    gap = 0.0 if target.cost == 0 else 1 - target.lower_bound / target.cost
    if target.proven:
        return Cell("✓", 0.0, "best", "proven optimal")
    return Cell(percent(gap), gap, note=f"bound {target.lower_bound:,}")


def _score_cell(score: Score | None) -> Cell:
    if score is None:
        return NOTHING
    if score.refused:
        return Cell("refused", mark="none")
    proof = " ✓" if score.proofs == score.runs else ""
    if math.isinf(score.cost):
        if score.outcome is Outcome.INFEASIBLE:
            return Cell(f"infeasible{proof}", 0.0, "best", duration(score.proof_time))
        shown = score.outcome if score.outcome is not Outcome.SOLVED else Outcome.NO_SOLUTION
        return Cell(OUTCOMES[shown], math.inf, "fail" if shown in FAILURES else "none")
    mark = "best" if score.gap == 0 else ""
    spread = f"cost {score.cost:,.0f}"
    if score.low != score.high:
        top = "no layout" if math.isinf(score.high) else f"{score.high:,.0f}"
        spread += f" (seeds: {score.low:,.0f} to {top})"
    return Cell(f"{percent(score.gap)}{proof}", score.gap, mark, spread)


def comparisons(scores: Scores) -> Comparisons:
    """Every ordered pair of solvers: costs compared, and the p-value after Holm's correction.

    A refused instance leaves the pair out; so does one that one of them has not run on, and one
    without any feasible layout.
    """
    contest = scores.contest
    problems = [
        problem for problem in contest.problems if not contest.targets[problem.digest].infeasible
    ]
    costs = scores.table(lambda each: each.cost, problems)
    pairs = list(itertools.combinations(range(len(contest.solvers)), 2))
    found = [compare_pair(costs[:, a], costs[:, b]) for a, b in pairs]
    # A pair without common instances is no test.
    tested = [each for each in found if each.pairs]
    adjusted = iter(holm([each.p_value for each in tested]).tolist())
    result: Comparisons = {}
    for (a, b), each in zip(pairs, found, strict=True):
        corrected = next(adjusted) if each.pairs else 1.0
        first, second = contest.solvers[a], contest.solvers[b]
        result[first, second] = each, corrected
        result[second, first] = compare_pair(costs[:, b], costs[:, a]), corrected
    return result


def comparison_table(scores: Scores, found: Comparisons) -> Table:
    """The matrix of comparisons: the row against the column."""
    order = [each.solver for each in standings(scores)]
    names = scores.contest.names
    columns = (Column("row against column", right=False), *(Column(names[s]) for s in order))
    rows = tuple(
        (
            words(names[row]),
            *(_comparison_cell(found.get((row, column))) for column in order),
        )
        for row in order
    )
    return Table(f"Costs compared in pairs, objective {scores.contest.objective}", columns, rows)


def _comparison_cell(found: tuple[Comparison, float] | None) -> Cell:
    if found is None or not found[0].pairs:
        return NOTHING
    each, corrected = found
    sure = corrected < LEVEL
    mark = ""
    if sure and each.wins != each.losses:
        mark = "best" if each.wins > each.losses else "worse"
    note = (
        f"{each.pairs} instances; median cost ratio {between(each.ratio, ratio)}; "
        f"corrected p {p_value(corrected)}"
    )
    text = f"{each.wins}–{each.ties}–{each.losses}{' •' if sure else ''}"
    return Cell(text, each.wins - each.losses, mark, note)


def pairs_table(scores: Scores, found: Comparisons) -> Table:
    """The comparisons one by one, for those who want the figures."""
    names = scores.contest.names
    order = [each.solver for each in standings(scores)]
    rows = []
    for a, b in itertools.combinations(order, 2):
        each, corrected = found[a, b]
        if each.pairs:
            rows.append(
                (
                    words(f"{names[a]} against {names[b]}"),
                    Cell(integer(each.pairs), each.pairs),
                    Cell(integer(each.wins), each.wins),
                    Cell(integer(each.ties), each.ties),
                    Cell(integer(each.losses), each.losses),
                    Cell(between(each.ratio, ratio), each.ratio.value),
                    Cell(p_value(each.p_value), each.p_value),
                    Cell(p_value(corrected), corrected, "best" if corrected < LEVEL else ""),
                )
            )
    columns = (
        Column("pair", right=False),
        Column("instances"),
        Column("first better"),
        Column("equal"),
        Column("second better"),
        Column("median cost ratio", "with a 95 % bootstrap interval"),
        Column("p", "Wilcoxon signed-rank test, two-sided"),
        Column("corrected p", "after Holm, for the number of pairs"),
    )
    return Table(f"Pairs of solvers, objective {scores.contest.objective}", columns, tuple(rows))


def failures_table(contest: Contest) -> Table:
    """Runs without an answer, and refusals: who, how, why, on what."""
    groups: dict[tuple[str, Outcome, str], list[Record]] = {}
    digests = {problem.digest: problem.name for problem in contest.problems}
    names = {
        id(run): contest.names[solver]
        for (_, solver), runs in contest.cells.items()
        for run in runs
    }
    for run in contest.runs:
        if run.outcome in (*FAILURES, Outcome.UNSUPPORTED, Outcome.NO_SOLUTION):
            key = (names[id(run)], run.outcome, run.message)
            groups.setdefault(key, []).append(run)
    rows = [
        (
            words(name),
            words(OUTCOMES[outcome], mark="fail" if outcome in FAILURES else ""),
            Cell(integer(len(runs)), len(runs)),
            words(message or "–"),
            words(listed(list(dict.fromkeys(digests[r.configuration.instance] for r in runs)))),
        )
        for (name, outcome, message), runs in groups.items()
    ]
    columns = (
        Column("solver", right=False),
        Column("outcome", right=False),
        Column("runs"),
        Column("reason", right=False),
        Column("instances", right=False),
    )
    caption = f"Failures and refusals, objective {contest.objective}"
    return Table(caption, columns, tuple(rows))


def machines_table(runs: Iterable[Record]) -> Table:
    """The machines that ran, and how many runs each made."""
    machines = Counter(tuple(sorted(run.machine.items())) for run in runs)
    rows = tuple(
        tuple(
            [
                words(str(facts.get("cpu", "unknown"))),
                words(integer(value) if isinstance(value := facts.get("cores"), int) else "–"),
                words(size(value) if isinstance(value := facts.get("memory"), int) else "–"),
                words(str(facts.get("platform", "–"))),
                words(str(facts.get("python", "–"))),
                Cell(integer(number), number),
            ]
        )
        for facts, number in ((dict(key), number) for key, number in machines.most_common())
    )
    titles = ("processor", "cores", "memory", "platform", "Python")
    columns = (*(Column(title, right=False) for title in titles), Column("runs"))
    return Table("Machines", columns, rows)


def versions_table(runs: Iterable[Record]) -> Table:
    """Every version of every package that a run was made with."""
    found: dict[str, Counter[str]] = {}
    for run in runs:
        for package, version in run.versions.items():
            found.setdefault(package, Counter())[version] += 1
    rows = tuple(
        (words(package), words(", ".join(versions)), Cell(integer(sum(versions.values()))))
        for package, versions in sorted(found.items())
    )
    columns = (Column("package", right=False), Column("version", right=False), Column("runs"))
    return Table("Versions", columns, rows)
