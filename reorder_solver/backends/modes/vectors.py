"""Latency of a few accesses to one tensor: one option for every access, best bound first.

The cost of an order is the least, over all choices of one option per access, of a sum of prices
that are linear in runs and spans. So the optimum is the least over the choices of the optimum of
such a sum, and most choices are ruled out by a bound.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from reorder_solver.backends.dynamic.prefix_table import OutOfTimeError
from reorder_solver.backends.modes.options import Option
from reorder_solver.backends.modes.runs import RunSearch
from reorder_solver.backends.modes.single_cover import MOST_RUNNERS, SingleCover
from reorder_solver.backends.modes.slots import LARGEST_TOTAL, Cover, Found, Runner, SlotSearch
from reorder_solver.backends.modes.table import table_search

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reorder_solver.core.limits import Deadline

#: More than linear prices ever add up to.
_END = 2 * LARGEST_TOTAL

#: One option per access.
Vector: TypeAlias = "tuple[Option, ...]"


class Linear:
    """The cheapest orders of one tensor under one vector of options.

    Parameters
    ----------
    sizes : sequence of int
        Channels in each class.
    wanted : sequence of frozenset of int
        Per access the classes it wants.
    vector : Vector

    Notes
    -----
    An option with few useful runs and a low price for them, such as ``cat`` beside ``gather``,
    would spoil the bounds. Its price of a run is raised to that of the others, and what the raise
    adds at the most useful number of runs is taken off again: a relaxation for every order in
    which the option is the right one. Only if that does not decide, the true price is used.
    """

    def __init__(
        self, sizes: Sequence[int], wanted: Sequence[frozenset[int]], vector: Vector
    ) -> None:
        self._sizes, self._wanted, self._vector = sizes, wanted, vector
        self.fixed = sum(option.fixed for option in vector)
        self._covers = [
            Cover(classes, None if option.view else option.gap)
            for classes, option in zip(wanted, vector, strict=True)
            if option.view or option.gap
        ]
        self._runs = [
            (classes, option) for classes, option in zip(wanted, vector, strict=True) if option.run
        ]
        self._least_run = min(
            (option.run for _, option in self._runs if not option.fixed), default=0
        )
        self._credit = sum(
            (self._least_run - option.run) * (option.most_runs - 1)
            for _, option in self._runs
            if option.run < self._least_run
        )
        self._relaxed, self._dropped = self._search(raised=True)

    def _search(self, *, raised: bool) -> tuple[SlotSearch | RunSearch | None, bool]:
        """A search that never finds too high a bound, and whether it leaves accesses out."""
        least = self._least_run if raised else 0
        runners = [Runner(classes, max(option.run, least)) for classes, option in self._runs]
        covers = list(self._covers)
        dropped = False
        if self._is_large(covers, runners):
            return None, True
        while covers and not SlotSearch.bounds(len(covers), len(runners)):
            # A bound for fewer accesses is one for all.
            dropped = True
            if len(covers) > len(runners):
                covers.pop()
            else:
                runners.pop()
        if covers:
            return SlotSearch(self._sizes, covers, runners), dropped
        if runners:
            return RunSearch(len(self._sizes), runners), dropped
        return None, dropped

    def _is_large(self, covers: Sequence[Cover], runners: Sequence[Runner]) -> bool:
        total = sum(int(size) for size in self._sizes)
        most = sum((cover.gap or 0) * total for cover in covers)
        most += sum(runner.run * (len(self._sizes) + 2) for runner in runners)
        return most >= LARGEST_TOTAL

    def bound(self, limit: int, deadline: Deadline | None = None) -> int:
        """A lower bound on what the vector costs, or `limit` if that is lower."""
        if self.fixed >= limit or self._relaxed is None:
            return min(self.fixed, limit)
        room = self._room(limit, self._credit)
        return self._total(self._relaxed.bound(room, deadline), room, limit, self._credit)

    def _room(self, limit: int, credit: int) -> int:
        """What the linear prices may add up to; past the end of all of them, it is no matter."""
        return min(limit - self.fixed + credit, _END)

    def _total(self, found: int, room: int, limit: int, credit: int) -> int:
        """The bound on the vector's cost, up to `limit`, from one on its linear prices."""
        if found >= room:
            return limit
        return max(self.fixed, min(limit, found - credit + self.fixed))

    def run(self, limit: int, deadline: Deadline) -> Found:
        """Search for orders that cost less than `limit`; the bound is on the vector's cost."""
        if self._relaxed is None:
            order = tuple(range(len(self._sizes)))
            if self._covers or self._runs:
                return Found(min(limit, self.fixed), order, is_exact=False)
            return Found(min(limit, self.fixed), order, is_exact=True)
        room = self._room(limit, self._credit)
        found = self._relaxed.run(room, deadline)
        bound = self._total(found.bound, room, limit, self._credit)
        if bound >= limit and found.is_exact:
            return Found(limit, None, is_exact=True)
        is_exact = found.is_exact and not self._dropped and not self._credit
        return Found(bound, found.order, is_exact)

    def run_exactly(self, limit: int, deadline: Deadline) -> Found:
        """As :meth:`run`, at the true prices."""
        search, dropped = self._search(raised=False)
        if search is None and not dropped:
            return self.run(limit, deadline)
        room = self._room(limit, 0)
        found = Found(0, None, is_exact=False)
        if search is not None and not dropped:
            found = search.run(room, deadline)
        if not found.is_exact:
            found = self._by_tables(room, deadline) or found
        return Found(self._total(found.bound, room, limit, 0), found.order, found.is_exact)

    def _by_tables(self, room: int, deadline: Deadline) -> Found | None:
        """The methods that go through everything, if there are few enough classes or accesses."""
        runners = [Runner(classes, option.run) for classes, option in self._runs]
        if self._is_large(self._covers, runners):
            return None
        try:
            found = table_search(self._sizes, self._covers, runners, room, deadline)
            if found is None and len(self._covers) == 1 and len(runners) <= MOST_RUNNERS:
                single = SingleCover(self._sizes, self._covers[0], runners)
                found = single.run(room, deadline) if single.is_quick else None
        except OutOfTimeError:
            return None
        return found


@dataclass(order=True, slots=True)
class _Entry:
    """Options of the first accesses; `stage` 1 once they are bounded, deeper entries first."""

    bound: int
    height: int
    stage: int
    number: int
    vector: Vector


class VectorSearch:
    """All vectors of a few accesses, one access after the other, best bound first.

    Parameters
    ----------
    sizes, wanted
        As for :class:`Linear`.
    options : sequence of tuple of Option
        Per access.
    offer : callable
        Takes an order found, returns what it or a better one known costs (None if no order is).
    tails : sequence of int, optional
        ``tails[k]``: what the accesses from number `k` on cost at least, whatever the order;
        one entry more than accesses. What the first ones cost comes on top of it (Verfaillie,
        Lemaitre and Schiex 1996, "Russian doll search").
    fits : callable, optional
        Whether some accesses can all be views.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        wanted: Sequence[frozenset[int]],
        options: Sequence[tuple[Option, ...]],
        offer: Callable[[tuple[int, ...]], int | None],
        tails: Sequence[int] | None = None,
        fits: Callable[[frozenset[int]], bool] | None = None,
    ) -> None:
        self._sizes, self._wanted = sizes, wanted
        self._options = options
        self._offer = offer
        self._fits = fits
        self._tails = [0] * (len(options) + 1) if tails is None else list(tails)
        self._numbers = count()
        self._heap: list[_Entry] = []
        self._push((), self._tails[0])

    def _push(self, vector: Vector, bound: int, stage: int = 0) -> None:
        entry = _Entry(bound, -len(vector), stage, next(self._numbers), vector)
        heapq.heappush(self._heap, entry)

    def _branch(self, entry: _Entry) -> None:
        """One entry for each option of the next access."""
        depth = len(entry.vector)
        for option in self._options[depth]:
            vector = (*entry.vector, option)
            if option.view and self._fits is not None:
                views = frozenset(n for n, each in enumerate(vector) if each.view)
                if not self._fits(views):
                    continue
            fixed = sum(each.fixed for each in vector) + self._tails[depth + 1]
            # Without runs or span to pay for, there is nothing new to find out.
            self._push(vector, max(entry.bound, fixed), int(option.is_flat and depth > 0))

    def run(
        self, limit: int | None, deadline: Deadline, report: Callable[[int], None]
    ) -> tuple[int | None, bool]:
        """Search.

        Parameters
        ----------
        limit : int or None
            Cost of the cheapest order known.
        deadline : Deadline
        report : callable
            Called with every higher bound.

        Returns
        -------
        bound : int or None
            No order costs less; None if there is no order at all.
        is_exact : bool
            The bound is what the cheapest order offered costs.
        """
        unresolved: int | None = None
        while self._heap:
            lowest = self._heap[0].bound
            if limit is not None and lowest >= limit:
                break
            known = lowest if unresolved is None else min(lowest, unresolved)
            report(known)
            if deadline.expired:
                return known, False
            entry = heapq.heappop(self._heap)
            below = entry.bound + 1 + _END if limit is None else limit
            depth = len(entry.vector)
            linear = Linear(self._sizes, self._wanted[:depth], entry.vector)
            if entry.stage == 0:
                tail = self._tails[depth]
                room = max(0, below - tail)
                bound = linear.bound(room, deadline)
                coarse = without_cheap_runs(entry.vector)
                if bound < room and coarse != entry.vector:
                    relaxed = Linear(self._sizes, self._wanted[:depth], coarse)
                    bound = max(bound, relaxed.bound(room, deadline))
                bound += tail
                self._push(entry.vector, max(entry.bound, bound), 1)
                continue
            if depth < len(self._options):
                self._branch(entry)
                continue
            limit, undecided = self._search(linear, entry, limit, below, deadline)
            if undecided is not None:
                unresolved = undecided if unresolved is None else min(undecided, unresolved)
        if unresolved is not None and (limit is None or unresolved < limit):
            return unresolved, False
        return limit, True

    def _search(
        self, linear: Linear, entry: _Entry, limit: int | None, below: int, deadline: Deadline
    ) -> tuple[int | None, int | None]:
        """Decide a whole vector; the lowest cost known, and a bound if it is not decided."""
        bound: int = entry.bound
        attempts = [linear.run, linear.run_exactly]
        coarse = without_cheap_runs(entry.vector)
        if coarse != entry.vector:
            attempts.insert(1, Linear(self._sizes, self._wanted, coarse).run_exactly)
        for attempt in attempts:
            found = attempt(below if limit is None else limit, deadline)
            if found.order is not None:
                limit = _lower(limit, self._offer(found.order))
            # At prices that are too low, what was found proves no more than its bound.
            is_decided = found.is_exact and (attempt != attempts[1] or len(attempts) == 2)
            bound = max(bound, found.bound)
            if is_decided or (limit is not None and bound >= limit):
                return limit, None
        return limit, bound


def without_cheap_runs(vector: Vector) -> Vector:
    """Prices nowhere above: options with a fixed price pay for the second run, not for more.

    Where such an access is one run, another of its options, a view, is the right one.
    """
    return tuple(
        Option(option.fixed + option.run, 0, option.gap) if option.fixed and option.run else option
        for option in vector
    )


def _lower(first: int | None, second: int | None) -> int | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)
