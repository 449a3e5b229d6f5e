"""The local search against brute force, and the promises it makes to its callers."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import brute_force_problem
from local_search_problems import (
    HUGE,
    feasible_problems,
    one_tensor,
    random_orders,
)

from reorder_solver import Objective, PriceList, StopReason
from reorder_solver.backends.base import Task
from reorder_solver.backends.local_search import LocalSearch, feasible_start, improve
from reorder_solver.core.limits import Deadline
from reorder_solver.presolve import Cost, Orders, Problem, ProblemAccess

FOREVER = Deadline(None)


def _search(problem: Problem, start: Orders, seed: int = 0) -> tuple[Orders, Cost, StopReason]:
    return improve(problem, start, deadline=FOREVER, seed=seed)


def _access(*wanted: list[int], required: bool = False, tie: int = 0) -> ProblemAccess:
    """An access to tensor 0, once per list, that costs 1 for every run beyond the first."""
    parts = tuple((0, np.array(each, dtype=np.int64)) for each in wanted)
    prices = () if required else (PriceList(split=(1,)),)
    return ProblemAccess(parts, sum(map(len, wanted)), prices, tie, required, (0,))


def _problem(classes: int, *accesses: ProblemAccess, fixed: bool = False) -> Problem:
    return Problem(Objective.RUNS, (np.ones(classes, dtype=np.int64),), (fixed,), accesses)


def _same(one: Orders, other: Orders) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("factor", [1, HUGE], ids=["small", "huge"])
def test_against_brute_force(factor: int) -> None:
    """Never below the optimum, honest about the cost, nearly always optimal on small problems."""
    optimal = count = 0
    for problem, start in feasible_problems(1, 120, factor=factor):
        best = brute_force_problem(problem)
        orders, cost, _ = _search(problem, start)
        assert cost == problem.cost(orders)
        assert best is not None
        assert best <= cost <= problem.cost(start)
        optimal += cost == best
        count += 1
    assert optimal >= 0.97 * count


def test_longer_orders_against_brute_force() -> None:
    """Optimal on one tensor of up to eight classes."""
    for seed in range(6):
        rng = np.random.default_rng([2, seed])
        prices = [PriceList(split=(1,)), PriceList(gather=(0, 3)), PriceList(cover=(2,))][seed % 3]
        problem = one_tensor(rng, 8, 5, prices, tie=seed % 2)
        _, cost, _ = _search(problem, problem.identity())
        assert cost == brute_force_problem(problem)


def test_orders_stay_permutations_and_fixed_tensors_in_place() -> None:
    """Every tensor's classes come back once each, those of a fixed tensor in their order."""
    for problem, start in feasible_problems(3, 60):
        orders, cost, _ = _search(problem, start)
        assert cost.violated == 0, "required accesses stay views"
        for order, sizes, fixed in zip(orders, problem.sizes, problem.fixed, strict=True):
            assert np.array_equal(np.sort(order), np.arange(sizes.size))
            assert not fixed or np.array_equal(order, np.arange(sizes.size))


@pytest.mark.parametrize("factor", [1, HUGE], ids=["small", "huge"])
def test_never_worse_than_the_start(factor: int) -> None:
    """However few perturbations are allowed, from any start."""
    rng = np.random.default_rng(4)
    for problem, _ in feasible_problems(4, 60, most_classes=6, factor=factor):
        start = random_orders(rng, problem)
        before = problem.cost(start)
        if before.violated:
            continue
        orders, cost, _ = improve(problem, start, deadline=FOREVER, seed=1, max_iterations=2)
        assert cost == problem.cost(orders)
        assert cost <= before


@pytest.mark.parametrize("factor", [1, HUGE], ids=["small", "huge"])
def test_same_seed_same_answer(factor: int) -> None:
    """Where the search looks at the clock makes no difference."""
    problem = one_tensor(
        np.random.default_rng(5),
        30,
        12,
        PriceList(gather=(7 * factor + 1, 3 * factor), split=(5 * factor,)),
        tie=1,
    )
    first = _search(problem, problem.identity(), seed=3)
    second = _search(problem, problem.identity(), seed=3)
    assert _same(first[0], second[0])
    assert first[1:] == second[1:]
    assert first[2] is StopReason.ITERATION_LIMIT


def test_ties_count_after_the_primary_cost() -> None:
    """A lower primary cost is worth any tie; among equals the smaller tie wins."""
    for seed in range(10):
        rng = np.random.default_rng([6, seed])
        problem = one_tensor(rng, 7, 4, PriceList(gather=(1, 0)), tie=1000)
        _, cost, _ = _search(problem, problem.identity())
        assert cost == brute_force_problem(problem)


def test_seam_between_two_parts_of_one_tensor() -> None:
    """A tensor concatenated with itself: its last class meets its first."""
    problem = _problem(4, _access([1, 2], [1, 3]))
    orders, cost, _ = _search(problem, problem.identity())
    assert cost == Cost(0, 1, 0) == brute_force_problem(problem)
    assert problem.facts(orders)[0][0] == 2


def test_required_seam_is_kept() -> None:
    """An access that must be a view over a seam stays one while others improve."""
    problem = _problem(
        5, _access([4], [0], required=True), _access([0, 2]), _access([1, 3]), _access([0, 3])
    )
    orders, cost, _ = _search(problem, problem.identity())
    assert (orders[0][0], orders[0][-1]) == (0, 4)
    assert cost == brute_force_problem(problem)


def test_empty_part_takes_up_room() -> None:
    """Parts on both sides of an unwanted one never join."""
    problem = _problem(3, _access([0, 2], [], [0, 2]))
    _, cost, _ = _search(problem, problem.identity())
    assert cost == Cost(0, 1, 0)


@pytest.mark.parametrize(
    "problem",
    [
        _problem(0),
        _problem(1, _access([0])),
        _problem(3),
        _problem(3, _access([0, 2]), fixed=True),
        Problem(Objective.RUNS, (), (), ()),
    ],
    ids=["no classes", "one class", "no accesses", "all fixed", "no tensors"],
)
def test_nothing_to_do(problem: Problem) -> None:
    """The start comes back at once."""
    orders, cost, reason = _search(problem, problem.identity())
    assert _same(orders, problem.identity())
    assert cost == problem.cost(problem.identity())
    assert reason is StopReason.FINISHED


def test_zero_cost_ends_the_search() -> None:
    """Once nothing can be gained, the search says that it has finished."""
    problem = _problem(3, _access([0, 2]))
    _, cost, reason = _search(problem, problem.identity())
    assert (cost, reason) == (Cost(0, 0, 0), StopReason.FINISHED)


def test_every_move_forbidden() -> None:
    """A search that cannot move anything ends nevertheless (it once did not)."""
    chain = [_access([k, k + 1], required=True) for k in range(5)]
    problem = _problem(6, *chain, _access([0, 2]))
    _, cost, reason = _search(problem, problem.identity())
    assert (cost, reason) == (Cost(0, 1, 0), StopReason.ITERATION_LIMIT)


def test_expired_deadline_returns_the_start() -> None:
    """No time, no search."""
    problem = _problem(3, _access([0, 2]))
    orders, cost, reason = improve(problem, problem.identity(), deadline=Deadline(0), seed=0)
    assert _same(orders, problem.identity())
    assert (cost, reason) == (Cost(0, 1, 0), StopReason.TIME_LIMIT)


def test_deadline_ends_a_large_search() -> None:
    """What is found by the deadline is returned, with its true cost."""
    problem = one_tensor(np.random.default_rng(7), 400, 40, PriceList(split=(1,)))
    orders, cost, reason = improve(problem, problem.identity(), deadline=Deadline(0.05), seed=0)
    assert reason is StopReason.TIME_LIMIT
    assert cost == problem.cost(orders) < problem.cost(problem.identity())


def test_start_must_not_violate() -> None:
    """A start that breaks a required access is refused."""
    problem = _problem(3, _access([0, 2], required=True))
    with pytest.raises(ValueError, match="required"):
        _search(problem, problem.identity())


def test_reports_get_better_and_end_with_the_answer() -> None:
    """Each report costs less than the one before; the last is what is returned."""
    problem = one_tensor(np.random.default_rng(8), 60, 20, PriceList(split=(1,)))
    costs: list[Cost] = []

    def report(orders: Orders | None, bound: int | None) -> None:
        assert orders is not None
        assert bound is None
        costs.append(problem.cost(orders))

    _, cost, _ = improve(
        problem, problem.identity(), deadline=FOREVER, seed=0, report=report, max_iterations=500
    )
    assert costs == sorted(set(costs), reverse=True)
    assert costs[-1] == cost


def _task(problem: Problem, start: Orders | None) -> Task:
    return Task(problem, FOREVER, 0, 1, start, lambda orders, bound: None)


def test_backend_repairs_the_start() -> None:
    """Without a start that will do, one is made by which required accesses are views."""
    problem = _problem(4, _access([0, 2], required=True), _access([1, 2]), _access([0, 3]))
    for start in (None, problem.identity()):
        answer = LocalSearch().solve(_task(problem, start))
        assert answer.orders is not None
        assert problem.cost(answer.orders) == Cost(0, 0, 0)
        assert answer.lower_bound == 0
        assert not answer.infeasible


def test_backend_proves_infeasible() -> None:
    """Required accesses that cannot all be views have no start."""
    pairs = [_access([0, 1], required=True), _access([0, 2], required=True)]
    problem = _problem(4, *pairs, _access([0, 3], required=True))
    assert feasible_start(problem, None) is None
    answer = LocalSearch().solve(_task(problem, None))
    assert answer.infeasible
    assert answer.orders is None
