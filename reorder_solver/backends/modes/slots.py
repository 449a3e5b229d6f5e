"""Cheapest orders of one tensor where a few accesses pay for their span and a few for their runs.

Call an access that pays for its span a *cover*: it is open from its first wanted class to its
last. The openings and closings of the covers cut an order into *slots*; which covers are open in a
slot decides what a class pays for lying there. Call the set of run-priced accesses that want a
class its *signature*. Within a slot, runs depend on the sequence of signatures alone. So once the
sequence of openings and closings is chosen, what remains is a path through (slot, signature)
pairs, and every class takes the cheapest slot in which its signature is visited.

With c covers and r run-priced accesses there are (2c)!/2^c sequences, half of them by symmetry,
and (2c + 1) 2^r pairs. A state of the search is the set of pairs visited; per signature, the visits
to come and the classes they serve are bounded from below by a table, exactly but for the price of
a visit. See ``docs/formulations.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heapreplace
from importlib import import_module
from math import factorial, isinf
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reorder_solver.backends.modes.visits import steps_between, visit_prices
from reorder_solver.backends.modes.warm_up import kernels_ready
from reorder_solver.core.limits import Deadline

if TYPE_CHECKING:
    from collections.abc import Sequence

IntArray = npt.NDArray[np.int64]

#: Most covers, sequences of their openings and closings, and beginnings of these looked at.
MOST_COVERS = 7
_MOST_SEQUENCES = 100_000
_MOST_BEGINNINGS = 1_000_000
#: Classes of beginnings that are looked at in a second, about.
_PER_SECOND = 2e8
#: Most runners that are bounded, searched or not.
_MOST_RUNNERS = 7
#: Most covers and runners of a search, and most entries of the table that bounds it.
_MOST_SPANNED = 8
_MOST_SEARCHED = 5
_MOST_ENTRIES = 1 << 23
#: Prices that add up to more are left to others.
LARGEST_TOTAL = 1 << 50
#: Up to so many slots it pays to join states that leave the same choices.
_MERGED_SLOTS = 7
#: States one search may have at first, and at most.
_FIRST_ROOM = 1 << 14
_MOST_ROOM = 1 << 20
#: Larger searches than this take up to a second, and do not look at the clock.
_QUICK_ROOM = 1 << 17
_PATIENCE = 3.0
#: By how much less a search may spend once it runs out of room; the least share, as a power of two.
_CUT_BACK = 4
_LEAST_REACH = 7
#: Table entries filled between two looks at the clock.
_CHUNK = 1 << 21


class Cover(NamedTuple):
    """An access that pays `gap` per unwanted position in its span; None: it must be a view."""

    wanted: frozenset[int]
    gap: int | None


class Runner(NamedTuple):
    """An access that pays `run` for every run beyond the first."""

    wanted: frozenset[int]
    run: int


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search says.

    Attributes
    ----------
    bound : int
        No order costs less, or the limit if that is lower.
    order : tuple of int or None
        Classes, of an order that costs less than the limit; None if none was found.
    is_exact : bool
        The order costs what the bound says, or no order costs less than the limit.
    """

    bound: int
    order: tuple[int, ...] | None
    is_exact: bool


class SlotSearch:
    """The search for one choice of covers and runners.

    Parameters
    ----------
    sizes : sequence of int
        Channels in each class.
    covers : sequence of Cover
        One to `MOST_COVERS`.
    runners : sequence of Runner
        Of positive price.
    """

    def __init__(
        self, sizes: Sequence[int], covers: Sequence[Cover], runners: Sequence[Runner]
    ) -> None:
        self._kernels: Any = import_module("reorder_solver.backends.modes.slot_kernels")
        self._listing: Any = import_module("reorder_solver.backends.modes.sequence_kernels")
        self._visiting: Any = import_module("reorder_solver.backends.modes.visit_kernels")
        self._covers, self._runners = tuple(covers), tuple(runners)
        self._classes = len(sizes)
        self._groups = groups_of(len(sizes), covers, runners)
        weights = [sum(int(sizes[each]) for each in group) for group in self._groups.values()]
        keys = list(self._groups)
        self._wanted = np.array([key[0] for key in keys], dtype=np.int64)
        self._signatures = np.array([key[1] for key in keys], dtype=np.int64)
        self._charges = self._charged(weights)
        self._first = sum(each.run for each in runners)
        self._visit, self._middle, self._edge = visit_prices([each.run for each in runners])
        self._count = 1 << len(runners)
        self._slots = 2 * len(covers) + 1
        self._sequences: IntArray = np.zeros((0, 2 * len(covers)), dtype=np.int64)
        self._limit, self._is_complete = 0, False
        self._bounds: IntArray | None = None

    @staticmethod
    def takes(covers: int, runners: int) -> bool:
        """Whether a search with so many covers and runners fits."""
        entries = 3 << 2 * covers + 1 + runners
        return (
            1 <= covers <= _MOST_SPANNED and runners <= _MOST_SEARCHED and entries <= _MOST_ENTRIES
        )

    @staticmethod
    def bounds(covers: int, runners: int) -> bool:
        """Whether so many can at least be bounded."""
        return 1 <= covers <= MOST_COVERS and runners <= _MOST_RUNNERS

    @property
    def visits(self) -> tuple[int, int, int]:
        """What a visit costs at least, and what the first in a slot saves, inside, at an end."""
        return self._visit, self._middle, self._edge

    def take_over(self, sequences: IntArray, bounds: IntArray, limit: int) -> None:
        """Search among these sequences alone: all others cost no less than `limit`.

        Their bounds count everything twice, and every run.
        """
        self._sequences, self._bounds = sequences, bounds
        self._limit, self._is_complete = limit, True

    def _charged(self, weights: Sequence[int]) -> IntArray:
        """Twice what a class costs while a cover is open: prices of runs count twice as well."""
        infinity = self._kernels.INFINITY
        charges = np.zeros((len(weights), len(self._covers)), dtype=np.int64)
        for row, (key, weight) in enumerate(zip(self._groups, weights, strict=True)):
            for number, cover in enumerate(self._covers):
                if not key[0] >> number & 1:
                    gap = infinity if cover.gap is None else 2 * cover.gap * weight
                    charges[row, number] = gap
        return charges

    def _doubled(self, cost: int) -> int:
        return 2 * (cost + self._first)

    def _rest(self) -> IntArray:
        return np.empty(self._kernels.rest_size(self._slots, self._count), dtype=np.int64)

    def bound(self, limit: int, deadline: Deadline | None = None) -> int:
        """A lower bound on the cost of all orders, or `limit` if that is lower.

        What the deadline leaves no time for counts as free.
        """
        if not kernels_ready("slots", _use_kernels, deadline):
            self._limit, self._is_complete = limit, False
            self._bounds = np.zeros(0, dtype=np.int64)
            return min(limit, 0)
        return self._bound(limit, deadline)

    def use_kernels(self) -> None:
        """Search for anything, so that every kernel is compiled."""
        self._bound(LARGEST_TOTAL, None)
        self._run(LARGEST_TOTAL, Deadline(None))

    def _bound(self, limit: int, deadline: Deadline | None) -> int:
        self._limit, self._is_complete = limit, self._list(limit, deadline)
        self._bounds = np.zeros(self._sequences.shape[0], dtype=np.int64)
        if not self._is_complete:
            return min(limit, 0)
        rest = self._rest()
        chunk = max(1, _CHUNK // rest.size)
        for begin in range(0, self._bounds.size, chunk):
            if deadline is not None and deadline.expired:
                break
            self._kernels.bound_sequences(
                self._sequences[begin : begin + chunk],
                *(self._wanted, self._charges, self._signatures, self._count),
                *(self._visit, self._middle, self._edge),
                *(self._doubled(limit), self._bounds[begin : begin + chunk], rest),
            )
        if not self._bounds.size:
            return limit
        return min(limit, self.halved(int(self._bounds.min())))

    def _list(self, limit: int, deadline: Deadline | None) -> bool:
        """List the sequences that may cost less than `limit`; whether all could be listed."""
        covers = len(self._covers)
        prices = np.zeros((1 << covers, self._wanted.size), dtype=np.int64)
        self._listing.fill_set_prices(self._wanted, self._charges, prices)
        room = np.zeros((min(_MOST_SEQUENCES, _sequences(covers)), 2 * covers), dtype=np.int64)
        most = _MOST_BEGINNINGS
        if deadline is not None and not isinf(deadline.remaining):
            in_time = deadline.remaining * _PER_SECOND / max(1, self._wanted.size)
            most = min(most, int(in_time))
        count = self._listing.list_sequences(
            self._wanted, prices, covers, self._doubled(limit), most, room
        )
        self._sequences = room[: max(count, 0)].copy()
        return bool(count >= 0)

    def halved(self, total: int) -> int:
        """The cost of orders from one that counts twice, the first run of everybody included."""
        return max(0, -(-total // 2) - self._first)

    def run(self, limit: int, deadline: Deadline) -> Found:
        """Search for the cheapest order that costs less than `limit`."""
        if not kernels_ready("slots", _use_kernels, deadline):
            return Found(min(limit, 0), None, is_exact=False)
        if self._bounds is None or limit > self._limit:
            self.bound(limit, deadline)
        return self._run(limit, deadline)

    def _run(self, limit: int, deadline: Deadline) -> Found:
        bounds = self._bounds
        assert bounds is not None
        if not self._is_complete:
            return Found(min(limit, 0), None, is_exact=False)
        below, best = self._doubled(limit), None
        if not self.takes(len(self._covers), len(self._runners)):
            bound = limit if not bounds.size else self.halved(int(bounds.min()))
            return Found(min(bound, limit), None, is_exact=bound >= limit)
        queue = [(int(bound), number) for number, bound in enumerate(bounds) if bound < below]
        heapify(queue)
        reach = below
        while queue and queue[0][0] < below:
            bound, number = queue[0]
            target = min(below, bound + max(reach, 1))
            found = None if deadline.expired else self._search(number, target, deadline)
            if found is None:
                # Less to spend rules out more: the bound may still rise step by step.
                reach = (target - bound) // _CUT_BACK
                if reach <= (below - bound) >> _LEAST_REACH or deadline.expired:
                    break
                continue
            if found[0] < target:
                below, best = found
            heapreplace(queue, (found[0], number))
            reach *= 2
        lowest = min(below, queue[0][0]) if queue else below
        return Found(self.halved(lowest), best, lowest >= below)

    def _search(
        self, number: int, below: int, deadline: Deadline
    ) -> tuple[int, tuple[int, ...]] | tuple[int, None] | None:
        """Cheapest way through the slots of one sequence; None if there was no room for it."""
        kernels, slots = self._kernels, self._slots
        opened = np.zeros(slots, dtype=np.int64)
        prices = np.zeros((self._wanted.size, slots), dtype=np.int64)
        self._listing.open_sets(self._sequences[number], opened)
        self._listing.slot_prices(opened, self._wanted, self._charges, prices)
        rest, plain = self._rest(), self._rest()
        kernels.fill_rest(prices, self._signatures, self._count, self._visit, rest, plain)
        bounding = (rest, plain, *self._ways(prices))
        equal = np.zeros((0, 0, 0), dtype=np.int64)
        if slots <= _MERGED_SLOTS:
            equal = np.zeros((slots + 1, self._count, 1 << slots), dtype=np.int64)
            kernels.fill_equal(prices, self._signatures, self._count, equal)
        words = -(-self._count // (kernels.WORD_BITS // slots))
        room = _FIRST_ROOM
        while room <= _MOST_ROOM and not deadline.expired:
            if room > _QUICK_ROOM and deadline.remaining < _PATIENCE:
                break
            keys = np.zeros((room, words + 1), dtype=np.int64)
            ahead = np.zeros((room, 2), dtype=np.int64)
            costs, seen, parents = (np.zeros(room, dtype=np.int64) for _ in range(3))
            tables = [np.zeros(2 * room, dtype=np.int64) for _ in range(2)]
            last = kernels.search_sequence(
                *(self.steps, *bounding, equal, self._middle, self._edge, below),
                *(keys, costs, ahead, seen, parents, *tables),
            )
            if last == kernels.NONE_BELOW:
                return below, None
            if last != kernels.OUT_OF_ROOM:
                path = self._path(keys, parents, int(last))
                return int(costs[-1]), self._order(path, prices)
            room *= 8
        return None

    def _ways(self, prices: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """The cheapest ways on from every slot; see :func:`.visit_kernels.fill_ways`."""
        visiting, slots = self._visiting, self._slots
        regrets = np.zeros((slots, self._count), dtype=np.int64)
        visiting.find_regrets(prices, self._signatures, regrets)
        weighed = np.zeros((slots, visiting.MOST_WEIGHED), dtype=np.int64)
        lengths = np.zeros(slots, dtype=np.int64)
        most = min(self._count, visiting.MOST_WEIGHED)
        ways = np.zeros((slots, 1 << most, self._count), dtype=np.int64)
        visiting.fill_ways(regrets, self.steps, weighed, lengths, ways)
        return weighed, lengths, ways

    @cached_property
    def steps(self) -> IntArray:
        """What it costs to go from one signature to another: half a run where they differ."""
        return steps_between(self._count, [each.run for each in self._runners])

    def _path(self, keys: IntArray, parents: IntArray, state: int) -> list[tuple[int, int]]:
        """The (slot, signature) pairs visited, in order."""
        per, mask = self._kernels.WORD_BITS // self._slots, (1 << self._slots) - 1
        trail = []
        while state >= 0:
            trail.append(keys[state].tolist())
            state = int(parents[state])
        path: list[tuple[int, int]] = []
        slot = 0
        before = trail.pop()
        for key in reversed(trail):
            signature = key[-1]
            word, shift = signature // per, signature % per * self._slots
            visited, known = key[word] >> shift & mask, before[word] >> shift & mask
            if visited >> slot & 1 and not known >> slot & 1:
                path.append((slot, signature))
            else:
                slot += 1
            before = key
        return path

    def _order(self, path: list[tuple[int, int]], prices: IntArray) -> tuple[int, ...]:
        """The classes along a path, each at the cheapest visit."""
        members = list(self._groups.values())
        stops: list[list[int]] = [[] for _ in path]
        for item, signature in enumerate(self._signatures):
            visits = [
                (int(prices[item, slot]), stop)
                for stop, (slot, each) in enumerate(path)
                if each == signature
            ]
            stops[min(visits)[1]] += members[item]
        order = [each for stop in stops for each in stop]
        return (*self._nowhere(), *order)

    def _nowhere(self) -> tuple[int, ...]:
        """Classes that nobody wants: they cost nothing before all others."""
        placed = {each for members in self._groups.values() for each in members}
        return tuple(each for each in range(self._classes) if each not in placed)


def groups_of(
    classes: int, covers: Sequence[Cover], runners: Sequence[Runner]
) -> dict[tuple[int, int], list[int]]:
    """Classes by (covers, runners) that want them, as bit sets; without those nobody wants."""
    groups: dict[tuple[int, int], list[int]] = {}
    for each in range(classes):
        key = _bits(each, covers), _bits(each, runners)
        if any(key):
            groups.setdefault(key, []).append(each)
    return groups


def _bits(each: int, accesses: Sequence[Cover | Runner]) -> int:
    return sum(1 << number for number, access in enumerate(accesses) if each in access.wanted)


def _sequences(covers: int) -> int:
    """How many sequences of openings and closings there are, mirror images counted once."""
    orders = factorial(2 * covers) + (factorial(covers) << covers)
    return (orders >> (covers + 1)) + 1


def _use_kernels() -> None:
    SlotSearch([1, 1], [Cover(frozenset({0}), 1)], [Runner(frozenset({1}), 1)]).use_kernels()
