"""All conflicting triples: the compiled test, the plain one, and the PQ-tree agree."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from random_instances import random_instance

from reorder_solver import Access, Instance, Objective, Part, Tensor
from reorder_solver.backends.conflicts import conflicting_triples, fits, pair_cliques
from reorder_solver.backends.view_selection import triples as module
from reorder_solver.backends.view_selection.triple_kernel import mark_triples
from reorder_solver.backends.view_selection.triples import mark_triples_plainly, pack_bits
from reorder_solver.core.limits import Deadline
from reorder_solver.generators.registry import generate
from reorder_solver.presolve import ViewSet, compile_problem


@pytest.mark.parametrize("density", [0.03, 0.2, 0.5, 0.9])
def test_compiled_and_plain_tests_agree(density: float) -> None:
    """Over several words, with rows that share an owner, in chunks."""
    rng = np.random.default_rng(int(100 * density))
    flags = rng.random((70, 150)) < density
    has = pack_bits(flags)
    crosses = module._crossing(has)
    owners = rng.integers(0, 66, size=70)
    shape = (66, 66, 2)
    plain, compiled = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
    for a in range(70):
        mark_triples_plainly(has, crosses, owners, a, a + 1, 70, plain)
        for low in range(0, 70, 9):
            mark_triples(has, crosses, owners, a, max(low, a + 1), min(low + 9, 70), compiled)
    assert np.array_equal(plain, compiled)
    assert plain.any()


def test_bits_and_back() -> None:
    """Packing is undone by `flags`, at any length."""
    rng = np.random.default_rng(3)
    for count in (1, 63, 64, 65, 200):
        flags = rng.random(count) < 0.5
        triples = module.Triples(
            tuple(range(count)), np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        )
        assert np.array_equal(triples.flags(pack_bits(flags)), flags)
        assert np.array_equal(triples.bits(np.flatnonzero(flags)), pack_bits(flags))


def test_many_accesses_against_the_tree() -> None:
    """With more rows than the plain test takes, a sample of triples agrees with the PQ-tree."""
    instance = generate("residual", seed=4, stages=1, channels=90, blocks=40, correlation=0.97)
    problem = compile_problem(instance, Objective.COPIES).problem
    views = ViewSet(problem)
    triples = conflicting_triples(problem, views)
    assert len(triples) > module._NUMPY_ROWS
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(300):
        triple = sorted(rng.choice(len(triples), size=3, replace=False).tolist())
        outcomes.add(triples.conflict(*triple))
        assert triples.conflict(*triple) == (not fits(views, triple))
    assert outcomes == {False, True}


def test_pairs_given_what_is_required() -> None:
    """A marked pair, or triple, never fits on the required accesses; pairs lie in cliques."""
    pairs = 0
    for seed in range(400):
        instance = random_instance(np.random.default_rng([51, seed]))
        problem = compile_problem(instance, Objective.COPIES).problem
        base = ViewSet(problem)
        if not all(base.add(n) for n, access in enumerate(problem.accesses) if access.required):
            continue
        open_accesses = [n for n, access in enumerate(problem.accesses) if not access.required]
        triples = conflicting_triples(problem, base, accesses=open_accesses)
        marked = {
            (a, b)
            for a, b in combinations(range(len(triples)), 2)
            if triples.flags(triples.pairs[a])[b]
        }
        for a, b in marked:
            pairs += 1
            assert not fits(base, [open_accesses[a], open_accesses[b]])
            for c in set(range(len(triples))) - {a, b}:
                assert triples.conflict(a, b, c)
        for triple in combinations(range(len(triples)), 3):
            if triples.conflict(*triple):
                assert not fits(base, [open_accesses[each] for each in triple])
        covered = {pair for clique in pair_cliques(triples) for pair in combinations(clique, 2)}
        assert covered == marked
    assert pairs > 30


def test_prefixes_conflict_in_pairs() -> None:
    """Of the suffixes of one tensor that cross, one can be a view: one pair clique."""
    rng = np.random.default_rng(1)
    wanted = [np.flatnonzero(rng.random(40) < 0.5) for _ in range(5)]
    instance = Instance(
        "joined",
        [Tensor("x", 40), Tensor("y", 3)],
        [Access(f"a{i}", [Part("x", each), Part("y", [0, 1, 2])]) for i, each in enumerate(wanted)],
    )
    problem = compile_problem(instance, Objective.COPIES).problem
    triples = conflicting_triples(problem, ViewSet(problem))
    assert pair_cliques(triples) == [tuple(range(5))]


def test_expired_deadline_leaves_triples_open() -> None:
    """Without time nothing is marked, and nothing is wrong."""
    accesses = [Access(f"a{i}", [Part("x", p)]) for i, p in enumerate([(0, 1), (1, 2), (0, 2)])]
    problem = compile_problem(Instance("t", [Tensor("x", 4)], accesses), Objective.COPIES).problem
    assert not conflicting_triples(problem, ViewSet(problem), Deadline(0.0)).words.any()
    assert conflicting_triples(problem, ViewSet(problem)).conflict(0, 1, 2)
