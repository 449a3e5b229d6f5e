"""Kernels of the slot search, compiled. See :mod:`reorder_solver.backends.modes.slots`."""

from __future__ import annotations

import numpy as np

from reorder_solver.backends.modes.kernels import INFINITY, IntArray, compile_kernel
from reorder_solver.backends.modes.sequence_kernels import open_sets, slot_prices

#: What :func:`search_sequence` returns when its arrays are full.
OUT_OF_ROOM = -2
NONE_BELOW = -1


@compile_kernel
def fill_rest(
    prices: IntArray, signatures: IntArray, visit: int, rest: IntArray, is_whole: bool
) -> None:
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
    is_whole : bool
        No access goes on past the tensor: at either end lies nothing without a signature.
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
            shut = is_whole and signature == 0 and (slot == 0 or slot == slots - 1)
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
def least_left(
    rest: IntArray, slot: int, history: int, middle: int, edge: int, is_fresh: bool
) -> int:
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
            fill_rest(prices, signatures, visit, rest, True)
            bounds[number] = max(total, least_left(rest, 0, 0, middle, edge, True))


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
        See :func:`least_left`.
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
                    if cost + least_left(rest, slot, after, middle, edge, False) >= limit:
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
            if costs[state] + least_left(rest, slot + 1, reduced, middle, edge, True) >= limit:
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
