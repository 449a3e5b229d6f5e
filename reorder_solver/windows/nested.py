"""A first selection: nested windows from the beginning of one order, as constrained pruning."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.windows.realise import solution

if TYPE_CHECKING:
    from formulations.windows import WindowsModel, WindowsSolution
    from reorder_solver.windows.borders import IntArray

#: By how many channels windows grow at a time.
_STEPS = (64, 8, 1)


def nested_windows(model: WindowsModel) -> WindowsSolution | None:
    """Windows that contain each other; None if none of these keep the limits.

    Every access has a window on one of its parts, from the first channel of an order by total
    score (of a fixed tensor, from the best place). Windows grow channel by channel where a
    channel brings most for its units, as long as budgets last.
    """
    for prefer_free in (False, True):
        found = _Nested(model, prefer_free).solve()
        if found is not None:
            return found
    return None


@dataclass(slots=True)
class _Nested:
    """Windows as they grow.

    Attributes
    ----------
    prefer_free : bool
        Whether accesses choose the part where live channels cost least, not that of most score.
    """

    model: WindowsModel
    prefer_free: bool
    orders: list[IntArray] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    worth: list[IntArray] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    live: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    def solve(self) -> WindowsSolution | None:
        """The windows, grown; None if they break a limit from the start."""
        model = self.model
        self.left = list(model.limits)
        self.live = [0] * len(model.channels)
        self.orders = [self._order(tensor) for tensor in range(len(model.channels))]
        for number in range(len(model.accesses)):
            if not self._begin(number):
                return None
        for step in _STEPS:
            self._grow(step)
        selected = []
        for number, access in enumerate(model.accesses):
            mine = [np.empty(0, dtype=np.int64) for _ in access.parts]
            tensor = access.parts[self.parts[number]][0]
            first = self.begins[number]
            chosen = self.orders[tensor][first : first + self.widths[number]]
            mine[self.parts[number]] = np.sort(chosen)
            selected.append(mine)
        return solution(model, tuple(self.orders), selected, [False] * len(model.accesses))

    def _order(self, tensor: int) -> IntArray:
        size = self.model.channels[tensor]
        if self.model.fixed[tensor]:
            return np.arange(size, dtype=np.int64)
        total = np.zeros(size, dtype=np.float64)
        for access in self.model.accesses:
            for where, scores in access.parts:
                if where == tensor:
                    total += scores
        return np.argsort(-total, kind="stable").astype(np.int64)

    def _begin(self, number: int) -> bool:
        """Give an access its part and its least width; False where it has no room."""
        model, access = self.model, self.model.accesses[number]
        able = [
            part
            for part, (tensor, _) in enumerate(access.parts)
            if access.minimum <= self._most(tensor)
        ]
        if not able:
            return False
        part = min(able, key=lambda each: self._rank(number, each))
        tensor, scores = access.parts[part]
        along = scores[self.orders[tensor]]
        begin = 0
        if model.fixed[tensor]:
            begin = _best_place(along, self._typical(number, along.size))
        self.parts.append(part)
        self.begins.append(begin)
        self.worth.append(np.concatenate(([0], np.cumsum(along[begin:]))))
        self.widths.append(0)
        return self._add(number, access.minimum)

    def _most(self, tensor: int) -> int:
        size = self.model.channels[tensor]
        return size if self.model.fixed[tensor] else min(size, self.model.live_limits[tensor])

    def _rank(self, number: int, part: int) -> tuple[int, int, int]:
        tensor, scores = self.model.accesses[number].parts[part]
        charge = self.model.live_charges[tensor]
        price = 0 if charge is None or not self.prefer_free else charge[1]
        most = self._most(tensor)
        best = int(np.sort(scores)[scores.size - most :].sum())
        return price, -best, part

    def _typical(self, number: int, size: int) -> int:
        """A width that its budget would pay for."""
        access = self.model.accesses[number]
        users = sum(1 for one in self.model.accesses if one.budget == access.budget)
        share = self.model.limits[access.budget] // (users * max(1, access.cost))
        return max(access.minimum, min(size, access.maximum, share))

    def _cost(self, number: int, step: int) -> tuple[int, int, int, int]:
        """Units and budgets of more channels: of the access, and of their living."""
        access = self.model.accesses[number]
        tensor = access.parts[self.parts[number]][0]
        charge = self.model.live_charges[tensor]
        own = step * access.cost, access.budget
        if charge is None:
            return (*own, 0, 0)
        grown = max(0, self.widths[number] + step - self.live[tensor])
        return (*own, grown * charge[1], charge[0])

    def _room(self, number: int) -> int:
        """How many channels more there are for a window, budgets aside."""
        access = self.model.accesses[number]
        tensor = access.parts[self.parts[number]][0]
        most = min(self.worth[number].size - 1, access.maximum)
        if not self.model.fixed[tensor]:
            most = min(most, self.model.live_limits[tensor])
        return most - self.widths[number]

    def _add(self, number: int, step: int) -> bool:
        """So many channels more, if limits allow."""
        tensor = self.model.accesses[number].parts[self.parts[number]][0]
        if step > self._room(number):
            return False
        units, budget, living, purse = self._cost(number, step)
        self.left[budget] -= units
        self.left[purse] -= living
        if self.left[budget] < 0 or self.left[purse] < 0:
            self.left[budget] += units
            self.left[purse] += living
            return False
        self.widths[number] += step
        self.live[tensor] = max(self.live[tensor], self.widths[number])
        return True

    def _grow(self, step: int) -> None:
        """Widen windows by so many channels at a time, until none can be."""
        offers = [self._offer(number, step) for number in range(len(self.widths))]
        waiting = [one for one in offers if one is not None]
        heapq.heapify(waiting)
        while waiting:
            one = heapq.heappop(waiting)
            now = self._offer(one[1], step)
            if now is None:
                continue
            # Its price may have fallen meanwhile, as others let channels live.
            if now <= one:
                if not self._add(one[1], step):
                    continue
                now = self._offer(one[1], step)
            if now is not None:
                heapq.heappush(waiting, now)

    def _offer(self, number: int, step: int) -> tuple[float, int] | None:
        if step > self._room(number):
            return None
        width = self.widths[number]
        units, _, living, _ = self._cost(number, step)
        gain = int(self.worth[number][width + step] - self.worth[number][width])
        return -gain / max(units + living, 1e-9), number


def _best_place(along: IntArray, width: int) -> int:
    sums = np.concatenate(([0], np.cumsum(along)))
    return int(np.argmax(sums[width:] - sums[: sums.size - width])) if width else 0
