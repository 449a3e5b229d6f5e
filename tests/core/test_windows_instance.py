"""Windows instances refuse what breaks a rule; evaluation and verification catch wrong windows."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reorder_solver as rs
from reorder_solver import (
    Budget,
    ScoredAccess,
    ScoredPart,
    ScoredTensor,
    Window,
    WindowsInstance,
    WindowsResult,
)


def _access(key: str = "a", **changes: Any) -> ScoredAccess:
    fields: dict[str, Any] = {
        "id": key,
        "parts": (ScoredPart("x", [4, 3, 2, 1]),),
        "budget": "all",
        **changes,
    }
    return ScoredAccess(**fields)


@pytest.fixture
def instance() -> WindowsInstance:
    """A tensor with live limit and cost, a fixed one, a concatenation and one that may gather."""
    return WindowsInstance(
        "w",
        (
            ScoredTensor("x", 4, live_limit=3, live_cost=2, budget="all"),
            ScoredTensor("y", 2, fixed=True),
        ),
        (
            _access("a", cost=3, minimum=1, maximum=2),
            _access("b", parts=(ScoredPart("x", [0, 5, 0, 6]), ScoredPart("y", [7, 1]))),
            _access("c", gather=(4, 1)),
        ),
        (Budget("all", 40),),
    )


@pytest.fixture
def result(instance: WindowsInstance) -> WindowsResult:
    """An honest result: live channels 0, 1, 3 of x; b crosses into y; c gathers."""
    layout = rs.Layout({"x": [0, 1, 3, 2], "y": [0, 1]})
    selected = {
        "a": (np.array([0, 1]),),
        "b": (np.array([1, 3]), np.array([0])),
        "c": (np.array([0, 3]),),
    }
    gathered = frozenset({"c"})
    facts = rs.evaluate_windows(instance, layout, selected, gathered)
    return WindowsResult(
        rs.Status.FEASIBLE,
        rs.StopReason.FINISHED,
        facts.importance,
        100,
        layout,
        selected,
        gathered,
        facts.windows,
        facts.spent,
        instance_sha256=rs.windows_digest(instance),
    )


def test_facts(instance: WindowsInstance, result: WindowsResult) -> None:
    """Importance, units and windows by hand; positions are those of live channels."""
    assert result.importance == (4 + 3) + (5 + 6 + 7) + (4 + 1)
    assert result.spent == {"all": 3 * 2 + 3 + (2 + 4 + 2) + 2 * 3}
    assert result.windows == {"a": Window(0, 2), "b": Window(1, 4), "c": None}
    assert result.gap == (100 - 30) / 100
    rs.verify_windows(instance, result)


def _selecting(result: WindowsResult, access: str, *parts: list[int]) -> WindowsResult:
    arrays = tuple(np.array(part, dtype=np.int64) for part in parts)
    return replace(result, selected={**result.selected, access: arrays})


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda r: replace(r, importance=31), "importance is 31"),
        (lambda r: replace(r, upper_bound=29), "below the importance"),
        (lambda r: replace(r, status=rs.Status.OPTIMAL), "bound is not reached"),
        (lambda r: replace(r, status=rs.Status.INFEASIBLE), "there is a solution"),
        (lambda r: replace(r, layout=None), "no layout"),
        (lambda r: replace(r, spent={"all": 1}), "budgets spent"),
        (
            lambda r: replace(r, windows={**r.windows, "a": Window(0, 1)}),
            "is not that of the layout",
        ),
        (lambda r: replace(r, windows={**r.windows, "c": Window(0, 1)}), "names a window"),
        (lambda r: replace(r, gathered=r.gathered | {"?"}), "an unknown access"),
        (lambda r: _selecting(r, "a", [0, 9]), "outside tensor 'x'"),
        (lambda r: _selecting(r, "a", [-1, 0]), "outside tensor 'x'"),
        (lambda r: _selecting(r, "a", [0, 0]), "a channel twice"),
        (lambda r: replace(r, instance_sha256="0" * 64), "another instance"),
        (lambda r: replace(r, gathered=frozenset()), "'c' is no window"),
        (lambda r: replace(r, gathered=frozenset("ac")), "'a' selects freely"),
        (
            lambda r: replace(r, layout=rs.Layout({"x": [3, 1, 0, 2], "y": [0, 1]})),
            "'a' is not that",
        ),
        (lambda r: replace(r, layout=rs.Layout({"x": [0, 1, 3, 2], "y": [1, 0]})), "fixed"),
        (lambda r: _selecting(r, "a"), "selections for"),
        (lambda r: _selecting(r, "a", []), "has 0 channels, not 1..2"),
        (lambda r: _selecting(r, "a", [0, 1, 3]), "has 3 channels, not 1..2"),
        (lambda r: replace(r, selected={"a": r.selected["a"]}), "exactly"),
    ],
)
def test_wrong_results(
    instance: WindowsInstance, result: WindowsResult, change: Any, rule: str
) -> None:
    """Every claim that is not so is found."""
    with pytest.raises(rs.VerificationError, match=rule):
        rs.verify_windows(instance, change(result))


def test_too_many_live_channels(instance: WindowsInstance, result: WindowsResult) -> None:
    """Three are live; a limit of two is broken."""
    tensors = (replace(instance.tensors[0], live_limit=2), instance.tensors[1])
    small = instance.replace(tensors=tensors)
    mine = replace(result, instance_sha256=rs.windows_digest(small))
    with pytest.raises(rs.VerificationError, match="3 live channels, more than 2"):
        rs.verify_windows(small, mine)


def test_overdrawn_budget(instance: WindowsInstance, result: WindowsResult) -> None:
    """Within 23 units it is a solution, within 22 not."""
    for limit, fits in ((23, True), (22, False)):
        small = instance.replace(budgets=(Budget("all", limit),))
        mine = replace(result, instance_sha256=rs.windows_digest(small))
        if fits:
            rs.verify_windows(small, mine)
        else:
            with pytest.raises(rs.VerificationError, match="23 spent of 22"):
                rs.verify_windows(small, mine)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: ScoredTensor("", 4), "tensor id"),
        (lambda: ScoredTensor("x", 0), "channels"),
        (lambda: ScoredTensor("x", 4, live_limit=-1), "live_limit"),
        (lambda: ScoredTensor("x", 4, live_cost=1), "needs a budget"),
        (lambda: ScoredTensor("x", 4, fixed=True, live_limit=2), "fixed tensor"),
        (lambda: ScoredPart("x", [1.5]), "integers"),
        (lambda: ScoredPart("x", [-1]), "negative"),
        (lambda: ScoredPart("x", [1 << 50, 1 << 50]), "add up"),
        (lambda: _access(parts=()), "non-empty"),
        (lambda: _access(parts=(ScoredPart("x", [1]), ScoredPart("x", [1]))), "two parts"),
        (lambda: _access(role="reads"), "unknown role"),
        (lambda: _access(minimum=5), "minimum 5"),
        (lambda: _access(minimum=2, maximum=1), "minimum 2"),
        (lambda: _access(gather=(1,)), "two prices"),
        (lambda: _access(gather=5), "two prices"),
        (lambda: _access(cost=-1), "cost"),
        (lambda: Budget("b", -1), "limit"),
    ],
)
def test_broken_rules(make: Any, rule: str) -> None:
    """One line says which rule."""
    with pytest.raises(rs.InputError, match=rule) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"budgets": ()}, "unknown budget"),
        ({"tensors": ()}, "unknown tensor"),
        ({"tensors": (ScoredTensor("x", 3), ScoredTensor("y", 2))}, "4 scores for tensor 'x'"),
        ({"budgets": (Budget("all", 1), Budget("all", 2))}, "used twice"),
        ({"accesses": (_access(), _access())}, "used twice"),
        ({"name": 3}, "name"),
    ],
)
def test_broken_references(instance: WindowsInstance, changes: dict[str, Any], rule: str) -> None:
    """What is named must be there, once."""
    with pytest.raises(rs.InstanceError, match=rule):
        instance.replace(**changes)


def test_digest_and_pickle(instance: WindowsInstance) -> None:
    """The digest is of the problem, not of its name; a pickle is the same instance."""
    assert rs.windows_digest(instance.replace(name="other")) == rs.windows_digest(instance)
    for changed in (
        instance.replace(budgets=(Budget("all", 41),)),
        instance.replace(accesses=(*instance.accesses[:2], _access("c", gather=(4, 2)))),
    ):
        assert rs.windows_digest(changed) != rs.windows_digest(instance)
    assert pickle.loads(pickle.dumps(instance)) == instance
