"""Bounds on what the windows of one tensor retain at given prices, from small groups of them.

See :mod:`formulations.windows_bound` for how they are used.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from formulations.windows import IntArray

_WEIGHT_UNIT = 1 << 20
_STEPS = 80
#: Most groups of each size that are looked at, and channels of all those of four together.
_MOST_GROUPS = 500
_MOST_SCORES = 40_000


@cache
def ways_to_overlap(count: int) -> tuple[tuple[int, ...], ...]:
    """The maximal families of signatures that intervals of a line can show.

    Parameters
    ----------
    count : int
        Number of intervals, at most 4: all ``(2 * count)! / 2**count`` orders of their ends are
        looked at.

    Returns
    -------
    tuple of tuple of int
        Each a sorted family of non-empty sets of intervals, as bits.
    """
    families: set[frozenset[int]] = set()

    def extend(opened: int, closed: int, seen: frozenset[int]) -> None:
        if closed == (1 << count) - 1:
            families.add(seen)
            return
        for one in range(count):
            bit = 1 << one
            if not opened & bit:
                extend(opened | bit, closed, seen | {(opened | bit) & ~closed})
            elif not closed & bit:
                now = opened & ~(closed | bit)
                extend(opened, closed | bit, seen | {now} if now else seen)

    extend(0, 0, frozenset())
    largest = [one for one in families if not any(one < other for other in families)]
    return tuple(sorted(tuple(sorted(one)) for one in largest))


@dataclass(slots=True)
class Row:
    """An access on one tensor, everything in scaled units."""

    scores: IntArray
    price: int
    minimum: int
    maximum: int
    gather_price: int | None
    gather_fixed: int
    gather_maximum: int

    def window_value(self) -> int:
        """The best free selection, paying for channels."""
        return _best_free(self.scores, self.price, self.minimum, self.maximum)

    def gather_value(self) -> int | None:
        """The best free selection at the prices of a gather; None where it may not."""
        if self.gather_price is None or self.gather_maximum < self.minimum:
            return None
        free = _best_free(self.scores, self.gather_price, self.minimum, self.gather_maximum)
        return free - self.gather_fixed

    def single_value(self) -> int:
        """The best it can do alone."""
        gathered = self.gather_value()
        value = self.window_value()
        return value if gathered is None else max(value, gathered)


def _best_free(scores: IntArray, price: int, minimum: int, maximum: int) -> int:
    gains = np.sort(scores)[::-1] - price
    forced = int(gains[:minimum].sum())
    rest = gains[minimum : max(minimum, maximum)]
    return forced + int(rest[rest > 0].sum())


@dataclass(slots=True)
class Together:
    """All rows of a tensor at once; any overlap is allowed, live channels are not free."""

    rows: list[Row]
    live_price: int
    limit: int

    def value(self) -> int:
        """The bound; the sum of the rows' own bests where nothing else is better."""
        singles = sum(row.single_value() for row in self.rows)
        size = self.rows[0].scores.size
        if any(row.gather_price is not None for row in self.rows) or (
            self.live_price == 0 and self.limit >= size
        ):
            return singles
        scores = np.array([row.scores for row in self.rows])
        thresholds = [_threshold(row) for row in self.rows]
        best = singles
        for tenths in range(11):
            # Between the prices of free selections (10) and none beyond the budgets' (0).
            extra = [one * tenths // 10 for one in thresholds]
            prices = np.array([row.price for row in self.rows]) + np.array(extra)
            gains = np.maximum(scores - prices[:, None], 0).sum(axis=0) - self.live_price
            gains = np.sort(gains)[::-1][: self.limit]
            constant = sum(
                one * (row.maximum if one >= 0 else row.minimum)
                for one, row in zip(extra, self.rows, strict=True)
            )
            best = min(best, constant + int(gains[gains > 0].sum()))
        return best


def _threshold(row: Row) -> int:
    """The multiplier of a row's capacity when it selects alone."""
    gains = np.sort(row.scores)[::-1] - row.price
    if row.maximum < gains.size and (row.maximum == 0 or gains[row.maximum - 1] > 0):
        return int(gains[max(0, row.maximum - 1)])
    if row.minimum > 0 and gains[row.minimum - 1] < 0:
        return int(gains[row.minimum - 1])
    return 0


@dataclass(slots=True)
class Groups:
    """Bounds on groups of rows of one tensor, and their best average."""

    rows: list[Row]
    live_price: int
    limit: int
    until: float
    seed: int

    def value(self, largest: int) -> Fraction:
        """The bound on the tensor, from groups of three up to `largest` rows."""
        count = len(self.rows)
        groups: list[tuple[int, ...]] = [(one,) for one in range(count)]
        values = [row.single_value() for row in self.rows]
        if largest < 3 and self.live_price == 0 and self.limit >= self.rows[0].scores.size:
            # Two windows can always have their best selections.
            return Fraction(sum(values))
        for size in range(min(3, largest), largest + 1):
            for one in self._candidates(size):
                if time.perf_counter() >= self.until:
                    return _weighed(count, groups, values)
                groups.append(one)
                values.append(self._group(one))
        return _weighed(count, groups, values)

    def _candidates(self, size: int) -> Iterator[tuple[int, ...]]:
        """Groups of a size: all if they are few, else partitions, which count all rows."""
        count = len(self.rows)
        most = _MOST_GROUPS
        if size > 3:
            # Every one takes as long as dozens of triples.
            most = min(most, _MOST_SCORES // self.rows[0].scores.size)
        if comb(count, size) <= most:
            yield from combinations(range(count), size)
            return
        random = np.random.RandomState(self.seed)
        seen: set[tuple[int, ...]] = set()
        # Fours bound better, so triples do not keep them waiting where there are many.
        for _ in range(1 if size == 3 else max(1, most * size // count)):
            order = random.permutation(count)
            for begin in range(0, count - size + 1, size):
                one = tuple(sorted(order[begin : begin + size].tolist()))
                if one not in seen:
                    seen.add(one)
                    yield one

    def _group(self, members: tuple[int, ...]) -> int:
        rows = [self.rows[one] for one in members]
        best = None
        gathers = [one for one, row in enumerate(rows) if row.gather_value() is not None]
        for size in range(len(gathers) + 1):
            for free in combinations(gathers, size):
                windows = [row for one, row in enumerate(rows) if one not in free]
                value = sum(rows[one].gather_value() or 0 for one in free)
                value += _overlap_value(windows, self.live_price, self.limit)
                best = value if best is None else max(best, value)
        assert best is not None
        return min(best, sum(row.single_value() for row in rows))


def _overlap_value(rows: list[Row], live_price: int, limit: int) -> int:
    """The most that windows of these rows retain, over all ways to overlap."""
    if not rows:
        return 0
    program = _Dual(rows, live_price, limit)
    ways = [np.array(one, dtype=np.int64) for one in ways_to_overlap(len(rows))]
    values = [program.start(way) for way in ways]
    improved = [False] * len(ways)
    while True:
        worst = int(np.argmax(values))
        if improved[worst]:
            return values[worst]
        floor = max((v for v, done in zip(values, improved, strict=True) if done), default=None)
        values[worst] = program.improve(ways[worst], values[worst], floor)
        improved[worst] = True


class _Dual:
    """Multipliers of the capacities of a few rows, improved by subgradient steps."""

    def __init__(self, rows: list[Row], live_price: int, limit: int) -> None:
        from formulations.windows_bound_kernels import priced_value

        self._evaluate = priced_value
        self._rows = rows
        self._scores = np.array([row.scores for row in rows])
        self._base = np.array([row.price for row in rows], dtype=np.int64)
        self._minimum = np.array([row.minimum for row in rows], dtype=np.int64)
        self._maximum = np.array([row.maximum for row in rows], dtype=np.int64)
        self._live_price = live_price
        self._limit = limit
        self._first = np.array([_threshold(row) for row in rows], dtype=np.int64)
        self._counts = np.zeros(len(rows) + 1, dtype=np.int64)
        spread = float(self._scores.std(axis=1).mean()) if self._scores.size else 0.0
        self._unit = max(spread, 1.0)

    def start(self, way: IntArray) -> int:
        """The bound with the multipliers of rows that select alone."""
        return self._value(way, self._first, 0)

    def improve(self, way: IntArray, value: int, floor: int | None) -> int:
        """The best bound over a number of steps; no better than `floor` is needed."""
        size = max(1, self._scores.shape[1])
        at = self._first.astype(np.float64)
        live = 0.0
        best, best_at, best_live = value, at.copy(), live
        step = self._unit
        self._value(way, self._first, 0)
        for number in range(_STEPS):
            target = np.where(at >= 0, self._maximum, self._minimum)
            slope = (self._counts[:-1] - target) / size
            steep = max(float(np.abs(slope).max()), 1e-9)
            at = at + step * slope / steep
            live_slope = (int(self._counts[-1]) - self._limit) / size
            live = max(0.0, live + step * min(1.0, max(-1.0, live_slope / steep)))
            found = self._value(way, np.rint(at).astype(np.int64), round(live))
            if found < best:
                best, best_at, best_live = found, at.copy(), live
            if floor is not None and best <= floor:
                break
            step *= 0.93
            if number % 20 == 19:
                at, live = best_at.copy(), best_live
                self._value(way, np.rint(at).astype(np.int64), round(live))
        return best

    def _value(self, way: IntArray, extra: IntArray, live: int) -> int:
        total = self._evaluate(
            self._scores, self._base + extra, way, self._live_price + live, self._counts
        )
        constant = np.where(extra >= 0, extra * self._maximum, extra * self._minimum)
        return int(total) + int(constant.sum()) + live * self._limit


def _weighed(count: int, groups: list[tuple[int, ...]], values: list[int]) -> Fraction:
    """The least sum of weight times value such that every row is counted exactly once."""
    from scipy.optimize import linprog
    from scipy.sparse import csc_array

    rows = [one for members in groups for one in members]
    columns = [index for index, members in enumerate(groups) for _ in members]
    matrix = csc_array((np.ones(len(rows)), (rows, columns)), shape=(count, len(groups)))
    worth = np.array(values, dtype=np.float64)
    largest = max(1.0, float(np.abs(worth).max()))
    found = linprog(worth / largest, A_eq=matrix, b_eq=np.ones(count), method="highs")
    if found.x is None:
        return Fraction(sum(values[:count]))
    weights = [int(weight * _WEIGHT_UNIT) for weight in np.clip(found.x, 0.0, 1.0)]
    left = [_WEIGHT_UNIT] * count
    total = 0
    for weight, members, value in zip(weights, groups, values, strict=True):
        # Rounding must not count a row more than once; what is missing counts alone.
        weight = min([weight, *(left[one] for one in members)])
        total += weight * value
        for one in members:
            left[one] -= weight
    total += sum(rest * value for rest, value in zip(left, values[:count], strict=True))
    return Fraction(total, _WEIGHT_UNIT)
