"""Covering programmes with known optima, and what must hold of any solution."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from formulations.hitting_set import Covering, solve_cpsat, solve_pulp

ENGINES = pytest.mark.parametrize("solve", [solve_cpsat, solve_pulp], ids=["cpsat", "pulp"])
WEIGHTS = {
    "small": lambda rng: rng.randint(1, 20),
    "equal": lambda _: 1,
    "zeros": lambda rng: rng.choice([0, 0, 1, 2, 5]),
    "bytes": lambda rng: 784 * rng.randint(1, 300),
    "around a large number": lambda rng: 2**22 - rng.randint(0, 3),
}


def brute_force(model):
    """The optimum over all subsets of the items."""
    tests = [(sum(1 << item for item in members), demand) for members, demand in model.constraints]
    return min(
        model.cost(item for item in range(len(model.weights)) if subset >> item & 1)
        for subset in range(1 << len(model.weights))
        if all((subset & members).bit_count() >= demand for members, demand in tests)
    )


def random_model(rng, weight, *, n_items=None):
    """Small constraints over few items: the greedy cover is often not optimal."""
    n = rng.randint(6, 10) if n_items is None else n_items
    constraints = []
    for _ in range(rng.randint(n, 2 * n)):
        members = tuple(rng.sample(range(n), rng.choice([2, 2, 3, 3, min(6, n)])))
        demand = rng.choice([1, 1, 1, 2, len(members) - 2]) if len(members) > 2 else 1
        constraints.append((members, demand))
    return Covering(tuple(weight(rng) for _ in range(n)), tuple(constraints))


def check_solution(model, solution):
    """The facts of a solution that can be checked by themselves."""
    assert solution.chosen == tuple(sorted(set(solution.chosen)))
    assert model.is_covered(solution.chosen)
    assert type(solution.value) is int
    assert solution.value == model.cost(solution.chosen)
    assert 0 <= solution.lower_bound <= solution.value
    assert solution.is_optimal == (solution.value == solution.lower_bound)


def affine_lines(dimension, weight=1):
    """Hit all lines of the affine space over three elements, as cap sets leave them.

    The largest sets without a line have 4, 9, 20 and 45 points in dimensions 2 to 5 (Edel et al.
    2002), so that 5, 18, 61 and 198 points hit all lines. Hard for their size.
    """
    points = list(product(range(3), repeat=dimension))
    number = {point: index for index, point in enumerate(points)}
    lines = {
        frozenset(
            (number[a], number[b], number[tuple(-(x + y) % 3 for x, y in zip(a, b, strict=True))])
        )
        for a, b in combinations(points, 2)
    }
    constraints = sorted((tuple(sorted(line)), 1) for line in lines)
    return Covering((weight,) * len(points), tuple(constraints))


def ring(n=9):
    """A weighted odd cycle: neither greedy nor dual bound settles it; the optimum is 15."""
    return Covering((3,) * n, tuple(((item, (item + 1) % n), 1) for item in range(n)))
