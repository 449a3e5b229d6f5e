"""The backends ``circuit`` and ``betweenness``: what they take, prove and keep."""

from __future__ import annotations

import numpy as np
import pytest

import reorder_solver as rs
from reorder_solver import Access, Instance, Objective, Part, Status, StopReason, Tensor
from reorder_solver.backends import make_backend
from reorder_solver.presolve import compile_problem

BOTH = pytest.mark.parametrize("name", ["circuit", "betweenness"])


def one_tensor(seed: int, channels: int, accesses: int, weight: int = 1) -> Instance:
    """Random accesses to one tensor."""
    rng = np.random.default_rng([41, seed])
    return Instance(
        "random",
        [Tensor("x", channels)],
        [
            Access(
                f"a{number}",
                [Part("x", np.flatnonzero(rng.random(channels) < 0.4))],
                weight=weight * int(rng.integers(1, 4)),
            )
            for number in range(accesses)
        ],
    )


def test_more_classes_than_enumeration_could_try() -> None:
    """On 40 channels the circuit is proven, and no heuristic is below it."""
    instance = one_tensor(0, 40, 12)
    result = rs.solve(instance, "runs", "circuit", time_limit=60)
    rs.verify(instance, result)
    assert result.status is Status.OPTIMAL
    heuristic = rs.solve(instance, "runs", "greedy", time_limit=60)
    assert result.cost is not None
    assert heuristic.cost is not None
    assert result.cost <= heuristic.cost


@BOTH
def test_huge_weights_with_a_common_divisor(name: str) -> None:
    """Weights past 64 bits are exact where their quotients are small."""
    plain = rs.solve(one_tensor(1, 8, 5), "runs", name)
    huge = rs.solve(one_tensor(1, 8, 5, weight=2**80), "runs", name)
    assert plain.cost is not None
    assert (huge.status, huge.cost) == (Status.OPTIMAL, 2**80 * plain.cost)


@BOTH
def test_no_time_at_all(name: str) -> None:
    """With the time spent already, the bound is 0 and the answer honest."""
    instance = one_tensor(2, 20, 9)
    result = rs.solve(instance, "runs", name, time_limit=0.0)
    rs.verify(instance, result)
    assert result.layout is not None
    assert (result.lower_bound, result.stop_reason) == (0, StopReason.TIME_LIMIT)


def test_ctrl_c_keeps_the_start() -> None:
    """The first report is a layout; an interrupt at it returns that layout."""

    def interrupt(progress: rs.Progress) -> None:
        raise KeyboardInterrupt

    instance = one_tensor(3, 20, 9)
    result = rs.solve(instance, "runs", "circuit", callback=interrupt)
    rs.verify(instance, result)
    assert result.layout is not None
    assert result.stop_reason is StopReason.INTERRUPTED


@BOTH
def test_refusals(name: str) -> None:
    """What is no consecutive block minimisation on one tensor is refused, in one line."""

    def refused(tensors: list[Tensor], accesses: list[Access], objective: str = "runs") -> str:
        problem = compile_problem(Instance("x", tensors, accesses), Objective(objective)).problem
        reason = make_backend(name).supports(problem)
        assert reason is not None
        assert "\n" not in reason
        return reason

    x, y = Tensor("x", 4), Tensor("y", 4)
    wants = [Part("x", [0, 2])]
    assert "2 tensors" in refused([x, y], [Access("a", [*wants, Part("y", [1])])])
    assert "several parts" in refused([x], [Access("a", wants * 2)])
    assert "required" in refused([x], [Access("a", wants, required=True)])
    assert "fixed" in refused([Tensor("x", 4, fixed=True)], [Access("a", wants)])
    assert "objective" in refused([x], [Access("a", wants)], "bytes")
    prime = [Access("a", wants, weight=2**60 + 1), Access("b", [Part("x", [1, 2])], weight=3)]
    assert "weights" in refused([x], prime)
    whole = [Access("a", [Part("x", range(400))])]
    assert "400 channel classes" in refused([Tensor("x", 400)], whole)
