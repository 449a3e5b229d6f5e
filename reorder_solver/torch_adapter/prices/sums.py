"""Sums: which partial ones save time over the layers that write all of their operands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from reorder_solver.torch_adapter.kernels import add_rows
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

_ADD = torch.ops.aten.add.Tensor
_INDEX_ADD = torch.ops.aten.index_add.default
#: Rows kept are rounded up to this share of all.
_LEVELS = 8
_CACHED = "partial sum of {} rows"


def slower_sums(
    sites: Sequence[tuple[AccessSite, int]],
    budget_s: float = 20.0,
    cache: TimingCache | None = None,
) -> list[bool]:
    """Measure which partial sums do not save time.

    Parameters
    ----------
    sites : sequence of (AccessSite, int)
        The layer that writes the operand, with all its rows, and how many of them are kept: at
        least one.
    budget_s : float
        Seconds for all measurements; few rounds are made in any case.
    cache : TimingCache, optional
        Where times are looked up and kept; the user's cache file if not given.

    Returns
    -------
    list of bool
        One per site.
    """
    counts = [_rounded(kept, site.out_channels) for site, kept in sites]
    rows = {_CACHED.format(count): count for count in counts}
    kinds = [
        (site.rounded(), _CACHED.format(count))
        for (site, _), count in zip(sites, counts, strict=True)
    ]

    def measured(site: AccessSite, what: str, budget_s: float) -> Sample:
        return _measured(site, rows[what], budget_s)

    return [excess > 0 for excess in measured_once(kinds, measured, budget_s, cache)]


def _rounded(kept: int, rows: int) -> int:
    """Rows whose timings stand for these."""
    return -(-_LEVELS * kept // rows) * rows // _LEVELS


def _measured(site: AccessSite, kept: int, budget_s: float) -> Sample:
    """How much longer fewer rows and a partial sum take than they may, in turn with all rows."""
    point = view_of(site.channels)
    with ready_to_time(site):
        every = Workbench(site).serving(point)
        few = Workbench(replace(site, out_channels=kept)).serving(point)
        stream = torch.ones_like(every())
        axis = site.axis
        index = torch.from_numpy(np.arange(kept) * site.out_channels // kept)
        index = index.to(stream.device)

        def partial() -> object:
            if site.is_last:
                inner = [stream.shape[other] for other in range(1, stream.ndim) if other != axis]
                return add_rows(stream, axis, index, few(), inner)
            return _INDEX_ADD(stream, axis, index, few())

        partly, wholly = least_times(site, [partial, lambda: _ADD(stream, every())], budget_s)
    return Sample(point, partly + LEAST_GAIN - wholly)
