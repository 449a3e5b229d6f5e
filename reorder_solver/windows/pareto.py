"""The trade-off between importance and budget: a windows problem under a range of limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reorder_solver.core.errors import InputError
from reorder_solver.core.prices import as_integer
from reorder_solver.core.result import Status, StopReason
from reorder_solver.core.window_result import windows_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reorder_solver.core.window_result import WindowsResult
    from reorder_solver.core.windows import WindowsInstance

    Solve = Callable[[WindowsInstance, int], WindowsResult]


@dataclass(frozen=True, slots=True)
class WindowsPoint:
    """A point of the trade-off.

    Attributes
    ----------
    percent : int
        Share of the limits that was allowed.
    instance : WindowsInstance
        The problem under these limits.
    result : WindowsResult
        A solution of it.
    """

    percent: int
    instance: WindowsInstance
    result: WindowsResult

    @property
    def importance(self) -> int:
        """What the windows retain."""
        return self.result.importance or 0

    @property
    def spent(self) -> int:
        """Units used, over all budgets."""
        return sum(self.result.spent.values())


def limited(
    instance: WindowsInstance, percent: int, budgets: Iterable[str] | None = None
) -> WindowsInstance:
    """`instance` with a share of its limits, rounded down; of those named only, if any are."""
    known = {budget.id for budget in instance.budgets}
    chosen = known if budgets is None else set(budgets)
    if not chosen <= known:
        raise InputError(f"unknown budget {sorted(chosen - known)[0]!r}")
    percent = as_integer(percent, "percent")
    return instance.replace(
        budgets=tuple(
            replace(one, limit=one.limit * percent // 100) if one.id in chosen else one
            for one in instance.budgets
        )
    )


def pareto_windows(
    instance: WindowsInstance,
    percents: Sequence[int],
    *,
    budgets: Iterable[str] | None = None,
    solve: Solve,
) -> list[WindowsPoint]:
    """Solve an instance under a share of its limits after another.

    What fits into small limits fits into larger ones, and what bounds the importance under large
    limits bounds it under smaller ones; both are handed on from point to point.

    Parameters
    ----------
    instance : WindowsInstance
    percents : sequence of int
        Shares of the limits; in any order.
    budgets : iterable of str, optional
        Ids of the budgets to vary; all by default.
    solve : callable
        From an instance and its percent to a result. May keep results and return them again,
        which makes a sweep resumable.

    Returns
    -------
    list of WindowsPoint
        The points that no other dominates: by units spent, importance rising.
    """
    names = None if budgets is None else tuple(budgets)
    found: list[WindowsPoint] = []
    for percent in sorted(set(percents)):
        problem = limited(instance, percent, names)
        found.append(WindowsPoint(percent, problem, solve(problem, percent)))
    return nondominated(_tightened(found))


def _tightened(points: list[WindowsPoint]) -> list[WindowsPoint]:
    best: list[WindowsPoint] = []
    for point in points:
        before = best[-1] if best else None
        worse = point.result.layout is None or (
            before is not None and point.importance < before.importance
        )
        if before is not None and before.result.layout is not None and worse:
            point = _adopted(point, before)
        best.append(point)
    bound: int | None = None
    tight: list[WindowsPoint] = []
    for point in reversed(best):
        own = point.result.upper_bound
        if point.result.layout is not None:
            bound = own if bound is None else bound if own is None else min(bound, own)
            point = replace(point, result=_bounded(point.result, bound))
        tight.append(point)
    return tight[::-1]


def _adopted(point: WindowsPoint, before: WindowsPoint) -> WindowsPoint:
    """The solution of the smaller limits, as one of the larger."""
    result = replace(
        before.result,
        status=Status.FEASIBLE,
        stop_reason=point.result.stop_reason,
        upper_bound=point.result.upper_bound,
        instance_sha256=windows_digest(point.instance),
        times=point.result.times,
    )
    return replace(point, result=result)


def _bounded(result: WindowsResult, bound: int | None) -> WindowsResult:
    if bound is not None and bound == result.importance:
        return replace(
            result, upper_bound=bound, status=Status.OPTIMAL, stop_reason=StopReason.PROVEN
        )
    return replace(result, upper_bound=bound)


def nondominated(points: Iterable[WindowsPoint]) -> list[WindowsPoint]:
    """The points such that no other spends less and retains as much, by units spent."""
    front: list[WindowsPoint] = []
    solved = (point for point in points if point.result.layout is not None)
    for point in sorted(solved, key=lambda one: (one.spent, -one.importance, one.percent)):
        if not front or point.importance > front[-1].importance:
            front.append(point)
    return front


def pick(
    points: Iterable[WindowsPoint], *, spent: int | None = None, importance: int | None = None
) -> WindowsPoint:
    """The point that retains most for at most `spent`, or spends least for `importance`.

    Raises
    ------
    InputError
        If no point meets the target, or not exactly one target is given.
    """
    if (spent is None) == (importance is None):
        raise InputError("name one target: spent or importance")
    front = nondominated(points)
    if spent is not None:
        meeting = [point for point in front if point.spent <= spent]
        if not meeting:
            raise InputError(f"no point spends at most {spent}")
        return meeting[-1]
    meeting = [point for point in front if point.importance >= (importance or 0)]
    if not meeting:
        raise InputError(f"no point retains {importance}")
    return meeting[0]
