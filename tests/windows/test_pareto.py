"""The trade-off between importance and budget."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

import reorder_solver as rs
from reorder_solver.generators import generate_windows
from reorder_solver.windows.pareto import limited, nondominated, pareto_windows, pick

if TYPE_CHECKING:
    from reorder_solver import WindowsInstance, WindowsPoint, WindowsResult

pytest.importorskip("ortools")


def _solve(instance: WindowsInstance, percent: int) -> WindowsResult:
    return rs.solve_windows(instance, backend="heuristic", time_limit=None, seed=percent)


@pytest.fixture(scope="module")
def points() -> list[WindowsPoint]:
    """A sweep over one global budget."""
    instance = generate_windows(seed=2, channels=12, readers=3, shared=True)
    return pareto_windows(instance, [100, 20, 60, 40, 80, 60], solve=_solve)


def test_points_are_a_front(points: list[WindowsPoint]) -> None:
    """Every point is a verified solution of its limits; more units, more importance."""
    assert len(points) >= 4
    for point in points:
        rs.verify_windows(point.instance, point.result)
    for one, other in pairwise(points):
        assert one.spent < other.spent
        assert one.importance < other.importance
        assert (one.result.upper_bound or 0) <= (other.result.upper_bound or 0)
    assert nondominated(points) == points


def test_worse_result_of_larger_limits_is_replaced() -> None:
    """What fits into small limits fits into larger ones, so no solver can do worse there."""
    instance = generate_windows(seed=2, channels=16, readers=3)
    good = {50: _solve(limited(instance, 50), 50)}

    def careless(problem: WindowsInstance, percent: int) -> WindowsResult:
        if percent == 50:
            return good[50]
        poor = _solve(limited(problem, 10), 0)
        facts = rs.windows_digest(problem)
        return _as_of(poor, facts)

    found = pareto_windows(instance, [50, 100], solve=careless)
    assert found[-1].importance == good[50].importance
    for point in found:
        rs.verify_windows(point.instance, point.result)


def _as_of(result: WindowsResult, sha256: str) -> WindowsResult:
    from dataclasses import replace

    return replace(result, instance_sha256=sha256, upper_bound=10**9, status=rs.Status.FEASIBLE)


def test_pick(points: list[WindowsPoint]) -> None:
    """By budget the most importance, by importance the least budget."""
    middle = points[1]
    assert pick(points, spent=points[2].spent - 1) == middle
    assert pick(points, importance=points[0].importance + 1) == middle
    with pytest.raises(rs.InputError, match="one target"):
        pick(points)
    with pytest.raises(rs.InputError, match="no point spends"):
        pick(points, spent=points[0].spent - 1)
    with pytest.raises(rs.InputError, match="no point retains"):
        pick(points, importance=10**9)


def test_limited() -> None:
    """Only the budgets named change; unknown ones are refused."""
    instance = generate_windows(channels=10, readers=2)
    names = [budget.id for budget in instance.budgets]
    half = limited(instance, 50, names[:1])
    assert [budget.limit for budget in half.budgets] == [2, 5]
    with pytest.raises(rs.InputError, match="unknown budget"):
        limited(instance, 50, ["none"])
