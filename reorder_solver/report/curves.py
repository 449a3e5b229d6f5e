"""What the charts show: profiles, anytime curves and scaling, as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reorder_solver.report.scaling import scalings
from reorder_solver.report.scores import TARGET_GAP, full_trace
from reorder_solver.report.statistics import gap_at, performance_profile
from reorder_solver.report.words import count, duration, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reorder_solver.report.contest import Problem
    from reorder_solver.report.scores import Score, Scores

FloatArray = npt.NDArray[np.float64]
#: Shorter times count as this many seconds: below, the clock and the machine decide.
SHORTEST = 0.01
_MOMENTS = 200


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis: its label, and whether it is logarithmic or holds shares."""

    label: str
    logarithmic: bool = False
    share: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A curve, or points with a `marker`, of the solver at a place of the contest."""

    solver: int
    x: FloatArray
    y: FloatArray
    marker: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A chart before it is drawn.

    Attributes
    ----------
    title, note : str
    x, y : Scale
    curves : list of Curve
    x_limits, y_limits : pair of float, optional
    samples : sequence of float
        Where the step functions are read for the table beside the chart; empty for none.
    sample : callable
        Writes a place on the x axis.
    """

    title: str
    note: str
    x: Scale
    y: Scale
    curves: list[Curve]
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    samples: Sequence[float] = ()
    sample: Callable[[float], str] = str

    def table(self, names: Sequence[str]) -> list[list[str]]:
        """The figures at the samples, a row per solver, titles first; empty without samples."""
        if not self.samples:
            return []
        rows = [["solver", *(self.sample(place) for place in self.samples)]]
        for curve in self.curves:
            places = np.searchsorted(curve.x, self.samples, side="right") - 1
            shares = [percent(float(curve.y[each])) if each >= 0 else "–" for each in places]
            rows.append([names[curve.solver], *shares])
        return rows


def figures(scores: Scores) -> list[Figure]:
    """All figures that there is something to show in."""
    found = [*_profiles(scores), *_anytime(scores), *_scalings(scores)]
    return [figure for figure in found if figure is not None]


def _profiles(scores: Scores) -> list[Figure | None]:
    problems = scores.common()
    targets = scores.contest.targets
    feasible = [each for each in problems if not targets[each.digest].infeasible]

    def time_of(measure: Callable[[Score], float]) -> Callable[[Score], float]:
        return lambda each: max(measure(each), SHORTEST)

    shortest = f"times below {duration(SHORTEST)} count as that"
    return [
        _profile(
            scores, feasible, lambda each: each.cost, "Cost profile", "cost over the best cost", ""
        ),
        _profile(
            scores,
            problems,
            time_of(lambda each: each.proof_time_or_never),
            "Profile of time to proof",
            "time over the shortest time to a proof",
            f"; {shortest}; never for a solver that proves nothing",
        ),
        _profile(
            scores,
            feasible,
            time_of(lambda each: each.target_time),
            f"Profile of time to a gap of {TARGET_GAP:.0%}",
            "time over the shortest time to the target",
            f"; {shortest}",
        ),
    ]


def _profile(
    scores: Scores,
    problems: Sequence[Problem],
    measure: Callable[[Score], float],
    title: str,
    label: str,
    more: str,
) -> Figure | None:
    table = scores.table(measure, problems)
    # A refusal is NaN, which a profile counts as never.
    profile = performance_profile(table)
    if not problems or not profile.shares.any():
        return None
    top = min(max(float(profile.factors[-1]), 1.1), 1e4) ** 1.05
    ends = np.append(profile.factors, max(top, float(profile.factors[-1])))
    return Figure(
        title,
        f"Share of {count(len(problems), 'instance')} that all solvers were run on; higher is "
        f"better, failures never count{more}.",
        Scale(label, logarithmic=True),
        Scale("share of instances", share=True),
        [
            Curve(place, ends, np.append(shares, shares[-1]))
            for place, shares in enumerate(profile.shares)
        ],
        (1.0, top),
        (-0.02, 1.04),
        samples=[1.0, 1.01, 1.1, 2.0, 10.0, float(ends[-1])],
        sample=lambda factor: "ever" if factor == float(ends[-1]) else f"×{factor:g}",
    )


def _anytime(scores: Scores) -> list[Figure | None]:
    contest = scores.contest
    problems = [each for each in scores.common() if not contest.targets[each.digest].infeasible]
    first = min(SHORTEST, contest.horizon / 10)
    moments = np.geomspace(first, contest.horizon, _MOMENTS)
    curves: dict[str, list[Curve]] = {"median": [], "mean": []}
    for place, solver in enumerate(contest.solvers):
        gaps = []
        for problem in problems:
            each = scores.get(problem, solver)
            if each is not None and not each.refused:
                runs = contest.cells[problem.digest, solver]
                best = contest.targets[problem.digest].cost
                of_seeds = np.sort([gap_at(full_trace(run), best, moments) for run in runs], axis=0)
                gaps.append(of_seeds[len(runs) // 2])
        if gaps:
            curves["median"].append(Curve(place, moments, np.median(gaps, axis=0)))
            curves["mean"].append(Curve(place, moments, np.mean(gaps, axis=0)))
    horizon = contest.horizon
    samples = [s for s in (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0) if s < horizon] + [horizon]
    return [
        Figure(
            f"Anytime: {kind} gap",
            f"{kind.capitalize()} primal gap to the best known over the instances that a solver "
            f"takes ({count(len(problems), 'instance')}), second by second; lower is better.",
            Scale("seconds", logarithmic=True),
            Scale(f"{kind} primal gap", share=True),
            found,
            (first, horizon),
            (-0.02, 1.02 * max(0.05, *(float(each.y.max()) for each in found))),
            samples=samples,
            sample=duration,
        )
        if found
        else None
        for kind, found in curves.items()
    ]


def _scalings(scores: Scores) -> list[Figure | None]:
    found: list[Figure | None] = []
    for measure in ("channels", "classes"):
        curves: list[Curve] = []
        for each in scalings(scores, measure):
            for marker, chosen in (("o", ~each.censored), ("^", each.censored)):
                if np.any(chosen):
                    curves.append(Curve(each.place, each.sizes[chosen], each.times[chosen], marker))
            if each.law is not None:
                ends = np.geomspace(each.sizes.min(), each.sizes.max(), 2)
                curves.append(Curve(each.place, ends, each.law(ends)))
        fitted = any(not curve.marker for curve in curves)
        figure = Figure(
            f"Scaling with {measure}",
            "Time of every instance until the solver ended by itself; triangles: stopped at the "
            "limit. Lines: fitted power laws (exponents in the table below).",
            Scale(f"{measure} of the instance", logarithmic=True),
            Scale("seconds", logarithmic=True),
            curves,
            y_limits=_decades([curve.y for curve in curves if curve.marker]),
        )
        found.append(figure if fitted else None)
    return found


def _decades(values: Sequence[FloatArray]) -> tuple[float, float] | None:
    if not values:
        return None
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    return 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high) + 0.01)
