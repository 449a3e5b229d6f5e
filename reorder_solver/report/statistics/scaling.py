"""How time grows with size: ``time = factor * size ** exponent``, time-outs included.

A run that was stopped at its limit says that it would have taken longer. Leaving it out, or
taking the limit for its time, makes a solver look as if it scaled better than it does; so such
runs are right-censored observations of a log-normal time.

References
----------
J. Tobin, Estimation of relationships for limited dependent variables, Econometrica 26 (1958)
24-36, doi:10.2307/1907382; in the parameters of R. J. Olsen, Econometrica 46 (1978) 1211-1215,
doi:10.2307/1911445, in which the log-likelihood is concave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reorder_solver.report.statistics.averages import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

FloatArray = npt.NDArray[np.float64]
#: Fewest finished runs, fewest different sizes, and largest share of time-outs of a fit.
FEWEST_FINISHED = 5
FEWEST_SIZES = 3
MOST_CENSORED = 0.5


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """A fitted power law.

    Attributes
    ----------
    exponent : Interval
        With a confidence interval (Student's t without time-outs, Wald's with them).
    factor : float
        Time at size 1.
    finished, censored : int
        Runs that ended by themselves, and time-outs.
    """

    exponent: Interval
    factor: float
    finished: int
    censored: int

    def __call__(self, size: npt.ArrayLike) -> FloatArray:
        """The typical (median) time at a size."""
        return np.asarray(self.factor * np.asarray(size, np.float64) ** self.exponent.value)


def fit_power_law(
    sizes: npt.ArrayLike,
    times: npt.ArrayLike,
    censored: npt.ArrayLike | None = None,
    *,
    confidence: float = 0.95,
) -> PowerLaw | None:
    """Fit a line to the logarithms of sizes and times.

    Parameters
    ----------
    sizes, times : array_like of float, shape (n,)
        Positive. The time of a run that was stopped is when it was stopped.
    censored : array_like of bool, shape (n,), optional
        True where a run was stopped.
    confidence : float
        Of the interval of the exponent.

    Returns
    -------
    PowerLaw or None
        None where the data say too little: fewer than :data:`FEWEST_FINISHED` finished runs or
        :data:`FEWEST_SIZES` sizes among them, or more than half time-outs.
    """
    numbers = np.asarray(sizes, np.float64), np.asarray(times, np.float64)
    if not all(np.all((each > 0) & np.isfinite(each)) for each in numbers):
        raise ValueError("sizes and times must be positive")
    x, y = (np.log(each) for each in numbers)
    cut = np.zeros(x.size, np.bool_) if censored is None else np.asarray(censored, np.bool_)
    finished, stopped = int(np.count_nonzero(~cut)), int(np.count_nonzero(cut))
    if finished < FEWEST_FINISHED or np.unique(x[~cut]).size < FEWEST_SIZES:
        return None
    if stopped > MOST_CENSORED * x.size:
        return None
    fit = _censored_line if stopped else _plain_line
    slope, intercept, half = fit(x, y, cut, confidence)
    exponent = Interval(slope, slope - half, slope + half)
    return PowerLaw(exponent, math.exp(intercept), finished, stopped)


def _plain_line(
    x: FloatArray, y: FloatArray, _: npt.NDArray[np.bool_], confidence: float
) -> tuple[float, float, float]:
    """Least squares: slope, intercept, half the interval of the slope."""
    from scipy import stats

    line = stats.linregress(x, y)
    quantile = stats.t.ppf((1 + confidence) / 2, x.size - 2)
    return float(line.slope), float(line.intercept), float(quantile * line.stderr)


def _censored_line(
    x: FloatArray, y: FloatArray, cut: npt.NDArray[np.bool_], confidence: float
) -> tuple[float, float, float]:
    """Maximum likelihood with censored observations, likewise."""
    from scipy import optimize, stats

    middle = float(np.mean(x))
    columns = np.column_stack([np.ones_like(x), x - middle, -y])
    start = _start(columns, y, cut)
    value, slope, curvature = _likelihood(columns, cut)
    found = optimize.minimize(value, start, jac=slope, hess=curvature, method="trust-exact")
    level, rise, scale = found.x
    if scale <= 0:
        raise ValueError("the fit of the censored times failed")
    covariance = np.linalg.pinv(curvature(found.x))
    # Delta method: the exponent is rise / scale.
    gradient = np.array([0.0, 1 / scale, -rise / scale**2])
    error = math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))
    exponent = rise / scale
    quantile = float(stats.norm.ppf((1 + confidence) / 2))
    return float(exponent), float(level / scale - exponent * middle), quantile * error


def _start(columns: FloatArray, y: FloatArray, cut: npt.NDArray[np.bool_]) -> FloatArray:
    """Least squares over all observations, in Olsen's parameters."""
    line, *_ = np.linalg.lstsq(columns[:, :2], y, rcond=None)
    spread = max(float(np.std((y - columns[:, :2] @ line)[~cut])), 1e-3)
    return np.array([line[0] / spread, line[1] / spread, 1 / spread])


def _likelihood(
    columns: FloatArray, cut: npt.NDArray[np.bool_]
) -> tuple[
    Callable[[FloatArray], float],
    Callable[[FloatArray], FloatArray],
    Callable[[FloatArray], FloatArray],
]:
    """Negative log-likelihood in (level, rise, 1) / sigma: value, gradient, Hessian.

    A standardised residual is ``u = y * scale - (level + rise * x) = -columns @ parameters``.
    """
    from scipy import special

    known, unknown = columns[~cut], columns[cut]

    def value(parameters: FloatArray) -> float:
        if parameters[2] <= 0:
            return math.inf
        residual = known @ parameters
        ends = special.log_ndtr(unknown @ parameters)
        logarithm = known.shape[0] * math.log(parameters[2])
        return float(0.5 * residual @ residual - logarithm - ends.sum())

    def hazard(parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        inside = unknown @ parameters
        density = -0.5 * inside**2 - 0.5 * math.log(2 * math.pi)
        return inside, np.exp(density - special.log_ndtr(inside))

    def gradient(parameters: FloatArray) -> FloatArray:
        steep = known.T @ (known @ parameters) - unknown.T @ hazard(parameters)[1]
        steep[2] -= known.shape[0] / parameters[2]
        return np.asarray(steep)

    def hessian(parameters: FloatArray) -> FloatArray:
        inside, rate = hazard(parameters)
        curved = known.T @ known + (unknown * (rate * (rate + inside))[:, None]).T @ unknown
        curved[2, 2] += known.shape[0] / parameters[2] ** 2
        return np.asarray(curved)

    return value, gradient, hessian
