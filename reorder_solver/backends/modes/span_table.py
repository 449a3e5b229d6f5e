"""What spans that share a position cost at least, for all sets of them; see :mod:`.chains`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.backends.modes.warm_up import kernels_ready

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.backends.modes.slots import IntArray
    from reorder_solver.core.limits import Deadline

#: Most covers of one table: 4^c entries.
MOST_COVERS = 12
#: Entries filled between two looks at the clock.
_CHUNK = 1 << 21


def share_a_position(wanted: Sequence[frozenset[int]]) -> bool:
    """Whether any two want a class in common."""
    return all(
        not first.isdisjoint(second) for at, first in enumerate(wanted) for second in wanted[:at]
    )


def apart_of(members: IntArray, weights: IntArray, count: int) -> IntArray:
    """Per set of covers, how many channels want none of it.

    Parameters
    ----------
    members : ndarray of int64
        Per class the covers that want it, as a bit set.
    weights : ndarray of int64
        Channels in each class.
    count : int
        Covers.
    """
    within = np.zeros(1 << count, dtype=np.int64)
    np.add.at(within, members, weights)
    for number in range(count):
        halves = within.reshape(-1, 2, 1 << number)
        halves[:, 1] += halves[:, 0]
    # Apart from a set is within the others.
    return within[::-1].copy()


class SpanTable:
    """What spans cost at least, for all sets of some covers at once.

    Parameters
    ----------
    sizes : sequence of int
        Channels in each class.
    wanted : sequence of frozenset of int
        Up to `MOST_COVERS`, any two with a class in common.
    prices : sequence of int
        Per unwanted position, positive.
    """

    def __init__(
        self, sizes: Sequence[int], wanted: Sequence[frozenset[int]], prices: Sequence[int]
    ) -> None:
        self._kernels: Any = import_module("reorder_solver.backends.modes.chain_kernels")
        count = len(wanted)
        members = np.zeros(len(sizes), dtype=np.int64)
        for number, classes in enumerate(wanted):
            members[list(classes)] |= 1 << number
        self._apart = apart_of(members, np.array(sizes, dtype=np.int64), count)
        self._prices = np.array(prices, dtype=np.int64)
        self._singles = 1 << np.arange(count)

    def least(self, deadline: Deadline | None = None) -> IntArray | None:
        """Per set what its spans cost at least; None if time ran out."""
        if not kernels_ready("spans", _use_kernels, deadline):
            return None
        return self._least(deadline)

    def use_kernels(self) -> None:
        """Fill the table, so that every kernel is compiled."""
        self._least(None)

    def _least(self, deadline: Deadline | None) -> IntArray | None:
        size = self._apart.size
        totals = np.zeros(size, dtype=np.int64)
        self._kernels.fill_totals(self._prices, totals)
        saved = np.full((size, size), -1, dtype=np.int64)
        saved[0, 0] = 0
        most = np.zeros(size, dtype=np.int64)
        rows = max(1, _CHUNK // size)
        for first in range(0, size, rows):
            if deadline is not None and deadline.expired:
                return None
            last = min(size, first + rows)
            self._kernels.fill_saved(self._apart, totals, first, last, saved, most)
        dearest = np.zeros(size, dtype=np.int64)
        for single, price in zip(self._singles, self._prices, strict=True):
            taken = (np.arange(size) & single) != 0
            dearest[taken] += price * self._apart[single]
        return dearest - most


def _use_kernels() -> None:
    both = [frozenset({0, 1}), frozenset({0, 2})]
    SpanTable([1, 1, 1], both, [1, 1]).use_kernels()
