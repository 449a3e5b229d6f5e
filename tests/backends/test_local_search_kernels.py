"""The kernels' incremental arithmetic against full recomputation, and what they work on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from local_search_problems import (
    HUGE,
    feasible_problems,
    one_tensor,
    random_orders,
)

from reorder_solver import PriceList
from reorder_solver.backends.search.build import build, orders_of
from reorder_solver.backends.search.coefficients import NEVER, coefficients
from reorder_solver.backends.search.iterate import begin, go_back, keep
from reorder_solver.backends.search.jit import entry
from reorder_solver.backends.search.moves import change_of_cost, make_move
from reorder_solver.backends.search.perturb import draw
from reorder_solver.backends.search.words import WORD_BITS, pack

if TYPE_CHECKING:
    from reorder_solver.backends.search.arrays import Arrays
    from reorder_solver.presolve import Problem


@entry
def wander(data: Arrays, moves: int, keep_after: int) -> int:
    """Make random moves, some of which are undone; counts those whose cost was foretold wrongly."""
    wrong = 0
    for number in range(moves):
        tensor = draw(data, data.tensors.size - 1)
        classes = data.tensors[tensor].classes
        if not data.tensors[tensor].movable:
            continue
        low = 1 + draw(data, classes)
        cut = low + draw(data, classes - low + 1)
        high = cut + draw(data, classes - cut + 1)
        shape = draw(data, 8) if cut < high else 2
        before = data.control[0].value
        foretold = change_of_cost(data, tensor, low, cut, high, shape)
        if make_move(data, tensor, low, cut, high, shape):
            wrong += data.control[0].value != before + foretold
        else:
            wrong += foretold < NEVER // 2 or data.control[0].value != before
        if number % keep_after == keep_after - 1:
            keep(data)
        elif number % keep_after == keep_after // 2:
            go_back(data)
    return wrong


def _facts(data: Arrays) -> dict[str, Any]:
    """A copy of everything that follows from the working orders."""
    spanned = np.flatnonzero(data.accesses["spanned"])
    facts = {
        "value": int(data.control["value"][0]),
        "place": data.nodes["place"].tolist(),
        "runs": data.accesses["runs"].tolist(),
        "rise": data.words["rise"].tolist(),
        "fall": data.words["fall"].tolist(),
        "first": data.rows["first"][data.accesses["row_start"][spanned]].tolist(),
        "last": data.rows["last"][data.accesses["row_start"][spanned + 1] - 1].tolist(),
    }
    if spanned.size:
        facts["begin"] = data.nodes["begin"].tolist()
    return facts


@pytest.mark.parametrize("most_classes", [4, 14])
def test_incremental_equals_recomputed(most_classes: int) -> None:
    """After thousands of random moves, all that was kept up to date is what recomputing gives."""
    for problem, start in feasible_problems(31, 60, most_classes, most_layouts=inf):
        data, _ = build(problem, start, seed=1)
        begin(data, 0)
        assert wander(data, 3000, 7) == 0
        kept_up = _facts(data)
        begin(data, 0)
        assert kept_up == _facts(data)


def test_incremental_equals_recomputed_over_many_words() -> None:
    """The same with more rows than a word has bits, of equal and of many different weights."""
    rng = np.random.default_rng(32)
    wide = one_tensor(rng, 40, 150, PriceList(gather=(50, 3), cover=(7,), split=(9,)), tie=1)
    weighted = replace(
        wide,
        accesses=tuple(
            replace(access, prices=(PriceList(split=(int(rng.integers(1, 1000)),)),), tie_weight=0)
            for access in wide.accesses
        ),
    )
    for problem in (wide, weighted):
        data, _ = build(problem, problem.identity(), seed=2)
        begin(data, 0)
        assert wander(data, 5000, 9) == 0
        kept_up = _facts(data)
        begin(data, 0)
        assert kept_up == _facts(data)


def _without_ties(problem: Problem) -> Problem:
    return replace(
        problem, accesses=tuple(replace(access, tie_weight=0) for access in problem.accesses)
    )


def test_values_compare_like_costs() -> None:
    """The kernels' one number puts orders in the sequence that the pair of costs does."""
    rng = np.random.default_rng(33)
    problems = list(feasible_problems(33, 60, 6, most_layouts=inf))
    untied = [(_without_ties(problem), start) for problem, start in problems]
    for problem, start in problems + untied:
        found = []
        for orders in [start, *(random_orders(rng, problem) for _ in range(10))]:
            cost = problem.cost(orders)
            if cost.violated == 0:
                data, exact = build(problem, orders, seed=0)
                assert exact
                begin(data, 0)
                found.append((cost, int(data.control["value"][0] // data.control["unit"][0])))
        found.sort()
        for (cost, value), (next_cost, next_value) in pairwise(found):
            assert (value < next_value) == (cost < next_cost)


def test_huge_prices_are_scaled() -> None:
    """A common factor is divided out; what is still too large is rounded, never overflows."""
    rng = np.random.default_rng(34)
    even = one_tensor(rng, 9, 5, PriceList(gather=(3 * HUGE, HUGE)), tie=HUGE)
    assert build(even, even.identity(), seed=0)[1]
    odd = one_tensor(rng, 9, 5, PriceList(gather=(3 * HUGE + 1, HUGE), cover=(HUGE - 1,)), tie=1)
    scaled = coefficients(odd)
    assert not scaled.exact
    assert sum(terms.worst() for terms in scaled.terms) < NEVER


def test_build_keeps_orders() -> None:
    """Orders go into slots and come back."""
    rng = np.random.default_rng(35)
    for problem, _ in feasible_problems(35, 20):
        orders = random_orders(rng, problem)
        data, _ = build(problem, orders, seed=0)
        for one, other in zip(orders_of(data, data.order), orders, strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("most", [0, 1, 3, 10**6])
def test_packed_weights_add_up(most: int) -> None:
    """The weights of the words that hold a row add up to the row's; none is left out."""
    rng = np.random.default_rng(36)
    weights = rng.integers(0, most + 1, size=200).tolist()
    words = pack(weights)
    assert all(0 < len(word.rows) <= WORD_BITS for word in words)
    for row, weight in enumerate(weights):
        holding = [word.weight for word in words if row in word.rows]
        assert holding
        assert sum(holding) == weight
    assert len(words) <= 200
