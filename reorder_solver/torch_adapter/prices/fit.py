"""Fit: the integer prices that explain measured times best."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from reorder_solver.core.prices import Mode, PriceList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reorder_solver.torch_adapter.prices.measure import Sample
    from reorder_solver.torch_adapter.prices.variants import Point

#: What multiplies each coefficient of a mode's price.
_TERMS: dict[Mode, Callable[[Point], tuple[int, ...]]] = {
    Mode.GATHER: lambda point: (1, point.channels),
    Mode.CAT: lambda point: (1, point.channels, point.runs),
    Mode.COVER: lambda point: (point.span - point.channels,),
    Mode.SPLIT: lambda point: (point.runs - 1,),
}
#: With a larger error than this, a mode that is timed by differences of long times gets no price.
_UNRELIABLE = 0.5
_LONG = (Mode.COVER, Mode.SPLIT)


@dataclass(frozen=True, slots=True)
class Fit:
    """Prices and how well they explain the times.

    Attributes
    ----------
    prices : PriceList
    errors : dict of Mode to float
        Per mode the root mean square of predicted minus measured, over that of measured. Modes
        that got no price because of it are included.
    """

    prices: PriceList
    errors: dict[Mode, float]


def fit_prices(samples: Sequence[Sample]) -> Fit:
    """Non-negative integer prices, in nanoseconds, by least squares.

    Parameters
    ----------
    samples : sequence of Sample
        Modes that do not occur get no price; nor do `cover` and `split` where noise hides what
        they cost, since a price that is too low would be worse than none.

    Returns
    -------
    Fit

    Notes
    -----
    Non-negative least squares (Lawson and Hanson, 1974, as in scipy) leaves fractions; of the
    integer points around its solution the best is taken, the constant term chosen last.

    References
    ----------
    .. [1] C. L. Lawson, R. J. Hanson, Solving Least Squares Problems, 1974,
           doi:10.1137/1.9781611971217.
    """
    found: dict[str, tuple[int, ...]] = {}
    errors: dict[Mode, float] = {}
    for mode, terms in _TERMS.items():
        mine = [sample for sample in samples if sample.point.mode is mode]
        if not mine:
            continue
        design = np.array([terms(sample.point) for sample in mine], dtype=np.float64)
        times = np.array([sample.ns for sample in mine])
        coefficients = _integer_least_squares(design, times)
        size = float(np.linalg.norm(times))
        off = float(np.linalg.norm(design @ coefficients - times))
        errors[mode] = off / size if size else off
        if mode not in _LONG or errors[mode] <= _UNRELIABLE:
            found[mode.value] = coefficients
    return Fit(PriceList.from_mapping(found), errors)


def _integer_least_squares(
    design: npt.NDArray[np.float64], times: npt.NDArray[np.float64]
) -> tuple[int, ...]:
    relaxed, _ = nnls(design, times)
    choices = [sorted({math.floor(value), math.ceil(value)}) for value in relaxed]
    has_constant = len(choices) > 1
    if has_constant:
        choices[0] = [0]
    best: tuple[float, tuple[int, ...]] | None = None
    for choice in itertools.product(*choices):
        coefficients = list(choice)
        if has_constant:
            coefficients[0] = max(0, round(float(np.mean(times - design @ coefficients))))
        off = float(np.linalg.norm(design @ coefficients - times))
        if best is None or off < best[0]:
            best = off, tuple(coefficients)
    assert best is not None
    return best[1]
