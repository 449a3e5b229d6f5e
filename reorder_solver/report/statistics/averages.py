"""Averages that neither seeds nor time-outs can flatter, and intervals around them.

References
----------
T. Achterberg, Constraint Integer Programming, PhD thesis, TU Berlin 2007, appendix A (shifted
geometric means), doi:10.14279/depositonce-1634.

B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993 (percentile intervals).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Resamplings of a bootstrap interval, and where its random numbers start.
RESAMPLES = 2000
_SEED = 20230723


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between the ends of its confidence interval (which may be infinite)."""

    value: float
    low: float
    high: float


def median_over_seeds(values: Sequence[float]) -> float:
    """The median of one instance's runs, failures being infinite.

    With an even number of runs, the larger of the two in the middle: no mean of a success and
    a failure, and never better than what half of the runs reached.
    """
    if not values:
        return math.nan
    ordered = sorted(values)
    return float(ordered[len(ordered) // 2])


def shifted_geometric_mean(values: npt.ArrayLike, shift: float = 1.0) -> float:
    """``exp(mean(log(values + shift))) - shift``; NaN of nothing, infinity if one value is.

    Parameters
    ----------
    values : array_like of float
        Above ``-shift``.
    shift : float
        In the unit of the values; the larger, the less the smallest values count.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.size == 0:
        return math.nan
    if np.any(numbers + shift <= 0):
        raise ValueError("values must be above minus the shift")
    return float(np.exp(np.mean(np.log(numbers + shift))) - shift)


def penalised(time: float, *, finished: bool, limit: float, factor: float) -> float:
    """The time of a run that finished, or `factor` times the limit of one that did not (PAR-k)."""
    return time if finished else factor * limit


def median_interval(values: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """The median over instances with a percentile bootstrap interval; NaN of nothing.

    Instances are drawn, so values must be one per instance (see :func:`median_over_seeds`).
    Infinite values are allowed, and intervals then end at infinity where they must; the same
    values give the same interval.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.size == 0:
        return Interval(math.nan, math.nan, math.nan)
    value = float(_medians(numbers))
    chosen = np.random.default_rng(_SEED).integers(numbers.size, size=(RESAMPLES, numbers.size))
    # No interpolation between two draws: one of them may be infinite.
    draws = np.sort(_medians(numbers[chosen]))
    tail = (1 - confidence) / 2
    low = draws[math.floor(tail * (draws.size - 1))]
    high = draws[math.ceil((1 - tail) * (draws.size - 1))]
    return Interval(value, float(low), float(high))


def _medians(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Medians along the last axis; that of a finite and an infinite middle is infinite."""
    ordered = np.sort(samples, axis=-1)
    size = ordered.shape[-1]
    lower, upper = ordered[..., (size - 1) // 2], ordered[..., size // 2]
    return np.asarray((lower + upper) / 2)
