"""Anytime curves: how good the best layout is, second by second.

A trace is a sequence of ``(seconds, cost or None, bound or None)`` in the order of time; between
two entries the earlier one holds, before the first there is no layout.

References
----------
T. Berthold, Measuring the impact of primal heuristics, Operations Research Letters 41 (2013)
611-614, doi:10.1016/j.orl.2013.08.007 (primal gap and primal integral).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reorder_solver.report.statistics.gaps import primal_gap

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatArray = npt.NDArray[np.float64]


def _steps(
    trace: Sequence[tuple[float, float | None, float | None]], reference: float | None
) -> tuple[list[float], list[float]]:
    """Times at which the best gap so far falls, and the gap from then on."""
    times: list[float] = []
    gaps: list[float] = []
    for seconds, cost, _ in trace:
        if cost is None:
            continue
        gap = primal_gap(cost, reference)
        if not gaps or gap < gaps[-1]:
            times.append(float(seconds))
            gaps.append(gap)
    return times, gaps


def gap_at(
    trace: Sequence[tuple[float, float | None, float | None]],
    reference: float | None,
    moments: npt.ArrayLike,
) -> FloatArray:
    """Primal gap of the best layout found by each moment, shape of `moments`; 1 before any."""
    times, gaps = _steps(trace, reference)
    places = np.searchsorted(times, np.asarray(moments, dtype=np.float64), side="right")
    return np.asarray(np.array([1.0, *gaps])[places], dtype=np.float64)


def primal_integral(
    trace: Sequence[tuple[float, float | None, float | None]],
    reference: float | None,
    horizon: float,
) -> float:
    """Mean primal gap over ``[0, horizon]`` seconds: 0 at once best, 1 never a layout."""
    if not horizon > 0:
        raise ValueError("the horizon must be a positive number of seconds")
    times, gaps = _steps(trace, reference)
    edges = np.clip([0.0, *times, horizon], 0.0, horizon)
    return float(np.dot(np.diff(edges), [1.0, *gaps]) / horizon)


def time_to_gap(
    trace: Sequence[tuple[float, float | None, float | None]],
    reference: float | None,
    target: float,
) -> float:
    """Seconds until the primal gap is at most `target`; infinity if it never is."""
    for seconds, gap in zip(*_steps(trace, reference), strict=True):
        if gap <= target:
            return seconds
    return math.inf
