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
        The layer that writes the operand, with all its rows, and how many of them are kept.
    budget_s : float
        Seconds for all measurements; few rounds are made in any case.
    cache : TimingCache, optional
        Where times are looked up and kept; the user's cache file if not given.

    Returns
    -------
    list of bool
        One per site.
    """
    kinds = [
        (site.rounded(), _CACHED.format(_rounded(kept, site.out_channels))) for site, kept in sites
    ]
    return [excess > 0 for excess in measured_once(kinds, _measured, budget_s, cache)]


def _rounded(kept: int, rows: int) -> int:
    """Rows whose timings stand for these."""
    return -(-_LEVELS * kept // rows) * rows // _LEVELS


def _measured(site: AccessSite, what: str, budget_s: float) -> Sample:
    """How much longer fewer rows and a partial sum take than they may, in turn with all rows."""
    kept = int("".join(letter for letter in what if letter.isdigit()))
    point = view_of(site.channels)
    with ready_to_time(site):
        every = Workbench(site).serving(point)
        few = Workbench(replace(site, out_channels=max(1, kept))).serving(point)
        stream = torch.ones_like(every())
        axis = site.axis
        index = torch.from_numpy(np.arange(max(1, kept)) * site.out_channels // max(1, kept))
        index = index.to(stream.device)

        def partial() -> torch.Tensor:
            if site.is_last:
                inner = [stream.shape[other] for other in range(1, stream.ndim) if other != axis]
                return add_rows(stream, axis, index, few(), inner)  # type: ignore[no-any-return]
            return _INDEX_ADD(stream, axis, index, few())  # type: ignore[no-any-return]

        partly, wholly = least_times(site, [partial, lambda: _ADD(stream, every())], budget_s)
    return Sample(point, partly + LEAST_GAIN - wholly)
