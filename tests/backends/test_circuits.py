"""The backend ``circuits``: runs of several tensors, however accesses meet them."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import brute_force
from shuffled_instances import shuffled

import reorder_solver as rs
from reorder_solver import Access, Instance, Objective, Part, Status, Tensor
from reorder_solver.backends.branch_and_cut import SequenceBound
from reorder_solver.backends.circuits import Circuits
from reorder_solver.presolve import compile_problem


@pytest.mark.parametrize("unit", [1, 3, 2**45])
def test_optimum_against_brute_force(unit: int) -> None:
    """Accesses that meet tensors again and again, and want some of their channels; fixed ones."""
    for seed in range(40):
        instance = shuffled(seed, several=True, fixed=True, unit=unit)
        best = brute_force(instance, "runs")
        assert best is not None
        result = rs.solve(instance, "runs", Circuits(), time_limit=None)
        rs.verify(instance, result)
        assert (result.status, result.cost) == (Status.OPTIMAL, best[0])


def test_bound_of_cut_accesses_against_brute_force() -> None:
    """What accesses pay for being cut counts, and the sum is often the optimum."""
    tight = 0
    for seed in range(80):
        instance = shuffled(seed, several=True, fixed=seed % 2 == 0)
        best = brute_force(instance, "runs")
        assert best is not None
        result = rs.solve(instance, "runs", SequenceBound(), time_limit=None)
        rs.verify(instance, result)
        assert result.lower_bound is not None
        assert result.lower_bound <= best[0]
        tight += result.lower_bound == best[0]
    assert tight >= 50


def test_auto_proves_what_reads_a_tensor_twice() -> None:
    """As in networks with aggregations of one value: more classes than subsets are tried of."""
    rng = np.random.default_rng(44)

    def some(channels: int) -> np.ndarray:
        return np.flatnonzero(rng.random(channels) < 0.5)

    accesses = [Access(f"a{number}", [Part("y", some(30))]) for number in range(2)]
    accesses += [Access(f"b{number}", [Part("x", some(7))]) for number in range(2)]
    parts = [Part("y", some(30)), Part("y", some(30)), Part("x", some(7)), Part("y", some(30))]
    accesses.append(Access("root", parts))
    instance = Instance("aggregated", [Tensor("x", 7), Tensor("y", 30)], accesses)
    result = rs.solve(instance, "runs", time_limit=None)
    rs.verify(instance, result)
    assert result.status is Status.OPTIMAL


def test_what_it_does_not_take() -> None:
    """Other objectives, required accesses, and too many pairs."""
    access = Access("a", [Part("x", [0, 2])])
    required = Access("b", [Part("x", [1, 2])], required=True)

    def refusal(instance: Instance, objective: str = "runs") -> str | None:
        return Circuits().supports(compile_problem(instance, Objective(objective)).problem)

    tensors = [Tensor("x", 3)]
    assert refusal(Instance("x", tensors, [access]), "copies") is not None
    assert refusal(Instance("x", tensors, [access, required])) == "an access is required"
    wide = Access("c", [Part("x", np.arange(400))])
    assert "it takes up to 100000" in str(refusal(Instance("x", [Tensor("x", 400)], [wide])))
