"""Moves of channels between the segments of a line, under limits that windows share.

Compiled. A move of one channel crosses borders one by one; each changes the width of one window,
so that gain and excess follow from their neighbours in constant time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    IntArray = npt.NDArray[np.int64]
    BoolArray = npt.NDArray[np.bool_]
    FloatArray = npt.NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _cross(
    access: int,
    step: int,
    counts: IntArray,
    spent: FloatArray,
    cost: FloatArray,
    budget: IntArray,
    limit: FloatArray,
    most: FloatArray,
    least: FloatArray,
) -> float:
    """Change a window's width by `step`; the change of the excess over all limits, in channels."""
    purse = budget[access]
    before = max(0.0, spent[purse] - limit[purse])
    before += max(0.0, counts[access] - most[access]) + max(0.0, least[access] - counts[access])
    counts[access] += step
    spent[purse] += step * cost[access]
    after = max(0.0, spent[purse] - limit[purse])
    after += max(0.0, counts[access] - most[access]) + max(0.0, least[access] - counts[access])
    return float(after - before)


@numba.njit(cache=True, nogil=True)
def _shift_live(
    step: int, live: IntArray, spent: FloatArray, live_limit: float, purse: int, live_cost: float,
    limit: FloatArray,
) -> float:  # fmt: skip
    before = max(0.0, live[0] - live_limit) + max(0.0, spent[purse] - limit[purse])
    live[0] += step
    spent[purse] += step * live_cost
    after = max(0.0, live[0] - live_limit) + max(0.0, spent[purse] - limit[purse])
    return float(after - before)


@numba.njit(cache=True, nogil=True)
def move_channels(
    scores: FloatArray,
    base: BoolArray,
    rows: IntArray,
    signs: IntArray,
    accesses: IntArray,
    segment: IntArray,
    order: IntArray,
    penalty: float,
    counts: IntArray,
    spent: FloatArray,
    cost: FloatArray,
    budget: IntArray,
    limit: FloatArray,
    most: FloatArray,
    least: FloatArray,
    live: IntArray,
    live_limit: float,
    live_purse: int,
    live_cost: float,
) -> int:
    """Let every channel of a line make its best move; how many moved.

    Parameters
    ----------
    scores : ndarray of float64, shape (rows, channels)
    base, rows, signs
        The borders, as in :mod:`formulations.window_lines`.
    accesses : ndarray of int64, shape (rows,)
        The access of each row.
    segment : ndarray of int64, shape (channels,)
        Changed: where each channel lies, -1 for nowhere.
    order : ndarray of int64
        In which the channels take their turn.
    penalty : float
        Importance that is given for a channel less of excess.
    counts, spent : ndarray
        Changed: channels per access, units per budget.
    cost, budget, most, least : ndarray, per access
    limit : ndarray, per budget
    live : ndarray of int64, shape (1,)
        Changed: live channels of this line.
    live_limit, live_purse, live_cost
        Of this line.

    Notes
    -----
    O(channels x borders).
    """
    borders = rows.size
    moved = 0
    for channel in order:
        start = segment[channel]
        best, best_place = 1e-9, start
        gain = 0.0
        excess = 0.0
        at = start
        # Leave, if it lies anywhere: then enter from the beginning.
        if start >= 0:
            for border in range(start - 1, -1, -1):
                row = rows[border]
                step = -signs[border]
                gain += step * scores[row, channel]
                excess += _cross(
                    accesses[row], step, counts, spent, cost, budget, limit, most, least
                )
                if gain - penalty * excess > best:
                    best, best_place = gain - penalty * excess, border
            for row in range(base.size):
                if base[row]:
                    gain -= scores[row, channel]
                    excess += _cross(
                        accesses[row], -1, counts, spent, cost, budget, limit, most, least
                    )
            excess += _shift_live(-1, live, spent, live_limit, live_purse, live_cost, limit)
            if gain - penalty * excess > best:
                best, best_place = gain - penalty * excess, -1
        excess += _shift_live(1, live, spent, live_limit, live_purse, live_cost, limit)
        for row in range(base.size):
            if base[row]:
                gain += scores[row, channel]
                excess += _cross(accesses[row], 1, counts, spent, cost, budget, limit, most, least)
        if start < 0 and gain - penalty * excess > best:
            best, best_place = gain - penalty * excess, 0
        at = 0
        for border in range(borders):
            row = rows[border]
            gain += signs[border] * scores[row, channel]
            excess += _cross(
                accesses[row], signs[border], counts, spent, cost, budget, limit, most, least
            )
            at = border + 1
            if at > start and gain - penalty * excess > best:
                best, best_place = gain - penalty * excess, at
        # Go back from the last segment to the place chosen.
        goal = best_place
        for border in range(borders - 1, max(goal, 0) - 1, -1):
            _cross(
                accesses[rows[border]], -signs[border], counts, spent, cost, budget, limit, most,
                least,
            )  # fmt: skip
        if goal < 0:
            for row in range(base.size):
                if base[row]:
                    _cross(accesses[row], -1, counts, spent, cost, budget, limit, most, least)
            _shift_live(-1, live, spent, live_limit, live_purse, live_cost, limit)
        if goal != start:
            segment[channel] = goal
            moved += 1
    return moved


@numba.njit(cache=True, nogil=True)
def swap_channels(table: FloatArray, segment: IntArray, most: int) -> int:
    """Exchange pairs of channels of different segments while that gains; how often.

    Parameters
    ----------
    table : ndarray of float64, shape (segments + 1, channels)
        What each channel brings in each segment; the last row, nowhere.
    segment : ndarray of int64, shape (channels,)
        Changed; -1 for nowhere.
    most : int
        Exchanges, at most.

    Notes
    -----
    Widths stay as they are. O(channels x segments + exchanges x segments x (segments + channels)).
    """
    places, channels = table.shape
    gain = np.full((places, places), -np.inf)
    who = np.zeros((places, places), np.int64)
    stale = np.ones(places, np.bool_)
    done = 0
    while True:
        for source in range(places):
            if stale[source]:
                gain[source] = -np.inf
        for channel in range(channels):
            source = segment[channel]
            if source < 0:
                source = places - 1
            if stale[source]:
                here = table[source, channel]
                for goal in range(places):
                    if table[goal, channel] - here > gain[source, goal]:
                        gain[source, goal] = table[goal, channel] - here
                        who[source, goal] = channel
        stale[:] = False
        best, first, second = 1e-9, -1, -1
        for one in range(places):
            for other in range(one + 1, places):
                if gain[one, other] + gain[other, one] > best:
                    best, first, second = gain[one, other] + gain[other, one], one, other
        if first < 0 or done >= most:
            return done
        a, b = who[first, second], who[second, first]
        segment[a] = second if second < places - 1 else -1
        segment[b] = first if first < places - 1 else -1
        stale[first] = stale[second] = True
        done += 1
