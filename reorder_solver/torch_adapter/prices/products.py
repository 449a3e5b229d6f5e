"""Products: which are faster than the convolutions that they stand for, which copy their slices."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from reorder_solver.torch_adapter.prices.cache import TimingCache, default_path
from reorder_solver.torch_adapter.prices.measure import Sample, raising_input_errors
from reorder_solver.torch_adapter.prices.variants import Workbench, view_of
from reorder_solver.torch_adapter.timing import steady_clock, threads_set_to, timed_in_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.torch_adapter.prices.site import AccessSite

_ROUNDS = 30
_LEAST_ROUNDS = 4
#: Nanoseconds that a product must save at least: between other operators, its several calls cost
#: more than they do when nothing else is run.
_LEAST_GAIN = 10_000
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
    cache = TimingCache(default_path()) if cache is None else cache
    kinds = dict.fromkeys(site.rounded() for site in sites)
    found = {kind: cache.get(kind, _CACHED) for kind in kinds}
    known = {kind: samples for kind, samples in found.items() if samples}
    missing = [kind for kind in kinds if kind not in known]
    begin = time.perf_counter()
    new: dict[AccessSite, list[Sample]] = {}
    try:
        for number, kind in enumerate(missing):
            left = max(0.0, budget_s - (time.perf_counter() - begin))
            new[kind] = [_measured(kind, left / (len(missing) - number))]
    finally:
        cache.put(new, _CACHED)
    known |= new
    return [known[site.rounded()][0].ns > 0 for site in sites]


def _measured(site: AccessSite, budget_s: float) -> Sample:
    """How much longer the product takes than it may, in turn with the convolution."""
    point = view_of(site.channels)
    device = torch.device(site.device)
    with threads_set_to(site.threads), torch.inference_mode(), raising_input_errors(site):
        benches = [Workbench(site), Workbench(replace(site, multiplied=False))]
        times = timed_in_turn(
            [bench.serving(point) for bench in benches],
            _ROUNDS,
            clock=steady_clock(site.threads, device),
            device=device,
            budget_s=budget_s,
            least_rounds=_LEAST_ROUNDS,
        )
    product, convolution = times.min(axis=0).tolist()
    return Sample(point, product + _LEAST_GAIN - convolution)
