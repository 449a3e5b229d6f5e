"""Sequences of openings and closings, and what they charge. See :mod:`.slots`."""

from __future__ import annotations

import numpy as np

from reorder_solver.backends.modes.kernels import INFINITY, IntArray, compile_kernel


@compile_kernel
def open_sets(events: IntArray, opened: IntArray) -> None:
    """Per slot the bit set of the covers that are open; `events` names one cover per event."""
    now = 0
    opened[0] = 0
    for number in range(events.size):
        now ^= 1 << events[number]
        opened[number + 1] = now


@compile_kernel
def slot_prices(opened: IntArray, wanted: IntArray, charges: IntArray, prices: IntArray) -> None:
    """What every class pays in every slot.

    Parameters
    ----------
    opened : ndarray of int64, shape (slots,)
        Open covers, as bit sets.
    wanted : ndarray of int64, shape (classes,)
        Covers that want the class.
    charges : ndarray of int64, shape (classes, covers)
        What the class costs while the cover is open (0 if it is wanted); not below INFINITY if
        it may not lie there.
    prices : ndarray of int64, shape (classes, slots)
        Filled; INFINITY where the class cannot be.
    """
    for item in range(wanted.size):
        for slot in range(opened.size):
            if wanted[item] & ~opened[slot]:
                prices[item, slot] = INFINITY
                continue
            price = 0
            for cover in range(charges.shape[1]):
                if opened[slot] >> cover & 1:
                    price += charges[item, cover]
            prices[item, slot] = min(price, INFINITY)


@compile_kernel
def fill_set_prices(wanted: IntArray, charges: IntArray, prices: IntArray) -> None:
    """As :func:`slot_prices`, for every set of open covers: shape (sets, classes)."""
    for opened in range(prices.shape[0]):
        for item in range(wanted.size):
            if wanted[item] & ~opened:
                prices[opened, item] = INFINITY
                continue
            price = 0
            for cover in range(charges.shape[1]):
                if opened >> cover & 1:
                    price += charges[item, cover]
            prices[opened, item] = min(price, INFINITY)


@compile_kernel
def list_sequences(
    wanted: IntArray, prices: IntArray, covers: int, limit: int, most: int, found: IntArray
) -> int:
    """Sequences of openings and closings under which the classes cost less than `limit`.

    A class whose cover has closed has seen all its slots. So every beginning of a sequence has a
    bound, and most are given up long before their end. Of two that mirror each other, one is kept.

    Parameters
    ----------
    wanted : ndarray of int64, shape (classes,)
    prices : ndarray of int64
        See :func:`fill_set_prices`.
    covers, limit : int
    most : int
        Beginnings to look at.
    found : ndarray of int64, shape (room, 2 * covers)
        Filled: the cover of every event.

    Returns
    -------
    int
        How many; -1 if there is no room for them, or too many beginnings.
    """
    length = 2 * covers
    items = wanted.size
    best = np.zeros((length + 1, items), dtype=np.int64)
    opened = np.zeros(length + 1, dtype=np.int64)
    closed = np.zeros(length + 1, dtype=np.int64)
    event = np.zeros(length + 1, dtype=np.int64)
    for item in range(items):
        best[0, item] = prices[0, item]
    depth, count, looked = 0, 0, 0
    event[0] = -1
    while depth >= 0:
        event[depth] += 1
        cover = event[depth]
        if cover == covers:
            depth -= 1
            continue
        if closed[depth] >> cover & 1:
            continue
        looked += 1
        if looked > most:
            return -1
        is_open = opened[depth] >> cover & 1
        after = opened[depth] ^ 1 << cover
        done = closed[depth] | (1 << cover if is_open else 0)
        total = 0
        for item in range(items):
            price = min(best[depth, item], prices[after, item])
            best[depth + 1, item] = price
            if wanted[item] & done:
                total += price
                if total >= limit:
                    break
        if total >= limit:
            continue
        if depth + 1 < length:
            depth += 1
            opened[depth] = after
            closed[depth] = done
            event[depth] = -1
            continue
        is_first = True
        for place in range(length):
            if event[place] != event[length - 1 - place]:
                is_first = event[place] < event[length - 1 - place]
                break
        if is_first:
            if count == found.shape[0]:
                return -1
            for place in range(length):
                found[count, place] = event[place]
            count += 1
    return count
