"""Paired comparison of two solvers on the instances that both ran on.

References
----------
F. Wilcoxon, Individual comparisons by ranking methods, Biometrics Bulletin 1 (1945) 80-83,
doi:10.2307/3001968; zeros after J. W. Pratt, JASA 54 (1959) 655-667,
doi:10.1080/01621459.1959.10501526.

S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
Statistics 6 (1979) 65-70, https://www.jstor.org/stable/4615733.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reorder_solver.report.statistics.averages import Interval, median_interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """Solver A against solver B.

    Attributes
    ----------
    pairs : int
        Instances that both ran on.
    wins, ties, losses : int
        Instances on which A's value is lower, equal, higher.
    p_value : float
        Of the two-sided Wilcoxon signed-rank test; 1 where nothing differs.
    ratio : Interval
        Median of A's value over B's, with a bootstrap interval.
    """

    pairs: int
    wins: int
    ties: int
    losses: int
    p_value: float
    ratio: Interval


def compare_pair(first: npt.ArrayLike, second: npt.ArrayLike) -> Comparison:
    """Compare values of two solvers, lower being better.

    Parameters
    ----------
    first, second : array_like of float, shape (instances,)
        Non-negative, one per instance; infinity for a failure, NaN where the solver did not
        run or refused, which leaves the pair out.

    Returns
    -------
    Comparison
        Differences are ranked on a scale of relative ones, ``(a - b) / max(a, b)`` in [-1, 1],
        so that large instances do not outvote small ones; a failure against a success is +-1,
        two failures are a tie.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    ran = ~(np.isnan(a) | np.isnan(b))
    a, b = a[ran], b[ran]
    return Comparison(
        pairs=int(a.size),
        wins=int(np.count_nonzero(a < b)),
        ties=int(np.count_nonzero(a == b)),
        losses=int(np.count_nonzero(a > b)),
        p_value=_wilcoxon(_relative(a, b)),
        ratio=median_interval(_ratios(a, b)),
    )


def _relative(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    larger = np.maximum(a, b)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = (a - b) / larger
    relative[np.isinf(a)] = 1.0
    relative[np.isinf(b)] = -1.0
    relative[a == b] = 0.0
    return relative


def _ratios(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = a / b
    ratios[np.isinf(b)] = 0.0
    ratios[a == b] = 1.0
    return ratios


def _wilcoxon(differences: npt.NDArray[np.float64]) -> float:
    if not np.any(differences):
        return 1.0
    from scipy import stats

    return float(stats.wilcoxon(differences, zero_method="pratt", method="auto").pvalue)


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Holm's adjusted p-values, in the order given: comparable with one level for them all."""
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    stepped = raw[order] * np.arange(raw.size, 0, -1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted
