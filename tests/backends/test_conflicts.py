"""No-goods: what is called a conflict is one, and minimal."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from random_instances import random_instance

from reorder_solver import Access, Instance, Objective, Part, Tensor
from reorder_solver.backends.conflicts import (
    conflicting_triples,
    fits,
    minimal_conflict,
    triple_cliques,
)
from reorder_solver.presolve import ViewSet, compile_problem


def _single_tensor(seed: int, accesses: int, channels: int, density: float) -> ViewSet:
    rng = np.random.default_rng(seed)
    instance = Instance(
        "random",
        [Tensor("x", channels)],
        [
            Access(f"a{i}", [Part("x", np.flatnonzero(rng.random(channels) < density))])
            for i in range(accesses)
        ],
    )
    return ViewSet(compile_problem(instance, Objective.COPIES).problem)


@pytest.mark.parametrize("density", [0.2, 0.5, 0.8])
def test_triples_on_one_tensor_are_exact(density: float) -> None:
    """With one part per access, three rows conflict exactly if a Tucker pattern says so."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        instance = Instance(
            "random",
            [Tensor("x", 6)],
            [
                Access(f"a{i}", [Part("x", np.flatnonzero(rng.random(6) < density))])
                for i in range(6)
            ],
        )
        problem = compile_problem(instance, Objective.COPIES).problem
        views = ViewSet(problem)
        triples = conflicting_triples(problem, views)
        for triple in combinations(range(6), 3):
            assert triples.conflict(*triple) == (not fits(views, triple))


def test_triples_with_several_parts_are_conflicts() -> None:
    """With parts, a reported triple never fits (others may go unreported)."""
    reported = 0
    for seed in range(300):
        instance = random_instance(np.random.default_rng([31, seed]), required=False)
        problem = compile_problem(instance, Objective.COPIES).problem
        views = ViewSet(problem)
        triples = conflicting_triples(problem, views)
        for triple in permutations(range(len(problem.accesses)), 3):
            assert triples.conflict(*triple) == triples.conflict(*sorted(triple))
        for triple in combinations(range(len(problem.accesses)), 3):
            if triples.conflict(*triple):
                reported += 1
                assert not fits(views, triple)
    assert reported > 20


def test_cliques_cover_all_triples_and_allow_two_views() -> None:
    """Every conflicting triple lies in a clique, and every triple of a clique conflicts."""
    rng = np.random.default_rng(5)
    instance = Instance(
        "random",
        [Tensor("x", 40)],
        [Access(f"a{i}", [Part("x", np.flatnonzero(rng.random(40) < 0.2))]) for i in range(14)],
    )
    problem = compile_problem(instance, Objective.COPIES).problem
    triples = conflicting_triples(problem, ViewSet(problem))
    cliques = triple_cliques(triples, range(14), 10_000)
    for clique in cliques:
        assert len(clique) >= 3
        for triple in combinations(clique, 3):
            assert triples.conflict(*triple)
    covered = {triple for clique in cliques for triple in combinations(clique, 3)}
    assert covered == {t for t in combinations(range(14), 3) if triples.conflict(*t)}


def test_unstructured_masks_form_one_clique() -> None:
    """With all seven Venn regions inhabited everywhere, one constraint says it all."""
    rng = np.random.default_rng(6)
    instance = Instance(
        "random",
        [Tensor("x", 512)],
        [Access(f"a{i}", [Part("x", np.flatnonzero(rng.random(512) < 0.5))]) for i in range(20)],
    )
    problem = compile_problem(instance, Objective.COPIES).problem
    triples = conflicting_triples(problem, ViewSet(problem))
    assert triple_cliques(triples, range(20), 10) == [tuple(range(20))]


def test_minimal_conflicts_are_minimal() -> None:
    """The conflict fails as a whole, and fits without any one of its members."""
    found = 0
    for seed in range(80):
        views = _single_tensor(seed, accesses=9, channels=8, density=0.4)
        trial, accepted = views.copy(), []
        for access in range(9):
            if trial.add(access):
                accepted.append(access)
                continue
            conflict = minimal_conflict(views, accepted, access)
            found += 1
            assert access in conflict
            assert conflict == sorted(set(conflict))
            assert not fits(views, conflict)
            for left_out in conflict:
                assert fits(views, [each for each in conflict if each != left_out])
    assert found > 50


def test_conflict_with_the_base_alone() -> None:
    """An access that already fails on the base is a conflict by itself."""
    accesses = [Access(f"a{i}", [Part("x", p)]) for i, p in enumerate([(0, 1), (1, 2), (0, 2)])]
    instance = Instance("triangle", [Tensor("x", 4)], [*accesses, Access("w", [Part("x", [3])])])
    base = ViewSet(compile_problem(instance, Objective.COPIES).problem)
    assert base.add(0)
    assert base.add(1)
    assert minimal_conflict(base, [], 2) == [2]
