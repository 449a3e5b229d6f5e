"""The exact windows formulation and the bounds, against trying everything."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from window_examples import best_value, drawn_model

from formulations.windows import (
    IntArray,
    WindowsAccess,
    WindowsModel,
    WindowsSolution,
    solve_cpsat,
)
from formulations.windows_bound import upper_bound, ways_to_overlap

pytest.importorskip("ortools")


def _check_solution(model: WindowsModel, found: WindowsSolution) -> None:
    """The solution keeps every rule, worked out from order and selection alone."""
    live: list[set[int]] = [
        set(range(size)) if fixed else set()
        for size, fixed in zip(model.channels, model.fixed, strict=True)
    ]
    for access, chosen in zip(model.accesses, found.selected, strict=True):
        for (t, _), channels in zip(access.parts, chosen, strict=True):
            live[t] |= set(channels.tolist())
    for t, order in enumerate(found.orders):
        assert sorted(order.tolist()) == list(range(model.channels[t]))
        if model.fixed[t]:
            assert order.tolist() == sorted(order.tolist())
        else:
            assert len(live[t]) <= model.live_limits[t]
    spent = [0] * len(model.limits)
    value = 0
    for access, chosen, pays in zip(model.accesses, found.selected, found.gathered, strict=True):
        line = [
            channel in set(channels.tolist())
            for (t, _), channels in zip(access.parts, chosen, strict=True)
            for channel in found.orders[t].tolist()
            if channel in live[t]
        ]
        width = sum(line)
        assert access.minimum <= width <= access.maximum
        runs = line[:1].count(True) + sum(after and not now for now, after in pairwise(line))
        assert runs <= 1 or pays
        spent[access.budget] += access.cost * width
        if pays:
            assert access.gather is not None
            spent[access.budget] += access.gather[0] + access.gather[1] * width
        for (_, scores), channels in zip(access.parts, chosen, strict=True):
            value += int(scores[channels].sum())
    for charge, alive in zip(model.live_charges, live, strict=True):
        if charge is not None:
            spent[charge[0]] += charge[1] * len(alive)
    assert all(units <= limit for units, limit in zip(spent, model.limits, strict=True))
    assert value == found.value


def _check(seed: int) -> None:
    model = drawn_model(seed)
    best = best_value(model)
    bounds = [upper_bound(model, group=group) for group in (1, 2, 3, 4)]
    if best is not None:
        assert all(bound >= best for bound in bounds), (best, bounds)
    found = solve_cpsat(model, upper_bound=min(bounds), seed=seed)
    assert found.value == best
    if best is not None:
        assert found.is_optimal
        _check_solution(model, found)
        again = solve_cpsat(model, start=found)
        assert again.value == again.upper_bound == best


@pytest.mark.parametrize("seed", range(40))
def test_small_models(seed: int) -> None:
    """Optimum, rules and bounds of models with every feature."""
    _check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40, 540))
def test_many_small_models(seed: int) -> None:
    """The same for five hundred more."""
    _check(seed)


def _plain(scores: IntArray, width: int) -> WindowsModel:
    accesses = tuple(
        WindowsAccess(((0, row.astype(np.int64)),), index) for index, row in enumerate(scores)
    )
    size = scores.shape[1]
    return WindowsModel((size,), (False,), (size,), (None,), accesses, (width,) * len(accesses))


def test_three_windows_cannot_have_their_best() -> None:
    """All seven regions inhabited: the group bound sees it, free selections do not."""
    signatures = np.array([[s >> a & 1 for s in range(1, 8)] for a in range(3)])
    model = _plain(signatures, 4)
    found = solve_cpsat(model)
    assert upper_bound(model, group=1) == 12
    assert found.value == upper_bound(model) == 11


@pytest.mark.parametrize("seed", range(20))
def test_bound_of_one_group_is_close(seed: int) -> None:
    """With three accesses the bound is the optimum but for the duality gap: a few channels."""
    random = np.random.RandomState(seed)
    scores = random.randint(0, 100, (3, 7))
    model = _plain(scores, 3)
    found = solve_cpsat(model, seed=seed)
    assert found.value is not None
    assert found.is_optimal
    bound = upper_bound(model)
    assert found.value <= bound <= upper_bound(model, group=1)
    assert bound - found.value <= 3 * 100


@pytest.mark.parametrize("seed", range(5))
def test_larger_groups_bound_better(seed: int) -> None:
    """On independent scores triples beat single rows, and fours beat triples."""
    random = np.random.RandomState(seed)
    model = _plain(random.randint(0, 1000, (6, 48)), 24)
    bounds = [upper_bound(model, group=group) for group in (1, 3, 4)]
    assert bounds[0] > bounds[1] > bounds[2]


def test_live_limit_of_the_width_is_constrained_pruning() -> None:
    """With as many live channels as a window has, all select the same channels."""
    random = np.random.RandomState(3)
    scores = random.randint(0, 100, (4, 40)).astype(np.int64)
    model = _plain(scores, 10)
    model = WindowsModel(
        model.channels, model.fixed, (10,), model.live_charges, model.accesses, model.limits
    )
    same = int(np.sort(scores.sum(axis=0))[-10:].sum())
    assert same <= upper_bound(model) <= same * 1.02


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3, 1.0])
def test_bound_when_time_runs_out(seconds: float) -> None:
    """However early the search ends, the bound is not below what can be had."""
    random = np.random.RandomState(0)
    scores = random.randint(0, 1000, (6, 30))
    model = _plain(np.sort(scores, axis=1), 15)
    same = int(np.sort(scores, axis=1)[:, -15:].sum())
    found = solve_cpsat(model, time_limit=seconds)
    assert found.upper_bound is not None
    assert found.upper_bound >= same
    assert found.value is None or found.value <= same


def test_ways_to_overlap() -> None:
    """Two intervals overlap in any way; of three, one pair or one single is always missing."""
    assert ways_to_overlap(2) == ((1, 2, 3),)
    for way in ways_to_overlap(3):
        assert len(way) < 7
        pairs, singles = {3, 5, 6} - set(way), {1, 2, 4} - set(way)
        assert pairs
        assert singles or 7 not in way


def test_bad_arguments() -> None:
    """Groups of five and no threads are refused."""
    model = _plain(np.ones((2, 3), dtype=np.int64), 1)
    with pytest.raises(ValueError, match="1 to 4"):
        upper_bound(model, group=5)
    with pytest.raises(ValueError, match="threads"):
        solve_cpsat(model, threads=0)
