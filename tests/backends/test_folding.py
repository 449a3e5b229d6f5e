"""Chains of tensors taken apart: the optimum, a proof of it, and honest bounds when time is out."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from brute_force import brute_force
from folding_backends import AtOnce, FoldsAtOnce, FoldsSieved
from hypothesis import given, settings
from hypothesis import strategies as st

import reorder_solver as rs
from reorder_solver import Access, Instance, Part, Status, Tensor
from reorder_solver.backends import folding
from reorder_solver.backends.branch_and_cut import BranchAndCut
from reorder_solver.backends.folding import ChainSolver
from reorder_solver.backends.shortest_tour import TourSolver
from reorder_solver.core.limits import Deadline
from reorder_solver.core.proof import Fold, RunsPart, Sieve

if TYPE_CHECKING:
    from formulations.subtour import SubtourBound
    from reorder_solver.backends.base import Answer, Task
BACKENDS = (FoldsAtOnce(), FoldsSieved())


@st.composite
def chains(draw: st.DrawFn, most: int = 8) -> Instance:
    """Two to four tensors of up to `most` channels together, accesses along them.

    Some may be fixed, some accesses required or without weight; the weights may have a divisor.
    """
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    while sum(sizes) > most:
        sizes[sizes.index(max(sizes))] -= 1
    tensors = [
        Tensor(f"t{place}", size, fixed=draw(st.integers(0, 5)) == 0)
        for place, size in enumerate(sizes)
    ]
    unit = draw(st.sampled_from([1, 1, 6]))
    accesses = []
    for number in range(draw(st.integers(2, 6))):
        first = 0 if number == 0 else draw(st.integers(0, len(sizes) - 1))
        last = len(sizes) - 1 if number == 0 else draw(st.integers(first, len(sizes) - 1))
        parts = [
            Part(f"t{place}", sorted(draw(st.sets(st.integers(0, sizes[place] - 1)))))
            for place in range(first, last + 1)
        ]
        weight = unit * draw(st.integers(0, 4))
        required = draw(st.integers(0, 7)) == 0
        accesses.append(Access(f"a{number}", parts, weight=weight, required=required))
    return Instance("chain", tensors, accesses)


@given(instance=chains(), number=st.integers(0, 1))
@settings(max_examples=150, deadline=None)
def test_against_brute_force(instance: Instance, number: int) -> None:
    """Whatever the chain, the optimum is found, and what proves it is accepted."""
    best = brute_force(instance, "runs")
    result = rs.solve(instance, "runs", BACKENDS[number], time_limit=None)
    rs.verify(instance, result)
    if best is None:
        assert result.status is Status.INFEASIBLE
        return
    assert (result.status, result.cost, result.lower_bound) == (Status.OPTIMAL, best[0], best[0])
    if result.proof is not None:
        rs.check_proof(instance, result)


class _Whole(BranchAndCut):
    """All tensors at once, without taking anything apart."""

    class _Solver(ChainSolver):
        _decompose = TourSolver._decompose

    solver: ClassVar[type[ChainSolver]] = _Solver


def dense_block(seed: int, sizes: tuple[int, ...], *, mirrored: bool = False) -> Instance:
    """Tensor after tensor is put in front, and each access reads all there are by then."""
    rng = np.random.default_rng([71, seed])
    tensors = [Tensor(f"t{place}", size) for place, size in enumerate(sizes)]
    accesses = [
        Access(
            f"a{last}",
            [
                Part(f"t{place}", np.flatnonzero(rng.random(sizes[place]) < 0.5))
                for place in (range(last, len(sizes)) if mirrored else range(last + 1))
            ],
            weight=int(rng.integers(1, 3)),
        )
        for last in range(len(sizes))
    ]
    return Instance("dense", tensors, accesses)


def _folds(result: rs.Result) -> list[Fold]:
    assert result.proof is not None
    trees = [part.tree for part in result.proof.parts if isinstance(part, RunsPart)]
    trees = [tree.rest if isinstance(tree, Sieve) else tree for tree in trees]
    return [tree for tree in trees if isinstance(tree, Fold)]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("sizes", [(24, 8, 8, 8, 8), (8, 8, 20, 8, 8), (6, 12, 12, 30)])
def test_against_all_tensors_at_once(sizes: tuple[int, ...], mirrored: bool) -> None:
    """On dense blocks, however they lie, it agrees with branch and cut on the whole."""
    instance = dense_block(len(sizes), sizes, mirrored=mirrored)
    whole = rs.solve(instance, "runs", _Whole(), time_limit=None)
    assert whole.status is Status.OPTIMAL
    for backend in BACKENDS:
        result = rs.solve(instance, "runs", backend, time_limit=None)
        rs.check_proof(instance, result)
        assert (result.status, result.cost) == (Status.OPTIMAL, whole.cost)
        assert _folds(result)
        again = rs.solve(instance, "runs", backend, time_limit=None)
        assert (again.layout, again.proof) == (result.layout, result.proof)


def test_fixed_tensors_and_required_accesses_stay_in_the_core() -> None:
    """Tensors whose order is not free are not folded; those on either side of them are."""
    instance = dense_block(5, (6, 7, 6, 7, 6, 6))
    tensors = [replace(tensor, fixed=tensor.id == "t1") for tensor in instance.tensors]
    view = Access("view", [Part("t2", [0, 2, 5]), Part("t3", [1, 4])], required=True)
    held = instance.replace(tensors=tensors, accesses=[*instance.accesses, view])
    whole = rs.solve(held, "runs", _Whole(), time_limit=None)
    for backend in BACKENDS:
        result = rs.solve(held, "runs", backend, time_limit=None)
        rs.check_proof(held, result)
        assert (result.status, result.cost) == (Status.OPTIMAL, whole.cost)
        (fold,) = _folds(result)
        assert (len(fold.before), len(fold.behind)) == (1, 1)


class _Steps(Deadline):
    """Time is out after so many looks at the clock."""

    __slots__ = ("_looks",)

    def __init__(self, looks: int) -> None:
        super().__init__(None)
        self._looks = looks

    @property
    def expired(self) -> bool:
        self._looks -= 1
        return self._looks < 0

    @property
    def remaining(self) -> float:
        return 0.0 if self._looks < 0 else inf

    def share(self, fraction: float) -> Deadline:
        return self


class _Limited(BranchAndCut):
    """Takes chains apart as long as the clock is not looked at too often."""

    solver: ClassVar[type[ChainSolver]] = AtOnce
    looks = 0

    def solve(self, task: Task) -> Answer:
        return super().solve(replace(task, deadline=_Steps(self.looks)))


def test_what_was_folded_counts_when_time_is_out() -> None:
    """However far it came, layout and bound are honest, and the bound has a proof."""
    instance = dense_block(9, (12, 9, 9, 9, 9))
    best = rs.solve(instance, "runs", FoldsAtOnce(), time_limit=None)
    assert best.cost is not None
    partial = 0
    for looks in range(2, 160, 6):
        backend = _Limited()
        backend.looks = looks
        result = rs.solve(instance, "runs", backend, time_limit=None)
        rs.verify(instance, result)
        assert result.lower_bound is not None
        assert result.cost is not None
        assert result.lower_bound <= best.cost <= result.cost
        if result.proof is not None:
            rs.check_proof(instance, result)
            partial += bool(_folds(result)) and result.lower_bound < result.cost
    assert partial


def test_what_a_cut_fold_leaves_is_bounded_before_it_is_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The time kept back is for the bound; a fold with time enough searches first."""
    solve_path = folding.solve_path
    bounds_first: list[bool] = []

    def noted(*args: Any, **options: Any) -> Any:
        bounds_first.append(options["bounds_first"])
        return solve_path(*args, **options)

    monkeypatch.setattr(folding, "solve_path", noted)
    backend = _Limited()
    for looks in range(2, 160, 6):
        backend.looks = looks
        rs.solve(dense_block(9, (12, 9, 9, 9, 9)), "runs", backend, time_limit=None)
    assert True in bounds_first
    bounds_first.clear()
    rs.solve(dense_block(9, (12, 9, 9, 9, 9)), "runs", FoldsAtOnce(), time_limit=None)
    assert bounds_first == [False]


@pytest.mark.parametrize("bounds_first", [False, True])
def test_local_search_before_or_after_the_bound(
    bounds_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is the same, and proven."""
    steps: list[str] = []
    search, bound = TourSolver._search, TourSolver._bound

    def noted_search(self: TourSolver, turn: int) -> None:
        steps.append("search")
        search(self, turn)

    def noted_bound(self: TourSolver) -> SubtourBound:
        steps.append("bound")
        return bound(self)

    monkeypatch.setattr(TourSolver, "_search", noted_search)
    monkeypatch.setattr(TourSolver, "_bound", noted_bound)
    rng = np.random.default_rng(9)
    columns = rng.integers(0, 2, size=(30, 8))
    columns[-1] = 0
    distances = (columns[:, None] != columns[None, :]).sum(axis=2)
    closed = np.zeros((0, 30), dtype=np.bool_)
    solver = TourSolver(
        *(distances, closed, np.arange(30), Deadline(None), 0, lambda: None),
        bounds_first=bounds_first,
    )
    assert solver.run()
    assert solver.answer.length == solver.answer.bound
    assert steps[0] == ("bound" if bounds_first else "search")


def test_a_long_chain_is_folded_at_once_by_branch_and_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where many tensors are small, the bound on the whole is not even begun."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the whole was bounded")

    monkeypatch.setattr(ChainSolver, "_bound", refuse)
    instance = dense_block(3, (8,) * 30)
    result = rs.solve(instance, "runs", BranchAndCut(), time_limit=None)
    rs.check_proof(instance, result)
    assert result.status is Status.OPTIMAL


def test_numbers_too_large_are_left_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where sums might leave 64 bits, nothing is taken apart."""
    monkeypatch.setattr(folding, "_LARGEST", 100)
    instance = dense_block(2, (6, 4, 4))
    result = rs.solve(instance, "runs", FoldsAtOnce(), time_limit=None)
    rs.check_proof(instance, result)
    assert result.status is Status.OPTIMAL
    assert not _folds(result)
