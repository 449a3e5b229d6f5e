"""Verify: an independent re-check of a solution of a windows problem.

As in :mod:`reorder_solver.core.verify`, nothing is shared with the evaluation or any solver:
positions, windows, budgets and importance are worked out again, in plain Python, from the
definitions. A mistake in the common code therefore cannot hide itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.core.errors import VerificationError
from reorder_solver.core.result import Status
from reorder_solver.core.window_result import windows_digest

if TYPE_CHECKING:
    from reorder_solver.core.window_result import WindowsResult
    from reorder_solver.core.windows import ScoredAccess, WindowsInstance


def verify_windows(instance: WindowsInstance, result: WindowsResult) -> None:
    """Check a result against its instance from first principles.

    Raises
    ------
    VerificationError
        On any disagreement: a foreign instance, an order that is no permutation, a moved fixed
        tensor, a window that is none, an overdrawn budget, a wrong importance, or a status that
        importance and bound do not support.

    Notes
    -----
    Proves the importance, not the upper bound: that no selection retains more is not checked.
    """
    if result.instance_sha256 and result.instance_sha256 != windows_digest(instance):
        raise VerificationError("the result is of another instance (sha256 differs)")
    if result.layout is None:
        if result.importance is not None or result.status in (Status.OPTIMAL, Status.FEASIBLE):
            raise VerificationError("a solution is claimed, but there is no layout")
        return
    names = {access.id for access in instance.accesses}
    if set(result.selected) != names or set(result.windows) != names:
        raise VerificationError("the selection does not list exactly the instance's accesses")
    if not result.gathered <= names:
        raise VerificationError("an unknown access is said to select freely")
    live = _live(instance, result)
    rank = _ranks(instance, result, live)
    spent = {budget.id: 0 for budget in instance.budgets}
    importance = 0
    for access in instance.accesses:
        importance += _check_access(access, result, rank, spent)
    for tensor in instance.tensors:
        count = len(live[tensor.id])
        if tensor.live_limit is not None and count > tensor.live_limit:
            raise VerificationError(
                f"tensor {tensor.id!r} has {count} live channels, more than {tensor.live_limit}"
            )
        if tensor.budget is not None:
            spent[tensor.budget] += tensor.live_cost * count
    for budget in instance.budgets:
        if spent[budget.id] > budget.limit:
            raise VerificationError(
                f"budget {budget.id!r}: {spent[budget.id]} spent of {budget.limit}"
            )
    if dict(result.spent) != spent:
        raise VerificationError("the budgets spent are not those of the windows")
    _check_claims(result, importance)


def _live(instance: WindowsInstance, result: WindowsResult) -> dict[str, set[int]]:
    """Per tensor the channels that some access selects."""
    live: dict[str, set[int]] = {tensor.id: set() for tensor in instance.tensors}
    for access in instance.accesses:
        mine = result.selected[access.id]
        if len(mine) != len(access.parts):
            raise VerificationError(
                f"access {access.id!r} has {len(mine)} selections for {len(access.parts)} parts"
            )
        for part, channels in zip(access.parts, mine, strict=True):
            chosen = [int(channel) for channel in channels]
            if len(set(chosen)) < len(chosen):
                raise VerificationError(f"access {access.id!r} selects a channel twice")
            if any(not 0 <= channel < len(part.scores) for channel in chosen):
                raise VerificationError(
                    f"access {access.id!r} selects a channel outside tensor {part.tensor!r}"
                )
            live[part.tensor].update(chosen)
    return live


def _ranks(
    instance: WindowsInstance, result: WindowsResult, live: dict[str, set[int]]
) -> dict[str, dict[int, int]]:
    """Per tensor the position of every channel that takes one up."""
    assert result.layout is not None
    if set(result.layout) != {tensor.id for tensor in instance.tensors}:
        raise VerificationError("the layout does not list exactly the instance's tensors")
    found: dict[str, dict[int, int]] = {}
    for tensor in instance.tensors:
        order = [int(channel) for channel in result.layout[tensor.id]]
        if sorted(order) != list(range(tensor.channels)):
            raise VerificationError(f"the order of tensor {tensor.id!r} is no permutation")
        if tensor.fixed and order != sorted(order):
            raise VerificationError(f"tensor {tensor.id!r} is fixed, but its order changed")
        kept = [each for each in order if tensor.fixed or each in live[tensor.id]]
        found[tensor.id] = {channel: place for place, channel in enumerate(kept)}
    return found


def _check_access(
    access: ScoredAccess,
    result: WindowsResult,
    rank: dict[str, dict[int, int]],
    spent: dict[str, int],
) -> int:
    """The importance of an access; its units are added to what is spent."""
    places: list[int] = []
    importance = offset = 0
    for part, channels in zip(access.parts, result.selected[access.id], strict=True):
        for channel in channels:
            places.append(offset + rank[part.tensor][int(channel)])
            importance += int(part.scores[int(channel)])
        offset += len(rank[part.tensor])
    width = len(places)
    most = sum(len(part.scores) for part in access.parts)
    most = most if access.maximum is None else min(most, access.maximum)
    if not access.minimum <= width <= most:
        raise VerificationError(
            f"access {access.id!r} has {width} channels, not {access.minimum}..{most}"
        )
    spent[access.budget] += access.cost * width
    window = result.windows[access.id]
    if access.id in result.gathered:
        if access.gather is None:
            raise VerificationError(f"access {access.id!r} selects freely, which it may not")
        fixed, each = access.gather
        spent[access.budget] += fixed + each * width
        if window is not None:
            raise VerificationError(f"access {access.id!r} selects freely, but names a window")
        return importance
    first = min(places, default=0)
    if sorted(places) != list(range(first, first + width)):
        raise VerificationError(f"access {access.id!r} is no window under this layout")
    if window is None or (window.start, window.stop) != (first, first + width):
        raise VerificationError(f"the window of access {access.id!r} is not that of the layout")
    return importance


def _check_claims(result: WindowsResult, importance: int) -> None:
    if importance != result.importance:
        raise VerificationError(
            f"importance is {result.importance}, but the windows retain {importance}"
        )
    if result.upper_bound is not None and result.upper_bound < importance:
        raise VerificationError(
            f"upper bound {result.upper_bound} is below the importance {importance}"
        )
    if result.status is Status.OPTIMAL and result.upper_bound != importance:
        raise VerificationError("status optimal, but the upper bound is not reached")
    if result.status not in (Status.OPTIMAL, Status.FEASIBLE):
        raise VerificationError(f"status {result.status.value}, but there is a solution")
