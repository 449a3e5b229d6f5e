"""The loop of the dynamic programme, compiled. Imported only where it pays: numba is heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

IntArray: TypeAlias = npt.NDArray[np.int64]
_Function = TypeVar("_Function", bound="Callable[..., Any]")


def _compile(function: _Function) -> _Function:
    # It allocates nothing, so numba need not count references; that halves the time to compile.
    options: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True, "_nrt": False}
    try:
        return cast("_Function", njit(cache=True, **options)(function))
    except RuntimeError:
        # No folder is writable: compile anew in every process.
        return cast("_Function", njit(**options)(function))


@_compile
def fill_table(
    table: IntArray,
    run_prices: IntArray,
    views: IntArray,
    gaps: IntArray,
    gap_prices: IntArray,
    extra: IntArray,
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
    extra : ndarray of int64, shape (k,)
        Room to work in.
    infinity : int
    """
    subsets, count = table.shape
    for placed in range(1, subsets - 1):
        costs = table[placed]
        is_reached = False
        for last in range(count):
            is_reached |= costs[last] < infinity
        if not is_reached:
            continue
        may_follow = ~placed
        for item in range(views.shape[0]):
            mask = views[item, 0]
            wanted = placed & mask
            if (views[item, 1] or wanted) and (views[item, 2] or wanted != mask):
                may_follow &= mask
        for following in range(count):
            extra[following] = 0
        for item in range(gaps.shape[0]):
            mask = gaps[item, 0]
            wanted = placed & mask
            if (gaps[item, 1] or wanted) and (gaps[item, 2] or wanted != mask):
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
