"""How the solvers' times grow with the sizes of instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reorder_solver.bench.record import Outcome
from reorder_solver.report.contest import seconds
from reorder_solver.report.statistics import PowerLaw, fit_power_law
from reorder_solver.report.table import Cell, Column, Table, words
from reorder_solver.report.words import between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.bench.record import Record
    from reorder_solver.core.instance import Instance
    from reorder_solver.report.scores import Scores

FloatArray = npt.NDArray[np.float64]
_STOPPED = ("time_limit", "iteration_limit", "interrupted", "target_reached")
_LEAST_SECONDS = 1e-4
_SEED = 7


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Times of the solver at a place of the contest, one per instance.

    Attributes
    ----------
    place : int
    sizes, times : ndarray of float64, shape (instances,)
    censored : ndarray of bool, shape (instances,)
        True where the solver was stopped.
    law : PowerLaw or None
        None where the data do not say.
    """

    place: int
    sizes: FloatArray
    times: FloatArray
    censored: npt.NDArray[np.bool_]
    law: PowerLaw | None


def count_classes(instance: Instance) -> int:
    """Number of channel classes: groups of a tensor's channels that the same accesses want.

    O(wanted channels). Every access adds a random number to its channels; two classes meet with
    a probability of 2**-64.
    """
    rng = np.random.default_rng(_SEED)
    marks = {each.id: np.zeros(each.channels, np.uint64) for each in instance.tensors}
    for access in instance.accesses:
        for part in access.parts:
            marks[part.tensor][part.channels] += rng.integers(2**63, dtype=np.uint64)
    return sum(int(np.unique(each[each > 0]).size) for each in marks.values())


def scalings(scores: Scores, measure: str) -> list[Scaling]:
    """The times of every solver over a measure of size (``channels``, ``classes`` ...).

    Per instance the run of the median time counts, the longer of two. Runs that failed or were
    refused say nothing about time and are left out; so are instances without that measure.
    """
    contest = scores.contest
    found: list[Scaling] = []
    for place, solver in enumerate(contest.solvers):
        rows: list[tuple[float, float, bool]] = []
        for problem in contest.problems:
            timed = _median_time(contest.cells.get((problem.digest, solver), ()))
            if timed is not None and problem.sizes.get(measure):
                rows.append((float(problem.sizes[measure]), *timed))
        if rows:
            sizes, times, censored = (np.array(column) for column in zip(*rows, strict=True))
            law = fit_power_law(sizes, times, censored)
            found.append(Scaling(place, sizes, times, censored, law))
    return found


def _median_time(runs: Sequence[Record]) -> tuple[float, bool] | None:
    timed = sorted(
        (max(seconds(run), _LEAST_SECONDS), _is_stopped(run)) for run in runs if _is_timed(run)
    )
    return timed[len(timed) // 2] if timed else None


def _is_stopped(run: Record) -> bool:
    return run.outcome is Outcome.TIMEOUT or run.stop_reason in _STOPPED


def _is_timed(run: Record) -> bool:
    ended = (Outcome.SOLVED, Outcome.INFEASIBLE, Outcome.NO_SOLUTION)
    return run.outcome in ended or run.outcome is Outcome.TIMEOUT


def scaling_table(scores: Scores) -> Table:
    """The fitted exponents; solvers that the data say nothing about are named as such."""
    contest = scores.contest
    by_channels = {each.place: each for each in scalings(scores, "channels")}
    by_classes = {each.place: each for each in scalings(scores, "classes")}
    rows = []
    for place, solver in enumerate(contest.solvers):
        each = by_channels.get(place)
        if each is None:
            continue
        stopped = int(np.count_nonzero(each.censored))
        rows.append(
            (
                words(contest.names[solver]),
                _exponent(each),
                _exponent(by_classes.get(place)),
                Cell(f"{each.times.size - stopped:,}", each.times.size - stopped),
                Cell(f"{stopped:,}", stopped),
            )
        )
    columns = (
        Column("solver", right=False),
        Column("exponent of channels", "with a 95 % confidence interval"),
        Column("exponent of classes", "with a 95 % confidence interval"),
        Column("ended by itself", "instances"),
        Column("stopped at the limit", "instances; censored, not left out"),
    )
    return Table(f"Growth of time, objective {contest.objective}", columns, tuple(rows))


def _exponent(each: Scaling | None) -> Cell:
    if each is None or each.law is None:
        return Cell("too little data", mark="none")
    return Cell(between(each.law.exponent, lambda value: f"{value:.2f}"), each.law.exponent.value)
