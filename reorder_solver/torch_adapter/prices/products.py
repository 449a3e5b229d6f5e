"""Products: which are faster than the convolutions that they stand for, which copy their slices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reorder_solver.torch_adapter.prices.contest import (
    LEAST_GAIN,
    least_times,
    measured_once,
    ready_to_time,
)
from reorder_solver.torch_adapter.prices.measure import Sample
from reorder_solver.torch_adapter.prices.variants import Workbench, view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.torch_adapter.prices.cache import TimingCache
    from reorder_solver.torch_adapter.prices.site import AccessSite

#: Of the cache, beside what prices are made from.
_CACHED = "product"


def slower_products(
    sites: Sequence[AccessSite], budget_s: float = 20.0, cache: TimingCache | None = None
) -> list[bool]:
    """Measure which products of matrices do not save time where convolutions would copy slices.

    Parameters
    ----------
    sites : sequence of AccessSite
        Whose slices are read by a product.
    budget_s : float
        Seconds for all measurements; few rounds are made in any case.
    cache : TimingCache, optional
        Where times are looked up and kept; the user's cache file if not given.

    Returns
    -------
    list of bool
        One per site.
    """
    kinds = [(site.rounded(), _CACHED) for site in sites]
    return [excess > 0 for excess in measured_once(kinds, _measured, budget_s, cache)]


def _measured(site: AccessSite, what: str, budget_s: float) -> Sample:
    """How much longer the product takes than it may, in turn with the convolution."""
    del what
    point = view_of(site.channels)
    with ready_to_time(site):
        benches = [Workbench(site), Workbench(replace(site, multiplied=False))]
        product, convolution = least_times(
            site, [bench.serving(point) for bench in benches], budget_s
        )
    return Sample(point, product + LEAST_GAIN - convolution)
