"""Prices: what serving an access costs on this machine, in nanoseconds, from timing it."""

from __future__ import annotations

from reorder_solver.torch_adapter.prices.cache import TimingCache, TimingCacheWarning, default_path
from reorder_solver.torch_adapter.prices.calibration import (
    BUDGET_S,
    Calibration,
    Comparison,
    calibrate_sites,
    check_sites,
    price_sites,
)
from reorder_solver.torch_adapter.prices.extraction import sites_of
from reorder_solver.torch_adapter.prices.fit import Fit, fit_prices
from reorder_solver.torch_adapter.prices.measure import Sample, measure
from reorder_solver.torch_adapter.prices.products import slower_products
from reorder_solver.torch_adapter.prices.site import AccessSite
from reorder_solver.torch_adapter.prices.sums import slower_sums
from reorder_solver.torch_adapter.prices.variants import Point

__all__ = [
    "BUDGET_S",
    "AccessSite",
    "Calibration",
    "Comparison",
    "Fit",
    "Point",
    "Sample",
    "TimingCache",
    "TimingCacheWarning",
    "calibrate_sites",
    "check_sites",
    "default_path",
    "fit_prices",
    "measure",
    "price_sites",
    "sites_of",
    "slower_products",
    "slower_sums",
]
