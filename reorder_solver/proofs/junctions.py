"""Checking that accesses have so many runs, whichever channels lie first and last in a tensor."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from reorder_solver.core.errors import VerificationError, shown
from reorder_solver.proofs.reduced_costs import MOST_EXPONENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_solver.core.proof import JunctionsPart
    from reorder_solver.proofs.groups import Group, Groups, IntArray

    #: Per tensor and channel, the shares that it earns at one end.
    Earned: TypeAlias = defaultdict[str, defaultdict[int, int]]


def check_junctions(part: JunctionsPart[str], groups: Groups, taken: set[int]) -> None:
    """Raise :class:`VerificationError` unless the accesses of `part` cost its bound in any layout.

    Where parts of an access that want something are neighbours, the price of a run is saved only
    if a wanted channel lies last in the one tensor and one lies first in the other. Shares of
    that price, none negative, are earned by these two channels. Of channels that the same
    parts of the accesses want, all but one can be taken out of a layout, for no access more runs;
    then the last and the first channel of a tensor are wanted by different parts, unless it has
    but one. So no layout saves more than the best two of every tensor earn.
    """
    if type(part.exponent) is not int or not 0 <= part.exponent <= MOST_EXPONENT:
        raise VerificationError(f"the exponent is not from 0 to {MOST_EXPONENT}")
    if len(part.shares) != len(part.accesses):
        raise VerificationError(
            f"there are shares for {len(part.shares)} of {len(part.accesses)} accesses"
        )
    last: Earned = defaultdict(lambda: defaultdict(int))
    first: Earned = defaultdict(lambda: defaultdict(int))
    unjoined = unit = 0
    members = groups.take(part.accesses, taken)
    for group, shares in zip(members, part.shares, strict=True):
        weight = group.price_of_a_run
        if weight is None:
            raise VerificationError(f"{group.name} pays for more than its runs")
        unit = gcd(unit, weight)
        runs = sum(_fewest_runs(groups, tensor, wanted) for tensor, wanted in group.parts)
        unjoined += weight * max(0, runs - 1)
        _earn(group, shares, weight << part.exponent, last, first)
    earned = sum(
        _best_ends(channels, last[tensor], first[tensor], is_fixed=groups.fixed[tensor])
        for tensor, channels in _ends(members, groups).items()
    )
    # Costs differ by multiples of the common divisor.
    saved = earned // (unit << part.exponent) * unit if unit else 0
    if part.bound > max(0, unjoined - saved):
        raise VerificationError(
            f"claims {part.bound}, but only {max(0, unjoined - saved)} follows: "
            f"{unjoined} less {saved}"
        )


def _fewest_runs(groups: Groups, tensor: str, wanted: IntArray) -> int:
    """Of what is wanted of one tensor; its order is known if it is fixed."""
    if wanted.size == 0:
        return 0
    if not groups.fixed[tensor]:
        return 1
    return 1 + int(np.count_nonzero(np.diff(np.searchsorted(groups.placed[tensor], wanted)) > 1))


def _earn(group: Group, shares: Iterable[int], whole: int, last: Earned, first: Earned) -> None:
    """Give the shares of every junction to the channels that it needs."""
    meetings = [
        (left, right) for left, right in pairwise(group.parts) if left[1].size and right[1].size
    ]
    given = list(shares)
    if len(given) != len(meetings):
        raise VerificationError(
            f"{group.name} has {len(meetings)} junctions, but shares for {len(given)}"
        )
    for ((tensor, wanted), (following, others)), share in zip(meetings, given, strict=True):
        if type(share) is not int or not 0 <= share <= whole:
            raise VerificationError(
                f"{group.name}: a share must be an integer from 0 to {whole}, got {shown(share)}"
            )
        for channel in wanted.tolist():
            last[tensor][channel] += share
        for channel in others.tolist():
            first[following][channel] += whole - share


def _ends(members: Iterable[Group], groups: Groups) -> dict[str, list[int]]:
    """Per tensor one of the channels that the same parts want; all, in order, if it is fixed."""
    wanting: defaultdict[str, defaultdict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    parts = [part for group in members for part in group.parts]
    for number, (tensor, wanted) in enumerate(parts):
        for channel in wanted.tolist():
            wanting[tensor][channel].append(number)
    found = {}
    for tensor, numbers in wanting.items():
        channels = groups.placed[tensor].tolist()
        one_of_each = {tuple(numbers.get(one, ())): one for one in channels}
        found[tensor] = channels if groups.fixed[tensor] else list(one_of_each.values())
    return found


def _best_ends(
    channels: list[int], last: dict[int, int], first: dict[int, int], *, is_fixed: bool
) -> int:
    """What the last and the first channel of a tensor earn at most."""
    if is_fixed or len(channels) == 1:
        return last.get(channels[-1], 0) + first.get(channels[0], 0)
    # Two of either are enough: one of them differs from the other end's best.
    some_last, some_first = (
        sorted(((earned.get(one, 0), one) for one in channels), reverse=True)[:2]
        for earned in (last, first)
    )
    return max(
        earned + more for earned, one in some_last for more, other in some_first if one != other
    )
