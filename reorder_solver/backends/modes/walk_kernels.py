"""Kernels of the walk through several tensors, compiled. See :mod:`.walks`."""

from __future__ import annotations

import numpy as np

from reorder_solver.backends.modes.kernels import INFINITY, IntArray, compile_kernel
from reorder_solver.backends.modes.rest_kernels import fill_rest, least_left
from reorder_solver.backends.modes.sequence_kernels import slot_prices
from reorder_solver.backends.modes.slot_kernels import OUT_OF_ROOM


@compile_kernel
def open_from(events: IntArray, opened: IntArray) -> None:
    """Per slot the open covers; ``opened[0]`` is given, and every event opens or closes one."""
    for number in range(events.size):
        opened[number + 1] = opened[number] ^ 1 << events[number]


@compile_kernel
def fill_tours(steps: IntArray, tours: IntArray) -> None:
    """What a way through all signatures of a set costs at least, from each one: O(2^s s^2).

    Parameters
    ----------
    steps : ndarray of int64, shape (s, s)
    tours : ndarray of int64, shape (2^s, s)
        Filled.
    """
    count = steps.shape[0]
    tours[0] = 0
    for left in range(1, 1 << count):
        for last in range(count):
            best = INFINITY
            for signature in range(count):
                if left >> signature & 1:
                    further = tours[left ^ 1 << signature, signature]
                    best = min(best, steps[last, signature] + further)
            tours[left, last] = best


@compile_kernel
def fill_tour(steps: IntArray, begin: IntArray, table: IntArray) -> None:
    """What ways through every set of signatures cost, by the last one: O(2^s s^2).

    Parameters
    ----------
    steps : ndarray of int64, shape (s, s)
    begin : ndarray of int64, shape (s,)
        What the way to each costs if it is the first.
    table : ndarray of int64, shape (2^s, s)
        Filled; INFINITY where the last one is not in the set.
    """
    count = begin.size
    for placed in range(table.shape[0]):
        for last in range(count):
            best = INFINITY
            if placed == 1 << last:
                best = begin[last]
            elif placed >> last & 1:
                for before in range(count):
                    best = min(best, table[placed ^ 1 << last, before] + steps[before, last])
            table[placed, last] = best


@compile_kernel
def least_on(
    plain: IntArray, tours: IntArray, present: int, slot: int, history: int, last: int
) -> int:
    """What is still to be paid at least: classes in their best slots, and a way to all signatures.

    Parameters
    ----------
    plain : ndarray of int64
        See :func:`.rest_kernels.fill_rest`, with visits for nothing.
    tours : ndarray of int64
        See :func:`fill_tours`.
    present : int
        Bit set of the signatures that classes have; 0 if `tours` knows none.
    slot, history, last : int
        Where the way is, and its latest signature here; negative if it comes from elsewhere.
    """
    slots = plain.shape[0] - 1
    mask = (1 << slots) - 1
    left = present
    total = 0
    for signature in range(plain.shape[1]):
        visited = history >> (signature * slots) & mask
        total += plain[slot, signature, visited]
        if visited:
            left &= ~(1 << signature)
    if last >= 0:
        total += tours[left, last]
    return total


@compile_kernel
def bound_walks(
    sequences: IntArray,
    open_first: int,
    wanted: IntArray,
    charges: IntArray,
    signatures: IntArray,
    visit: int,
    middle: int,
    shortest: int,
    bounds: IntArray,
    rest: IntArray,
) -> None:
    """Per sequence of events, a lower bound on the way through one tensor, from wherever.

    `shortest` is what a way through all its signatures costs at least, wherever it begins; `rest`
    is room to work in; see :func:`.rest_kernels.fill_rest`.
    """
    slots = sequences.shape[1] + 1
    opened = np.zeros(slots, dtype=np.int64)
    prices = np.zeros((wanted.size, slots), dtype=np.int64)
    for number in range(sequences.shape[0]):
        opened[0] = open_first
        open_from(sequences[number], opened)
        slot_prices(opened, wanted, charges, prices)
        fill_rest(prices, signatures, visit, rest, False)
        least = least_left(rest, 0, 0, middle, middle, True)
        total = shortest
        for item in range(wanted.size):
            total += prices[item].min()
        bounds[number] = min(INFINITY, max(total, least))


@compile_kernel
def _find(
    table: IntArray,
    keys: IntArray,
    lasts: IntArray,
    key: int,
    last: int,
    stamp: int,
    stamps: IntArray,
) -> int:
    """The place of a state in the open addressing table, or the free place for it."""
    mask = table.size - 1
    place = (((key ^ last * 40503) * -7046029254386353131) >> 24) & mask
    while stamps[place] == stamp and (keys[table[place]] != key or lasts[table[place]] != last):
        place = (place + 1) & mask
    return place


@compile_kernel
def walk_sequence(
    steps: IntArray,
    enter: IntArray,
    sources: IntArray,
    stops: IntArray,
    rest: IntArray,
    plain: IntArray,
    equal: IntArray,
    tours: IntArray,
    present: int,
    middle: int,
    limit: int,
    keys: IntArray,
    lasts: IntArray,
    costs: IntArray,
    parents: IntArray,
    visits: IntArray,
    table: IntArray,
    stamps: IntArray,
    reached: IntArray,
    states: IntArray,
) -> int:
    """The cheapest ways through the slots of one tensor, by the signature they end in.

    A state is the set of (slot, signature) visited and the latest signature: at first, that of the
    tensor before. States of a slot are worked on in the order in which they were found.

    Parameters
    ----------
    steps : ndarray of int64, shape (signatures, signatures)
    enter : ndarray of int64, shape (signatures before, signatures)
        Steps from the tensor before.
    sources : ndarray of int64, shape (signatures before,)
        What the way costs up to there.
    stops : ndarray of int64
        Signatures that classes have: on the way past others, no step gets cheaper.
    rest, plain, equal : ndarray of int64
        See :func:`.rest_kernels.fill_rest`, :func:`least_on` and :func:`.slot_kernels.fill_equal`.
    tours, present
        See :func:`least_on`.
    middle : int
        What the first visit in a slot may save.
    limit : int
        Only ways that cost less count.
    keys, lasts, costs, parents, visits : ndarray of int64
        Room for the states: a key has a bit, up to 64 of them, for every pair that was visited;
        ``visits`` is the signature that a state visits, -1 for none.
    table, stamps : ndarray of int64
        Room for the hash table, a power of two.
    reached : ndarray of int64, shape (signatures,)
        Lowered to what the cheapest way that ends in each signature costs.
    states : ndarray of int64, shape (signatures,)
        Where `reached` is lowered, the last state of the way.

    Returns
    -------
    int
        `OUT_OF_ROOM` if the room is spent; ``reached`` is then as it was.
    """
    slots = rest.shape[0] - 1
    count = rest.shape[1]
    mask = (1 << slots) - 1
    stamps[:] = 0
    used = 0
    for before in range(sources.size):
        if sources[before] < limit:
            keys[used] = 0
            lasts[used] = before
            costs[used] = sources[before]
            parents[used] = -1
            visits[used] = -1
            used += 1
    begin, end = 0, used
    stamp = 0
    for slot in range(slots):
        # States begin..end entered the slot; visits within it add states behind them.
        layer_begin, layer_end = begin, end
        while layer_begin < layer_end:
            stamp += 1
            for state in range(layer_begin, layer_end):
                history, last = keys[state], lasts[state]
                for signature in stops:
                    bit = signature * slots + slot
                    if history >> bit & 1:
                        continue
                    step = steps[last, signature] if history else enter[last, signature]
                    cost = costs[state] + step
                    after = history | 1 << bit
                    if cost + least_left(rest, slot, after, middle, middle, False) >= limit:
                        continue
                    if cost + least_on(plain, tours, present, slot, after, signature) >= limit:
                        continue
                    place = _find(table, keys, lasts, after, signature, stamp, stamps)
                    if stamps[place] == stamp:
                        known = table[place]
                        if cost < costs[known]:
                            costs[known] = cost
                            parents[known] = state
                        continue
                    if used == keys.size:
                        return OUT_OF_ROOM
                    keys[used] = after
                    lasts[used] = signature
                    costs[used] = cost
                    parents[used] = state
                    visits[used] = signature
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
            history, last = keys[state], lasts[state]
            reduced = 0
            for signature in range(count):
                visited = history >> (signature * slots) & mask
                reduced |= equal[slot + 1, signature, visited] << (signature * slots)
            if history and not reduced:
                # It has placed nothing: no detour is cheaper than the direct step.
                continue
            if costs[state] + least_left(rest, slot + 1, reduced, middle, middle, True) >= limit:
                continue
            known_last = last if history else -1
            onward = least_on(plain, tours, present, slot + 1, reduced, known_last)
            if costs[state] + onward >= limit:
                continue
            place = _find(table, keys, lasts, reduced, last, stamp, stamps)
            if stamps[place] == stamp:
                known = table[place]
                if costs[state] < costs[known]:
                    costs[known] = costs[state]
                    parents[known] = state
                continue
            if used == keys.size:
                return OUT_OF_ROOM
            keys[used] = reduced
            lasts[used] = last
            costs[used] = costs[state]
            parents[used] = state
            visits[used] = -1
            table[place] = used
            stamps[place] = stamp
            used += 1
        begin, end = leaving, used
    for state in range(begin, end):
        history, last = keys[state], lasts[state]
        if not history:
            continue
        total = costs[state]
        for signature in range(count):
            total += rest[slots, signature, history >> (signature * slots) & mask]
        if total < min(limit, reached[last]):
            reached[last] = total
            states[last] = state
    return used
