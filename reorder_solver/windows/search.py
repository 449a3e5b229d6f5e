"""Search: annealing of layouts and windows, then the best channels for their order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from formulations.window_annealing import anneal
from reorder_solver.windows.borders import lines_of
from reorder_solver.windows.multipliers import Limits, descend
from reorder_solver.windows.nested import nested_windows
from reorder_solver.windows.plan import make_plan, placed
from reorder_solver.windows.realise import realise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from formulations.window_annealing import Plan
    from formulations.windows import WindowsModel, WindowsSolution
    from reorder_solver.core.limits import Deadline
    from reorder_solver.windows.borders import FloatArray, IntArray, Line
    from reorder_solver.windows.multipliers import Segments
    from reorder_solver.windows.plan import Placed

    Report = Callable[[WindowsSolution], None]

#: Moves of the first annealing per score; each further one has twice as many.
_MOVES = 150
_LEAST_MOVES, _MOST_MOVES = 20_000, 1_000_000_000
#: An annealing is run in slices, so that the clock and Ctrl-C are heard.
_SLICES = 64
#: Moves of a slice times the windows on a tensor, at most about a quarter of a second.
_SLICE_WORK = 5_000_000
#: Share of the time left that an annealing may take.
_ANNEALING_SHARE = 0.85
#: Temperatures at its ends, in standard deviations of the scores.
_HOT, _COLD = 1.4, 0.015
#: Rounds in which accesses may begin to pay.
_PAYING_ROUNDS = 3
_STEPS = 150


@dataclass(slots=True)
class Search:
    """The state of a search on one model.

    Parameters
    ----------
    model : WindowsModel
    seed : int
    upper_bound : int, optional
        Where it is reached the search ends.
    """

    model: WindowsModel
    seed: int = 0
    upper_bound: int | None = None
    best: WindowsSolution | None = None
    _limits: Limits = field(init=False)
    _lines: list[Line | None] = field(init=False)
    _rng: np.random.Generator = field(init=False)
    _theta: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self._limits = Limits(self.model)
        self._lines = lines_of(self.model)
        self._rng = np.random.default_rng(self.seed)
        self._theta = self._first_multipliers()

    def run(self, deadline: Deadline, rounds: int | None, report: Report) -> None:
        """Anneal until the deadline, or until so many rounds in a row found nothing better."""
        self.best = nested_windows(self.model)
        if self.best is not None:
            report(self.best)
        scores = sum(s.size for one in self.model.accesses for _, s in one.parts)
        moves = int(np.clip(_MOVES * scores, _LEAST_MOVES, _MOST_MOVES))
        pays = [False] * len(self.model.accesses)
        able = any(one.gather is not None for one in self.model.accesses)
        failures = number = 0
        kept = list(pays)
        while not self._is_done() and (rounds is None or failures < rounds):
            found = self._round(pays, moves, deadline, report)
            failures = 0 if found else failures + 1
            if found:
                kept = list(pays)
            if deadline.expired:
                return
            number += 1
            pays = self._more_pay(kept) if able and number <= _PAYING_ROUNDS else list(kept)
            if number >= (_PAYING_ROUNDS if able else 1):
                moves = min(2 * moves, _MOST_MOVES)

    def _is_done(self) -> bool:
        if self.best is None or self.best.value is None or self.upper_bound is None:
            return False
        return self.best.value >= self.upper_bound

    def _round(self, pays: list[bool], moves: int, deadline: Deadline, report: Report) -> bool:
        """One annealing and what follows; True if it found something better."""
        plan = make_plan(self.model, pays)
        order, start, width, spent = self._start(plan, pays)
        self._anneal(plan, order, start, width, spent, moves, deadline)
        lines, limits = self._lines, self._limits
        here = placed(self.model, lines, plan, order, start, width, pays)
        before = -1 if self.best is None or self.best.value is None else self.best.value
        for segments in self._assignments(here, before, deadline):
            found = realise(
                limits, lines, here.borders, segments, here.stretches, self._theta, self._rng
            )
            if found is None or found.value is None:
                continue
            if self.best is None or self.best.value is None or found.value > self.best.value:
                self.best = found
                report(found)
        return self.best is not None and (self.best.value or 0) > before

    def _assignments(self, here: Placed, before: int, deadline: Deadline) -> Iterator[Segments]:
        """Segments of the channels: as annealed, and as multipliers make them choose."""
        yield here.segments
        if deadline.expired:
            return
        target = float(max(before, 0 if self.best is None else (self.best.value or 0)))
        _, choice = descend(
            self._limits,
            self._lines,
            here.borders,
            here.stretches,
            self._theta,
            _STEPS,
            target,
            deadline,
        )
        if choice.value > target:
            yield choice.segments

    def _anneal(
        self,
        plan: Plan,
        order: IntArray,
        start: IntArray,
        width: IntArray,
        spent: IntArray,
        moves: int,
        deadline: Deadline,
    ) -> None:
        spread = np.sqrt(np.mean([s.var() for one in self.model.accesses for _, s in one.parts]))
        spread = max(float(spread), 1e-3)
        rows = int(np.diff(plan.row_first).max(initial=1))
        slices = max(_SLICES, moves * rows // _SLICE_WORK)
        begin, room = deadline.elapsed, _ANNEALING_SHARE * deadline.remaining
        for number in range(slices):
            # Where time is short the temperature follows the clock, so that it ends cold.
            done = max(number / slices, (deadline.elapsed - begin) / max(room, 1e-9))
            if done >= 1:
                return
            hot = _HOT * spread * (_COLD / _HOT) ** done
            cold = _HOT * spread * (_COLD / _HOT) ** min(1.0, done + 1 / slices)
            seed = int(self._rng.integers(2**31))
            anneal(plan, order, start, width, spent, moves // slices, hot, cold, seed)

    def _start(self, plan: Plan, pays: list[bool]) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """A random order, and windows as wide as the multipliers have it."""
        model = self.model
        window, gather, _ = self._limits.prices(self._theta)
        order = np.concatenate(
            [
                np.arange(channels) if fixed else self._rng.permutation(channels)
                for channels, fixed in zip(model.channels, model.fixed, strict=True)
            ]
        ).astype(np.int64)
        reach = np.array(
            [sum(int(plan.line_live[t]) for t, _ in one.parts) for one in model.accesses]
        )
        spent = np.zeros(len(model.limits), dtype=np.int64)
        width = np.zeros(len(model.accesses), dtype=np.int64)
        for number, one in enumerate(model.accesses):
            price = gather if pays[number] else window
            wanted = sum(int(np.count_nonzero(s > price[number])) for _, s in one.parts)
            most = min(one.maximum, int(reach[number]))
            wanted = min(max(wanted, one.minimum), most)
            if pays[number]:
                assert one.gather is not None
                spent[one.budget] += one.gather[0] + (one.cost + one.gather[1]) * wanted
            else:
                width[number] = wanted
        for tensor, units in enumerate(plan.line_cost):
            spent[plan.line_purse[tensor]] += units * self._widest(tensor, width)
        self._fit(width, spent)
        room = np.maximum(reach - width, 0)
        start = self._rng.integers(room + 1)
        for access, one in enumerate(model.accesses):
            if any(plan.line_cost[tensor] for tensor, _ in one.parts):
                start[access] = 0
        return order, start.astype(np.int64), width, spent

    def _widest(self, tensor: int, width: IntArray) -> int:
        """Live positions if all windows begin together."""
        mine = [
            min(int(width[number]), scores.size)
            for number, one in enumerate(self.model.accesses)
            for where, scores in one.parts
            if where == tensor
        ]
        return max(mine, default=0)

    def _fit(self, width: IntArray, spent: IntArray) -> None:
        """Narrow windows until budgets are kept, widen them while there is room."""
        model = self.model
        for budget, limit in enumerate(model.limits):
            members = [n for n, one in enumerate(model.accesses) if one.budget == budget]
            units = sum(model.accesses[n].cost * int(width[n]) for n in members)
            left = limit - int(spent[budget]) - units
            while left < 0:
                able = [n for n in members if width[n] > model.accesses[n].minimum]
                able = [n for n in able if model.accesses[n].cost]
                if not able:
                    break
                widest = max(able, key=lambda n: (int(width[n]), n))
                least, cost = model.accesses[widest].minimum, model.accesses[widest].cost
                step = min(
                    int(width[widest]) - least, max(1, min(-left // cost, int(width[widest]) // 20))
                )
                width[widest] -= step
                left += step * cost
            if len(members) == 1 and left > 0:
                only = model.accesses[members[0]]
                most = min(only.maximum, sum(s.size for _, s in only.parts))
                more = most - int(width[members[0]])
                if width[members[0]]:
                    more = min(more, left // only.cost) if only.cost else more
                    width[members[0]] += max(0, more)
            spent[budget] += sum(model.accesses[n].cost * int(width[n]) for n in members)

    def _more_pay(self, pays: list[bool]) -> list[bool]:
        """The accesses that pay, with those that would gain most by paying, too."""
        if self.best is None:
            return pays
        window, gather, _ = self._limits.prices(self._theta)
        gains: list[tuple[float, int]] = []
        for number, one in enumerate(self.model.accesses):
            if one.gather is None or pays[number]:
                continue
            now = sum(
                float((scores[mine] - window[number]).sum())
                for (_, scores), mine in zip(one.parts, self.best.selected[number], strict=True)
            )
            free = sum(float(np.maximum(s - gather[number], 0).sum()) for _, s in one.parts)
            gain = free - self._limits.fee(self._theta, number) - now
            if gain > 0:
                gains.append((-gain, number))
        gains.sort()
        result = list(pays)
        for _, number in gains[: (len(gains) + 1) // 2]:
            result[number] = True
        return result

    def _first_multipliers(self) -> FloatArray:
        """Prices at which free selections would just use up the budgets."""
        model, limits = self.model, self._limits
        theta = np.zeros(limits.bounds.size)
        for budget, limit in enumerate(model.limits):
            members = [one for one in model.accesses if one.budget == budget and one.cost]
            if not members:
                continue
            rates = np.concatenate([s / one.cost for one in members for _, s in one.parts])
            costs = np.concatenate(
                [np.full(s.size, float(one.cost)) for one in members for _, s in one.parts]
            )
            order = np.argsort(-rates, kind="stable")
            fits = int(np.searchsorted(np.cumsum(costs[order]), limit, side="right"))
            if fits < order.size:
                theta[budget] = rates[order[fits]] * limits.scale[budget]
        return theta
