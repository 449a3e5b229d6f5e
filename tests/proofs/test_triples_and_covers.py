"""The checker's tools: conflicting triples, rows of views, and bounds on covers."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_instances import random_instance

import reorder_solver as rs
from reorder_solver.consecutive_ones import PQTree
from reorder_solver.core.proof import ViewsPart
from reorder_solver.presolve import ViewSet, compile_problem
from reorder_solver.proofs import covering
from reorder_solver.proofs.covering import check_covering
from reorder_solver.proofs.groups import Groups
from reorder_solver.proofs.triples import unproven_triples
from reorder_solver.proofs.views import ViewConditions, check_views

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize("width", [3, 8, 64, 65, 300])
@pytest.mark.parametrize("density", [0.2, 0.5, 0.9])
def test_triples_are_those_that_the_tree_rejects(width: int, density: float) -> None:
    """Three rows conflict exactly if no order of the columns makes them consecutive."""
    rng = np.random.default_rng([width, int(10 * density)])
    rows = rng.random((9, width)) < density
    # Some with structure, which fit together more often.
    rows[:3] = [np.arange(width) < width // 2, np.arange(width) % 2 < 1, rows[3] & rows[4]]
    named = {"x": {number: np.flatnonzero(row) for number, row in enumerate(rows)}}
    found = unproven_triples(len(rows), named, {"x": width}, 10**6)

    def fits(three: Sequence[int]) -> bool:
        tree = PQTree(width)
        return all(tree.reduce(np.flatnonzero(rows[each])) for each in three)

    assert found == [three for three in combinations(range(len(rows)), 3) if fits(three)]


def test_triples_give_up_beyond_the_limit() -> None:
    """More open triples than the limit are not listed."""
    rows = {"x": {number: np.array([number]) for number in range(6)}}
    assert unproven_triples(6, rows, {"x": 6}, 19) is None
    assert len(unproven_triples(6, rows, {"x": 6}, 20) or []) == 20


def test_triples_may_conflict_on_any_tensor() -> None:
    """A row that an access lacks on one tensor leaves the triple to another."""
    cycle = {0: np.array([0, 1]), 1: np.array([1, 2]), 2: np.array([0, 2])}
    part = {0: np.array([0]), 2: np.array([1])}
    assert unproven_triples(3, {"x": part, "y": cycle}, {"x": 3, "y": 3}, 9) == []
    assert unproven_triples(3, {"x": part}, {"x": 3}, 9) == [(0, 1, 2)]


@pytest.mark.parametrize("seed", range(40))
def test_conditions_for_views_are_those_of_the_solver(seed: int) -> None:
    """Two translations into rows, made apart, agree on which accesses fit together."""
    instance = random_instance(np.random.default_rng([11, seed]))
    problem = compile_problem(instance, rs.Objective.COPIES).problem
    groups = Groups(instance, rs.Objective.COPIES)
    conditions = ViewConditions(groups)
    required = [number for number, access in enumerate(instance.accesses) if access.required]
    base = ViewSet(problem)
    if not all(base.add(number) for number in required):
        return
    for size in range(1, len(instance.accesses) + 1):
        for chosen in combinations(range(len(instance.accesses)), size):
            views = base.copy()
            fits = all(views.add(number) for number in chosen)
            names = [instance.accesses[number].id for number in chosen]
            members = [groups.all[groups.number(name)] for name in names]
            # The checker's base counts on the tensors of the members alone; so is no conflict lost.
            assert conditions.conflict(members) == (not fits)


constraints = st.lists(
    st.sets(st.integers(0, 5), min_size=1, max_size=5).flatmap(
        lambda members: st.tuples(st.just(tuple(sorted(members))), st.integers(1, len(members)))
    ),
    min_size=1,
    max_size=6,
)


@given(
    weights=st.lists(st.integers(0, 9) | st.integers(0, 10**30), min_size=6, max_size=6),
    constraints=constraints,
)
@settings(deadline=None)
def test_covers_are_bounded_exactly(
    weights: list[int], constraints: list[tuple[tuple[int, ...], int]]
) -> None:
    """The optimum passes, one more does not."""
    best = _cheapest(weights, constraints)
    check_covering(weights, constraints, best, prefers_cpsat=False)
    with pytest.raises(rs.VerificationError, match="claims"):
        check_covering(weights, constraints, best + 1, prefers_cpsat=False)


def _cheapest(weights: list[int], constraints: list[tuple[tuple[int, ...], int]]) -> int:
    items = range(len(weights))
    return min(
        sum(weights[item] for item in chosen)
        for size in range(len(weights) + 1)
        for chosen in combinations(items, size)
        if all(len(set(members) & set(chosen)) >= demand for members, demand in constraints)
    )


@pytest.mark.parametrize("prefers_cpsat", [True, False])
def test_engines_settle_what_cases_do_not(
    prefers_cpsat: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where too many cases are open, an engine decides, and decides right."""
    monkeypatch.setattr(covering, "MOST_CASES", 1)
    triangle = [((0, 1), 1), ((1, 2), 1), ((0, 2), 1)]
    weights = [3, 3, 4]
    check_covering(weights, triangle, 6, prefers_cpsat=prefers_cpsat)
    with pytest.raises(rs.VerificationError, match="will do"):
        check_covering(weights, triangle, 7, prefers_cpsat=prefers_cpsat)
    fano = [((i, (i + 1) % 7, (i + 3) % 7), 1) for i in range(7)]
    check_covering([1] * 7, fano, 3, prefers_cpsat=prefers_cpsat)


def _cyclic(count: int) -> rs.Instance:
    """Accesses to neighbours on a circle: all fit but one."""
    return rs.Instance(
        "circle",
        [rs.Tensor("x", count)],
        [
            rs.Access(f"a{each}", [rs.Part("x", [each, (each + 1) % count])])
            for each in range(count)
        ],
    )


def test_long_conflicts_are_tested() -> None:
    """A circle conflicts as a whole, and no part of it does."""
    instance = _cyclic(12)
    names = tuple(access.id for access in instance.accesses)
    groups = Groups(instance, rs.Objective.COPIES)
    check_views(ViewsPart(((names, 1),), 1), groups, set(), prefers_cpsat=False)
    with pytest.raises(rs.VerificationError, match="can be views together"):
        check_views(ViewsPart(((names, 2),), 2), groups, set(), prefers_cpsat=False)


def test_too_many_sets_are_refused() -> None:
    """A claim about more sets than can be tested proves nothing."""
    instance = _cyclic(40)
    names = tuple(access.id for access in instance.accesses)
    groups = Groups(instance, rs.Objective.COPIES)
    with pytest.raises(rs.VerificationError, match="too many to test"):
        check_views(ViewsPart(((names, 20),), 20), groups, set(), prefers_cpsat=False)
    with pytest.raises(rs.VerificationError, match="can be views together"):
        check_views(ViewsPart(((names, 38),), 38), groups, set(), prefers_cpsat=False)


@pytest.mark.slow
def test_hundreds_of_accesses_are_tested() -> None:
    """All triples of 512 unstructured masks of 16384 channels conflict, and that is shown."""
    rng = np.random.default_rng(0)
    accesses = [
        rs.Access(f"a{number}", [rs.Part("x", np.flatnonzero(rng.random(16384) < 0.5))])
        for number in range(512)
    ]
    groups = Groups(rs.Instance("", [rs.Tensor("x", 16384)], accesses), rs.Objective.COPIES)
    names = tuple(access.id for access in accesses)
    check_views(ViewsPart(((names, 510),), 510), groups, set(), prefers_cpsat=False)
    with pytest.raises(rs.VerificationError, match="will do"):
        check_views(ViewsPart(((names, 510),), 511), groups, set(), prefers_cpsat=False)
