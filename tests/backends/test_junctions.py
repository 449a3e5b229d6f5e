"""The backend ``junctions``: runs of accesses that meet tensors again and again."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import brute_force
from shuffled_instances import shuffled

import reorder_solver as rs
from reorder_solver import Access, Instance, Objective, Part, Status, Tensor
from reorder_solver.backends.junctions import JunctionBound, JunctionChoice
from reorder_solver.presolve import compile_problem


@pytest.mark.parametrize("fixed", [False, True])
def test_optimum_against_brute_force(fixed: bool) -> None:
    """Found, and proven, mostly with a proof that the checker follows."""
    checked = 0
    for seed in range(80):
        instance = shuffled(seed, fixed=fixed)
        best = brute_force(instance, "runs")
        assert best is not None
        result = rs.solve(instance, "runs", JunctionChoice(), time_limit=None)
        rs.verify(instance, result)
        assert (result.status, result.cost) == (Status.OPTIMAL, best[0])
        if result.proof is not None:
            rs.check_proof(instance, result)
            checked += 1
    assert checked >= 65


@pytest.mark.parametrize("fixed", [False, True])
def test_bound_against_brute_force(fixed: bool) -> None:
    """Whatever parts want, the bound holds, and so does its proof."""
    checked = 0
    for seed in range(80):
        instance = shuffled(seed, several=True, fixed=fixed)
        best = brute_force(instance, "runs")
        assert best is not None
        result = rs.solve(instance, "runs", JunctionBound(), time_limit=None)
        rs.verify(instance, result)
        assert result.cost is not None
        assert result.lower_bound is not None
        assert result.lower_bound <= best[0] <= result.cost
        if result.proof is not None:
            rs.check_proof(instance, result)
            checked += 1
    assert checked >= 60


def test_auto_proves_a_shuffle() -> None:
    """Two tensors, channel by channel, read three times over: more than other backends take."""
    rng = np.random.default_rng(43)
    accesses = [
        Access(
            f"a{number}",
            [
                Part(tensor, [channel] if rng.random() < 0.5 else [])
                for channel in range(40)
                for tensor in ("x", "y")
            ],
        )
        for number in range(3)
    ]
    instance = Instance("shuffle", [Tensor("x", 40), Tensor("y", 40)], accesses)
    result = rs.solve(instance, "runs", time_limit=None)
    assert result.status is Status.OPTIMAL
    assert result.cost is not None
    rs.check_proof(instance, result)


@pytest.mark.parametrize("unit", [6, 2**70])
def test_weights_with_a_common_divisor(unit: int) -> None:
    """A common divisor of the weights, however large, scales cost and bound."""
    for seed in range(8):
        plain = rs.solve(shuffled(seed), "runs", JunctionChoice(), time_limit=None)
        instance = shuffled(seed, unit=unit)
        scaled = rs.solve(instance, "runs", JunctionChoice(), time_limit=None)
        assert plain.cost is not None
        assert scaled.cost == scaled.lower_bound == unit * plain.cost


def test_what_it_does_not_take() -> None:
    """Other objectives, required accesses, and parts whose runs depend on the order."""
    one = Access("a", [Part("x", [0]), Part("x", [1]), Part("x", [2])])
    some = Access("b", [Part("x", [0, 1])])
    required = Access("c", [Part("x", [0, 2]), Part("x", [1])], required=True)

    def refusal(*accesses: Access, objective: str = "runs") -> str | None:
        instance = Instance("refused", [Tensor("x", 3)], accesses)
        problem = compile_problem(instance, Objective(objective)).problem
        return JunctionChoice().supports(problem)

    assert refusal(one) is None
    assert refusal(one, objective="bytes") is not None
    assert refusal(one, some) == "an access wants several classes of a tensor, but not all of them"
    assert refusal(one, required) == "an access is required"


def test_no_class_at_both_ends() -> None:
    """One of several channels could lie there, but would then have two runs."""
    whole = [0, 1, 2, 3]
    accesses = [
        Access("last", [Part("x", whole), Part("x", [2, 3])], weight=3),
        Access("both", [Part("x", whole), Part("x", [0, 1]), Part("x", whole)], weight=4),
    ]
    instance = Instance("ends", [Tensor("x", 4)], accesses)
    result = rs.solve(instance, "runs", JunctionChoice(), time_limit=None)
    assert (result.status, result.cost) == (Status.OPTIMAL, 4)
    assert brute_force(instance, "runs") == (4, 0)
    rs.check_proof(instance, result)
