"""Latency of up to a dozen accesses to one tensor: views and spans first, then runs.

Views are what brings spans and runs together: they cut a tensor into sections. Given the views,
the least that spans cost and the least that runs cost hardly depend on each other. So a choice of
options is bounded by the sum of the two, each with all views that are chosen. What spans cost is
known for all sets at once (:mod:`.span_table`), and so is the best that the accesses not
yet decided can do beside the spans chosen.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from reorder_solver.backends.modes.sections import Sections
from reorder_solver.backends.modes.span_table import MOST_COVERS, SpanTable, share_a_position

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reorder_solver.backends.modes.options import Option
    from reorder_solver.backends.modes.slots import IntArray
    from reorder_solver.core.limits import Deadline

#: More than any cost, in tables.
_NEVER = 1 << 55
#: Price of a view that is none, times all positions and accesses.
_LARGEST = 1 << 50
#: Whole choices are decided within such a part of what there is to spend, unless that is less than
#: such a part of all.
_TARGET = 3
_CLOSE = 50
#: Options of one access that are not told apart yet.
Group: TypeAlias = "tuple[Option, ...]"


@dataclass(order=True, slots=True)
class _Entry:
    """Groups of the first accesses, in the order of the search; deeper entries first."""

    bound: int
    height: int
    stage: int
    number: int
    groups: tuple[Group, ...]
    #: Accesses that are views or pay for spans, as a bit set.
    spans: int
    #: How many of the accesses have one option left for certain.
    told_apart: int

    @property
    def has_views(self) -> bool:
        """Whether an access is chosen to be a view."""
        return any(group[0].view for group in self.groups)


def _groups_of(options: Sequence[Option]) -> list[Group]:
    """Options one by one, but those with a fixed price and no span together."""
    close = tuple(o for o in options if o.fixed and not o.gap)
    apart: list[Group] = [(o,) for o in options if not o.fixed or o.gap]
    return [*apart, close] if close else apart


def _price_of(group: Group) -> int:
    """What two runs cost at least."""
    return min(o.fixed + o.run for o in group)


def _flat_price(options: Sequence[Option]) -> int:
    """What an access pays at least that is no view by choice, and pays for no span."""
    others = [o for o in options if not (o.gap or o.view)]
    if len(others) < len(options):
        return min((_price_of((o,)) for o in others), default=_NEVER)
    # One run is possible, and free of charge without a fixed price.
    return min(o.fixed + o.run if o.fixed else 0 for o in others)


class Assignments:
    """The search over options of all accesses, best bound first.

    Parameters
    ----------
    sizes : sequence of int
        Channels in each class.
    wanted : sequence of frozenset of int
        Per access the classes it wants.
    options : sequence of tuple of Option
        Per access.
    offer : callable
        Takes an order found, returns the lowest cost known.
    fits : callable
        Whether some accesses can all be views.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        wanted: Sequence[frozenset[int]],
        options: Sequence[tuple[Option, ...]],
        offer: Callable[[tuple[int, ...]], int | None],
        fits: Callable[[frozenset[int]], bool],
    ) -> None:
        self._sizes, self._offer, self._fits = sizes, offer, fits
        spannable = [any(o.gap for o in each) for each in options]
        flats = [_flat_price(each) for each in options]
        self._ranked = sorted(range(len(options)), key=lambda n: (spannable[n], -flats[n], n))
        self._wanted = [wanted[n] for n in self._ranked]
        self._groups = [_groups_of(options[n]) for n in self._ranked]
        self._flats = [flats[n] for n in self._ranked]
        self._gaps = [min((o.gap for o in options[n] if o.gap), default=0) for n in self._ranked]
        self._sections = Sections(sizes, self._wanted)
        self._numbers = count()
        self._heap: list[_Entry] = []
        self._tables: list[IntArray] = []

    @staticmethod
    def takes(sizes: Sequence[int], wanted: Sequence[frozenset[int]], limit: int) -> bool:
        """Whether there is room for the table, it is right, and sums stay within 64 bits."""
        return (
            2 <= len(wanted) <= MOST_COVERS
            and share_a_position(wanted)
            and limit * len(wanted) * sum(sizes) < _LARGEST
        )

    def _fill(self, limit: int, deadline: Deadline) -> bool:
        """Per number of accesses decided and those that span: what spans and the rest cost."""
        # A view that spans anything unwanted is as good as ruled out.
        prices = [gap or max(1, limit) for gap in self._gaps]
        least = SpanTable(self._sizes, self._wanted, prices).least(deadline)
        if least is None:
            return False
        tables = [least]
        for depth in range(len(self._wanted) - 1, -1, -1):
            half = 1 << depth
            spans = tables[-1][half:]
            if not any(o.view or o.gap for group in self._groups[depth] for o in group):
                spans = np.full(half, _NEVER)
            tables.append(np.minimum(spans, tables[-1][:half] + self._flats[depth]))
        self._tables = tables[::-1]
        return True

    def run(
        self, limit: int, deadline: Deadline, report: Callable[[int], None]
    ) -> tuple[int, bool]:
        """Search.

        Parameters
        ----------
        limit : int
            Cost of the cheapest order known.
        deadline : Deadline
        report : callable
            Called with every higher bound.

        Returns
        -------
        bound : int
            No order costs less, or the lowest cost known.
        is_exact : bool
            The lowest cost known is this.
        """
        if not self._fill(limit, deadline):
            return 0, False
        self._push(_Entry(int(self._tables[0][0]), 0, 0, 0, (), 0, 0))
        reported = 0
        while self._heap:
            entry = heapq.heappop(self._heap)
            if entry.bound >= limit:
                return limit, True
            if entry.bound > reported:
                reported = entry.bound
                report(reported)
            if deadline.expired:
                return entry.bound, False
            limit, is_decided = self._work(entry, limit, deadline)
            if not is_decided:
                return min(entry.bound, limit), False
        return limit, True

    def _push(self, entry: _Entry) -> None:
        heapq.heappush(self._heap, entry)

    def _work(self, entry: _Entry, limit: int, deadline: Deadline) -> tuple[int, bool]:
        """Bound an entry, branch, or decide it; the lowest cost known, and whether that is done."""
        is_partial = len(entry.groups) < len(self._wanted)
        if entry.stage == 0:
            self._again(entry, self._bound(entry, limit, deadline, effort=0))
        elif entry.stage == (2 if entry.has_views else 1):
            self._again(entry, self._sections.bound(entry.groups, limit, deadline))
        elif entry.stage <= 2:
            # Between views, what runs cost is known soon, and mostly decides.
            self._again(entry, self._bound(entry, limit, deadline, effort=1))
        elif is_partial:
            self._branch(entry)
        elif entry.stage == 3:
            # With less to spend it takes far less time, and others may be next then.
            target = limit
            if entry.bound + limit // _CLOSE < limit:
                target = entry.bound + (limit - entry.bound) // _TARGET
            order, bound = self._sections.decide(entry.groups, target, deadline, entry.bound)
            if order is not None:
                known = self._offer(order)
                limit = limit if known is None else min(limit, known)
            # As long as the bound rises, the same means may raise it further.
            self._again(entry, bound, 3 if entry.bound < bound < limit else 4)
        elif entry.stage == 4:
            if not self._tell_apart(entry):
                self._again(entry, self._bound(entry, limit, deadline, effort=2))
        else:
            return limit, False
        return limit, True

    def _again(self, entry: _Entry, bound: int, stage: int | None = None) -> None:
        self._push(
            _Entry(
                max(entry.bound, bound),
                entry.height,
                entry.stage + 1 if stage is None else stage,
                next(self._numbers),
                entry.groups,
                entry.spans,
                entry.told_apart,
            )
        )

    def _bound(self, entry: _Entry, limit: int, deadline: Deadline, *, effort: int) -> int:
        """Spans and runs, one by one."""
        depth = len(entry.groups)
        total = int(self._tables[depth][entry.spans])
        for group in entry.groups:
            if len(group) > 1:
                total += _price_of(group)
            elif not group[0].view:
                total += group[0].fixed
        if total >= limit:
            return total
        return total + self._sections.least_runs(
            entry.groups, limit - total, deadline, effort=effort
        )

    def _branch(self, entry: _Entry) -> None:
        depth = len(entry.groups)
        for group in self._groups[depth]:
            spans = entry.spans
            if group[0].view or group[0].gap:
                spans |= 1 << depth
            groups = (*entry.groups, group)
            if group[0].view:
                views = frozenset(self._ranked[n] for n, each in enumerate(groups) if each[0].view)
                if not self._fits(views):
                    continue
            self._push(_Entry(entry.bound, -depth - 1, 0, next(self._numbers), groups, spans, 0))

    def _tell_apart(self, entry: _Entry) -> bool:
        """Branch on the options of a group; False if all are told apart."""
        at = entry.told_apart
        while at < len(entry.groups) and len(entry.groups[at]) == 1:
            at += 1
        if at == len(entry.groups):
            return False
        for option in entry.groups[at]:
            groups = (*entry.groups[:at], (option,), *entry.groups[at + 1 :])
            dearer = max(0, _price_of((option,)) - _price_of(entry.groups[at]))
            self._push(
                _Entry(
                    entry.bound + dearer,
                    entry.height - 1,
                    0,
                    next(self._numbers),
                    groups,
                    entry.spans,
                    at + 1,
                )
            )
        return True
