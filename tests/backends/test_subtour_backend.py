"""The backend ``subtour``: bounds on runs that hold, and prove what is optimal."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from brute_force import brute_force

import reorder_solver as rs
from reorder_solver import Access, Instance, Objective, Part, Status, StopReason, Tensor
from reorder_solver.backends import subtour
from reorder_solver.backends.subtour import Subtour
from reorder_solver.presolve import compile_problem


def one_tensor(seed: int, *, channels: int = 7, accesses: int = 5, unit: int = 1) -> Instance:
    """Random single-part accesses to one tensor, some of them without weight."""
    rng = np.random.default_rng([31, seed])
    return Instance(
        "random",
        [Tensor("x", channels)],
        [
            Access(
                f"a{number}",
                [Part("x", np.flatnonzero(rng.random(channels) < rng.choice([0.3, 0.5, 0.8])))],
                weight=unit * int(rng.integers(0, 4)),
            )
            for number in range(accesses)
        ],
    )


def test_against_brute_force() -> None:
    """The bound never exceeds the optimum and, given an optimal start, nearly always proves it."""
    proven = 0
    for seed in range(40):
        instance = one_tensor(seed)
        best = brute_force(instance, "runs")
        assert best is not None
        result = rs.solve(instance, "runs", Subtour(), time_limit=None)
        rs.verify(instance, result)
        assert result.lower_bound is not None
        assert result.cost is not None
        assert result.lower_bound <= best[0] <= result.cost
        proven += result.lower_bound == best[0]
        if result.lower_bound == result.cost:
            assert result.status is Status.OPTIMAL
        else:
            assert result.stop_reason is StopReason.FINISHED
    assert proven >= 38


@pytest.mark.parametrize("unit", [6, 2**70])
def test_weights_with_a_common_divisor(unit: int) -> None:
    """A common divisor of the weights, however large, scales cost and bound."""
    for seed in range(8):
        plain = rs.solve(one_tensor(seed), "runs", Subtour(), time_limit=None)
        scaled = rs.solve(one_tensor(seed, unit=unit), "runs", Subtour(), time_limit=None)
        assert plain.cost is not None
        assert plain.lower_bound is not None
        assert scaled.cost == unit * plain.cost
        assert scaled.lower_bound == unit * plain.lower_bound


def test_an_optimal_start_is_proven_and_kept() -> None:
    """Started from the best layout, the backend returns it as optimal."""
    improved = 0
    for seed in range(4):
        instance = one_tensor(seed, channels=6)
        layouts = [rs.Layout({"x": np.array(order)}) for order in permutations(range(6))]
        start = min(layouts, key=lambda each: rs.evaluate(instance, each, "runs").total or 0)
        alone = rs.solve(instance, "runs", Subtour(), time_limit=None)
        result = rs.solve(instance, "runs", Subtour(), time_limit=None, warm_start=start)
        assert result.cost == rs.evaluate(instance, start, "runs").total == result.lower_bound
        assert (result.status, result.stop_reason) == (Status.OPTIMAL, StopReason.PROVEN)
        improved += alone.cost != result.cost
    assert improved


def test_bound_is_reported_as_it_rises() -> None:
    """The callback sees the cost first, then rising bounds up to the result's."""
    seen: list[rs.Progress] = []
    instance = one_tensor(4, channels=60, accesses=25)
    result = rs.solve(instance, "runs", Subtour(), time_limit=None, callback=seen.append)
    assert seen[0].lower_bound is None
    bounds = [each.lower_bound for each in seen[1:]]
    assert len(bounds) > 1
    assert bounds == sorted(set(bounds), key=lambda bound: bound or 0)
    assert bounds[-1] == result.lower_bound
    assert {each.cost for each in seen} == {result.cost}


def test_no_time_at_all() -> None:
    """With the time spent already, the bound is 0 and the answer honest."""
    instance = one_tensor(5, channels=300, accesses=40)
    result = rs.solve(instance, "runs", Subtour(), time_limit=0.0)
    rs.verify(instance, result)
    assert result.layout is not None
    assert (result.lower_bound, result.stop_reason) == (0, StopReason.TIME_LIMIT)


def test_accesses_without_weight() -> None:
    """Where runs cost nothing, any order is proven optimal."""
    accesses = [Access(f"a{i}", [Part("x", [i, i + 2])], weight=0) for i in range(3)]
    result = rs.solve(Instance("free", [Tensor("x", 5)], accesses), "runs", Subtour())
    assert (result.status, result.cost, result.lower_bound) == (Status.OPTIMAL, 0, 0)


def test_problems_as_they_come() -> None:
    """Unreduced problems, with empty, whole and equal accesses, are bounded just as well."""
    for seed in range(10):
        instance = one_tensor(seed)
        whole = Access("whole", [Part("x", range(7))], weight=5)
        empty = Access("empty", [Part("x", [])], weight=5)
        instance = instance.replace(accesses=[*instance.accesses, whole, empty])
        problem = compile_problem(instance, Objective.RUNS).problem
        assert Subtour().supports(problem) is None
        best = brute_force(instance, "runs")
        assert best is not None

        class Unreduced(Subtour):
            reduces = False

        result = rs.solve(instance, "runs", Unreduced(), time_limit=None)
        assert result.lower_bound is not None
        assert best[0] - 1 <= result.lower_bound <= best[0]


def _refused(tensors: list[Tensor], accesses: list[Access], objective: str = "runs") -> str:
    problem = compile_problem(Instance("x", tensors, accesses), Objective(objective)).problem
    reason = Subtour().supports(problem)
    assert reason is not None
    assert "\n" not in reason
    return reason


def test_refusals() -> None:
    """What is no travelling salesman problem on one tensor is refused, in one line."""
    x, y = Tensor("x", 4), Tensor("y", 4)
    wants = [Part("x", [0, 2])]
    both = [Part("x", [0, 2]), Part("y", [1])]
    assert "2 tensors" in _refused([x, y], [Access("a", both)])
    assert "several parts" in _refused([x], [Access("a", wants * 2)])
    assert "required" in _refused([x], [Access("a", wants, required=True)])
    assert "fixed" in _refused([Tensor("x", 4, fixed=True)], [Access("a", wants)])
    assert "objective" in _refused([x], [Access("a", wants)], "copies")
    prime = [Access("a", wants, weight=2**60 + 1), Access("b", [Part("x", [1, 2])], weight=3)]
    assert "weights" in _refused([x], prime)


def test_too_many_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix of distances that would fill the memory is not begun."""
    monkeypatch.setattr(subtour, "MOST_CLASSES", 3)
    assert "4 channel classes" in _refused([Tensor("x", 4)], [Access("a", [Part("x", range(4))])])
