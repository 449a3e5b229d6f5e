"""The front door distrusts its backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import reorder_solver as rs
from reorder_solver import Access, Instance, Layout, Part, Status, StopReason, Tensor
from reorder_solver.backends import Answer, Backend, Task

if TYPE_CHECKING:
    from collections.abc import Callable


class Scripted(Backend):
    """A backend that answers what a test tells it to."""

    name = "scripted"
    summary = "for tests"

    def __init__(self, answer: Callable[[Task], Answer]) -> None:
        self._answer = answer

    def solve(self, task: Task) -> Answer:
        """Answer as told."""
        return self._answer(task)


@pytest.fixture
def triangle() -> Instance:
    """Three pairs of which only two can be views: one copy at least."""
    pairs = [(0, 1), (1, 2), (0, 2)]
    accesses = [Access(f"a{i}", [Part("x", pair)]) for i, pair in enumerate(pairs)]
    return Instance("triangle", [Tensor("x", 4)], [*accesses, Access("d", [Part("x", [3])])])


def _solve(instance: Instance, answer: Callable[[Task], Answer], **options: object) -> rs.Result:
    return rs.solve(instance, "copies", Scripted(answer), **options)  # type: ignore[arg-type]


LIES: dict[str, Callable[[Task], Answer]] = {
    "no permutation": lambda task: Answer((np.array([0, 0, 1]),)),
    "too short": lambda task: Answer((np.array([0, 1]),)),
    "too many tensors": lambda task: Answer(task.problem.identity() * 2),
    "bound above cost": lambda task: Answer(task.problem.identity(), 2),
    "infeasible": lambda task: Answer(None, infeasible=True),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_contract_errors(triangle: Instance, lie: str) -> None:
    """Claims that contradict the problem raise, naming the backend."""
    with pytest.raises(rs.BackendContractError, match="backend 'scripted'"):
        _solve(triangle, LIES[lie])


def test_bound_below_the_cost_is_only_feasible(triangle: Instance) -> None:
    """Without a bound that meets the cost nothing is optimal."""
    result = _solve(triangle, lambda task: Answer(task.problem.identity(), 0, StopReason.PROVEN))
    assert (result.status, result.cost, result.lower_bound) == (Status.FEASIBLE, 1, 0)
    assert result.gap == 1.0


def test_bound_equal_to_the_cost_is_optimal(triangle: Instance) -> None:
    """Cost and bound that meet are a proof, whatever stop reason was given."""
    result = _solve(triangle, lambda task: Answer(task.problem.identity(), 1))
    assert (result.status, result.stop_reason) == (Status.OPTIMAL, StopReason.PROVEN)


def test_reports_count_even_if_the_answer_is_worse(triangle: Instance) -> None:
    """The best orders ever reported are returned."""

    def answer(task: Task) -> Answer:
        identity = task.problem.identity()[0]
        task.report((identity,), 1)
        return Answer((identity[[1, 0, 2, 3]],))

    assert _solve(triangle, answer).status is Status.OPTIMAL


def test_nothing_found_in_time_falls_back(triangle: Instance) -> None:
    """A time limit without orders still ends with a layout that keeps what is required."""
    required = triangle.replace(
        accesses=[Access(a.id, a.parts, required=a.id in ("a1", "a2")) for a in triangle.accesses]
    )
    result = _solve(required, lambda task: Answer(None, None, StopReason.TIME_LIMIT))
    rs.verify(required, result)
    assert result.status is Status.FEASIBLE
    assert result.stop_reason is StopReason.TIME_LIMIT


def test_nothing_found_at_all(triangle: Instance) -> None:
    """A backend that ends without orders leaves no solution, and no cost."""
    result = _solve(triangle, lambda task: Answer(None))
    rs.verify(triangle, result)
    assert (result.status, result.layout, result.cost) == (Status.NO_SOLUTION, None, None)


def test_worse_than_the_warm_start_is_not_returned(triangle: Instance) -> None:
    """Where a backend ignores a better warm start, the warm start is the result."""
    start = Layout({"x": [1, 0, 2, 3]})
    worse = Instance("w", triangle.tensors, triangle.accesses[:2])
    result = _solve(worse, lambda task: Answer((np.array([0, 2, 1]),)), warm_start=start)
    assert result.cost == rs.evaluate(worse, start, "copies").total
    rs.verify(worse, result)


def test_errors_of_a_backend_are_not_hidden(triangle: Instance) -> None:
    """An exception inside a backend reaches the caller as it is."""

    def fail(task: Task) -> Answer:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        _solve(triangle, fail)


def test_interrupt_keeps_what_was_reported(triangle: Instance) -> None:
    """Ctrl-C inside a backend returns the best reported orders."""

    def interrupted(task: Task) -> Answer:
        task.report(task.problem.identity(), None)
        raise KeyboardInterrupt

    result = _solve(triangle, interrupted)
    rs.verify(triangle, result)
    assert result.stop_reason is StopReason.INTERRUPTED
    assert result.cost == 1


def test_interrupt_keeps_the_bounds_of_components_done_bug() -> None:
    """What was proven of one component bounds the whole, though nothing is known of the other."""
    pairs = [(0, 1), (1, 2), (0, 2)]
    accesses = [
        Access(f"{tensor}{i}", [Part(tensor, pair)])
        for tensor in ("x", "y")
        for i, pair in enumerate(pairs)
    ]
    twice = Instance("twice", [Tensor("x", 3), Tensor("y", 3)], accesses)
    seen: list[rs.Progress] = []

    def script(bound: int | None) -> Callable[[Task], Answer]:
        begun: list[Task] = []

        def interrupted(task: Task) -> Answer:
            begun.append(task)
            task.report(task.problem.identity(), None)
            if len(begun) > 1:
                raise KeyboardInterrupt
            return Answer(task.problem.identity(), bound)

        return interrupted

    result = _solve(twice, script(1), callback=seen.append)
    rs.verify(twice, result)
    assert (result.stop_reason, result.cost, result.lower_bound) == (StopReason.INTERRUPTED, 2, 1)
    assert (seen[0].lower_bound, seen[-1].lower_bound) == (None, 1)
    for nothing in (0, None):
        assert _solve(twice, script(nothing)).lower_bound is None


def test_constant_costs_are_in_cost_and_bound() -> None:
    """Accesses that no order can change count in both."""
    fixed = Instance(
        "fixed", [Tensor("x", 4, fixed=True)], [Access("a", [Part("x", [0, 2])], bytes=5)]
    )
    result = rs.solve(fixed, backend="greedy")
    assert (result.status, result.cost, result.lower_bound) == (Status.OPTIMAL, 10, 10)


def test_result_says_where_it_comes_from(triangle: Instance) -> None:
    """Name, digest, seed, limits and versions are recorded."""
    result = rs.solve(triangle, backend="identity", seed=3, time_limit=2.5)
    assert result.instance_name == "triangle"
    assert result.instance_sha256 == rs.digest(triangle)
    assert (result.seed, result.threads, result.time_limit) == (3, 1, 2.5)
    assert {"python", "numpy", "reorder-solver"} <= set(result.versions)
