"""Measure: what serving an access costs beyond a view, in nanoseconds."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from reorder_solver.core.errors import InputError
from reorder_solver.core.prices import Mode
from reorder_solver.torch_adapter.prices.variants import Point, Workbench, view_of
from reorder_solver.torch_adapter.timing import steady_clock, threads_set_to, timed_in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from reorder_solver.torch_adapter.prices.site import AccessSite

#: Copies take microseconds: as many rounds as are worth having.
_COPY_ROUNDS = 30
#: Operators take milliseconds.
_OPERATOR_ROUNDS = 12
_LEAST_ROUNDS = 4
_COPIES = (Mode.GATHER, Mode.CAT)
_RUNS = (2, 4, 8)


@dataclass(frozen=True, slots=True)
class Sample:
    """A point and its time.

    Attributes
    ----------
    point : Point
    ns : float
        More than a view of as many channels takes; may be negative.
    """

    point: Point
    ns: float


def points_to_fit(site: AccessSite) -> list[Point]:
    """Where to measure so that the prices of all modes follow, for about the channels wanted."""
    stored, most = site.stored, site.channels
    half = max(1, most // 2)
    found = [Point(Mode.GATHER, n, n, n) for n in {half, most}]
    found += [Point(Mode.CAT, most, r, most) for r in _RUNS if r <= most]
    found += [Point(Mode.CAT, half, r, half) for r in (4 if half >= 4 else 2,) if r <= half]
    if site.has_operator:
        wide = min(stored, 2 * most)
        spans = {(half, most), (half, wide), (most, wide)}
        found += [Point(Mode.COVER, n, 2, s) for n, s in spans if n < s]
        found += [Point(Mode.SPLIT, most, r, most) for r in (2, 4) if r <= most]
    return sorted(found)


def points_to_check(site: AccessSite) -> list[Point]:
    """Other points, to compare predictions with."""
    stored, n = site.stored, max(1, 3 * site.channels // 4)
    found = [Point(Mode.GATHER, n, n, n)]
    found += [Point(Mode.CAT, n, r, n) for r in (3, 6) if r <= n]
    if site.has_operator:
        spans = {n + max(1, n // 4), (n + min(stored, 2 * n)) // 2}
        found += [Point(Mode.COVER, n, 2, s) for s in spans if n < s <= stored]
        found += [Point(Mode.SPLIT, n, r, n) for r in (3,) if r <= n]
    return sorted(found)


def measure(site: AccessSite, points: Sequence[Point], *, budget_s: float) -> list[Sample]:
    """Time serving an access at each point, and views of as many channels, in turn.

    Parameters
    ----------
    site : AccessSite
    points : sequence of Point
    budget_s : float
        No round is begun later than this, once there are 4.

    Returns
    -------
    list of Sample
        Differences between the shortest times seen: what disturbs a measurement makes it longer.

    Raises
    ------
    InputError
        If the device is not there, or cannot run the operator in this type.
    """
    begin = time.perf_counter()
    copies = [point for point in points if point.mode in _COPIES]
    others = [point for point in points if point.mode not in _COPIES]
    with threads_set_to(site.threads), torch.inference_mode(), raising_input_errors(site):
        bench = Workbench(site)
        found = _differences(site, copies, bench.copying, _COPY_ROUNDS, budget_s)
        left = budget_s - (time.perf_counter() - begin)
        found |= _differences(site, others, bench.serving, _OPERATOR_ROUNDS, left)
        found |= _at_least_the_additions(site, found, bench)
    return [Sample(point, found[point]) for point in points]


@contextmanager
def raising_input_errors(site: AccessSite) -> Iterator[None]:
    """Say which site cannot be timed, where PyTorch cannot run it."""
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        # PyTorch says so if it was built without a device, or has no kernel for a type.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"cannot be timed: {reason}", source=f"site {site.operator} {site.shape}"
        ) from None


def _at_least_the_additions(
    site: AccessSite, found: Mapping[Point, float], bench: Workbench
) -> dict[Point, float]:
    """Times of splits, none below that of its additions.

    They are differences of much longer times: noise must not make a split seem free.
    """
    splits = [point for point in found if point.mode is Mode.SPLIT]
    if not splits:
        return {}
    device = torch.device(site.device)
    clock = steady_clock(site.threads, device)
    times = timed_in_turn([bench.adding()], _COPY_ROUNDS, clock=clock, device=device)
    each = float(times.min())
    return {point: max(found[point], (point.runs - 1) * each) for point in splits}


def _differences(
    site: AccessSite,
    points: Sequence[Point],
    task: Callable[[Point], Callable[[], object]],
    rounds: int,
    budget_s: float,
) -> dict[Point, float]:
    """Per point how much longer its task takes than that of a view of as many channels."""
    everything = sorted({*points, *(view_of(point.channels) for point in points)})
    device = torch.device(site.device)
    times = timed_in_turn(
        [task(point) for point in everything],
        rounds,
        clock=steady_clock(site.threads, device),
        device=device,
        budget_s=budget_s,
        least_rounds=_LEAST_ROUNDS,
    )
    shortest = dict(zip(everything, times.min(axis=0).tolist(), strict=True))
    return {point: shortest[point] - shortest[view_of(point.channels)] for point in points}
