"""Covering by enumeration against brute force, and added constraints on the way."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from formulations.covering import Covering
from formulations.enumeration import Enumeration, can_enumerate, solve_by_enumeration
from formulations.hitting_set import solve_cpsat


def _random(rng: np.random.Generator, items: int, count: int) -> Covering:
    constraints = []
    for _ in range(count):
        size = int(rng.integers(1, min(items, 6) + 1))
        members = tuple(sorted(rng.choice(items, size=size, replace=False).tolist()))
        allowed = int(rng.choice([0, 1, 2, 2, 2, 3, 4], p=[0.05, 0.1, 0.2, 0.2, 0.2, 0.15, 0.1]))
        constraints.append((members, max(0, size - allowed)))
    weights = tuple(rng.integers(0, 6, size=items).tolist())
    return Covering(weights, tuple(constraints))


def _optimum(model: Covering) -> int:
    items = range(len(model.weights))
    return min(
        model.cost(chosen)
        for count in range(len(items) + 1)
        for chosen in combinations(items, count)
        if model.is_covered(chosen)
    )


def test_against_brute_force() -> None:
    """Demands of every kind, on up to nine items."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        model = _random(rng, int(rng.integers(1, 10)), int(rng.integers(0, 14)))
        solution = solve_by_enumeration(model)
        assert solution.chosen is not None
        assert model.is_covered(solution.chosen)
        assert model.cost(solution.chosen) == solution.value == _optimum(model)
        assert solution.is_optimal


def test_over_several_words() -> None:
    """With more than 64 items and most triples forbidden, it agrees with CP-SAT."""
    rng = np.random.default_rng(1)
    items = 80
    constraints = [
        (tuple(sorted(rng.choice(items, size=30, replace=False).tolist())), 28) for _ in range(60)
    ]
    weights = tuple(rng.integers(1, 9, size=items).tolist())
    model = Covering(weights, tuple(constraints))
    assert solve_by_enumeration(model).value == solve_cpsat(model).value


def test_refused_covers() -> None:
    """Constraints that come one at a time, when they are broken, lead to the same optimum."""
    refused = 0
    for seed in range(150):
        rng = np.random.default_rng([7, seed])
        model = _random(rng, int(rng.integers(3, 10)), 12)
        early, late = model.constraints[:5], model.constraints[5:]
        whole = Covering(model.weights, early + late)
        search = Enumeration(Covering(model.weights, early), sum(model.weights) + 1)
        best = sum(model.weights)
        while not search.is_exhausted:
            left_out = search.advance(3)
            if left_out is None:
                continue
            chosen = set(range(len(model.weights))).difference(left_out)
            broken = [pair for pair in late if len(chosen & set(pair[0])) < pair[1]]
            if broken:
                refused += 1
                search.refuse(broken[:1])
            else:
                best = min(best, whole.cost(chosen))
                search.accept(best)
        assert best == _optimum(whole)
    assert refused > 30


def test_limits() -> None:
    """What does not fit into the kernel is refused, and no time gives no wrong claim."""
    assert not can_enumerate(Covering((1,) * 257, ()))
    assert not can_enumerate(Covering((2**62,), ()))
    with pytest.raises(ValueError, match="enumerate"):
        Enumeration(Covering((2**62,), ()), 1)
    ring = Covering((1,) * 9, tuple(((i, (i + 1) % 9), 1) for i in range(9)))
    hurried = solve_by_enumeration(ring, time_limit=0.0)
    assert hurried.lower_bound <= 5
    assert solve_by_enumeration(ring).value == 5
