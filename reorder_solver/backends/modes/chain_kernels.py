"""Kernels for spans that share a position, compiled. See :mod:`.chains`.

A set of covers is a bit set. ``apart[A]`` is how many channels want none of the covers in ``A``.
"""

from __future__ import annotations

import numpy as np

from reorder_solver.backends.modes.kernels import INFINITY, IntArray, compile_kernel


@compile_kernel
def fill_totals(prices: IntArray, totals: IntArray) -> None:
    """What a channel pays to be within all spans of a set, for every set."""
    totals[0] = 0
    for number in range(prices.size):
        for rest in range(1 << number):
            totals[rest | 1 << number] = totals[rest] + prices[number]


@compile_kernel
def fill_saved(
    apart: IntArray, totals: IntArray, first: int, last: int, saved: IntArray, most: IntArray
) -> None:
    """The most that is saved by the time that some covers have opened and some have closed.

    Parameters
    ----------
    apart, totals : ndarray of int64, shape (2^c,)
    first, last : int
        Rows to work on; all before are done.
    saved : ndarray of int64, shape (2^c, 2^c)
        Filled: by the covers taken from the left and from the right; -1 where the rule never
        leads. Only ``saved[0, 0] = 0`` and -1 elsewhere at first.
    most : ndarray of int64, shape (2^c,)
        Filled for the rows: what is saved once a set is taken from both sides.
    """
    count = 0
    while 1 << count < apart.size:
        count += 1
    for left in range(first, last):
        for right in range(apart.size):
            known = saved[left, right]
            if known < 0:
                continue
            level = min(totals[left], totals[right])
            if totals[left] <= totals[right]:
                for number in range(count):
                    if left >> number & 1:
                        continue
                    after = left | 1 << number
                    step = min(totals[after], totals[right]) - level
                    value = known + step * (apart[after] + apart[right] - apart[after | right])
                    saved[after, right] = max(saved[after, right], value)
            else:
                for number in range(count):
                    if right >> number & 1:
                        continue
                    after = right | 1 << number
                    step = min(totals[left], totals[after]) - level
                    value = known + step * (apart[left] + apart[after] - apart[left | after])
                    saved[left, after] = max(saved[left, after], value)
        most[left] = saved[left, left]


@compile_kernel
def fill_ahead(apart: IntArray, totals: IntArray, ahead: IntArray) -> None:
    """The most that is still saved once some covers are taken from the left, some from the right.

    ``ahead`` has the shape (2^c, 2^c) and is filled, negative where the rule never leads.
    """
    everything = apart.size - 1
    for left in range(everything, -1, -1):
        for right in range(everything, -1, -1):
            if left == everything and right == everything:
                ahead[left, right] = 0
                continue
            best = -INFINITY
            level = min(totals[left], totals[right])
            is_left = totals[left] <= totals[right] and left != everything
            open_here = everything ^ (left if is_left else right)
            while open_here:
                bit = open_here & -open_here
                open_here ^= bit
                one = left | bit if is_left else left
                other = right if is_left else right | bit
                if ahead[one, other] < 0:
                    continue
                step = min(totals[one], totals[other]) - level
                value = ahead[one, other] + step * (apart[one] + apart[other] - apart[one | other])
                best = max(best, value)
            ahead[left, right] = best


@compile_kernel
def _most_kept(
    apart: IntArray,
    left: IntArray,
    right: IntArray,
    paid_left: IntArray,
    paid_right: IntArray,
    visit: int,
    kept: IntArray,
) -> int:
    """The most that the classes of one signature save, less `visit` for every slot they lie in.

    Parameters
    ----------
    apart : ndarray of int64, shape (2^c,)
        Of the classes of the signature alone.
    left, right : ndarray of int64, shape (c + 2,)
        Sets of covers not open in the slots left and right of the middle; last, an empty slot
        beyond all.
    paid_left, paid_right : ndarray of int64, shape (c + 2,)
        What all spans of such a set cost; INFINITY in the slot beyond.
    kept : ndarray of int64, shape (c + 2, c + 2)
        Room to work in.
    """
    size = left.size
    beyond = size - 1
    kept[:] = -INFINITY
    everyone = apart[0]
    # Either the slot in the middle is visited, or all find room in the first on either side.
    kept[0, 0] = -visit
    for i in range(1, size):
        one = apart[left[i]] if i < beyond else 0
        for j in range(1, size):
            if i == beyond and j == beyond:
                continue
            other = apart[right[j]] if j < beyond else 0
            both = apart[left[i] | right[j]] if i < beyond and j < beyond else 0
            if one + other - both == everyone:
                visits = (1 if i < beyond else 0) + (1 if j < beyond else 0)
                level = min(paid_left[i], paid_right[j])
                kept[i, j] = level * everyone - visits * visit
    best = -INFINITY
    for i in range(size):
        for j in range(size):
            value = kept[i, j]
            if value == -INFINITY:
                continue
            if i == beyond and j == beyond:
                best = max(best, value)
                continue
            level = min(paid_left[i], paid_right[j])
            is_left = paid_left[i] <= paid_right[j]
            begin = i + 1 if is_left else j + 1
            for after in range(begin, size):
                one, other = (after, j) if is_left else (i, after)
                step = 0
                if one < beyond or other < beyond:
                    step = min(paid_left[one], paid_right[other]) - level
                inside = apart[left[one]] if one < beyond else 0
                if other < beyond:
                    inside += apart[right[other]]
                    if one < beyond:
                        inside -= apart[left[one] | right[other]]
                gain = value + step * inside - (visit if after < beyond else 0)
                kept[one, other] = max(kept[one, other], gain)
    return best


@compile_kernel
def bound_chains(
    chains: IntArray,
    apart: IntArray,
    prices: IntArray,
    visit: int,
    constant: int,
    bounds: IntArray,
) -> None:
    """Per pair of orders, a lower bound on what spans and runs cost.

    Parameters
    ----------
    chains : ndarray of int64, shape (n, 2 * covers)
        See :func:`.listing_kernels.list_chains`.
    apart : ndarray of int64, shape (signatures, 2^c)
    prices : ndarray of int64, shape (c,)
    visit : int
        What each visit of a slot by a signature costs at least.
    constant : int
        What is paid if nothing is saved, and no visit paid for.
    bounds : ndarray of int64, shape (n,)
        Filled.
    """
    covers = prices.size
    left = np.zeros(covers + 2, dtype=np.int64)
    right = np.zeros(covers + 2, dtype=np.int64)
    paid_left = np.zeros(covers + 2, dtype=np.int64)
    paid_right = np.zeros(covers + 2, dtype=np.int64)
    kept = np.zeros((covers + 2, covers + 2), dtype=np.int64)
    paid_left[-1] = paid_right[-1] = INFINITY
    for number in range(chains.shape[0]):
        for place in range(covers):
            opening = chains[number, covers - 1 - place]
            closing = chains[number, covers + place]
            left[place + 1] = left[place] | 1 << opening
            right[place + 1] = right[place] | 1 << closing
            paid_left[place + 1] = paid_left[place] + prices[opening]
            paid_right[place + 1] = paid_right[place] + prices[closing]
        total = constant
        for signature in range(apart.shape[0]):
            if apart[signature, 0]:
                total -= _most_kept(
                    apart[signature], left, right, paid_left, paid_right, visit, kept
                )
        bounds[number] = total
