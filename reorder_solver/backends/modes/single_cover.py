"""Cheapest orders of one tensor where one access pays for its span and up to four for their runs.

What lies left of the cover, in it and right of it meet only where the cover begins and ends. So
three tables of shortest ways through signatures are enough: through each set on the left, through
what the cover wants (and those it has to take in), and through each set on the right. All divisions
of the unwanted signatures into left, covered and right are tried: at most 3^15.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.backends.dynamic.prefix_table import OutOfTimeError
from reorder_solver.backends.modes.slots import (
    LARGEST_TOTAL,
    Cover,
    Found,
    IntArray,
    Runner,
    groups_of,
)
from reorder_solver.backends.modes.warm_up import kernels_ready
from reorder_solver.core.limits import Deadline

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Most runners: 16 signatures.
MOST_RUNNERS = 4
#: The cover is gone through once for each set of signatures that it does not want itself and
#: may take in; most such signatures.
_MOST_STRANGERS = 4


class SingleCover:
    """The search for one cover and some runners; see :class:`Cover` and :class:`Runner`.

    Parameters
    ----------
    sizes : sequence of int
    cover : Cover
    runners : sequence of Runner
        One to four.
    """

    def __init__(self, sizes: Sequence[int], cover: Cover, runners: Sequence[Runner]) -> None:
        self._kernels: Any = import_module("reorder_solver.backends.modes.cover_kernels")
        self._classes = len(sizes)
        self._groups = groups_of(len(sizes), (cover,), runners)
        self._first = sum(each.run for each in runners)
        self._count = 1 << len(runners)
        self._wanted = sum(1 << key[1] for key in self._groups if key[0])
        self._unwanted = sum(1 << key[1] for key in self._groups if not key[0])
        infinity = self._kernels.INFINITY
        self._charges = np.zeros(self._count, dtype=np.int64)
        for (wants, signature), members in self._groups.items():
            if not wants:
                weight = sum(int(sizes[each]) for each in members)
                charge = infinity if cover.gap is None else 2 * cover.gap * weight
                self._charges[signature] = charge
        each = np.arange(self._count)
        differ = each[:, None] ^ each[None, :]
        self._steps: IntArray = sum(
            ((differ >> bit & 1) * runner.run for bit, runner in enumerate(runners)),
            start=np.zeros((self._count, self._count), dtype=np.int64),
        )

    @property
    def is_quick(self) -> bool:
        """Whether there are few enough signatures that only unwanted classes have."""
        return (self._unwanted & ~self._wanted).bit_count() <= _MOST_STRANGERS

    def run(self, limit: int, deadline: Deadline) -> Found:
        """The cheapest order that costs less than `limit`.

        Raises
        ------
        OutOfTimeError
            If the deadline passes.
        """
        if not kernels_ready("single cover", _use_kernels, deadline):
            raise OutOfTimeError
        return self._run(limit, deadline)

    def use_kernels(self) -> None:
        """Search for anything, so that every kernel is compiled."""
        self._run(LARGEST_TOTAL, Deadline(None))

    def _run(self, limit: int, deadline: Deadline) -> Found:
        below = 2 * (limit + self._first)
        best: IntArray | None = None
        outer = self._ways(0, self._unwanted, deadline)
        right, least_right = self._ends(self._kernels.fill_right, outer, self._steps)
        strangers = self._unwanted & ~self._wanted
        taken = strangers
        while True:
            middle = self._middle(self._wanted | taken, deadline)
            left, least_left = self._ends(self._kernels.fill_left, outer, middle)
            answer = np.zeros(3, dtype=np.int64)
            cost = int(
                self._kernels.combine(
                    *(left, least_left, right, least_right, self._charges, self._unwanted),
                    *(taken, self._unwanted & self._wanted, below, answer),
                )
            )
            if cost < below:
                below, best = cost, np.append(answer, self._wanted | taken).astype(np.int64)
            if not taken:
                break
            taken = (taken - 1) & strangers
        if best is None:
            return Found(limit, None, is_exact=True)
        return Found(below // 2 - self._first, self._order(best, deadline), is_exact=True)

    def _ways(self, start: int, allowed: int, deadline: Deadline) -> IntArray:
        if deadline.expired:
            raise OutOfTimeError
        ways = np.empty((1 << self._count, self._count), dtype=np.int64)
        self._kernels.fill_ways(self._steps, start, allowed, ways)
        return ways

    def _ends(self, fill: Any, ways: IntArray, other: IntArray) -> tuple[IntArray, IntArray]:
        costs, least = np.empty_like(ways), np.empty(ways.shape[0], dtype=np.int64)
        fill(ways, other, costs, least)
        return costs, least

    def _middle(self, inside: int, deadline: Deadline) -> IntArray:
        """From every signature through all of `inside`, to every signature."""
        rows = [self._ways(start, inside, deadline)[inside] for start in range(self._count)]
        return np.array(rows, dtype=np.int64)

    def _order(self, best: IntArray, deadline: Deadline) -> tuple[int, ...]:
        first, second, end, inside = (int(each) for each in best)
        outer = self._ways(0, self._unwanted, deadline)
        middle = self._middle(inside, deadline)
        ends = [each for each in range(self._count) if first >> each & 1] or [0]
        before = min(
            ends, key=lambda each: (int(outer[first, each]) if first else 0) + middle[each, end]
        )
        left = self._back(outer, first, before)
        through = self._back(self._ways(before, inside, deadline), inside, end)
        begins = [each for each in range(self._count) if second >> each & 1]
        right: list[int] = []
        if begins:
            after = min(begins, key=lambda each: self._steps[end, each] + outer[second, each])
            right = self._back(outer, second, after)[::-1]
        covered = self._unwanted & ~first & ~second
        order = [each for signature in left for each in self._groups[0, signature]]
        for signature in through:
            order += self._groups.get((1, signature), [])
            if covered >> signature & 1:
                order += self._groups[0, signature]
        order += [each for signature in right for each in self._groups[0, signature]]
        placed = set(order)
        return (*(each for each in range(self._classes) if each not in placed), *order)

    def _back(self, ways: IntArray, visited: int, last: int) -> list[int]:
        """The cheapest way through exactly `visited` to `last`."""
        path: list[int] = []
        while visited:
            path.append(last)
            rest = visited & ~(1 << last)
            if rest:
                cost = ways[visited, last]
                last = next(
                    each
                    for each in range(self._count)
                    if rest >> each & 1 and ways[rest, each] + self._steps[each, last] == cost
                )
            visited = rest
        return path[::-1]


def _use_kernels() -> None:
    SingleCover([1, 1], Cover(frozenset({0}), 1), [Runner(frozenset({1}), 1)]).use_kernels()
