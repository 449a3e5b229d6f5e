"""The front door of zero-copy pruning: rules kept, bounds true, optima found."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reorder_solver as rs
from formulations import windows_bound
from reorder_solver import Budget, ScoredAccess, ScoredPart, ScoredTensor, WindowsInstance
from reorder_solver.generators import generate_windows

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "formulations"))

from window_examples import best_value, drawn_model

pytest.importorskip("ortools")


def _instance(seed: int) -> tuple[WindowsInstance, int | None]:
    """A drawn model as an instance, and its optimum."""
    model = drawn_model(seed)
    tensors = tuple(
        ScoredTensor(
            f"t{t}",
            channels,
            model.fixed[t],
            None if model.fixed[t] else model.live_limits[t],
            0 if charge is None else charge[1],
            None if charge is None else f"b{charge[0]}",
        )
        for t, (channels, charge) in enumerate(zip(model.channels, model.live_charges, strict=True))
    )
    accesses = tuple(
        ScoredAccess(
            f"a{number}",
            tuple(ScoredPart(f"t{t}", scores) for t, scores in one.parts),
            f"b{one.budget}",
            cost=one.cost,
            minimum=one.minimum,
            maximum=one.maximum,
            gather=one.gather,
        )
        for number, one in enumerate(model.accesses)
    )
    budgets = tuple(Budget(f"b{number}", limit) for number, limit in enumerate(model.limits))
    return WindowsInstance(f"drawn-{seed}", tensors, accesses, budgets), best_value(model)


def _check(seed: int) -> tuple[bool, bool]:
    """Check both backends; whether the heuristic found the optimum, and whether there is one."""
    instance, best = _instance(seed)
    exact = rs.solve_windows(instance, backend="exact", time_limit=None, seed=seed)
    rs.verify_windows(instance, exact)
    assert exact.importance == best
    if best is None:
        assert exact.status is rs.Status.INFEASIBLE
    else:
        assert exact.status is rs.Status.OPTIMAL
    quick = rs.solve_windows(instance, backend="heuristic", time_limit=None, seed=seed)
    rs.verify_windows(instance, quick)
    if best is not None and quick.importance is not None:
        assert quick.importance <= best
    if best is not None and quick.upper_bound is not None:
        assert quick.upper_bound >= best
    return quick.importance == best, best is not None


@pytest.mark.parametrize("seed", range(25))
def test_small_instances(seed: int) -> None:
    """Exact equals trying everything; the heuristic's rules and bounds hold."""
    _check(seed)


@pytest.mark.slow
def test_five_hundred_small_instances() -> None:
    """``auto`` equals trying everything on each; ``heuristic`` misses 5 % in the mean at most."""
    missed = []
    solvable = 0
    for seed in range(1000, 1500):
        instance, best = _instance(seed)
        result = rs.solve_windows(instance, time_limit=60, seed=seed)
        rs.verify_windows(instance, result)
        assert result.importance == best, seed
        assert result.status is (rs.Status.INFEASIBLE if best is None else rs.Status.OPTIMAL)
        quick = rs.solve_windows(instance, backend="heuristic", time_limit=60, seed=seed)
        rs.verify_windows(instance, quick)
        if best:
            solvable += 1
            missed.append(1 - (quick.importance or 0) / best)
    assert solvable > 400
    assert np.mean(missed) <= 0.05


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_time_limit_gives_a_solution(seconds: float) -> None:
    """However little time there is, nested windows are found."""
    instance = generate_windows(seed=1, channels=256, readers=8, shared=True)
    result = rs.solve_windows(instance, time_limit=seconds)
    rs.verify_windows(instance, result)
    assert result.importance is not None
    # A fast machine may finish in the longer time.
    assert result.stop_reason is rs.StopReason.TIME_LIMIT or seconds > 0


def test_interrupt_keeps_the_best_so_far() -> None:
    """Ctrl-C in the middle: the result is a solution, and says why it ended."""
    instance = generate_windows(seed=1, channels=64, readers=5, correlation=0.0)

    def interrupt(progress: rs.WindowsProgress) -> None:
        raise KeyboardInterrupt

    result = rs.solve_windows(instance, time_limit=20, callback=interrupt)
    rs.verify_windows(instance, result)
    assert result.importance is not None
    assert result.stop_reason is rs.StopReason.INTERRUPTED


def _twice(instance: WindowsInstance) -> WindowsInstance:
    """The instance and a copy that has nothing to do with it."""
    (tensor,), (budgets, accesses) = instance.tensors, (instance.budgets, instance.accesses)
    tensors = (tensor, ScoredTensor("copy", tensor.channels))
    for access in instance.accesses:
        parts = (ScoredPart("copy", access.parts[0].scores),)
        budgets += (Budget(f"copy of {access.id}", tensor.channels // 2),)
        accesses += (ScoredAccess(f"copy of {access.id}", parts, f"copy of {access.id}"),)
    return WindowsInstance("twice", tensors, accesses, budgets)


@pytest.mark.parametrize("when", ["first bound", "second bound", "first search"])
def test_one_interrupt_ends_all_pieces(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever it comes, what was found is kept and the rest is served without a search."""
    instance = _twice(generate_windows(seed=1, channels=64, readers=5, correlation=0.0))
    bounds = 0
    bound = windows_bound.upper_bound

    def bounded(*args: Any, **options: Any) -> int:
        nonlocal bounds
        bounds += 1
        if when == ("first bound", "second bound")[min(bounds, 2) - 1]:
            raise KeyboardInterrupt
        return bound(*args, **options)

    def heard(progress: rs.WindowsProgress) -> None:
        if when == "first search":
            raise KeyboardInterrupt

    monkeypatch.setattr(windows_bound, "upper_bound", bounded)
    result = rs.solve_windows(instance, time_limit=None, callback=heard)
    rs.verify_windows(instance, result)
    assert result.importance is not None
    assert result.stop_reason is rs.StopReason.INTERRUPTED


def test_progress_rises() -> None:
    """A callback hears of better and better selections."""
    instance = generate_windows(seed=1, channels=48, readers=5, correlation=0.0)
    heard: list[int] = []

    def listen(progress: rs.WindowsProgress) -> None:
        assert progress.importance is not None
        heard.append(progress.importance)

    result = rs.solve_windows(instance, backend="heuristic", time_limit=None, callback=listen)
    assert heard == sorted(set(heard))
    assert heard[-1] == result.importance


def test_two_windows_have_their_best() -> None:
    """Any two accesses of one tensor can; it is proven without the exact programme."""
    instance = generate_windows(seed=4, channels=200, readers=2, correlation=0.0)
    result = rs.solve_windows(instance, backend="heuristic", time_limit=None)
    best = sum(int(np.sort(one.parts[0].scores)[100:].sum()) for one in instance.accesses)
    assert result.importance == best
    assert result.status is rs.Status.OPTIMAL


def test_three_equal_readers_agree() -> None:
    """Perfectly correlated scores lose nothing."""
    instance = generate_windows(seed=4, channels=40, readers=3, correlation=1.0)
    result = rs.solve_windows(instance, backend="heuristic", time_limit=None)
    assert result.status is rs.Status.OPTIMAL


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_windows_beat_constrained_pruning(correlation: float) -> None:
    """They retain more than one common selection, and less than free ones."""
    instance = generate_windows(seed=2, channels=96, readers=4, correlation=correlation)
    result = rs.solve_windows(instance, backend="heuristic", time_limit=20)
    rs.verify_windows(instance, result)
    scores = np.array([one.parts[0].scores for one in instance.accesses])
    same = int(np.sort(scores.sum(axis=0))[48:].sum())
    free = int(np.sort(scores, axis=1)[:, 48:].sum())
    assert result.importance is not None
    assert same < result.importance <= free
    assert result.gap is not None
    assert result.gap < 0.05


def test_same_seed_same_answer() -> None:
    """Without a time limit, seed and arguments decide."""
    instance = generate_windows(seed=3, tensors=2, channels=8, readers=2, joined=1, shared=True)
    one = rs.solve_windows(instance, backend="heuristic", time_limit=None, seed=5)
    two = rs.solve_windows(instance, backend="heuristic", time_limit=None, seed=5)
    assert one.layout == two.layout
    assert one.importance == two.importance


def test_live_limit_is_constrained_pruning() -> None:
    """As many live channels as a window is wide: all select the same, the best together."""
    made = generate_windows(seed=6, channels=20, readers=3, keep=0.5)
    instance = made.replace(tensors=(ScoredTensor("t0", 20, live_limit=10),))
    result = rs.solve_windows(instance, backend="heuristic", time_limit=None)
    rs.verify_windows(instance, result)
    scores = sum(one.parts[0].scores for one in made.accesses)
    assert result.importance == int(np.sort(scores)[10:].sum())


def test_bad_arguments() -> None:
    """One line each."""
    instance = generate_windows(channels=4, readers=1)
    with pytest.raises(rs.InputError, match="unknown windows backend 'best'; known: auto"):
        rs.solve_windows(instance, backend="best")
    with pytest.raises(rs.InputError, match="time limit"):
        rs.solve_windows(instance, time_limit=-1)
    with pytest.raises(rs.InputError, match="threads"):
        rs.solve_windows(instance, threads=0)


def test_nothing_to_select() -> None:
    """No access: nothing is retained, and that is proven."""
    instance = WindowsInstance("empty", (ScoredTensor("x", 3),), (), ())
    result = rs.solve_windows(instance)
    rs.verify_windows(instance, result)
    assert (result.importance, result.status) == (0, rs.Status.OPTIMAL)
