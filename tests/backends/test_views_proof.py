"""Proofs of the exact backends: every constraint holds in every layout, and they give the bound."""

from __future__ import annotations

from itertools import combinations, permutations, product
from math import factorial, prod
from typing import TYPE_CHECKING

import numpy as np
import pytest
from random_instances import random_instance

from formulations.covering import Constraint, Covering
from formulations.enumeration import Enumeration
from formulations.hitting_set import solve_cpsat
from reorder_solver import Access, Instance, Objective, Part, StopReason, Tensor
from reorder_solver.backends import make_backend
from reorder_solver.backends.base import Answer, Task
from reorder_solver.backends.view_selection import run
from reorder_solver.backends.view_selection.selection import flat_price
from reorder_solver.core.limits import Deadline
from reorder_solver.core.proof import ViewsPart
from reorder_solver.presolve import compile_problem, presolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_solver.presolve import Problem

_MOST_LAYOUTS = 800


def _answer(name: str, problem: Problem, seconds: float | None = None) -> Answer:
    task = Task(problem, Deadline(seconds), 0, 1, None, lambda orders, bound: None)
    return make_backend(name).solve(task)


def _view_sets(problem: Problem) -> set[frozenset[int]]:
    """The accesses that are views, for every layout that keeps the required ones."""
    choices = [
        [np.arange(sizes.size)] if fixed else [np.array(p) for p in permutations(range(sizes.size))]
        for sizes, fixed in zip(problem.sizes, problem.fixed, strict=True)
    ]
    found = set()
    for orders in product(*choices):
        facts = problem.facts(orders)
        views = frozenset(number for number, (runs, _) in enumerate(facts) if runs <= 1)
        if all(n in views for n, access in enumerate(problem.accesses) if access.required):
            found.add(views)
    return found


def _covering_optimum(problem: Problem, proof: ViewsPart[int]) -> int:
    weights = [flat_price(access) or 0 for access in problem.accesses]
    best = sum(weights)
    for count in range(len(weights) + 1):
        for paying in combinations(range(len(weights)), count):
            chosen = set(paying)
            if all(len(chosen & set(members)) >= need for members, need in proof.constraints):
                best = min(best, sum(weights[each] for each in paying))
    return best


def _check(problem: Problem, answer: Answer) -> int:
    """Check a proof by enumeration; return how many constraints it has."""
    proof = answer.proof
    assert isinstance(proof, ViewsPart)
    assert proof.bound == answer.lower_bound
    possible = _view_sets(problem)
    for members, demand in proof.constraints:
        assert 0 < demand <= len(members) == len(set(members))
        for subset in combinations(members, len(members) - demand + 1):
            assert not any(views.issuperset(subset) for views in possible)
    assert _covering_optimum(problem, proof) >= proof.bound
    return len(proof.constraints)


def _small_problems(stream: int, count: int) -> list[Problem]:
    found = []
    for seed in range(count):
        instance = random_instance(np.random.default_rng([stream, seed]))
        compiled = compile_problem(instance, Objective.BYTES)
        for component in presolve(compiled.problem).components:
            layouts = prod(
                1 if fixed else factorial(sizes.size)
                for sizes, fixed in zip(
                    component.problem.sizes, component.problem.fixed, strict=True
                )
            )
            if layouts <= _MOST_LAYOUTS and _view_sets(component.problem):
                found.append(component.problem)
    return found


@pytest.mark.parametrize(("name", "count"), [("exact", 200), ("exact-pulp", 60)])
def test_proofs_on_small_instances(name: str, count: int) -> None:
    """Several parts, fixed tensors and required accesses included."""
    constraints = required = proven = 0
    for problem in _small_problems(41, count):
        answer = _answer(name, problem)
        assert answer.orders is not None
        assert answer.stop_reason is StopReason.PROVEN
        assert problem.cost(answer.orders).primary == answer.lower_bound
        constraints += _check(problem, answer)
        proven += 1
        required += any(access.required for access in problem.accesses)
    assert proven > count / 4
    assert constraints > count / 8
    assert required > 2


def test_proof_when_time_is_over() -> None:
    """Whatever bound is returned without any time has its proof."""
    for problem in _small_problems(42, 40):
        _check(problem, _answer("exact", problem, 0.0))


def _problem(wanted: list[list[int]], channels: int, seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    accesses = [
        Access(f"a{number}", [Part("x", each)], bytes=int(rng.integers(1, 9)))
        for number, each in enumerate(wanted)
    ]
    instance = Instance("sparse", [Tensor("x", channels)], accesses)
    return compile_problem(instance, Objective.BYTES).problem


def test_conflicts_of_more_than_three() -> None:
    """In pairs of channels, the no-goods are cycles and claws of any size."""
    larger = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        pairs = list(combinations(range(6), 2))
        chosen = rng.choice(len(pairs), size=8, replace=False)
        problem = _problem([list(pairs[each]) for each in chosen], 6, seed)
        answer = _answer("exact", problem)
        assert answer.orders is not None
        assert problem.cost(answer.orders).primary == answer.lower_bound
        _check(problem, answer)
        assert isinstance(answer.proof, ViewsPart)
        larger += sum(len(members) - need + 1 > 3 for members, need in answer.proof.constraints)
    assert larger > 3


def test_everything_fits() -> None:
    """With all accesses views at once, the proof of zero is empty."""
    accesses = [Access(f"a{i}", [Part("x", [i, i + 1])]) for i in range(5)]
    problem = compile_problem(Instance("path", [Tensor("x", 6)], accesses), Objective.BYTES).problem
    answer = _answer("exact", problem)
    assert answer.lower_bound == 0
    assert answer.proof == ViewsPart((), 0)


def test_warm_start_is_kept() -> None:
    """What is a view under the warm start is tried first, so the answer costs no more."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        wanted = [np.flatnonzero(rng.random(20) < 0.3).tolist() for _ in range(20)]
        problem = _problem(wanted, 20, seed)
        start = (rng.permutation(problem.classes),)
        task = Task(problem, Deadline(0.0), 0, 1, start, lambda orders, bound: None)
        assert make_backend("exact").solve(task).orders is not None
        task = Task(problem, Deadline(None), 0, 1, start, lambda orders, bound: None)
        answer = make_backend("exact").solve(task)
        assert answer.orders is not None
        assert problem.cost(answer.orders).primary <= problem.cost(start).primary


def test_dense_conflicts_are_enumerated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enumeration proves what masters alone prove, and its constraints suffice for the bound."""
    seen = []

    class Watched(Enumeration):
        def refuse(self, constraints: Iterable[Constraint]) -> None:
            super().refuse(constraints)
            seen.append("refused")

        def accept(self, value: int) -> None:
            super().accept(value)
            seen.append("accepted")

    monkeypatch.setattr(run, "_PLAIN_ROUNDS", 1)
    monkeypatch.setattr(run, "Enumeration", Watched)
    monkeypatch.setattr(run.HittingSetRun, "_cut", lambda self: None)
    monkeypatch.setattr(run.HittingSetRun, "_improve", lambda self, effort: None)
    for seed in range(4):
        rng = np.random.default_rng([9, seed])
        wanted = [np.flatnonzero(rng.random(40) < 0.14).tolist() for _ in range(24)]
        problem = _problem([each for each in wanted if len(each) > 1], 40, seed)
        answer = _answer("exact", problem)
        assert answer.stop_reason is StopReason.PROVEN
        assert isinstance(answer.proof, ViewsPart)
        assert answer.lower_bound == _answer("exact-pulp", problem).lower_bound
        weights = tuple(flat_price(access) or 0 for access in problem.accesses)
        covering = Covering(weights, answer.proof.constraints)
        assert solve_cpsat(covering).lower_bound >= answer.proof.bound
    assert seen.count("refused") > 2
    assert seen.count("accepted") > 0
