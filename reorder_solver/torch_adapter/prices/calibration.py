"""Calibration: prices of many sites, each kind of site measured once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.prices.cache import TimingCache, default_path
from reorder_solver.torch_adapter.prices.fit import fit_prices
from reorder_solver.torch_adapter.prices.measure import measure, points_to_check, points_to_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reorder_solver.core.prices import PriceList
    from reorder_solver.torch_adapter.prices.fit import Fit
    from reorder_solver.torch_adapter.prices.measure import Sample
    from reorder_solver.torch_adapter.prices.site import AccessSite
    from reorder_solver.torch_adapter.prices.variants import Point

    Progress = Callable[[int, int], object]

BUDGET_S = 60.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """A site, its prices, and how they came about.

    Attributes
    ----------
    site : AccessSite
    samples : tuple of Sample
        Of the rounded site.
    fit : Fit
    from_cache : bool
        Whether they were measured before this call.
    """

    site: AccessSite
    samples: tuple[Sample, ...]
    fit: Fit
    from_cache: bool

    @property
    def prices(self) -> PriceList:
        """The fitted prices."""
        return self.fit.prices


@dataclass(frozen=True, slots=True)
class Comparison:
    """A point that was measured afresh, and what the prices say about it."""

    point: Point
    predicted: int
    measured: float


def price_sites(
    sites: Sequence[AccessSite],
    budget_s: float = BUDGET_S,
    cache: TimingCache | None = None,
) -> list[PriceList]:
    """Prices of the modes at each site, as measured on its device.

    See :func:`calibrate_sites`, which also tells how well they fit.
    """
    return [each.prices for each in calibrate_sites(sites, budget_s, cache)]


def calibrate_sites(
    sites: Sequence[AccessSite],
    budget_s: float = BUDGET_S,
    cache: TimingCache | None = None,
    progress: Progress | None = None,
) -> list[Calibration]:
    """Measure the modes at each site, relative to a view, and fit prices.

    Parameters
    ----------
    sites : sequence of AccessSite
        Sites that differ only a little in the number of wanted channels are measured once.
    budget_s : float
        Seconds for all measurements. Few rounds are made of each site however small it is.
    cache : TimingCache, optional
        Where times are looked up and kept; the user's cache file if not given. What has been
        measured is kept even if the call is interrupted.
    progress : callable, optional
        Called with the number of the kind of site about to be measured, from 0, and their count.

    Returns
    -------
    list of Calibration
        One per site.

    Raises
    ------
    InputError
        If a site cannot be timed here, or the budget is negative.
    """
    _check_budget(budget_s)
    cache = TimingCache(default_path()) if cache is None else cache
    kinds = dict.fromkeys(site.rounded() for site in sites)
    found = {kind: cache.get(kind) for kind in kinds}
    known = {kind: samples for kind, samples in found.items() if samples is not None}
    missing = [kind for kind in kinds if kind not in known]
    new: dict[AccessSite, list[Sample]] = {}
    try:
        for kind, seconds in _shares(missing, budget_s, progress):
            new[kind] = measure(kind, points_to_fit(kind), budget_s=seconds)
    finally:
        cache.put(new)
    samples = known | new
    fits = {kind: fit_prices(samples[kind]) for kind in kinds}
    return [
        Calibration(site, tuple(samples[kind]), fits[kind], kind in known)
        for site, kind in ((site, site.rounded()) for site in sites)
    ]


def check_sites(
    calibrations: Sequence[Calibration],
    budget_s: float = BUDGET_S,
    progress: Progress | None = None,
) -> list[list[Comparison]]:
    """Measure other points at each site and compare them with what the prices predict.

    Parameters
    ----------
    calibrations : sequence of Calibration
    budget_s : float
        Seconds for all measurements.
    progress : callable, optional
        As for :func:`calibrate_sites`.

    Returns
    -------
    list of list of Comparison
        One list per calibration; sites that were measured together share one.
    """
    _check_budget(budget_s)
    prices = {each.site.rounded(): each.prices for each in calibrations}
    compared: dict[AccessSite, list[Comparison]] = {}
    for kind, seconds in _shares(list(prices), budget_s, progress):
        compared[kind] = [
            Comparison(sample.point, predicted(prices[kind], sample.point), sample.ns)
            for sample in measure(kind, points_to_check(kind), budget_s=seconds)
            if getattr(prices[kind], sample.point.mode) is not None
        ]
    return [compared[each.site.rounded()] for each in calibrations]


def predicted(prices: PriceList, point: Point) -> int:
    """What `prices` say that serving an access at a point costs."""
    options = prices.options(point.channels, point.runs, point.span)
    return next(price for price, mode in options if mode is point.mode)


def _check_budget(budget_s: float) -> None:
    if not budget_s >= 0:
        raise InputError(f"the budget must be a number of seconds from 0, got {budget_s!r}")


def _shares(
    kinds: Sequence[AccessSite], budget_s: float, progress: Progress | None
) -> Iterable[tuple[AccessSite, float]]:
    """Each kind of site with its share of the time that is left when its turn comes."""
    begin = time.perf_counter()
    for number, kind in enumerate(kinds):
        if progress is not None:
            progress(number, len(kinds))
        left = max(0.0, budget_s - (time.perf_counter() - begin))
        yield kind, left / (len(kinds) - number)
