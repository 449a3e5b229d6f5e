"""The loop of the dynamic programme, compiled. Imported only where it pays: numba is heavy."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

IntArray: TypeAlias = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def _is_open(items: IntArray, item: int, placed: int) -> bool:
    mask = items[item, 0]
    wanted = placed & mask
    begun = items[item, 1] != 0 or wanted != 0
    return bool(begun and (items[item, 2] != 0 or wanted != mask))


@njit(cache=True, nogil=True)
def fill_table(
    table: IntArray,
    run_prices: IntArray,
    views: IntArray,
    gaps: IntArray,
    gap_prices: IntArray,
    infinity: int,
) -> None:
    """Fill `table` in place; its rows of one class are filled already.

    Parameters
    ----------
    table : ndarray of int64, shape (2**k, k)
        Cost by subset placed and last class.
    run_prices : ndarray of int64, shape (k, k)
        Of class c (row) straight after class l (column).
    views, gaps : ndarray of int64, shape (items, 3)
        Bit set of the wanted classes, and whether the access goes on before and after; for those
        that must be one run, and for those that pay for positions spanned.
    gap_prices : ndarray of int64, shape (items, k)
        What a class costs while the item is open.
    infinity : int
    """
    subsets, count = table.shape
    extra = np.zeros(count, dtype=np.int64)
    for placed in range(1, subsets - 1):
        costs = table[placed]
        is_reached = False
        for last in range(count):
            is_reached |= costs[last] < infinity
        if not is_reached:
            continue
        may_follow = ~placed
        for item in range(views.shape[0]):
            if _is_open(views, item, placed):
                may_follow &= views[item, 0]
        extra[:] = 0
        for item in range(gaps.shape[0]):
            if _is_open(gaps, item, placed):
                for following in range(count):
                    extra[following] += gap_prices[item, following]
        for following in range(count):
            if not (may_follow >> following) & 1:
                continue
            best = infinity
            for last in range(count):
                cost = costs[last] + run_prices[following, last]
                if cost < best:
                    best = cost
            table[placed | (1 << following), following] = best + extra[following]
