"""The backend ``branch-and-cut``: runs proven optimal, on one tensor and end to end."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from brute_force import brute_force

import reorder_solver as rs
from reorder_solver import Access, Instance, Objective, Part, Status, StopReason, Tensor
from reorder_solver.backends import branch_and_cut
from reorder_solver.backends.branch_and_cut import BranchAndCut, SequenceBound
from reorder_solver.backends.concatenation import Concatenations
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


def chained(seed: int) -> Instance:
    """Three small tensors, one of them perhaps fixed, read alone and end to end."""
    rng = np.random.default_rng([32, seed])
    sizes = rng.integers(1, 5, size=3)
    tensors = [
        Tensor(f"t{k}", int(size), fixed=bool(rng.random() < 0.2)) for k, size in enumerate(sizes)
    ]
    accesses = []
    for number in range(6):
        first = int(rng.integers(0, 3))
        last = int(rng.integers(first, 3))
        parts = [
            Part(f"t{k}", np.flatnonzero(rng.random(sizes[k]) < 0.6))
            for k in range(first, last + 1)
        ]
        accesses.append(Access(f"a{number}", parts, weight=int(rng.integers(0, 4))))
    required = Access("view", accesses[0].parts, weight=2, required=bool(rng.random() < 0.5))
    return Instance("chained", tensors, [*accesses, required])


def test_one_tensor_against_brute_force() -> None:
    """With one tensor every optimum is found and proven."""
    for seed in range(40):
        instance = one_tensor(seed)
        best = brute_force(instance, "runs")
        assert best is not None
        result = rs.solve(instance, "runs", BranchAndCut(), time_limit=None)
        rs.verify(instance, result)
        assert (result.status, result.cost, result.lower_bound) == (
            Status.OPTIMAL,
            best[0],
            best[0],
        )


def test_tensors_end_to_end_against_brute_force() -> None:
    """Where accesses agree on a sequence of tensors, fixed ones among them, likewise."""
    statuses = []
    for seed in range(60):
        instance = chained(seed)
        best = brute_force(instance, "runs")
        result = rs.solve(instance, "runs", BranchAndCut(), time_limit=None)
        rs.verify(instance, result)
        statuses.append(result.status)
        if best is None:
            assert result.status is Status.INFEASIBLE
        else:
            assert (result.status, result.cost) == (Status.OPTIMAL, best[0])
    assert set(statuses) == {Status.OPTIMAL, Status.INFEASIBLE}


def test_accesses_that_disagree_on_the_sequence() -> None:
    """Where they do not agree, the bound holds and the layout is honest."""
    tight = 0
    for seed in range(40):
        rng = np.random.default_rng([33, seed])
        tensors = [Tensor(name, 3) for name in "xyz"]
        accesses = [
            Access(
                f"a{number}",
                [
                    Part(name, np.flatnonzero(rng.random(3) < 0.6))
                    for name in rng.permutation(list("xyz"))[: rng.integers(1, 4)]
                ],
            )
            for number in range(5)
        ]
        instance = Instance("tangled", tensors, accesses)
        problem = compile_problem(instance, Objective.RUNS).problem
        best = brute_force(instance, "runs")
        assert best is not None
        result = rs.solve(instance, "runs", SequenceBound(), time_limit=None)
        rs.verify(instance, result)
        assert result.lower_bound is not None
        assert result.cost is not None
        assert result.lower_bound <= best[0] <= result.cost
        assert (BranchAndCut().supports(problem) is None) == Concatenations.of(problem).is_exact
        tight += not Concatenations.of(problem).is_exact and result.lower_bound == best[0]
    assert tight


def test_a_hundred_columns_are_proven() -> None:
    """A sparse random matrix of a hundred and fifty columns takes cuts, and is proven."""
    rng = np.random.default_rng(34)
    wants = rng.random((50, 150)) < 0.04
    accesses = [Access(f"a{k}", [Part("x", np.flatnonzero(row))]) for k, row in enumerate(wants)]
    instance = Instance("sparse", [Tensor("x", 150)], accesses)
    result = rs.solve(instance, "runs", BranchAndCut(), time_limit=None)
    rs.verify(instance, result)
    assert result.status is Status.OPTIMAL
    again = rs.solve(instance, "runs", BranchAndCut(), time_limit=None)
    assert result.layout == again.layout


@pytest.mark.parametrize("unit", [6, 2**70])
def test_weights_with_a_common_divisor(unit: int) -> None:
    """A common divisor of the weights, however large, scales cost and bound."""
    for seed in range(8):
        plain = rs.solve(one_tensor(seed), "runs", BranchAndCut(), time_limit=None)
        scaled = rs.solve(one_tensor(seed, unit=unit), "runs", BranchAndCut(), time_limit=None)
        assert plain.cost is not None
        assert plain.lower_bound is not None
        assert scaled.cost == unit * plain.cost
        assert scaled.lower_bound == unit * plain.lower_bound


def test_an_optimal_start_is_proven_and_kept() -> None:
    """Started from the best layout, the backend returns it as optimal."""
    for seed in range(4):
        instance = one_tensor(seed, channels=6)
        layouts = [rs.Layout({"x": np.array(order)}) for order in permutations(range(6))]
        start = min(layouts, key=lambda each: rs.evaluate(instance, each, "runs").total or 0)
        result = rs.solve(instance, "runs", BranchAndCut(), time_limit=None, warm_start=start)
        assert result.cost == rs.evaluate(instance, start, "runs").total == result.lower_bound
        assert (result.status, result.stop_reason) == (Status.OPTIMAL, StopReason.PROVEN)


def test_bound_is_reported_as_it_rises() -> None:
    """The callback sees the cost first, then falling costs and rising bounds up to the result's."""
    seen: list[rs.Progress] = []
    instance = one_tensor(4, channels=60, accesses=25)
    result = rs.solve(instance, "runs", BranchAndCut(), time_limit=None, callback=seen.append)
    assert seen[0].lower_bound is None
    bounds = [each.lower_bound for each in seen if each.lower_bound is not None]
    assert len(set(bounds)) > 1
    assert bounds == sorted(bounds)
    assert bounds[-1] == result.lower_bound
    costs = [each.cost for each in seen if each.cost is not None]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == result.cost


def test_no_time_at_all() -> None:
    """With the time spent already, the bound is 0 and the answer honest."""
    instance = one_tensor(5, channels=300, accesses=40)
    result = rs.solve(instance, "runs", BranchAndCut(), time_limit=0.0)
    rs.verify(instance, result)
    assert result.layout is not None
    assert (result.lower_bound, result.stop_reason) == (0, StopReason.TIME_LIMIT)


def test_accesses_without_weight() -> None:
    """Where runs cost nothing, any order is proven optimal."""
    accesses = [Access(f"a{i}", [Part("x", [i, i + 2])], weight=0) for i in range(3)]
    result = rs.solve(Instance("free", [Tensor("x", 5)], accesses), "runs", BranchAndCut())
    assert (result.status, result.cost, result.lower_bound) == (Status.OPTIMAL, 0, 0)


def test_problems_as_they_come() -> None:
    """Unreduced problems, with empty, whole and equal accesses, are bounded just as well."""
    for seed in range(10):
        instance = one_tensor(seed)
        whole = Access("whole", [Part("x", range(7))], weight=5)
        empty = Access("empty", [Part("x", [])], weight=5)
        instance = instance.replace(accesses=[*instance.accesses, whole, empty])
        problem = compile_problem(instance, Objective.RUNS).problem
        assert BranchAndCut().supports(problem) is None
        best = brute_force(instance, "runs")
        assert best is not None

        class Unreduced(BranchAndCut):
            reduces = False

        result = rs.solve(instance, "runs", Unreduced(), time_limit=None)
        assert (result.cost, result.lower_bound) == (best[0], best[0])


def _refused(tensors: list[Tensor], accesses: list[Access], objective: str = "runs") -> str:
    problem = compile_problem(Instance("x", tensors, accesses), Objective(objective)).problem
    reason = BranchAndCut().supports(problem)
    assert reason is not None
    assert "\n" not in reason
    return reason


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no question of runs, or too large, is refused in one line."""
    x, wants = Tensor("x", 4), [Part("x", [0, 2])]
    assert "objective" in _refused([x], [Access("a", wants)], "copies")
    prime = [Access("a", wants, weight=2**60 + 1), Access("b", [Part("x", [1, 2])], weight=3)]
    assert "weights" in _refused([x], prime)
    monkeypatch.setattr(branch_and_cut, "MOST_CLASSES", 3)
    assert "4 channel classes" in _refused([Tensor("x", 4)], [Access("a", [Part("x", range(4))])])
