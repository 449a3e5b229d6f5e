"""Neighbour lists and first tours, computed in pieces so that clocks and Ctrl-C are heard."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from formulations.columns import IntArray, Metric

#: Edges looked at between two looks at the clock.
PIECE = 2**19


def in_pieces(step: Callable[[int, int], None], count: int, end: float, threads: int) -> bool:
    """Call ``step(first, last)`` for all rows, a few at a time; False if time ran out first."""
    rows = max(1, PIECE // max(1, count))
    firsts = range(0, count, rows)

    def do(first: int) -> bool:
        if time.perf_counter() >= end:
            return False
        step(first, min(count, first + rows))
        return True

    if threads < 2 or len(firsts) < 2:
        return all(do(first) for first in firsts)
    with ThreadPoolExecutor(threads) as pool:
        try:
            return all(list(pool.map(do, firsts)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def nearest_nodes(
    known: Metric,
    width: int,
    *,
    shift: IntArray | None = None,
    exponent: int = 0,
    seed: int = 0,
    end: float = np.inf,
    threads: int = 1,
) -> npt.NDArray[np.int32] | None:
    """The `width` nodes nearest to every node, by length or by reduced cost.

    O(nodes squared) time, O(nodes times width) memory.

    Parameters
    ----------
    known : Metric
    width : int
        At most one less than there are nodes.
    shift : ndarray of int64, (nodes,), optional
        What is taken from the lengths (times ``2**exponent``) at both ends.
    exponent : int
    seed : int
        Ties are broken at random.
    end : float
        On ``time.perf_counter()``.
    threads : int
        The answer does not depend on it.

    Returns
    -------
    ndarray of int32, (nodes, width), or None
        The nearest first; None if time ran out.
    """
    from formulations.nearness import nearest

    count = known.words.shape[0]
    near = np.full((count, width), -1, dtype=np.int32)
    costs = np.zeros((count, width), dtype=np.int64)
    shift = np.zeros(count, dtype=np.int64) if shift is None else shift

    def step(first: int, last: int) -> None:
        ranks = np.zeros(width, dtype=np.uint64)
        nearest(known, shift, exponent, first, last, seed, near, costs, ranks)

    return near if in_pieces(step, count, end, threads) else None


def first_tour(known: Metric, end: float = np.inf) -> IntArray:
    """From node 0 always on to the nearest node left; in no order from when time runs out.

    O(nodes squared) time.
    """
    from formulations.nearness import nearest_neighbour

    count = known.words.shape[0]
    tour = np.zeros(count, dtype=np.int64)
    if count < 2:
        return tour
    left = np.arange(1, count + 1, dtype=np.int32)
    control = np.array([count - 1], dtype=np.int64)
    while not nearest_neighbour(known, left, tour, control, PIECE):
        if time.perf_counter() >= end:
            size = int(control[0])
            tour[count - size :] = left[:size]
            break
    return tour
