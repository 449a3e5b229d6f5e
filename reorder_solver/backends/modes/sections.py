"""What a choice of options costs at least: its runs between its views, and orders of its spans."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from reorder_solver.backends.dynamic.prefix_table import OutOfTimeError
from reorder_solver.backends.modes.chains import ChainSearch
from reorder_solver.backends.modes.runs import RunSearch
from reorder_solver.backends.modes.slots import Cover, Found, Runner, SlotSearch
from reorder_solver.backends.modes.table import table_search
from reorder_solver.backends.modes.vectors import Linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.backends.modes.options import Option
    from reorder_solver.core.limits import Deadline

#: Up to so many covers, all sequences of openings and closings are gone through.
_FEW_COVERS = 4
#: Up to so many classes, the table of all subsets of them is quickest.
_FEW_CLASSES = 12
#: A matrix of the distances of so many columns takes no time.
_MOST_COLUMNS = 1024
#: Share of the time for one bound on runs, and for one search.
_RUNS_SHARE = 0.1
_SEARCH_SHARE = 0.2
_QUICK_SHARE = 0.05
Group: TypeAlias = "tuple[Option, ...]"


class Sections:
    """Bounds for groups of options, of all accesses or of the first ones.

    A group of more than one option counts as two runs, whatever the order.

    Parameters
    ----------
    sizes : sequence of int
    wanted : sequence of frozenset of int
    """

    def __init__(self, sizes: Sequence[int], wanted: Sequence[frozenset[int]]) -> None:
        self._sizes, self._wanted = sizes, wanted
        self._wants = np.array(
            [[each in classes for each in range(len(sizes))] for classes in wanted], dtype=np.int64
        )
        #: By accesses and prices (-1 for a view) what runs cost at least, and the effort spent.
        self._known: dict[tuple[tuple[int, int], ...], tuple[int, int]] = {}

    def _priced(self, groups: Sequence[Group]) -> tuple[list[Cover], list[Runner], int]:
        covers: list[Cover] = []
        runners: list[Runner] = []
        fixed = 0
        for classes, group in zip(self._wanted, groups, strict=False):
            if len(group) > 1:
                fixed += min(o.fixed + o.run for o in group)
                continue
            (option,) = group
            fixed += option.fixed
            if option.view or option.gap:
                covers.append(Cover(classes, None if option.view else option.gap))
            if option.run:
                runners.append(Runner(classes, option.run))
        return covers, runners, fixed

    def least_runs(
        self, groups: Sequence[Group], limit: int, deadline: Deadline, *, effort: int
    ) -> int:
        """What the runs cost at least where all views chosen are views, or `limit` if less.

        Effort 0 takes no time, 1 is for a bound, 2 for the best one.
        """
        prices = tuple(
            (number, -1 if group[0].view else group[0].run)
            for number, group in enumerate(groups)
            if len(group) == 1 and (group[0].view or group[0].run)
        )
        if limit <= 0 or not any(price > 0 for _, price in prices):
            return 0
        known, spent = self._known.get(prices, (-1, -1))
        if spent < 0:
            known, spent = max(0, self._nearest(prices, limit)), 0
        if known < limit and spent < effort:
            share = deadline.share(_RUNS_SHARE)
            known = max(known, self._least_runs(prices, limit, share, is_quick=effort < 2))
            spent = effort
        self._known[prices] = known, spent
        return min(limit, known)

    def _nearest(self, prices: Sequence[tuple[int, int]], limit: int) -> int:
        """Every class, and the outside, is entered and left by steps as short as may be."""
        runs = np.array([limit if price < 0 else price for _, price in prices], dtype=np.int64)
        columns = np.unique(np.vstack([self._wants[[n for n, _ in prices]].T, runs * 0]), axis=0)
        if columns.shape[0] > _MOST_COLUMNS:
            return 0
        weighed = columns * runs
        own = weighed.sum(axis=1)
        apart = own[:, None] + own[None, :] - 2 * (weighed @ columns.T)
        np.fill_diagonal(apart, 2 * int(runs.sum()) + 1)
        if columns.shape[0] == 2:
            return int(apart[0, 1] - runs.sum())
        total = int(np.partition(apart, 1, axis=1)[:, :2].sum())
        return max(0, -(-total // 4) - int(runs.sum()))

    def _least_runs(
        self,
        prices: Sequence[tuple[int, int]],
        limit: int,
        deadline: Deadline,
        *,
        is_quick: bool,
    ) -> int:
        covers = [Cover(self._wanted[n], None) for n, price in prices if price < 0]
        runners = [Runner(self._wanted[n], price) for n, price in prices if price > 0]
        if ChainSearch.takes(covers, runners) and SlotSearch.takes(len(covers), len(runners)):
            slots = SlotSearch(self._sizes, covers, runners)
            first = sum(each.run for each in runners)
            chains = ChainSearch(self._sizes, covers, runners)
            if chains.run(
                *(2 * (limit + first), 2 * first, slots.visits, slots.steps, deadline),
                is_whole=True,
            ):
                found = _by_chains(slots, chains, limit, deadline)
                if found.is_exact or len(runners) == 1:
                    return found.bound
        # A run more of a view costs as much as there is to spend.
        runners += [Runner(each.wanted, limit) for each in covers]
        return RunSearch(len(self._sizes), runners).run(limit, deadline, is_quick=is_quick).bound

    def bound(self, groups: Sequence[Group], limit: int, deadline: Deadline) -> int:
        """A lower bound on what the groups cost, or `limit` if that is lower."""
        if not any(len(group) == 1 and group[0].run for group in groups):
            # Spans alone are known exactly before.
            return 0
        found = self._chains(groups, limit, deadline)
        return 0 if found is None else found[1]

    def _chains(
        self,
        groups: Sequence[Group],
        limit: int,
        deadline: Deadline,
        known: int = 0,
        *,
        is_whole: bool = False,
    ) -> tuple[ChainSearch, int] | None:
        covers, runners, fixed = self._priced(groups)
        room = limit - fixed
        if room <= 0 or not ChainSearch.takes(covers, runners):
            return None
        least = self.least_runs(groups, room, deadline, effort=0)
        slots = SlotSearch(self._sizes, covers, runners)
        first = sum(each.run for each in runners)
        search = ChainSearch(self._sizes, covers, runners)
        floor = max(0, 2 * (known - fixed + first))
        if not search.run(
            *(2 * (room + first), 2 * (least + first), slots.visits, slots.steps, deadline),
            known=floor,
            is_whole=is_whole,
        ):
            return None
        bound = max(least, -(-search.bound // 2) - first)
        return search, min(limit, fixed + bound)

    def decide(
        self, groups: Sequence[Group], limit: int, deadline: Deadline, known: int = 0
    ) -> tuple[tuple[int, ...] | None, int]:
        """The cheapest order that costs less than `limit`, and a bound on what it costs.

        The bound is the limit if there is none. Where it is above `known`, another call with this
        one known may say more.
        """
        covers, runners, fixed = self._priced(groups)
        if len(self._sizes) <= _FEW_CLASSES:
            with suppress(OutOfTimeError):
                exact = table_search(self._sizes, covers, runners, limit - fixed, deadline)
                if exact is not None:
                    return exact.order, min(limit, fixed + exact.bound)
        is_few = len(covers) <= _FEW_COVERS
        order, bound = None, 0
        if is_few:
            order, bound = self._by_sequences(groups, limit, deadline, is_quick=True)
            if bound >= limit or bound > known:
                return order, bound
        found = self._chains(groups, limit, deadline, known, is_whole=True)
        if found is not None:
            chains, least = found
            bound = max(bound, least)
            if bound >= limit:
                return order, bound
            if runners and SlotSearch.takes(len(covers), len(runners)):
                slots = SlotSearch(self._sizes, covers, runners)
                answer = _by_chains(slots, chains, limit - fixed, deadline)
                order = answer.order or order
                bound = max(bound, min(limit, fixed + answer.bound))
                if answer.is_exact or bound > known:
                    return order, bound
            elif chains.sequences.size:
                order = chains.order()
        if not is_few:
            return order, bound
        by_sequences, least = self._by_sequences(groups, limit, deadline, is_quick=False)
        return by_sequences or order, max(bound, least)

    def _by_sequences(
        self, groups: Sequence[Group], limit: int, deadline: Deadline, *, is_quick: bool
    ) -> tuple[tuple[int, ...] | None, int]:
        """As :meth:`decide`, for few covers; quickly, at prices that may be too low."""
        fixed = self._priced(groups)[2]
        chosen = [
            (classes, group[0])
            for classes, group in zip(self._wanted, groups, strict=False)
            if len(group) == 1 and not group[0].is_flat
        ]
        flat = fixed - sum(option.fixed for _, option in chosen)
        linear = Linear(
            self._sizes, [classes for classes, _ in chosen], tuple(o for _, o in chosen)
        )
        attempt = linear.run if is_quick else linear.run_exactly
        share = _QUICK_SHARE if is_quick else _SEARCH_SHARE
        answer = attempt(limit - flat, deadline.share(share))
        return answer.order, min(limit, flat + answer.bound)


def _by_chains(slots: SlotSearch, chains: ChainSearch, limit: int, deadline: Deadline) -> Found:
    """Search among the orders of openings and closings that are listed."""
    rest = min(limit, slots.halved(chains.rest))
    if not chains.sequences.size:
        return Found(rest, None, is_exact=rest >= limit)
    slots.take_over(chains.sequences, chains.bounds, rest)
    found = slots.run(rest, deadline)
    is_exact = found.is_exact and (found.order is not None or rest >= limit)
    return Found(found.bound, found.order, is_exact)
