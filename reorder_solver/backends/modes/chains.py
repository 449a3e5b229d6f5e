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
from reorder_solver.backends.modes.span_table import apart_of, share_a_position
from reorder_solver.backends.modes.warm_up import kernels_ready

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.core.limits import Deadline

#: Most covers of a list of orders of opening and closing, runners beside them, and such orders.
_MOST_LISTED = 10
_MOST_RUNNERS = 7
_MOST_CHAINS = 100_000
#: Up to so many covers, all orders are listed at once; else first what costs little more than the
#: least, within such a power of two of what there is to pay.
_FEW_COVERS = 4
_FIRST_STEP = 5
#: Seconds for one list, share of the time left, and steps per second, about.
_LIST_SECONDS = 1.0
_LIST_SHARE = 0.2
_PER_SECOND = 1e9
#: Choices of slots in which the runs of one access begin and end.
_MOST_ENDS = 8_000
#: Orders looked at more closely at a time.
_REFINED = 32
#: Orders bounded between two looks at the clock.
_BOUNDED = 2048


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
        self._orders: Any = import_module("reorder_solver.backends.modes.listing_kernels")
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
        self,
        below: int,
        least_runs: int,
        visits: tuple[int, int, int],
        steps: IntArray,
        deadline: Deadline | None,
        known: int = 0,
        *,
        is_whole: bool = False,
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
        steps : ndarray of int64
            See :attr:`SlotSearch.steps`.
        deadline : Deadline or None
        known : int, optional
            Nothing costs less.
        is_whole : bool, optional
            List all that may cost less than `below`, if there is time for that, not only as many
            as a bound needs.
        """
        if not kernels_ready("chains", _use_kernels, deadline):
            return False
        return self._run(below, least_runs, visits, steps, deadline, known, is_whole=is_whole)

    def use_kernels(self) -> None:
        """Search for anything, so that every kernel is compiled."""
        steps = np.zeros((1 << len(self._runners),) * 2, dtype=np.int64)
        self._run(100, 0, (0, 0, 0), steps, None)
        self.order()

    def _run(
        self,
        below: int,
        least_runs: int,
        visits: tuple[int, int, int],
        steps: IntArray,
        deadline: Deadline | None,
        known: int = 0,
        *,
        is_whole: bool = False,
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
        by_signature = np.array(
            [self._apart(self._signatures == each) for each in range(1 << len(self._runners))]
        )
        room = np.zeros((_MOST_CHAINS, 2 * self._count), dtype=np.int64)
        spans, costs = (np.zeros(_MOST_CHAINS, dtype=np.int64) for _ in range(2))
        self.rest = least = min(below, max(cheapest + least_runs, known))
        # Spans alone: the cheapest say it all.
        step = max(2, (below - least) >> _FIRST_STEP) if self._runners else 1
        # Where a look takes long, few are worth it.
        is_weighed = len(self._runners) <= 2 or self._count > _FEW_COVERS
        is_first = bool(self._runners) and (is_whole or self._count <= _FEW_COVERS)
        while self.rest < below:
            end = below if is_first else min(below, least + step)
            count = int(
                self._orders.list_chains(
                    *(apart, totals, ahead, self._members, self._signatures, self._weights, steps),
                    *(dearest, least_runs, end, is_weighed, self._budget(deadline, is_weighed)),
                    *(room, spans, costs),
                )
            )
            if count < 0 and not is_first:
                break
            if count < 0:
                is_first = False
                continue
            # Orders that are not listed cost this much at least.
            self.rest = end
            self.sequences, self.bounds = room[:count].copy(), costs[:count].copy()
            self._bound(by_signature, prices, dearest, visits, deadline)
            if not is_weighed:
                self._refine_ways(totals, steps, spans[:count], end, deadline)
            if self._runners:
                self._refine(totals, dearest, cheapest, end, deadline)
            is_late = deadline is not None and deadline.expired
            if is_late or (count and int(self.bounds.min()) < end):
                break
            step *= 3
        self.is_complete = self.rest >= below
        return True

    def _budget(self, deadline: Deadline | None, is_weighed: bool) -> int:
        """Beginnings that may be looked at in the time that one list may take."""
        count = 1 << len(self._runners)
        weighed = min(count, int(self._orders.MOST_WEIGHED))
        effort = self._members.size
        if is_weighed and count > 2:
            effort += count * weighed << weighed
        elif is_weighed:
            effort += 4 * self._members.size + 100
        effort *= 2 * self._count + 1
        seconds = _LIST_SECONDS
        if deadline is not None:
            seconds = min(seconds, _LIST_SHARE * deadline.remaining)
        return int(seconds * _PER_SECOND / effort)

    def _bound(
        self,
        by_signature: IntArray,
        prices: IntArray,
        dearest: int,
        visits: tuple[int, int, int],
        deadline: Deadline | None,
    ) -> None:
        """Bounds from what the signatures pay for visits, wherever their classes lie."""
        visit, middle, edge = visits
        constant = dearest - middle * (2 * self._count - 1) - 2 * edge
        for begin in range(0, self.bounds.size, _BOUNDED):
            if deadline is not None and deadline.expired:
                break
            part = slice(begin, begin + _BOUNDED)
            bounds = np.zeros_like(self.bounds[part])
            self._kernels.bound_chains(
                self.sequences[part], by_signature, prices, visit, constant, bounds
            )
            np.maximum(self.bounds[part], bounds, out=self.bounds[part])

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

    def _refine_ways(
        self,
        totals: IntArray,
        steps: IntArray,
        spans: IntArray,
        below: int,
        deadline: Deadline | None,
    ) -> None:
        """Bounds from what visits cost, the lowest first, until the lowest is one of these."""
        lowest = below
        for number in np.argsort(self.bounds, kind="stable"):
            here = slice(number, number + 1)
            if self.bounds[number] >= lowest or (deadline is not None and deadline.expired):
                break
            bounds = np.zeros(1, dtype=np.int64)
            self._orders.bound_ways(
                *(self.sequences[here], self._members, self._signatures, self._weights),
                *(totals, steps, spans[here], bounds),
            )
            self.bounds[number] = max(self.bounds[number], bounds[0])
            lowest = min(lowest, int(self.bounds[number]))

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
    covers = [Cover(both[0], 1), Cover(both[1], 1)]
    for count in (1, 3):
        ChainSearch([1, 1, 1], covers, [Runner(frozenset({1}), 1)] * count).use_kernels()
