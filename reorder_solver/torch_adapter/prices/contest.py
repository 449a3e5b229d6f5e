"""Contest: which of two ways to compute the same is faster at a site, measured once per machine."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from reorder_solver.torch_adapter.prices.cache import TimingCache, default_path
from reorder_solver.torch_adapter.prices.measure import Sample, raising_input_errors
from reorder_solver.torch_adapter.timing import steady_clock, threads_set_to, timed_in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reorder_solver.torch_adapter.prices.site import AccessSite
    from reorder_solver.torch_adapter.timing import Task

_ROUNDS = 30
_LEAST_ROUNDS = 4
#: Nanoseconds that several calls must save over one at least: between other operators, they cost
#: more than they do when nothing else is run.
LEAST_GAIN = 10_000


def measured_once(
    kinds: Sequence[tuple[AccessSite, str]],
    measured: Callable[[AccessSite, str, float], Sample],
    budget_s: float,
    cache: TimingCache | None,
) -> list[float]:
    """The nanoseconds of each kind of thing, measured here or looked up.

    Parameters
    ----------
    kinds : sequence of (AccessSite, str)
        Where it is, and what it is, as the cache calls it; the same may come several times.
    measured : callable
        From both, and the seconds it may take, to a sample.
    budget_s : float
        Seconds for all measurements.
    cache : TimingCache or None
        None for the user's file.
    """
    cache = TimingCache(default_path()) if cache is None else cache
    found = {kind: cache.get(*kind) for kind in dict.fromkeys(kinds)}
    known = {kind: samples for kind, samples in found.items() if samples}
    missing = [kind for kind in found if kind not in known]
    begin = time.perf_counter()
    new: dict[str, dict[AccessSite, list[Sample]]] = defaultdict(dict)
    try:
        for number, (site, what) in enumerate(missing):
            left = max(0.0, budget_s - (time.perf_counter() - begin))
            sample = measured(site, what, left / (len(missing) - number))
            new[what][site] = known[site, what] = [sample]
    finally:
        for what, samples in new.items():
            cache.put(samples, what)
    return [known[kind][0].ns for kind in kinds]


@contextmanager
def ready_to_time(site: AccessSite) -> Iterator[None]:
    """PyTorch as a site wants it to be."""
    with threads_set_to(site.threads), torch.inference_mode(), raising_input_errors(site):
        yield


def least_times(site: AccessSite, tasks: Sequence[Task], budget_s: float) -> list[float]:
    """The least time of each task, in nanoseconds, taken in turn."""
    device = torch.device(site.device)
    times = timed_in_turn(
        tasks,
        _ROUNDS,
        clock=steady_clock(site.threads, device),
        device=device,
        budget_s=budget_s,
        least_rounds=_LEAST_ROUNDS,
    )
    found: list[float] = times.min(axis=0).tolist()
    return found
