"""Covering programmes solved: both engines against brute force and known optima."""

from __future__ import annotations

import random

import numpy as np
import pytest
from covering_examples import (
    ENGINES,
    WEIGHTS,
    affine_lines,
    brute_force,
    check_solution,
    random_model,
)

from formulations import hitting_set
from formulations.hitting_set import Covering, CoveringSolution, solve_cpsat, solve_pulp


@pytest.fixture
def engine_calls(monkeypatch):
    """Count how often an engine is really asked."""
    calls = []
    for name in ("_run_cpsat", "run_cbc"):
        original = getattr(hitting_set, name)

        def counted(*args, original=original, **options):
            calls.append(original)
            return original(*args, **options)

        monkeypatch.setattr(hitting_set, name, counted)
    return calls


@ENGINES
@pytest.mark.parametrize("kind", WEIGHTS)
def test_optimum_equals_brute_force(solve, kind, engine_calls):
    """On random models both engines find and prove the optimum that brute force finds."""
    rng = random.Random(kind)
    for _ in range(110):
        model = random_model(rng, WEIGHTS[kind])
        solution = solve(model)
        check_solution(model, solution)
        assert solution.value == brute_force(model)
        assert solution.is_optimal
    assert len(engine_calls) > 15


@pytest.mark.parametrize("largest", [2**55, 2**56])
def test_cpsat_is_exact_beyond_the_floats(largest, engine_calls):
    """Weights that differ only where a float has no digits left are told apart by CP-SAT."""
    rng = random.Random(largest)
    for _ in range(150):
        model = random_model(rng, lambda rng: largest - rng.randint(0, 5))
        solution = solve_cpsat(model)
        check_solution(model, solution)
        assert solution.is_optimal
        assert solution.value == brute_force(model)
    assert len(engine_calls) > 20


@ENGINES
def test_weights_beyond_the_engines(solve, engine_calls):
    """With weights of 2**70 beside 1 every claim holds, though not every optimum is proven."""
    rng = random.Random(70)
    for _ in range(150):
        model = random_model(rng, lambda rng: rng.choice([2**70, 2**70 + 1, 2**69, 3, 1, 0]))
        solution = solve(model)
        check_solution(model, solution)
        assert solution.lower_bound <= brute_force(model) <= solution.value
    assert len(engine_calls) > 20


@ENGINES
def test_common_divisor_keeps_huge_weights_exact(solve):
    """Weights of any size are solved exactly if they are small multiples of one number."""
    rng = random.Random(3)
    for _ in range(20):
        small = random_model(rng, WEIGHTS["small"])
        huge = Covering(tuple(weight * 10**40 for weight in small.weights), small.constraints)
        solution = solve(huge)
        assert solution.is_optimal
        assert solution.value == 10**40 * solve(small).value


@ENGINES
@pytest.mark.parametrize(("dimension", "optimum"), [(2, 5), (3, 18)])
def test_cap_sets(solve, dimension, optimum):
    """The covers of the affine lines that the known cap sets leave are found and proven."""
    solution = solve(affine_lines(dimension, weight=6))
    assert solution.value == solution.lower_bound == 6 * optimum
    assert solution.is_optimal


@ENGINES
@pytest.mark.parametrize("threads", [1, 2])
def test_time_limit_leaves_true_bounds(solve, threads):
    """Stopped long before the end, the bound is below the known optimum and the value above."""
    model = affine_lines(5, weight=7)
    solution = solve(model, time_limit=1.5, threads=threads)
    check_solution(model, solution)
    assert solution.lower_bound <= 7 * 198 <= solution.value
    assert solution.lower_bound >= 7 * 40
    assert not solution.is_optimal


@ENGINES
def test_no_time_at_all(solve):
    """With the time over from the start there still is a cover, and a bound that is true."""
    model = affine_lines(3)
    solution = solve(model, time_limit=0.0)
    check_solution(model, solution)
    assert solution.lower_bound <= 18 <= solution.value


@ENGINES
@pytest.mark.parametrize(
    "model",
    [
        Covering((), ()),
        Covering((3, 4), ()),
        Covering((3, 4), (((0, 1), 0), ((), 0), ((1,), -2))),
        Covering((0, 0, 0), (((0, 1), 1), ((1, 2), 2))),
    ],
)
def test_models_that_cost_nothing(solve, model):
    """Without items, constraints, demands or weights the optimum is zero."""
    solution = solve(model)
    check_solution(model, solution)
    assert solution.value == solution.lower_bound == 0
    assert solution.is_optimal


@ENGINES
def test_nothing_redundant_is_chosen(solve):
    """Free items are chosen only where they are needed."""
    rng = random.Random(6)
    for _ in range(30):
        model = random_model(rng, WEIGHTS["zeros"])
        chosen = set(solve(model).chosen)
        assert not any(model.is_covered(chosen - {item}) for item in chosen)


@ENGINES
def test_full_demands_force_all_members(solve):
    """A demand as large as the constraint takes all of its members."""
    model = Covering((5, 7, 1, 9), (((0, 1), 2), ((2, 3), 1)))
    assert solve(model) == CoveringSolution((0, 1, 2), 13, 13, True)


@ENGINES
def test_same_seed_gives_same_answer(solve):
    """Two calls agree in every field."""
    rng = random.Random(8)
    for seed in range(10):
        model = random_model(rng, WEIGHTS["small"], n_items=30)
        assert solve(model, seed=seed) == solve(model, seed=seed)


@ENGINES
def test_several_threads_and_large_seeds(solve):
    """Threads and seeds of any size change nothing in the optimum."""
    rng = random.Random(9)
    for _ in range(5):
        model = random_model(rng, WEIGHTS["small"], n_items=25)
        solution = solve(model, threads=2, seed=2**40 + 1)
        check_solution(model, solution)
        assert solution.is_optimal
        assert solution.value == solve(model).value


def test_engines_agree_on_models_with_cardinality_cuts():
    """Both prove the same optimum where small no-goods meet large demands."""
    rng = random.Random(10)
    for _ in range(10):
        n = 40
        constraints = [(tuple(rng.sample(range(n), rng.randint(2, 5))), 1) for _ in range(50)]
        for size in rng.choices(range(4, 12), k=4):
            constraints.append((tuple(rng.sample(range(n), size)), size - 2))
        model = Covering(tuple(rng.randint(1, 400) for _ in range(n)), tuple(constraints))
        first, second = solve_cpsat(model), solve_pulp(model)
        assert first.is_optimal
        assert second.is_optimal
        assert first.value == second.value


def test_hint_is_never_made_worse():
    """A hint that covers bounds the cost from above, one that does not is completed."""
    model = affine_lines(3)
    best = solve_cpsat(model).chosen
    assert solve_cpsat(model, time_limit=0.0, hint=best).value == 18
    assert solve_cpsat(model, time_limit=0.0, hint=best[1:]).value <= 19
    assert solve_cpsat(model, hint=[]).value == 18
    assert solve_cpsat(model, hint=np.array(best)).value == 18


@pytest.mark.parametrize("hint", [[27], [-1]])
def test_hint_outside_the_items_is_an_error(hint):
    """A hint must name items."""
    with pytest.raises(ValueError, match="hint has a member outside the 27 items"):
        solve_cpsat(affine_lines(3), hint=hint)


@ENGINES
def test_threads_must_be_positive(solve):
    """There is no solving with no threads."""
    with pytest.raises(ValueError, match="must be positive, not 0"):
        solve(Covering((), ()), threads=0)
