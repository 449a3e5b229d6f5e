"""Presolve never changes the optimum, and its way back costs what it says."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import brute_force, brute_force_problem
from random_instances import random_instance

import reorder_solver as rs
from reorder_solver import Access, Instance, Objective, Part, PriceList, Tensor
from reorder_solver.presolve import Presolved, ViewSet, compile_problem, presolve


def _best(reduced: Presolved) -> tuple[int, int] | None:
    """Optimum of the reduced problem, component by component."""
    if reduced.constant.violated:
        return None
    primary, tie = reduced.constant.primary, reduced.constant.tie
    for component in reduced.components:
        cost = brute_force_problem(component.problem)
        if cost is None:
            return None
        primary, tie = primary + cost.primary, tie + cost.tie
    return primary, tie


def _check(seed: int, objective: Objective) -> None:
    instance = random_instance(np.random.default_rng([7, seed]))
    reduced = presolve(compile_problem(instance, objective).problem)
    assert _best(reduced) == brute_force(instance, objective)


@pytest.mark.parametrize("objective", Objective)
def test_optimum_is_kept(objective: Objective) -> None:
    """The reduced problem has the brute-force optimum of the instance (tie-break included)."""
    for seed in range(120):
        _check(seed, objective)


@pytest.mark.slow
@pytest.mark.parametrize("objective", Objective)
def test_optimum_is_kept_often(objective: Objective) -> None:
    """The same on 2000 instances."""
    for seed in range(1000, 3000):
        _check(seed, objective)


@pytest.mark.parametrize("objective", Objective)
def test_lifted_orders_cost_what_the_parts_cost(objective: Objective) -> None:
    """Random orders of the components cost the same once lifted back to the instance."""
    rng = np.random.default_rng(3)
    for seed in range(200):
        instance = random_instance(np.random.default_rng([11, seed]))
        compiled = compile_problem(instance, objective)
        reduced = presolve(compiled.problem)
        solutions = [
            tuple(
                np.arange(sizes.size) if fixed else rng.permutation(sizes.size)
                for sizes, fixed in zip(
                    component.problem.sizes, component.problem.fixed, strict=True
                )
            )
            for component in reduced.components
        ]
        parts = [
            component.problem.cost(orders)
            for component, orders in zip(reduced.components, solutions, strict=True)
        ]
        layout = compiled.layout(reduced.lift(solutions))
        found = rs.evaluate(instance, layout, objective)
        violated, primary, tie = (
            sum(column) for column in zip(reduced.constant, *parts, strict=True)
        )
        assert bool(violated) == (found.total is None)
        assert tie == found.tie_break
        if not violated:
            assert primary == found.total


def test_restrict_and_lift_keep_class_contiguous_orders() -> None:
    """Orders that keep classes together survive the way in and back out."""
    for seed in range(100):
        instance = random_instance(np.random.default_rng([13, seed]))
        compiled = compile_problem(instance, Objective.RUNS)
        reduced = presolve(compiled.problem)
        rng = np.random.default_rng(seed)
        solutions = [
            tuple(rng.permutation(sizes.size) for sizes in component.problem.sizes)
            for component in reduced.components
        ]
        lifted = reduced.lift(solutions)
        for component, orders in zip(reduced.components, solutions, strict=True):
            for given, back in zip(orders, component.restrict(lifted), strict=True):
                assert given.tolist() == back.tolist()


def test_channels_wanted_alike_become_one_class() -> None:
    """Two accesses over six channels leave their three Venn regions, as sizes."""
    instance = Instance(
        "venn",
        [Tensor("x", 7)],
        [Access("a", [Part("x", [0, 2, 4])]), Access("b", [Part("x", [4, 5, 1, 2, 6])])],
    )
    (component,) = presolve(compile_problem(instance, Objective.BYTES).problem).components
    assert component.problem.sizes[0].tolist() == [1, 3, 2]


def test_fixed_tensor_joins_neighbours_only() -> None:
    """Equal columns of a fixed tensor that are apart stay apart."""
    instance = Instance(
        "fixed",
        [Tensor("x", 4, fixed=True), Tensor("y", 3)],
        [
            Access("a", [Part("x", [3]), Part("y", [0, 1])]),
            Access("b", [Part("x", [0, 3]), Part("y", [1, 2])]),
        ],
    )
    (component,) = presolve(compile_problem(instance, Objective.BYTES).problem).components
    assert component.problem.sizes[0].tolist() == [1, 2, 1]


def test_unlinked_tensors_are_components() -> None:
    """Tensors that no access joins are solved apart; trivial accesses vanish."""
    instance = Instance(
        "apart",
        [Tensor("x", 4), Tensor("y", 4)],
        [
            Access("a", [Part("x", [0, 1])]),
            Access("b", [Part("x", [1, 2])]),
            Access("c", [Part("y", [0, 3])]),
            Access("whole", [Part("x", range(4))]),
            Access("single", [Part("y", [1])]),
            Access("none", [Part("y", [])]),
        ],
    )
    reduced = presolve(compile_problem(instance, Objective.COPIES).problem)
    found = sorted(
        sorted(member for access in component.problem.accesses for member in access.members)
        for component in reduced.components
    )
    assert found == [[0, 1], [2]]


def test_equal_accesses_merge_and_keep_their_prices() -> None:
    """Equal accesses add up where they have one mode each, and stay side by side otherwise."""
    priced = PriceList(gather=(3, 1), split=(2,))
    instance = Instance(
        "equal",
        [Tensor("x", 4)],
        [
            Access("a", [Part("x", [0, 1])], bytes=4, prices=PriceList(split=(5,))),
            Access("b", [Part("x", [0, 1])], bytes=6, prices=PriceList(split=(7,))),
            Access("c", [Part("x", [0, 1])], bytes=1, prices=priced),
            Access("d", [Part("x", [1, 2, 3])]),
        ],
    )
    by_bytes = presolve(compile_problem(instance, Objective.BYTES).problem).components[0]
    assert by_bytes.problem.accesses[0].prices == (PriceList(gather=(0, 11)),)
    assert by_bytes.problem.accesses[0].members == (0, 1, 2)
    with pytest.raises(rs.InstanceError, match="access 'd'"):
        compile_problem(instance, Objective.LATENCY)
    priced_all = instance.replace(accesses=instance.accesses[:3])
    whole = Access("w", [Part("x", range(4))], prices=priced)
    problem = compile_problem(
        priced_all.replace(accesses=[*priced_all.accesses, whole]), Objective.LATENCY
    ).problem
    merged = presolve(problem).components[0].problem.accesses[0]
    assert set(merged.prices) == {priced, PriceList(split=(12,))}


def test_view_set_agrees_with_brute_force() -> None:
    """A set of accesses fits exactly if some layout makes all of them views."""
    for seed in range(150):
        rng = np.random.default_rng([17, seed])
        instance = random_instance(rng, required=False)
        chosen = [access.id for access in instance.accesses if rng.random() < 0.6]
        strict = instance.replace(
            accesses=[Access(a.id, a.parts, required=a.id in chosen) for a in instance.accesses]
        )
        problem = compile_problem(strict, Objective.COPIES).problem
        views = ViewSet(problem)
        fits = all(views.add(number) for number, a in enumerate(strict.accesses) if a.required)
        assert fits == (brute_force(strict, "copies") is not None)
        if fits:
            assert problem.cost(views.orders()).violated == 0
