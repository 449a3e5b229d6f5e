"""Greedy: quick, valid, and exact where everything fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from brute_force import brute_force_problem
from random_instances import random_instance

from reorder_solver import Access, Instance, Objective, Part, PriceList, StopReason, Tensor
from reorder_solver.backends import greedy as greedy_module
from reorder_solver.backends.base import Answer, Task
from reorder_solver.backends.chains import greedy_edge, nearest_neighbour, sorted_columns
from reorder_solver.backends.greedy import Greedy
from reorder_solver.core.limits import Deadline
from reorder_solver.presolve import Problem, compile_problem, presolve

if TYPE_CHECKING:
    from reorder_solver.backends.chains import Chain
    from reorder_solver.presolve import Cost, Orders

NEVER = Deadline(None)
CHAINS = [nearest_neighbour, greedy_edge, sorted_columns]


def _solve(
    problem: Problem,
    deadline: Deadline = NEVER,
    start: Orders | None = None,
    log: list[Cost] | None = None,
) -> Answer:
    def report(orders: Orders | None, bound: int | None) -> None:
        assert orders is not None
        assert bound is None
        if log is not None:
            log.append(problem.cost(orders))

    return Greedy().solve(Task(problem, deadline, 0, 1, start, report))


def _runs(wants: np.ndarray, weights: list[int], order: np.ndarray) -> int:
    """Weighted number of runs of all rows."""
    placed = np.pad(wants[:, order], ((0, 0), (1, 0)))
    starts = (placed[:, 1:] & ~placed[:, :-1]).sum(axis=1)
    return sum(weight * int(count) for weight, count in zip(weights, starts, strict=True))


def _check(problem: Problem) -> None:
    best = brute_force_problem(problem)
    log: list[Cost] = []
    answer = _solve(problem, log=log)
    if best is None:
        assert answer.infeasible
        assert answer.orders is None
        return
    assert answer.orders is not None
    cost = problem.cost(answer.orders)
    assert cost.violated == 0
    assert cost >= best
    assert log == sorted(log, reverse=True)
    assert log[-1] == cost
    assert cost <= problem.cost(problem.identity())
    if best.primary == 0:
        assert cost.primary == 0, "all accesses fit together, so greedy must find it"


@pytest.mark.parametrize("objective", Objective)
def test_random_instances(objective: Objective) -> None:
    """Never below the optimum, never above the original order, and 0 where 0 is possible."""
    for seed in range(40):
        whole = compile_problem(
            random_instance(np.random.default_rng([61, seed])), objective
        ).problem
        if seed % 4 == 0:
            _check(whole)
        for component in presolve(whole).components:
            _check(component.problem)


@pytest.mark.slow
@pytest.mark.parametrize("objective", Objective)
def test_random_instances_often(objective: Objective) -> None:
    """The same on 2000 instances."""
    for seed in range(2000):
        _check(
            compile_problem(random_instance(np.random.default_rng([62, seed])), objective).problem
        )


def _intervals(seed: int) -> Problem:
    """Subsets that are intervals of a hidden order of two tensors."""
    rng = np.random.default_rng(seed)
    hidden = [rng.permutation(30), rng.permutation(12)]
    accesses = []
    for number in range(20):
        first = int(rng.integers(0, 25))
        parts = [Part("x", hidden[0][first : first + int(rng.integers(1, 6))])]
        if number % 4 == 0:
            parts = [
                Part("x", hidden[0][int(rng.integers(20, 29)) :]),
                Part("y", hidden[1][: int(rng.integers(1, 9))]),
            ]
        accesses.append(Access(f"a{number}", parts, weight=int(rng.integers(1, 5))))
    instance = Instance("intervals", [Tensor("x", 30), Tensor("y", 12)], accesses)
    return compile_problem(instance, Objective.RUNS).problem


def test_consecutive_ones_are_found() -> None:
    """Where all rows are intervals of some order, across a concatenation too, nothing is paid."""
    for seed in range(20):
        problem = _intervals(seed)
        answer = _solve(problem)
        assert answer.orders is not None
        assert problem.cost(answer.orders).primary == 0


def test_dear_accesses_come_first() -> None:
    """Of three that never fit together, the cheapest pays; a required one never does."""
    wants = [[0, 3, 4, 6], [1, 3, 5, 6], [2, 4, 5, 6]]
    for cheapest in range(3):
        for required in ({cheapest}, set()):
            accesses = [
                Access(
                    f"a{n}", [Part("x", want)], bytes=5 - (n == cheapest), required=n in required
                )
                for n, want in enumerate(wants)
            ]
            problem = compile_problem(
                Instance("general", [Tensor("x", 7)], accesses), Objective.BYTES
            ).problem
            answer = _solve(problem)
            assert answer.orders is not None
            expected = 20 if required else 16
            assert problem.cost(answer.orders)[:2] == (0, expected)


def test_chains_help_where_runs_count() -> None:
    """On scattered rows the chains beat views alone by a margin."""
    rng = np.random.default_rng(5)
    accesses = [
        Access(f"a{i}", [Part("x", np.flatnonzero(rng.random(60) < 0.5))]) for i in range(8)
    ]
    instance = Instance("scattered", [Tensor("x", 60)], accesses)
    problem = compile_problem(instance, Objective.RUNS).problem
    log: list[Cost] = []
    _solve(problem, log=log)
    assert log[-1].primary < 0.7 * log[0].primary


@pytest.mark.parametrize("chain", CHAINS)
def test_chains_are_orders_of_the_columns(chain: Chain) -> None:
    """Every column once; equal columns side by side; the same again for the same input."""
    rng = np.random.default_rng(6)
    for columns in (3, 4, 5, 17, 90):
        wants = rng.random((6, columns)) < 0.4
        weights = [int(weight) for weight in rng.integers(0, 9, size=6)]
        order = chain(wants, weights)
        assert sorted(order.tolist()) == list(range(columns))
        assert order.tolist() == chain(wants, weights).tolist()


@pytest.mark.parametrize("chain", CHAINS)
def test_chains_have_fewer_runs_than_chance(chain: Chain) -> None:
    """On random matrices every chain has far fewer runs than random orders."""
    rng = np.random.default_rng(8)
    for _ in range(10):
        wants = rng.random((5, 80)) < 0.5
        weights = [1 << 90] * 5
        found = _runs(wants, weights, chain(wants, weights))
        chance = _runs(wants, weights, rng.permutation(80))
        assert 10 * found < 7 * chance


@pytest.mark.parametrize("chain", [nearest_neighbour, greedy_edge])
def test_chains_follow_a_path_that_is_plain_to_see(chain: Chain) -> None:
    """Nested columns, each one bit away from the next, are put in their order."""
    staircase = np.tril(np.ones((9, 9), dtype=np.bool_))
    shuffled = np.random.default_rng(1).permutation(9)
    order = shuffled[chain(staircase[:, shuffled], [1] * 9)]
    assert _runs(staircase, [1] * 9, order) == 9


def test_heavy_rows_decide() -> None:
    """A row that outweighs the others is kept in one run."""
    rng = np.random.default_rng(9)
    for _ in range(20):
        wants = rng.random((5, 30)) < 0.5
        for chain in CHAINS:
            order = chain(wants, [1, 1, 10**6, 1, 1])
            assert _runs(wants[2:3], [1], order) == 1


def test_wide_tensors_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit no matrix of classes by classes is made."""
    monkeypatch.setattr(greedy_module, "_MATRIX_CLASSES", 8)
    monkeypatch.setattr(greedy_module, "nearest_neighbour", None)
    monkeypatch.setattr(greedy_module, "greedy_edge", None)
    rng = np.random.default_rng(2)
    accesses = [
        Access(f"a{i}", [Part("x", np.flatnonzero(rng.random(40) < 0.5))]) for i in range(6)
    ]
    problem = compile_problem(Instance("wide", [Tensor("x", 40)], accesses), Objective.RUNS).problem
    assert _solve(problem).orders is not None


@pytest.mark.parametrize("objective", Objective)
def test_no_time_at_all(objective: Objective) -> None:
    """A valid answer comes back at once, required accesses kept, the warm start not made worse."""
    rng = np.random.default_rng(3)
    prices = PriceList(gather=(9, 1), split=(4,))
    accesses = [
        Access(f"a{i}", [Part("x", np.flatnonzero(rng.random(20) < 0.5))], prices=prices)
        for i in range(6)
    ]
    accesses.append(Access("kept", [Part("x", [0, 7, 19])], required=True))
    problem = compile_problem(Instance("hurry", [Tensor("x", 20)], accesses), objective).problem
    hurried = _solve(problem, Deadline(0))
    assert hurried.stop_reason is StopReason.TIME_LIMIT
    assert hurried.orders is not None
    assert problem.cost(hurried.orders).violated == 0
    best = _solve(problem)
    assert best.stop_reason is StopReason.FINISHED
    assert best.orders is not None
    warm = _solve(problem, Deadline(0), best.orders)
    assert warm.orders is not None
    assert problem.cost(warm.orders) == problem.cost(best.orders)


def test_infeasible_required_accesses() -> None:
    """Three that cannot all be views, all required: proven infeasible."""
    accesses = [
        Access(f"a{i}", [Part("x", pair)], required=True)
        for i, pair in enumerate([(0, 1), (1, 2), (0, 2)])
    ]
    problem = compile_problem(
        Instance("triangle", [Tensor("x", 4)], accesses), Objective.BYTES
    ).problem
    answer = _solve(problem)
    assert answer.infeasible
    assert answer.orders is None


def test_same_answer_twice() -> None:
    """The orders depend on the problem alone."""
    for seed in range(20):
        problem = compile_problem(
            random_instance(np.random.default_rng([63, seed]), required=False), Objective.LATENCY
        ).problem
        first, second = _solve(problem).orders, _solve(problem).orders
        assert first is not None
        assert second is not None
        assert all(map(np.array_equal, first, second))
