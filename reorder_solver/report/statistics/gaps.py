"""How far a cost is from the best known one, and from its bound.

References
----------
T. Berthold, Measuring the impact of primal heuristics, Operations Research Letters 41 (2013)
611-614, doi:10.1016/j.orl.2013.08.007.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def primal_gap(cost: float | None, reference: float | None) -> float:
    """Berthold's primal gap of a non-negative `cost`: 0 at the reference, 1 without a layout.

    Parameters
    ----------
    cost : float or None
        None or infinity where there is no layout.
    reference : float or None
        The best cost known; None where nobody has a layout.

    Returns
    -------
    float
        ``|cost - reference| / max(cost, reference)``, in [0, 1], also where one of them is 0;
        0 where `cost` is below the reference, which then is no longer the best known.
    """
    if cost is None or cost == math.inf:
        return 1.0
    if reference is None or cost <= reference:
        return 0.0
    return (cost - reference) / cost


def bound_gap(cost: float | None, bound: float | None) -> float | None:
    """``(cost - bound) / cost``, 0 for a proven zero; None where either is unknown."""
    if cost is None or bound is None or cost == math.inf:
        return None
    return 0.0 if cost == 0 else (cost - bound) / cost


def ratios_to_best(values: npt.ArrayLike) -> FloatArray:
    """Per instance, every solver's value over the best solver's.

    Parameters
    ----------
    values : array_like of float, shape (instances, solvers)
        Non-negative; infinity for a failure, NaN where the solver did not run.

    Returns
    -------
    ndarray of float64, shape (instances, solvers)
        At least 1; infinity for a failure, and for a positive value where the best is 0 (two
        zeros are equal: 1); NaN where the solver did not run.
    """
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if np.any(table < 0):
        raise ValueError("values must not be negative")
    best = np.min(np.where(np.isnan(table), np.inf, table), axis=1, keepdims=True, initial=np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = table / best
    ratios = np.where(table == best, 1.0, ratios)
    ratios[np.isinf(table)] = np.inf
    ratios[np.isnan(table)] = np.nan
    return ratios
