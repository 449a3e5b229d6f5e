"""Cheapest orders of one tensor by the table of all subsets: for few classes, whoever pays what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.dynamic.prefix_table import Item, PrefixTable
from reorder_solver.backends.modes.slots import LARGEST_TOTAL, Cover, Found, Runner, groups_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.core.limits import Deadline

#: Most classes, once those that the same accesses want are joined.
MOST_CLASSES = 18


def table_search(
    sizes: Sequence[int],
    covers: Sequence[Cover],
    runners: Sequence[Runner],
    limit: int,
    deadline: Deadline,
) -> Found | None:
    """The cheapest order that costs less than `limit`; None if there are too many classes.

    Raises
    ------
    OutOfTimeError
        If the deadline passes.
    """
    groups = groups_of(len(sizes), covers, runners)
    members = list(groups.values())
    if not 2 <= len(members) <= MOST_CLASSES:
        return None
    items = [
        *(_item(_bits_of(groups, 0, number), 0, each.gap) for number, each in enumerate(covers)),
        *(_item(_bits_of(groups, 1, number), each.run, 0) for number, each in enumerate(runners)),
    ]
    weights = np.array([sum(sizes[each] for each in group) for group in members], dtype=np.int64)
    table = PrefixTable(weights, items, 8 * LARGEST_TOTAL)
    by_last = table.fill((1 << len(members)) - 1, deadline)
    last = int(by_last.argmin())
    cost = int(by_last[last]) - sum(each.run for each in runners)
    if cost >= limit:
        return Found(limit, None, is_exact=True)
    placed = {each for group in members for each in group}
    nowhere = [each for each in range(len(sizes)) if each not in placed]
    order = [each for place in table.order(last) for each in members[int(place)]]
    return Found(cost, (*nowhere, *order), is_exact=True)


def _bits_of(groups: dict[tuple[int, int], list[int]], kind: int, number: int) -> int:
    """The groups that a cover (kind 0) or a runner (kind 1) wants, as a bit set."""
    return sum(1 << place for place, key in enumerate(groups) if key[kind] >> number & 1)


def _item(mask: int, run: int, gap: int | None) -> Item:
    return Item(mask, before=False, after=False, run=run, gap=gap or 0, view=gap is None)
