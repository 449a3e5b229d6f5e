"""Kernels of the slot search, compiled. See :mod:`reorder_solver.backends.modes.slots`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

IntArray: TypeAlias = npt.NDArray[np.int64]
_Function = TypeVar("_Function", bound="Callable[..., Any]")

#: More than any price; sums of some dozens stay within 64 bits.
INFINITY = 1 << 56
#: What :func:`search_sequence` returns when its arrays are full.
OUT_OF_ROOM = -2
NONE_BELOW = -1


def compile_kernel(function: _Function) -> _Function:
    """Compile a function, keep the machine code, and release the lock while it runs."""
    options: dict[str, Any] = {"nogil": True}
    try:
        return cast("_Function", numba.njit(cache=True, **options)(function))
    except RuntimeError:
        # No folder is writable: compile anew in every process.
        return cast("_Function", numba.njit(**options)(function))


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


@compile_kernel
def fill_rest(prices: IntArray, signatures: IntArray, visit: int, rest: IntArray) -> None:
    """What the classes of every signature cost at least, by slot and by slots visited so far.

    Parameters
    ----------
    prices : ndarray of int64, shape (classes, slots)
    signatures : ndarray of int64, shape (classes,)
    visit : int
        What a further visit costs at least.
    rest : ndarray of int64, shape (slots + 1, signatures, 2**slots)
        ``rest[t, s, h]``: visited are the slots `h`, none after `t`; those from `t` on may still
        be. Other entries are left as they are.
    """
    slots = prices.shape[1]
    count = rest.shape[1]
    rest[slots] = 0
    cheapest = np.empty(1 << slots, dtype=np.int64)
    cheapest[0] = INFINITY
    for item in range(signatures.size):
        signature = signatures[item]
        rest[slots, signature, 0] = INFINITY
        for slot in range(slots):
            for before in range(1 << slot):
                visited = before | 1 << slot
                cheapest[visited] = min(cheapest[before], prices[item, slot])
                rest[slots, signature, visited] = min(
                    INFINITY, rest[slots, signature, visited] + cheapest[visited]
                )
    for slot in range(slots - 1, -1, -1):
        for signature in range(count):
            # At either end lies nothing without a signature: nothing to visit.
            shut = signature == 0 and (slot == 0 or slot == slots - 1)
            for visited in range(1 << (slot + 1)):
                best = rest[slot + 1, signature, visited]
                if not (visited >> slot & 1 or shut):
                    best = min(best, rest[slot + 1, signature, visited | 1 << slot] + visit)
                rest[slot, signature, visited] = best


@compile_kernel
def _same_future(
    prices: IntArray, signatures: IntArray, signature: int, slot: int, first: int, second: int
) -> bool:
    """Whether two sets of visited slots before `slot` leave every class the same choices."""
    for item in range(signatures.size):
        if signatures[item] != signature:
            continue
        left = right = INFINITY
        for each in range(slot):
            if first >> each & 1:
                left = min(left, prices[item, each])
            if second >> each & 1:
                right = min(right, prices[item, each])
        if left != right:
            return False
    return True


@compile_kernel
def fill_equal(prices: IntArray, signatures: IntArray, count: int, equal: IntArray) -> None:
    """Per slot, signature and visited set, the first visited set that is as good.

    `equal` has the shape (slots + 1, signatures, 2**slots); only sets of slots before `slot`
    are filled in at ``equal[slot]``.
    """
    slots = prices.shape[1]
    for slot in range(slots):
        for signature in range(count):
            for visited in range(1 << slot):
                equal[slot, signature, visited] = visited
                for other in range(visited):
                    if equal[slot, signature, other] == other and _same_future(
                        prices, signatures, signature, slot, other, visited
                    ):
                        equal[slot, signature, visited] = other
                        break


@compile_kernel
def _bound(rest: IntArray, slot: int, history: int, middle: int, edge: int, is_fresh: bool) -> int:
    """What is still to be paid at least.

    The first visit in a slot may be free: `middle` is what that saves at most. `edge` is what it
    saves that the family of the latest signature, or of the outside at either end, is there
    already.
    """
    slots = rest.shape[0] - 1
    mask = (1 << slots) - 1
    total: int = -middle * max(0, slots - 2 - slot) - edge
    if not is_fresh or slot == 0:
        total -= edge
    elif slot < slots - 1:
        total -= middle
    for signature in range(rest.shape[1]):
        total += rest[slot, signature, history >> (signature * slots) & mask]
    return total


@compile_kernel
def bound_sequences(
    sequences: IntArray,
    wanted: IntArray,
    charges: IntArray,
    signatures: IntArray,
    visit: int,
    middle: int,
    edge: int,
    limit: int,
    bounds: IntArray,
    rest: IntArray,
) -> None:
    """Per sequence of events, a lower bound on the cheapest way through its slots.

    Where the cheapest slots alone are not below `limit`, their sum; `rest` is room to work in.
    """
    slots = sequences.shape[1] + 1
    opened = np.zeros(slots, dtype=np.int64)
    prices = np.zeros((wanted.size, slots), dtype=np.int64)
    for number in range(sequences.shape[0]):
        open_sets(sequences[number], opened)
        slot_prices(opened, wanted, charges, prices)
        total = 0
        for item in range(wanted.size):
            best = INFINITY
            for slot in range(slots):
                best = min(best, prices[item, slot])
            total += best
        bounds[number] = total
        if total < limit and visit:
            fill_rest(prices, signatures, visit, rest)
            bounds[number] = max(total, _bound(rest, 0, 0, middle, edge, True))


@compile_kernel
def _find(table: IntArray, keys: IntArray, key: int, stamp: int, stamps: IntArray) -> int:
    """The place of `key` in the open addressing table, or the free place for it."""
    mask = table.size - 1
    place = ((key * -7046029254386353131) >> 24) & mask
    while stamps[place] == stamp and keys[table[place]] != key:
        place = (place + 1) & mask
    return place


@compile_kernel
def search_sequence(
    steps: IntArray,
    rest: IntArray,
    equal: IntArray,
    bits: int,
    middle: int,
    edge: int,
    limit: int,
    keys: IntArray,
    costs: IntArray,
    parents: IntArray,
    table: IntArray,
    stamps: IntArray,
) -> int:
    """The cheapest way through the slots, for one sequence of events.

    A state is the set of (slot, signature) visited, and the latest signature. States of a slot
    are worked on in the order in which they were found, those with fewer visits first.

    Parameters
    ----------
    steps : ndarray of int64, shape (signatures, signatures)
    rest, equal : ndarray of int64
        See :func:`fill_rest` and :func:`fill_equal`.
    bits : int
        Number of bits of a signature.
    middle, edge : int
        See ``_bound``.
    limit : int
        Only ways that cost less count.
    keys, costs, parents : ndarray of int64
        Room for the states.
    table, stamps : ndarray of int64
        Room for the hash table, a power of two and twice as large.

    Returns
    -------
    int
        The last state of the cheapest way; `NONE_BELOW` if there is none, `OUT_OF_ROOM` if the
        room is spent. What it costs is in ``costs[-1]``.
    """
    slots = rest.shape[0] - 1
    count = rest.shape[1]
    mask = (1 << slots) - 1
    stamps[:] = 0
    keys[0] = 0
    costs[0] = 0
    parents[0] = -1
    begin, end = 0, 1
    used = 1
    stamp = 0
    for slot in range(slots):
        # States begin..end entered the slot; visits within it add states behind them.
        layer_begin, layer_end = begin, end
        while layer_begin < layer_end:
            stamp += 1
            for state in range(layer_begin, layer_end):
                history = keys[state] >> bits
                last = keys[state] & (count - 1)
                for signature in range(count):
                    bit = signature * slots + slot
                    if history >> bit & 1:
                        continue
                    if signature == 0 and (slot == 0 or slot == slots - 1):
                        continue
                    cost = costs[state] + steps[last, signature]
                    after = history | 1 << bit
                    if cost + _bound(rest, slot, after, middle, edge, False) >= limit:
                        continue
                    key = after << bits | signature
                    place = _find(table, keys, key, stamp, stamps)
                    if stamps[place] == stamp:
                        known = table[place]
                        if cost < costs[known]:
                            costs[known] = cost
                            parents[known] = state
                        continue
                    if used >= keys.size - 1:
                        return OUT_OF_ROOM
                    keys[used] = key
                    costs[used] = cost
                    parents[used] = state
                    table[place] = used
                    stamps[place] = stamp
                    used += 1
            layer_begin, layer_end = layer_end, used
        if slot == slots - 1:
            end = used
            break
        stamp += 1
        leaving = used
        for state in range(begin, leaving):
            history = keys[state] >> bits
            reduced = 0
            for signature in range(count):
                visited = history >> (signature * slots) & mask
                reduced |= equal[slot + 1, signature, visited] << (signature * slots)
            if costs[state] + _bound(rest, slot + 1, reduced, middle, edge, True) >= limit:
                continue
            key = reduced << bits | (keys[state] & (count - 1))
            place = _find(table, keys, key, stamp, stamps)
            if stamps[place] == stamp:
                known = table[place]
                if costs[state] < costs[known]:
                    costs[known] = costs[state]
                    parents[known] = state
                continue
            if used >= keys.size - 1:
                return OUT_OF_ROOM
            keys[used] = key
            costs[used] = costs[state]
            parents[used] = state
            table[place] = used
            stamps[place] = stamp
            used += 1
        begin, end = leaving, used
    best = NONE_BELOW
    lowest = limit
    for state in range(begin, end):
        history = keys[state] >> bits
        total = costs[state] + steps[keys[state] & (count - 1), 0]
        for signature in range(count):
            total += rest[slots, signature, history >> (signature * slots) & mask]
        if total < lowest:
            lowest = total
            best = state
    costs[costs.size - 1] = lowest
    return best
