"""One tensor on the way through several: some accesses pay for runs there, some for what they span.

As in :mod:`.slots`, the openings and closings of accesses that pay for their span cut an order into
slots, and runs depend on the sequence of signatures alone. An access that comes from the tensor
before is open from the start, and one that goes on into the next is never closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from reorder_solver.backends.modes.kernels import INFINITY
from reorder_solver.backends.modes.visits import steps_between, visit_prices

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reorder_solver.backends.dynamic.anatomy import Piece
    from reorder_solver.core.limits import Deadline

IntArray = npt.NDArray[np.int64]
#: An access by its piece in the tensor, and what a run, or a position that it spans, costs.
Priced: TypeAlias = "tuple[Piece, int]"

#: Most openings and closings of one tensor.
MOST_EVENTS = 6
#: Most signatures of a table over their subsets.
_MOST_STOPS = 16
#: Most (slot, signature) pairs of a search: bits of a key.
_MOST_PAIRS = 64
#: Up to so many slots it pays to join states that leave the same choices.
_MERGED_SLOTS = 6
#: States one search may have, at first and at most.
_ROOMS = (1 << 11, 1 << 15)


class Passed(NamedTuple):
    """What ways through a tensor cost, with all that is paid up to there.

    Attributes
    ----------
    costs : ndarray of int64, shape (signatures,)
        Twice the least, by the signature that a way ends in; `INFINITY` where it is cheaper to end
        elsewhere and go on from there.
    is_exact : bool
        There are such ways; otherwise some of the costs are only bounds.
    """

    costs: IntArray
    is_exact: bool


class Stage:
    """One tensor.

    Parameters
    ----------
    sizes : ndarray of int64
        Channels in each class.
    runners, covers : sequence of (Piece, int)
        Accesses that pay for their runs, and for the unwanted positions of their span.
    """

    def __init__(
        self, sizes: IntArray, runners: Sequence[Priced], covers: Sequence[Priced]
    ) -> None:
        self._kernels: Any = import_module("reorder_solver.backends.modes.walk_kernels")
        self._slot_kernels: Any = import_module("reorder_solver.backends.modes.slot_kernels")
        self._rests: Any = import_module("reorder_solver.backends.modes.rest_kernels")
        self._listing: Any = import_module("reorder_solver.backends.modes.sequence_kernels")
        self.count = 1 << len(runners)
        groups: dict[tuple[int, int], list[int]] = {}
        for each in range(sizes.size):
            key = (_bits(each, covers), _bits(each, runners))
            groups.setdefault(key, []).append(each)
        self._members = list(groups.values())
        self._wanted = np.array([key[0] for key in groups], dtype=np.int64)
        self._signatures = np.array([key[1] for key in groups], dtype=np.int64)
        self._stops = np.unique(self._signatures)
        self._prices = tuple(price for _, price in runners)
        self._present = int((1 << self._stops).sum()) if self.count <= _MOST_STOPS else 0
        weights = np.array([sizes[each].sum() for each in self._members], dtype=np.int64)
        self._charges = np.zeros((len(groups), max(1, len(covers))), dtype=np.int64)
        for number, (_, gap) in enumerate(covers):
            is_unwanted = self._wanted >> number & 1 == 0
            self._charges[:, number] = 2 * gap * weights * is_unwanted
        self._open_first = sum(
            1 << number for number, (piece, _) in enumerate(covers) if piece.before
        )
        events = [
            number
            for number, (piece, _) in enumerate(covers)
            for _ in range(2 - piece.before - piece.after)
        ]
        self.slots = len(events) + 1
        self._is_tour = self.slots == 1 and self._stops.size <= _MOST_STOPS
        self._sequences = np.array(list(_arrangements(events)), dtype=np.int64)
        self._visit, self._middle, _ = visit_prices(self._prices)
        self._steps = steps_between(self.count, self._prices)
        self._bounds: IntArray | None = None

    @staticmethod
    def takes(covers: Sequence[Priced]) -> bool:
        """Whether these covers can be bounded together."""
        return sum(2 - piece.before - piece.after for piece, _ in covers) <= MOST_EVENTS

    def least(self) -> int:
        """Twice a lower bound on what is paid here."""
        if self._bounds is None:
            bounds = np.zeros(len(self._sequences), dtype=np.int64)
            self._kernels.bound_walks(
                *(self._sequences, self._open_first, self._wanted, self._charges),
                *(self._signatures, self._visit, self._middle),
                *(int(self._tours[self._present].min()), bounds, self._rest()),
            )
            order = np.argsort(bounds, kind="stable")
            self._sequences, self._bounds = self._sequences[order], bounds[order]
        return int(self._bounds[0])

    def passed(self, enter: IntArray, sources: IntArray, deadline: Deadline) -> Passed:
        """What ways through the tensor cost.

        Parameters
        ----------
        enter : ndarray of int64, shape (signatures before, signatures)
            Twice what steps from the tensor before cost.
        sources : ndarray of int64, shape (signatures before,)
            Twice what the way costs up to there.
        """
        if self._is_tour:
            return Passed(self._toured(enter, sources), is_exact=True)
        first, widest = int(sources.min()) + self.least(), int(self._steps.max())
        bounds = self._bounds
        assert bounds is not None
        reached = np.full(self.count, INFINITY, dtype=np.int64)
        room, level = max(1, widest // 2), first
        while True:
            limit = min(first + room, int(reached.min()) + widest + 1)
            for number, bound in enumerate(bounds - bounds[0] + first):
                # A way to where another signature ends costs no more than one step more.
                below = min(limit, int(reached.min()) + widest + 1)
                if bound >= below:
                    break
                trail = self._walk(number, enter, sources, below, reached, deadline)
                if trail is None:
                    # Below, all ways are known.
                    reached[self._stops] = np.minimum(reached[self._stops], max(level, int(bound)))
                    return Passed(reached, is_exact=False)
            if reached.min() + widest < limit:
                return Passed(reached, is_exact=True)
            room, level = 2 * room, limit

    def _toured(self, enter: IntArray, sources: IntArray) -> IntArray:
        """Costs by last signature, where nothing opens or closes: all ways to the signatures."""
        reached = np.full(self.count, INFINITY, dtype=np.int64)
        reached[self._stops] = self._tour_table(enter, sources)[-1]
        return reached

    def _tour_table(self, enter: IntArray, sources: IntArray) -> IntArray:
        begin = (sources[:, None] + enter).min(axis=0)[self._stops]
        steps = self._steps[np.ix_(self._stops, self._stops)]
        table = np.zeros((1 << self._stops.size, self._stops.size), dtype=np.int64)
        self._kernels.fill_tour(steps, begin, table)
        return table

    def _tour(self, enter: IntArray, sources: IntArray, last: int) -> tuple[int, list[int]]:
        table, stops = self._tour_table(enter, sources), self._stops
        path = [int(np.flatnonzero(stops == last)[0])]
        left = table.shape[0] - 1
        while left & left - 1:
            left ^= 1 << path[-1]
            path.append(int(np.argmin(table[left] + self._steps[stops, stops[path[-1]]])))
        source = int(np.argmin(sources + enter[:, stops[path[-1]]]))
        order = []
        for stop in reversed(path):
            for item in np.flatnonzero(self._signatures == stops[stop]):
                order += self._members[item]
        return source, order

    def _walk(
        self,
        number: int,
        enter: IntArray,
        sources: IntArray,
        limit: int,
        reached: IntArray,
        deadline: Deadline,
    ) -> _Trail | None:
        """Ways under one sequence of events; None if there was no room for them, or no time."""
        if self.slots * self.count > _MOST_PAIRS or deadline.expired:
            return None
        prices, rest, plain, equal = self._tables(number)
        for room in _ROOMS:
            keys, lasts, costs, parents, visits = (np.zeros(room, dtype=np.int64) for _ in range(5))
            table, stamps = (np.zeros(2 * room, dtype=np.int64) for _ in range(2))
            states = np.full(self.count, -1, dtype=np.int64)
            used = self._kernels.walk_sequence(
                *(self._steps, enter, sources, self._stops, rest, plain, equal),
                *(self._tours, self._present, self._middle, limit),
                *(keys, lasts, costs, parents, visits, table, stamps, reached, states),
            )
            if used != self._slot_kernels.OUT_OF_ROOM:
                return _Trail(lasts, parents, visits, states, prices)
        return None

    def way(
        self, enter: IntArray, sources: IntArray, last: int, cost: int, deadline: Deadline
    ) -> tuple[int, list[int]] | None:
        """The signature that a way comes from, and its order of the classes.

        Parameters
        ----------
        enter, sources : ndarray of int64
            As for :meth:`passed`.
        last : int
            The signature that it ends in.
        cost : int
            Twice what it costs.
        deadline : Deadline

        Returns
        -------
        tuple of int and list of int, or None
            None if no such way is found.
        """
        if self._is_tour:
            return self._tour(enter, sources, last)
        bounds = self._bounds
        assert bounds is not None
        for number, bound in enumerate(bounds):
            if sources.min() + bound > cost:
                break
            reached = np.full(self.count, INFINITY, dtype=np.int64)
            trail = self._walk(number, enter, sources, cost + 1, reached, deadline)
            if trail is not None and reached[last] <= cost:
                return self._order(trail, last)
        return None

    def _order(self, trail: _Trail, last: int) -> tuple[int, list[int]]:
        state = int(trail.states[last])
        codes = []
        while trail.parents[state] >= 0:
            codes.append(int(trail.visits[state]))
            state = int(trail.parents[state])
        slot, path = 0, []
        for code in reversed(codes):
            if code < 0:
                slot += 1
            else:
                path.append((slot, code))
        stops: list[list[int]] = [[] for _ in path]
        for item, signature in enumerate(self._signatures):
            _, stop = min(
                (int(trail.prices[item, slot]), stop)
                for stop, (slot, each) in enumerate(path)
                if each == signature
            )
            stops[stop] += self._members[item]
        return int(trail.lasts[state]), [each for stop in stops for each in stop]

    def _tables(self, number: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        opened = np.zeros(self.slots, dtype=np.int64)
        opened[0] = self._open_first
        self._kernels.open_from(self._sequences[number], opened)
        prices = np.zeros((self._wanted.size, self.slots), dtype=np.int64)
        self._listing.slot_prices(opened, self._wanted, self._charges, prices)
        rest, plain, equal = self._rest(), self._rest(), self._rest()
        self._rests.fill_rest(prices, self._signatures, self._visit, rest, False)
        self._rests.fill_rest(prices, self._signatures, 0, plain, False)
        if self.slots <= _MERGED_SLOTS:
            self._slot_kernels.fill_equal(prices, self._signatures, self.count, equal)
        else:
            equal[:] = np.arange(1 << self.slots)
        return prices, rest, plain, equal

    @property
    def _tours(self) -> IntArray:
        # Megabytes: kept for few prices, not for every tensor.
        if not self._present:
            return np.zeros((1, self.count), dtype=np.int64)
        return _tours(self._prices)

    def _rest(self) -> IntArray:
        return np.zeros((self.slots + 1, self.count, 1 << self.slots), dtype=np.int64)


class Settled:
    """A tensor with one order.

    Parameters
    ----------
    classes : int
    runners : sequence of (Piece, int)
        Accesses that pay for their runs.
    """

    def __init__(self, classes: int, runners: Sequence[Priced]) -> None:
        self.count = 1 << len(runners)
        self._classes = classes
        self._first = sum(piece.first << bit for bit, (piece, _) in enumerate(runners))
        self._last = sum(piece.last << bit for bit, (piece, _) in enumerate(runners))
        self._inner = sum(
            price * (2 * (piece.fixed_runs or 0) - piece.first - piece.last)
            for piece, price in runners
        )

    def least(self) -> int:
        """Twice what is paid inside."""
        return self._inner

    def passed(self, enter: IntArray, sources: IntArray, _deadline: Deadline) -> Passed:
        """What the only way costs."""
        reached = np.full(self.count, INFINITY, dtype=np.int64)
        reached[self._last] = (sources + enter[:, self._first]).min() + self._inner
        return Passed(reached, is_exact=True)

    def way(
        self, enter: IntArray, sources: IntArray, _last: int, _cost: int, _deadline: Deadline
    ) -> tuple[int, list[int]]:
        """The signature that the way comes from, and the order of the classes."""
        return int(np.argmin(sources + enter[:, self._first])), list(range(self._classes))


@dataclass(frozen=True, slots=True, eq=False)
class _Trail:
    """States of one search, and what classes cost in its slots."""

    lasts: IntArray
    parents: IntArray
    visits: IntArray
    states: IntArray
    prices: IntArray


@lru_cache(maxsize=16)
def _tours(prices: tuple[int, ...]) -> IntArray:
    """See :func:`.walk_kernels.fill_tours`."""
    kernels: Any = import_module("reorder_solver.backends.modes.walk_kernels")
    count = 1 << len(prices)
    tours = np.zeros((1 << count, count), dtype=np.int64)
    kernels.fill_tours(steps_between(count, prices), tours)
    return tours


def _bits(each: int, accesses: Sequence[Priced]) -> int:
    return sum(1 << number for number, (piece, _) in enumerate(accesses) if piece.mask >> each & 1)


def _arrangements(events: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All different orders of the events."""
    if not events:
        yield ()
        return
    for each in dict.fromkeys(events):
        left = list(events)
        left.remove(each)
        for others in _arrangements(left):
            yield (each, *others)
