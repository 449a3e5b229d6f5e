"""Subset DP as a whole: exact against enumeration, honest at any moment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from brute_force import brute_force_problem
from dynamic_problems import ExpiresAfter, merged_problem, random_problems, solve_plainly, task_of

from reorder_solver import Access, Instance, Objective, Part, PriceList, StopReason, Tensor
from reorder_solver.backends.subset_dp import MOST_CLASSES, SubsetDP
from reorder_solver.core.limits import Deadline
from reorder_solver.presolve import Problem, compile_problem, presolve

if TYPE_CHECKING:
    from reorder_solver.presolve import Cost


def _check(problem: Problem) -> None:
    best = brute_force_problem(problem)
    answer = solve_plainly(problem)
    assert answer.stop_reason is StopReason.PROVEN
    if best is None:
        assert answer.infeasible
        assert answer.orders is None
        return
    assert answer.orders is not None
    cost = problem.cost(answer.orders)
    assert (cost.violated, cost.primary) == (0, best.primary)
    assert answer.lower_bound == best.primary
    assert cost.tie == best.tie, "small enough for the tie-break to be searched to the end"


@pytest.mark.parametrize("objective", Objective)
def test_optimum_of_random_instances(objective: Objective) -> None:
    """Cost, bound and tie-break are the brute-force ones, before and after presolve."""
    for seed in range(60):
        for problem in random_problems(41, seed, objective):
            _check(problem)


@pytest.mark.slow
@pytest.mark.parametrize("objective", Objective)
def test_optimum_of_random_instances_often(objective: Objective) -> None:
    """The same on 2000 instances."""
    for seed in range(2000):
        for problem in random_problems(42, seed, objective)[1:]:
            _check(problem)


@pytest.mark.parametrize("scale", [1, 2**70])
def test_optimum_with_several_price_lists(scale: int) -> None:
    """Accesses that sum minima over several lists, over classes of several channels."""
    for seed in range(60):
        _check(merged_problem(np.random.default_rng([43, seed]), scale))


@pytest.mark.slow
def test_optimum_with_several_price_lists_often() -> None:
    """The same on 2000 problems."""
    for seed in range(2000):
        _check(merged_problem(np.random.default_rng([44, seed])))


def _latency_problem(seed: int, classes: int, accesses: int) -> Problem:
    rng = np.random.default_rng(seed)
    prices = PriceList(gather=(1200, 31), cat=(900, 31, 150), cover=(95,), split=(4000,))
    problem = compile_problem(
        Instance(
            "latency",
            [Tensor("x", classes * 5)],
            [
                Access(
                    f"a{i}",
                    [Part("x", np.flatnonzero(np.repeat(rng.random(classes) < 0.5, 5)))],
                    prices=prices,
                )
                for i in range(accesses)
            ],
        ),
        Objective.LATENCY,
    ).problem
    return presolve(problem).components[0].problem


@pytest.mark.parametrize("objective", [Objective.COPIES, Objective.LATENCY])
def test_answer_at_any_moment_is_honest(objective: Objective) -> None:
    """However early time runs out: valid orders, a bound below the optimum, and it says so."""
    reasons = set()
    for seed in range(4):
        problem = replace(_latency_problem(seed, 8, 6), objective=objective)
        if objective is Objective.COPIES:
            problem = _with_prices(problem, PriceList(gather=(1, 0)))
        optimum = solve_plainly(problem).lower_bound
        assert optimum is not None
        for questions in [*range(0, 40, 2), 100, 10**6]:
            reported: list[tuple[Cost | None, int | None]] = []
            answer = SubsetDP().solve(task_of(problem, ExpiresAfter(questions), log=reported))
            assert answer.orders is not None
            cost = problem.cost(answer.orders)
            assert cost.violated == 0
            assert answer.lower_bound is not None
            assert answer.lower_bound <= optimum <= cost.primary
            costs = [cost for cost, _ in reported if cost is not None]
            bounds = [bound for _, bound in reported if bound is not None]
            assert costs == sorted(costs, reverse=True)
            assert costs[-1] == cost
            assert bounds == sorted(bounds)
            reasons.add(answer.stop_reason)
            if answer.stop_reason is StopReason.PROVEN:
                assert answer.lower_bound == cost.primary
        assert answer.stop_reason is StopReason.PROVEN
    assert reasons == {StopReason.PROVEN, StopReason.TIME_LIMIT}


def _with_prices(problem: Problem, prices: PriceList) -> Problem:
    accesses = tuple(replace(access, prices=(prices,), tie_weight=1) for access in problem.accesses)
    return replace(problem, accesses=accesses)


def test_warm_start_is_never_made_worse() -> None:
    """With no time at all, the warm start comes back unless something else is cheaper."""
    problem = _latency_problem(4, 9, 6)
    best = solve_plainly(problem).orders
    assert best is not None
    answer = SubsetDP().solve(task_of(problem, Deadline(0), best))
    assert answer.orders is not None
    assert problem.cost(answer.orders) == problem.cost(best)


def test_same_answer_twice() -> None:
    """Neither hash order nor what was solved before matters."""
    for objective in Objective:
        for problem in random_problems(49, 5, objective):
            first, second = solve_plainly(problem), solve_plainly(problem)
            assert (first.orders is None) == (second.orders is None)
            for one, other in zip(first.orders or (), second.orders or (), strict=True):
                assert one.tolist() == other.tolist()


def test_too_many_classes_are_refused() -> None:
    """Classes of fixed tensors, and tensors of one class, do not count."""
    backend = SubsetDP()
    sizes = tuple(np.ones(count, dtype=np.int64) for count in (MOST_CLASSES, 500, 1))
    problem = Problem(Objective.RUNS, sizes, (False, True, False), ())
    assert backend.supports(problem) is None
    larger = Problem(Objective.RUNS, sizes, (False, False, False), ())
    reason = backend.supports(larger)
    assert reason is not None
    assert f"at most {MOST_CLASSES}" in reason


def test_eighteen_classes_of_one_tensor() -> None:
    """At the limit of size, scattered intervals are put back together at no cost."""
    rng = np.random.default_rng(7)
    hidden = rng.permutation(18)
    accesses = [
        Access(f"a{i}", [Part("x", hidden[begin : begin + 2 + i % 5])])
        for i, begin in enumerate(range(13))
    ]
    problem = compile_problem(
        Instance("intervals", [Tensor("x", 18)], accesses), Objective.RUNS
    ).problem
    answer = solve_plainly(problem)
    assert answer.lower_bound == 0
    assert answer.orders is not None
    assert problem.cost(answer.orders).primary == 0


def test_fixed_tensor_with_many_classes() -> None:
    """A long fixed tensor beside a short free one: its runs count, its order stays."""
    wanted = np.arange(0, 300, 3)
    instance = Instance(
        "beside",
        [Tensor("long", 300, fixed=True), Tensor("short", 4)],
        [
            Access("both", [Part("long", [*wanted, 299]), Part("short", [1, 3])], weight=2),
            Access("other", [Part("short", [0, 1])]),
        ],
    )
    problem = compile_problem(instance, Objective.RUNS).problem
    answer = solve_plainly(problem)
    assert answer.orders is not None
    assert answer.orders[0].tolist() == list(range(300))
    # 101 runs in the long tensor, the last of which goes on into the short one.
    assert answer.lower_bound == problem.cost(answer.orders).primary == 2 * 100
