"""Walks from tensor to tensor, against all orders."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from reorder_solver import Access, Instance, Objective, Part, PriceList, Tensor
from reorder_solver.backends.dynamic.anatomy import Anatomy
from reorder_solver.backends.modes import stages as stages_module
from reorder_solver.backends.modes import walk_kernels
from reorder_solver.backends.modes.walks import Chart, Priced, Walk, use_kernels
from reorder_solver.core.limits import Deadline
from reorder_solver.presolve import Problem, compile_problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.presolve import Orders

FOREVER = Deadline(None)
HIGH = 1 << 40


def problem_of(
    parts: Sequence[Sequence[tuple[int, Sequence[int]]]],
    sizes: Sequence[Sequence[int]],
    fixed: Sequence[bool],
) -> Problem:
    """A problem whose classes are those given: nothing is presolved."""
    prices = PriceList(gather=(900, 1), split=(5,))
    accesses = [
        Access(f"a{number}", [Part(f"t{t}", classes) for t, classes in each], prices=prices)
        for number, each in enumerate(parts)
        if any(classes for _, classes in each)
    ]
    tensors = [
        Tensor(f"t{number}", len(each), fixed=is_fixed)
        for number, (each, is_fixed) in enumerate(zip(sizes, fixed, strict=True))
    ]
    problem = compile_problem(Instance("walk", tensors, accesses), Objective.LATENCY).problem
    weights = tuple(np.array(each, dtype=np.int64) for each in sizes)
    return replace(
        problem,
        sizes=weights,
        accesses=tuple(
            replace(each, channels=int(sum(weights[t][wanted].sum() for t, wanted in each.parts)))
            for each in problem.accesses
        ),
    )


def drawn(seed: int, *, in_a_row: bool) -> tuple[Problem, list[Priced], list[Priced]]:
    """Accesses to two or three tensors, some of which pay for runs and some for spans."""
    rng = np.random.default_rng([91, seed, in_a_row])
    tensors = int(rng.integers(1, 4))
    widths = rng.integers(2, 6 if tensors < 2 else 5 if tensors < 3 else 4, size=tensors)
    sizes = [rng.integers(1, 4, size=width).tolist() for width in widths]
    parts = []
    for _ in range(int(rng.integers(2, 6))):
        if in_a_row:
            first = int(rng.integers(0, tensors))
            met = list(range(first, int(rng.integers(first + 1, tensors + 1))))
        else:
            met = rng.permutation(tensors)[: int(rng.integers(1, tensors + 1))].tolist()
            if rng.random() < 0.2:
                met.append(met[0])
        parts.append([(t, np.flatnonzero(rng.random(widths[t]) < 0.5).tolist()) for t in met])
    fixed = [bool(rng.random() < 0.1) for _ in range(tensors)]
    problem = problem_of(parts, sizes, fixed)
    runners, covers = [], []
    for number in range(len(problem.accesses)):
        pick = rng.random()
        if pick < 0.5:
            runners.append(Priced(number, int(rng.choice([3, 7, 7, 20]))))
        elif pick < 0.9:
            covers.append(Priced(number, int(rng.integers(1, 6))))
    # Where nothing follows, more do not fit into one search.
    return problem, runners[:3], covers[:3]


def paid(
    problem: Problem, runners: Sequence[Priced], covers: Sequence[Priced], orders: Orders
) -> int:
    """For runs, and for what is spanned beside the certain part of it."""
    facts = problem.facts(orders)
    anatomy = Anatomy.of(problem)
    total = 0
    for access, price in runners:
        if anatomy.shapes[access] is not None:
            total += price * facts[access][0]
    for access, price in covers:
        shape = anatomy.shapes[access]
        if shape is not None:
            certain = sum(piece.fixed_gap or 0 for piece in shape.pieces)
            gap = facts[access][1] - problem.accesses[access].channels
            total += price * (gap - certain)
    return total


def every_order(problem: Problem) -> list[Orders]:
    """All of them."""
    each = [
        [tuple(range(sizes.size))] if fixed else list(permutations(range(sizes.size)))
        for sizes, fixed in zip(problem.sizes, problem.fixed, strict=True)
    ]
    return [tuple(np.array(order, dtype=np.int64) for order in orders) for orders in product(*each)]


@pytest.mark.parametrize("seed", range(60))
def test_tensors_in_a_row_are_walked_exactly(seed: int) -> None:
    """The bound is what the best orders cost, and they are found."""
    problem, runners, covers = drawn(seed, in_a_row=True)
    best = min(paid(problem, runners, covers, orders) for orders in every_order(problem))
    walk = Walk(Chart(Anatomy.of(problem)), runners, covers)
    assert walk.least(HIGH, FOREVER) == best
    assert walk.is_exact
    orders = walk.orders(FOREVER)
    assert orders is not None
    assert paid(problem, runners, covers, orders) == best


@pytest.mark.parametrize("seed", range(60))
def test_no_bound_is_above_an_order(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever follows what, with room for few states, without time, and asked for little."""
    problem, runners, covers = drawn(seed, in_a_row=seed % 3 == 0)
    best = min(paid(problem, runners, covers, orders) for orders in every_order(problem))
    whole = Walk(Chart(Anatomy.of(problem)), runners, covers)
    least = whole.least(HIGH, FOREVER)
    assert least == best if whole.is_exact else least <= best
    orders = whole.orders(FOREVER)
    assert orders is None or paid(problem, runners, covers, orders) >= best
    assert whole.least(best // 2, FOREVER) <= best
    assert whole.least(HIGH, Deadline(0)) <= best
    for rooms in ((4,), (16,), (4, 64)):
        monkeypatch.setattr(stages_module, "_ROOMS", rooms)
        narrow = Walk(Chart(Anatomy.of(problem)), runners, covers)
        least = narrow.least(HIGH, FOREVER)
        assert least == best if narrow.is_exact else least <= best
        orders = narrow.orders(FOREVER)
        assert orders is None or paid(problem, runners, covers, orders) >= best


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("count", [5, 6])
def test_more_signatures_than_tables_take_where_a_span_begins(count: int, seed: int) -> None:
    """Five that pay for runs, and one for a span that goes on; six, and none."""
    rng = np.random.default_rng([93, count, seed])
    wanted = rng.random((count, 4)) < 0.5
    parts = [[(0, np.flatnonzero(each).tolist()), (1, [0])] for each in wanted]
    parts.append([(0, [0]), (1, [1])])
    problem = problem_of(parts, [[1, 2, 1, 3], [1, 1]], [False, False])
    runners = [Priced(number, int(rng.integers(1, 9))) for number in range(count)]
    covers = [Priced(count, 2)] if count == 5 else []
    best = min(paid(problem, runners, covers, orders) for orders in every_order(problem))
    walk = Walk(Chart(Anatomy.of(problem)), runners, covers)
    assert walk.least(HIGH, FOREVER) == best
    assert walk.is_exact
    orders = walk.orders(FOREVER)
    assert orders is not None
    assert paid(problem, runners, covers, orders) == best


@pytest.mark.parametrize("seed", [3, 10, 14])
def test_no_orders_where_keys_are_too_short(seed: int) -> None:
    """Seven slots times sixteen signatures: a bound, and no orders made of cut-off keys."""
    rng = np.random.default_rng([94, seed])
    parts = [[(0, np.flatnonzero(each).tolist())] for each in rng.random((7, 5)) < 0.5]
    problem = problem_of(parts, [rng.integers(1, 4, size=5).tolist()], [False])
    runners = [Priced(number, 7) for number in range(4)]
    covers = [Priced(number, 1) for number in range(4, len(problem.accesses))]
    walk = Walk(Chart(Anatomy.of(problem)), runners, covers)
    least = walk.least(HIGH, FOREVER)
    orders = walk.orders(FOREVER)
    assert orders is None or paid(problem, runners, covers, orders) == least


def test_fewer_covers_where_a_walk_takes_no_more() -> None:
    """What does not fit is left out; the rest is a bound."""
    parts = [[(0, [number, (number + 1) % 8]), (1, [0])] for number in range(8)]
    problem = problem_of(parts, [[1] * 8, [1, 1]], [False, False])
    covers = [Priced(number, 1) for number in range(8)]
    walk = Walk(Chart(Anatomy.of(problem)), [], covers)
    least = walk.least(HIGH, FOREVER)
    rng = np.random.default_rng(92)
    for _ in range(200):
        orders = (rng.permutation(8), rng.permutation(2))
        assert paid(problem, [], covers, orders) >= least
    assert least > 0


def test_warming_up_compiles_what_walks_use() -> None:
    """Any walk after it finds its kernels compiled for the types that it has."""
    use_kernels()
    kernels: list[Any] = [
        *(walk_kernels.fill_tours, walk_kernels.fill_tour, walk_kernels.open_from),
        *(walk_kernels.bound_walks, walk_kernels.walk_sequence),
    ]
    compiled = [list(kernel.signatures) for kernel in kernels]
    assert {len(each) for each in compiled} == {1}
    for seed in range(20):
        problem, runners, covers = drawn(seed, in_a_row=True)
        walk = Walk(Chart(Anatomy.of(problem)), runners, covers)
        walk.least(HIGH, FOREVER)
        walk.orders(FOREVER)
    assert [kernel.signatures for kernel in kernels] == compiled
