"""Spans that all share a position: orders of opening and closing, by a dynamic programme.

Where any two covers want a class in common, all spans share a position (Helly): every cover opens
before the first one closes. Look from there to the left: covers are *taken* one by one, the one
that opens last first. A class lies best as far out as those that want it allow, on the left or on
the right, and *saves* there what it would pay to the covers taken before. Take from the side that
has saved less so far: then a class saves the next bit of a price if it is apart from all covers
taken from the left, or from all taken from the right. So what is saved depends on these two sets
alone, and a table over pairs of sets is exact, for any number of covers that it has room for.
"""

from __future__ import annotations

from importlib import import_module
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reorder_solver.backends.modes.slots import Cover, IntArray, Runner, groups_of
from reorder_solver.backends.modes.warm_up import kernels_ready

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.core.limits import Deadline

#: Most covers of one table: 4^c entries.
MOST_COVERS = 12
#: Most covers of a list of orders of opening and closing, runners beside them, and such orders.
_MOST_LISTED = 10
_MOST_RUNNERS = 7
_MOST_CHAINS = 100_000
#: Choices of slots in which the runs of one access begin and end.
_MOST_ENDS = 8_000
#: Orders looked at more closely at a time.
_REFINED = 32
#: Orders bounded between two looks at the clock.
_BOUNDED = 2048
#: Entries filled between two looks at the clock.
_CHUNK = 1 << 21


def share_a_position(wanted: Sequence[frozenset[int]]) -> bool:
    """Whether any two want a class in common."""
    return all(
        not first.isdisjoint(second) for at, first in enumerate(wanted) for second in wanted[:at]
    )


def apart_of(members: IntArray, weights: IntArray, count: int) -> IntArray:
    """Per set of covers, how many channels want none of it.

    Parameters
    ----------
    members : ndarray of int64
        Per class the covers that want it, as a bit set.
    weights : ndarray of int64
        Channels in each class.
    count : int
        Covers.
    """
    within = np.zeros(1 << count, dtype=np.int64)
    np.add.at(within, members, weights)
    for number in range(count):
        halves = within.reshape(-1, 2, 1 << number)
        halves[:, 1] += halves[:, 0]
    # Apart from a set is within the others.
    return within[::-1].copy()


class SpanTable:
    """What spans cost at least, for all sets of some covers at once.

    Parameters
    ----------
    sizes : sequence of int
        Channels in each class.
    wanted : sequence of frozenset of int
        Up to `MOST_COVERS`, any two with a class in common.
    prices : sequence of int
        Per unwanted position, positive.
    """

    def __init__(
        self, sizes: Sequence[int], wanted: Sequence[frozenset[int]], prices: Sequence[int]
    ) -> None:
        self._kernels: Any = import_module("reorder_solver.backends.modes.chain_kernels")
        count = len(wanted)
        members = np.zeros(len(sizes), dtype=np.int64)
        for number, classes in enumerate(wanted):
            members[list(classes)] |= 1 << number
        self._apart = apart_of(members, np.array(sizes, dtype=np.int64), count)
        self._prices = np.array(prices, dtype=np.int64)
        self._singles = 1 << np.arange(count)

    def least(self, deadline: Deadline | None = None) -> IntArray | None:
        """Per set what its spans cost at least; None if time ran out."""
        if not kernels_ready("chains", _use_kernels, deadline):
            return None
        return self._least(deadline)

    def use_kernels(self) -> None:
        """Fill the table, so that every kernel is compiled."""
        self._least(None)

    def _least(self, deadline: Deadline | None) -> IntArray | None:
        size = self._apart.size
        totals = np.zeros(size, dtype=np.int64)
        self._kernels.fill_totals(self._prices, totals)
        saved = np.full((size, size), -1, dtype=np.int64)
        saved[0, 0] = 0
        most = np.zeros(size, dtype=np.int64)
        rows = max(1, _CHUNK // size)
        for first in range(0, size, rows):
            if deadline is not None and deadline.expired:
                return None
            last = min(size, first + rows)
            self._kernels.fill_saved(self._apart, totals, first, last, saved, most)
        dearest = np.zeros(size, dtype=np.int64)
        for single, price in zip(self._singles, self._prices, strict=True):
            taken = (np.arange(size) & single) != 0
            dearest[taken] += price * self._apart[single]
        return dearest - most


class ChainSearch:
    """A bound for one choice of covers and runners, by the cheapest orders of opening and closing.

    Parameters
    ----------
    sizes : sequence of int
    covers : sequence of Cover
        Any two with a class in common.
    runners : sequence of Runner
    """

    def __init__(
        self, sizes: Sequence[int], covers: Sequence[Cover], runners: Sequence[Runner]
    ) -> None:
        self._kernels: Any = import_module("reorder_solver.backends.modes.chain_kernels")
        self._singles: Any = import_module("reorder_solver.backends.modes.single_kernels")
        self._listing: Any = import_module("reorder_solver.backends.modes.sequence_kernels")
        groups = groups_of(len(sizes), covers, runners)
        self._classes, self._all = list(groups.values()), len(sizes)
        self._count, self._runners = len(covers), tuple(runners)
        self._members = np.array([key[0] for key in groups], dtype=np.int64)
        self._signatures = np.array([key[1] for key in groups], dtype=np.int64)
        self._weights = np.array(
            [sum(int(sizes[each]) for each in group) for group in groups.values()], dtype=np.int64
        )
        self._gaps = [cover.gap for cover in covers]
        self.sequences: IntArray = np.zeros((0, 2 * self._count), dtype=np.int64)
        self.bounds: IntArray = np.zeros(0, dtype=np.int64)
        #: No order that is not listed costs less; and whether none below the limit is left out.
        self.rest, self.is_complete = 0, False

    @property
    def bound(self) -> int:
        """No order costs less, or below the limit; twice what it is."""
        return min(self.rest, int(self.bounds.min())) if self.bounds.size else self.rest

    @staticmethod
    def takes(covers: Sequence[Cover], runners: Sequence[Runner]) -> bool:
        """Whether there is room for such a search, and it is right."""
        return (
            2 <= len(covers) <= _MOST_LISTED
            and len(runners) <= _MOST_RUNNERS
            and share_a_position([cover.wanted for cover in covers])
        )

    def run(
        self, below: int, least_runs: int, visits: tuple[int, int, int], deadline: Deadline | None
    ) -> bool:
        """List the orders that may cost less than `below`, and bound each; False if time ran out.

        Everything counts twice here, as a run has two ends.

        Parameters
        ----------
        below, least_runs : int
            All there is to pay, and what all runs cost at least.
        visits : tuple of int
            What a visit of a slot by a signature costs at least, what the first one saves in an
            inner slot, and at an end.
        deadline : Deadline or None
        """
        if not kernels_ready("chains", _use_kernels, deadline):
            return False
        return self._run(below, least_runs, visits, deadline)

    def use_kernels(self) -> None:
        """Search for anything, so that every kernel is compiled."""
        self._run(100, 0, (0, 0, 0), None)
        self.order()

    def _run(
        self, below: int, least_runs: int, visits: tuple[int, int, int], deadline: Deadline | None
    ) -> bool:
        # No view spans a position that it does not want, unless that costs too much anyway.
        forbidden = max(1, below)
        prices = np.array(
            [forbidden if gap is None else 2 * gap for gap in self._gaps], dtype=np.int64
        )
        apart = apart_of(self._members, self._weights, self._count)
        totals = np.zeros(apart.size, dtype=np.int64)
        self._kernels.fill_totals(prices, totals)
        ahead = np.zeros((apart.size, apart.size), dtype=np.int64)
        self._kernels.fill_ahead(apart, totals, ahead)
        dearest = sum(int(price) * int(apart[1 << number]) for number, price in enumerate(prices))
        cheapest = dearest - int(ahead[0, 0])
        room = np.zeros((_MOST_CHAINS, 2 * self._count), dtype=np.int64)
        saved = np.zeros(_MOST_CHAINS, dtype=np.int64)
        count, end = -1, below - least_runs
        if not self._runners:
            # Spans alone: the cheapest say it all.
            end = min(end, cheapest + 1)
        while count < 0:
            count = int(
                self._kernels.list_chains(apart, totals, ahead, dearest - end + 1, room, saved)
            )
            if count >= 0:
                break
            end = cheapest + (end - cheapest) // 2
            if end <= cheapest or (deadline is not None and deadline.expired):
                count = 0
        # Orders that are not listed cost this much at least.
        self.rest = end + least_runs
        self.is_complete = self.rest >= below
        costs = dearest - saved
        self.sequences = room[:count].copy()
        visit, middle, edge = visits
        constant = dearest - middle * (2 * self._count - 1) - 2 * edge
        by_signature = np.array(
            [self._apart(self._signatures == each) for each in range(1 << len(self._runners))]
        )
        self.bounds = least_runs + costs[:count]
        for begin in range(0, count, _BOUNDED):
            if deadline is not None and deadline.expired:
                break
            part = slice(begin, begin + _BOUNDED)
            bounds = np.zeros_like(self.bounds[part])
            self._kernels.bound_chains(
                self.sequences[part], by_signature, prices, visit, constant, bounds
            )
            np.maximum(self.bounds[part], bounds, out=self.bounds[part])
        if self._runners:
            self._refine(totals, dearest, cheapest, below, deadline)
        return True

    def order(self) -> tuple[int, ...]:
        """Of the orders listed the one with the lowest bound, every class where it saves most."""
        chain = self.sequences[int(np.argmin(self.bounds))]
        opened = np.zeros(2 * self._count + 1, dtype=np.int64)
        self._listing.open_sets(chain, opened)
        prices = [1 << 40 if gap is None else gap for gap in self._gaps]
        slots: list[list[tuple[int, int]]] = [[] for _ in opened]
        for row, (wanted, signature) in enumerate(
            zip(self._members.tolist(), self._signatures.tolist(), strict=True)
        ):
            costs = [
                (sum(p for n, p in enumerate(prices) if now & ~wanted & 1 << n), slot)
                for slot, now in enumerate(opened.tolist())
                if not wanted & ~now
            ]
            slots[min(costs)[1]].append((signature, row))
        found = [each for slot in slots for _, row in sorted(slot) for each in self._classes[row]]
        nowhere = [each for each in range(self._all) if each not in set(found)]
        return (*nowhere, *found)

    def _apart(self, here: npt.NDArray[np.bool_]) -> IntArray:
        return apart_of(self._members[here], self._weights[here], self._count)

    def _refine(
        self,
        totals: IntArray,
        dearest: int,
        cheapest: int,
        below: int,
        deadline: Deadline | None,
    ) -> None:
        """Bounds from one runner at a time, each with its share of what spans cost.

        The lowest bounds first, until the lowest of all is one of these.
        """
        several, first = len(self._runners), sum(each.run for each in self._runners)
        most = _most_runs(self._count)
        wants = [(self._signatures >> number & 1) == 1 for number in range(several)]
        parts = [(self._apart(each), self._apart(~each)) for each in wants]
        ranked = np.argsort(self.bounds, kind="stable")
        lowest = min(below, self.rest)
        for begin in range(0, ranked.size, _REFINED):
            here = ranked[begin : begin + _REFINED]
            if int(self.bounds[here[0]]) >= lowest or (deadline is not None and deadline.expired):
                break
            sums = np.zeros(here.size, dtype=np.int64)
            for runner, (with_it, without_it) in zip(self._runners, parts, strict=True):
                bounds = np.zeros_like(sums)
                # What the others' shares come to at least.
                others = (several - 1) * cheapest + 2 * several * (first - runner.run)
                self._singles.bound_single(
                    *(self.sequences[here], with_it, without_it, totals),
                    *(2 * several * runner.run, dearest, several * lowest - others),
                    *(most, several == 1, bounds),
                )
                sums += bounds
            refined = np.maximum(self.bounds[here], -(-sums // several))
            self.bounds[here] = refined
            lowest = min(lowest, int(refined.min()))


def _most_runs(covers: int) -> int:
    """So many runs that the slots in which they begin and end can be gone through."""
    runs = 1
    while comb(2 * covers + 2 * runs + 2, 2 * runs + 2) <= _MOST_ENDS:
        runs += 1
    return runs


def _use_kernels() -> None:
    both = [frozenset({0, 1}), frozenset({0, 2})]
    SpanTable([1, 1, 1], both, [1, 1]).use_kernels()
    covers = [Cover(both[0], 1), Cover(both[1], 1)]
    runners = [Runner(frozenset({1}), 1)]
    ChainSearch([1, 1, 1], covers, runners).use_kernels()
