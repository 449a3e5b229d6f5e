"""Upper bounds on the importance that any windows retain, for instances of any size.

Budgets, and the live channels of tensors, are relaxed with multipliers. What is left falls apart
into *rows*: an access on one tensor. Three intervals of a line can overlap in a few ways only:
never do all seven regions of their Venn diagram appear. So for a group of two to four rows of one
tensor, every way (a maximal family of *signatures*, sets of rows that share a position) is an
assignment of channels to signatures under the rows' capacities; its Lagrangian dual bounds it,
and the largest bound over the ways bounds the group. A linear programme weighs the groups such
that each row counts once. Every multiplier and weight is an integer and any of them gives a valid
bound, so nothing rests on floating point.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from formulations.windows import total_scores
from formulations.windows_groups import Groups, Row, Together, ways_to_overlap

if TYPE_CHECKING:
    from formulations.windows import IntArray, WindowsAccess, WindowsModel

__all__ = ["upper_bound", "ways_to_overlap"]


def upper_bound(
    model: WindowsModel, *, group: int = 4, time_limit: float | None = None, seed: int = 0
) -> int:
    """An integer that no solution exceeds.

    Parameters
    ----------
    model : WindowsModel
    group : int
        Most rows of a tensor that are looked at together, 1 to 4.
    time_limit : float, optional
        Wall-clock seconds: after them no further group is looked at.
    seed : int
        Which groups are looked at first where time is short.

    Notes
    -----
    A group takes time in proportion to the channels of its tensor and the number of ways to
    overlap: 12 for three rows, 324 for four.
    """
    if not 1 <= group <= 4:
        raise ValueError(f"groups have 1 to 4 rows, not {group}")
    end = inf if time_limit is None else time.perf_counter() + time_limit
    return _Bound(model, end, seed).value(group)


@dataclass(slots=True)
class _Bound:
    """Multipliers of the budgets, and the rows that they leave."""

    model: WindowsModel
    end: float
    seed: int
    scale: int = 1
    prices: list[int] = field(default_factory=list)

    def value(self, group: int) -> int:
        """The bound."""
        total = total_scores(self.model)
        self.scale = 1 << max(0, min(12, 60 - total.bit_length()))
        private = self._private()
        self.prices = [
            0 if private[index] else self._price(index) for index in range(len(self.model.limits))
        ]
        bound = Fraction(0)
        for index, limit in enumerate(self.model.limits):
            if not private[index]:
                bound += self.prices[index] * limit
        rows: list[list[Row]] = [[] for _ in self.model.channels]
        for access in self.model.accesses:
            bound += self._add_rows(access, private[access.budget], rows)
        shares = sum(len(one) for one in rows)
        for t, mine in enumerate(rows):
            if mine:
                left = self.end - time.perf_counter()
                until = self.end - left * (1 - len(mine) / shares) if left < inf else inf
                shares -= len(mine)
                bound += self._tensor(t, mine, group, until)
        return min(total, int(bound // self.scale))

    def _private(self) -> list[bool]:
        """Budgets that one access alone is charged to: limits of its width, in effect."""
        users = [0] * len(self.model.limits)
        for access in self.model.accesses:
            users[access.budget] += 1
        for charge in self.model.live_charges:
            if charge is not None and charge[1]:
                users[charge[0]] += 2
        return [count == 1 for count in users]

    def _price(self, budget: int) -> int:
        """The multiplier at which free selections use up the budget, in scaled units."""
        users = [one for one in self.model.accesses if one.budget == budget]
        scores = [np.sort(np.concatenate([s for _, s in one.parts])) * self.scale for one in users]
        charges = [
            (int(c[1]), self.model.channels[t])
            for t, c in enumerate(self.model.live_charges)
            if c is not None and c[0] == budget
        ]
        if not users and not charges:
            return 0

        def spent(price: int) -> int:
            units = 0
            for access, one in zip(users, scores, strict=True):
                if access.cost:
                    at = np.searchsorted(one, price * access.cost, side="left")
                    width = min(max(one.size - int(at), access.minimum), access.maximum)
                    units += access.cost * width
            return units

        low, high = 0, 1 + max((int(one[-1]) for one in scores if one.size), default=0)
        while low < high:
            middle = (low + high) // 2
            if spent(middle) <= self.model.limits[budget]:
                high = middle
            else:
                low = middle + 1
        return low

    def _add_rows(self, access: WindowsAccess, private: bool, rows: list[list[Row]]) -> int:
        """Add the rows of an access; what its own multiplier contributes to the bound."""
        limit = self.model.limits[access.budget]
        price = self.prices[access.budget]
        size = sum(scores.size for _, scores in access.parts)
        most = gather_most = min(access.maximum, size)
        if private and access.cost:
            most = min(most, limit // access.cost)
        fixed, per_channel = access.gather or (0, 0)
        if private and access.gather is not None:
            units = access.cost + per_channel
            left = limit - fixed
            gather_most = -1 if left < 0 else min(gather_most, left // units if units else size)
        base = price * access.cost
        extra = 0
        whole = len(access.parts) == 1
        widest = max(most, gather_most) if access.gather is not None else most
        if not whole:
            every = np.sort(np.concatenate([scores for _, scores in access.parts]))[::-1]
            if widest < size:
                threshold = int(every[max(0, widest - 1)]) * self.scale - base
                extra = max(0, threshold)
        for t, scores in access.parts:
            gathers = access.gather is not None and gather_most >= 0
            rows[t].append(
                Row(
                    scores * self.scale,
                    base + extra,
                    min(access.minimum, most) if whole else 0,
                    min(most, scores.size),
                    base + price * per_channel + extra if gathers else None,
                    price * fixed // len(access.parts),
                    min(gather_most, scores.size),
                )
            )
        return extra * max(0, widest)

    def _tensor(self, t: int, rows: list[Row], group: int, until: float) -> Fraction:
        if self.model.fixed[t]:
            return Fraction(sum(_fixed_value(row) for row in rows))
        charge = self.model.live_charges[t]
        live_price = 0 if charge is None else self.prices[charge[0]] * charge[1]
        limit = min(self.model.live_limits[t], self.model.channels[t])
        together = Together(rows, live_price, limit).value()
        groups = Groups(rows, live_price // len(rows), limit, until, self.seed)
        return min(Fraction(together), groups.value(min(group, len(rows))))


def _fixed_value(row: Row) -> int:
    value = _best_stretch(row.scores, row.price, row.minimum, row.maximum)
    gathered = row.gather_value()
    return value if gathered is None else max(value, gathered)


def _best_stretch(scores: IntArray, price: int, minimum: int, maximum: int) -> int:
    """The best contiguous stretch with a length within bounds."""
    sums = np.concatenate(([0], np.cumsum(scores - price)))
    size = scores.size
    best = 0 if minimum == 0 else None
    for length in range(max(1, minimum), min(maximum, size) + 1):
        value = int((sums[length:] - sums[:-length]).max())
        best = value if best is None else max(best, value)
    return 0 if best is None else best
