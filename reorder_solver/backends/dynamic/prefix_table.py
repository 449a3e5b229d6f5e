"""Held and Karp's dynamic programme for one tensor: the cheapest order of every subset.

Which subset of the classes is already placed, and which class was placed last, decides what the
next class adds: the runs it starts, the open accesses it lengthens, the views it would break. So
the cheapest way to each (subset, last class) is all that has to be known.

References
----------
M. Held, R. M. Karp, "A dynamic programming approach to sequencing problems", Journal of the
Society for Industrial and Applied Mathematics 10 (1962) 196-210, DOI 10.1137/0110015.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.core.limits import Deadline

IntArray: TypeAlias = npt.NDArray[np.int64]
#: int64, or Python integers where the costs need more room.
CostArray: TypeAlias = npt.NDArray[Any]

#: Subsets worked on at a time without numba; their costs stay in the processor's cache.
_CHUNK = 512
_COMPILED = "reorder_solver.backends.dynamic.compiled"
#: From so many classes on the compiled loop is worth a call (measured: 5 times quicker at 12).
_COMPILED_FROM = 9
#: Loading numba, and compiling where nothing is cached, may take this long.
_COMPILE_SECONDS = 6.0


class OutOfTimeError(Exception):
    """The deadline passed inside a long computation."""


@dataclass(frozen=True, slots=True)
class Item:
    """The part of an access that lies in this tensor, and what it pays.

    Attributes
    ----------
    mask : int
        Bit set of the wanted classes.
    before, after : bool
        Whether the access goes on to the left, to the right of this tensor.
    run : int
        Price of every run in this tensor.
    gap : int
        Price of every position that the access spans without wanting it.
    view : bool
        The access must be one run.
    """

    mask: int
    before: bool
    after: bool
    run: int
    gap: int
    view: bool

    def is_open(self, placed: IntArray) -> npt.NDArray[np.bool_]:
        """Whether the access has begun and not yet ended once the classes `placed` are."""
        wanted = placed & self.mask
        is_open = np.ones(placed.size, dtype=np.bool_)
        if not self.before:
            is_open &= wanted != 0
        if not self.after:
            is_open &= wanted != self.mask
        return is_open


@lru_cache(maxsize=32)
def _subsets_by_size(count: int) -> tuple[IntArray, ...]:
    """All subsets of `count` classes as bit sets, grouped by how many classes they hold."""
    subsets = np.arange(1 << count, dtype=np.int64)
    held = np.zeros(subsets.size, dtype=np.int8)
    for bit in range(count):
        held += ((subsets >> bit) & 1).astype(np.int8)
    groups = tuple(np.flatnonzero(held == size) for size in range(count + 1))
    for group in groups:
        group.flags.writeable = False
    return groups


class PrefixTable:
    """Costs of the cheapest orders of one tensor's classes.

    Parameters
    ----------
    sizes : ndarray of int64
        Positions each class takes up; two classes or more.
    items : sequence of Item
    infinity : int
        More than any order costs; past 62 bits the table holds Python integers.

    Notes
    -----
    O(2^k k^2) time and 8 * 2^k * k bytes for k classes; less where views forbid most subsets.
    The compiled loop and the one in numpy fill the same table.
    """

    def __init__(self, sizes: IntArray, items: Sequence[Item], infinity: int) -> None:
        self._count = sizes.size
        self._infinity = infinity
        self._type: Any = np.int64 if infinity < 1 << 62 else np.object_
        self._bits = np.left_shift(1, np.arange(self._count, dtype=np.int64))
        self._views = [item for item in items if item.view]
        self._gaps = [item for item in items if item.gap and not item.view]
        wants = np.array(
            [[item.mask >> bit & 1 for bit in range(self._count)] for item in items],
            dtype=np.bool_,
        ).reshape(len(items), self._count)
        runs = np.array([item.run for item in items], dtype=self._type)
        starting = np.where(wants, runs[:, None], 0).astype(self._type)
        #: Price of the runs that class c starts after class l, and at the very start.
        self._after: CostArray = np.matmul((~wants).T.astype(self._type), starting)
        self._first: CostArray = starting.sum(axis=0)
        self._lengthens = self._gap_prices(sizes)
        self._table: CostArray = np.empty((0, self._count), dtype=self._type)

    def _gap_prices(self, sizes: IntArray) -> CostArray:
        """Class by item: what placing the class costs while the item is open."""
        prices = np.zeros((self._count, len(self._gaps)), dtype=self._type)
        for number, item in enumerate(self._gaps):
            for bit in range(self._count):
                if not item.mask >> bit & 1:
                    prices[bit, number] = item.gap * int(sizes[bit])
        return prices

    def fill(self, first: int, deadline: Deadline) -> CostArray:
        """Fill the table with the orders that begin with a class of the bit set `first`.

        Returns
        -------
        ndarray, shape (k,)
            By last class, the cheapest order of all classes; `infinity` if there is none.

        Raises
        ------
        OutOfTimeError
            If the deadline passes.
        """
        if deadline.expired:
            raise OutOfTimeError
        count = self._count
        self._table = np.full((1 << count, count), self._infinity, dtype=self._type)
        allowed, extra = self._step(np.zeros(1, dtype=np.int64))
        begin = np.flatnonzero(allowed[:, 0] & ((self._bits & first) != 0))
        self._table[self._bits[begin], begin] = (self._first + extra[:, 0])[begin]
        if self._may_use_compiled(deadline):
            self._fill_compiled()
        else:
            self._fill_by_layers(self._bits[begin], deadline)
        by_last: CostArray = self._table[-1].copy()
        return by_last

    def _may_use_compiled(self, deadline: Deadline) -> bool:
        if self._type is not np.int64 or self._count < _COMPILED_FROM:
            return False
        return _COMPILED in sys.modules or deadline.remaining > _COMPILE_SECONDS

    def _fill_compiled(self) -> None:
        fill_table = import_module(_COMPILED).fill_table
        views, gaps = (
            np.array(
                [[each.mask, each.before, each.after] for each in items], dtype=np.int64
            ).reshape(len(items), 3)
            for items in (self._views, self._gaps)
        )
        run_prices, gap_prices = (
            np.ascontiguousarray(each.T) for each in (self._after, self._lengthens)
        )
        extra = np.empty(self._count, dtype=np.int64)
        fill_table(self._table, run_prices, views, gaps, gap_prices, extra, self._infinity)

    def _fill_by_layers(self, begin: IntArray, deadline: Deadline) -> None:
        """All subsets of one size at a time, from the one-class subsets `begin` on."""
        count = self._count
        reached = np.zeros(1 << count, dtype=np.bool_)
        reached[begin] = True
        cells = self._table.reshape(-1)
        offsets = (self._bits * count + np.arange(count))[:, None]
        steps = self._after[:, :, None]
        for group in _subsets_by_size(count)[1:-1]:
            layer = group[reached[group]]
            for start in range(0, layer.size, _CHUNK):
                if deadline.expired:
                    raise OutOfTimeError
                placed = layer[start : start + _CHUNK]
                costs = np.ascontiguousarray(self._table[placed].T)
                allowed, extra = self._step(placed)
                cheapest = (costs[:, None, :] + steps).min(axis=0) + extra
                targets = (placed * count + offsets)[allowed]
                cells[targets] = cheapest[allowed]
                reached[targets // count] = True

    def _step(self, placed: IntArray) -> tuple[npt.NDArray[np.bool_], CostArray]:
        """By class and subset: whether the class may come next, and what it lengthens."""
        may_follow = ~placed
        for item in self._views:
            may_follow = np.where(item.is_open(placed), may_follow & item.mask, may_follow)
        allowed = (may_follow & self._bits[:, None]) != 0
        if not self._gaps:
            return allowed, np.zeros((self._count, 1), dtype=self._type)
        is_open = np.stack([item.is_open(placed) for item in self._gaps]).astype(self._type)
        return allowed, np.matmul(self._lengthens, is_open)

    def _extra(self, placed: int, following: int) -> int:
        """What one class lengthens, for one subset."""
        return sum(
            int(self._lengthens[following, number])
            for number, item in enumerate(self._gaps)
            if (item.before or placed & item.mask)
            and (item.after or placed & item.mask != item.mask)
        )

    def order(self, last: int) -> IntArray:
        """The cheapest order that ends with class `last`, for the latest :meth:`fill`."""
        placed = (1 << self._count) - 1
        order = [last]
        while placed & (placed - 1):
            before = placed & ~(1 << last)
            costs = self._table[before] + (self._after[:, last] + self._extra(before, last))
            (found,) = np.nonzero(costs == self._table[placed, last])
            placed, last = before, int(found[0])
            order.append(last)
        return np.array(order[::-1], dtype=np.int64)
