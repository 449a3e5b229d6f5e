"""Kernels of the slot search, compiled. See :mod:`reorder_solver.backends.modes.slots`."""

from __future__ import annotations

import numpy as np

from reorder_solver.backends.modes.kernels import INFINITY, IntArray, compile_kernel
from reorder_solver.backends.modes.sequence_kernels import open_sets, slot_prices

#: What :func:`search_sequence` returns when its arrays are full.
OUT_OF_ROOM = -2
NONE_BELOW = -1
#: Bits of a word of a state that say which slots are visited.
WORD_BITS = 62


@compile_kernel
def rest_size(slots: int, count: int) -> int:
    """Entries of the table that :func:`fill_rest` fills, for `count` signatures."""
    return _base(slots, slots, count) + (count << slots)


@compile_kernel
def _base(slot: int, slots: int, count: int) -> int:
    """Where the entries of a slot begin. Only sets of slots up to it have one."""
    return ((1 << (slot + 1)) - 2) * count


@compile_kernel
def _width(slot: int, slots: int) -> int:
    return min(slot + 1, slots)


@compile_kernel
def fill_rest(
    prices: IntArray,
    signatures: IntArray,
    count: int,
    visit: int,
    rest: IntArray,
    plain: IntArray,
) -> None:
    """What the classes of every signature cost at least, by slot and by slots visited so far.

    Parameters
    ----------
    prices : ndarray of int64, shape (classes, slots)
    signatures : ndarray of int64, shape (classes,)
    count : int
        Of all signatures.
    visit : int
        What a further visit costs at least.
    rest : ndarray of int64, shape (rest_size(slots, count),)
        By slot `t`, signature and set of slots `h` visited so far, none after `t`: those from `t`
        on may still be. One slot more than there are: none may still be.
    plain : ndarray of int64
        The same for visits that cost nothing; left alone if it is empty.
    """
    slots = prices.shape[1]
    last = _base(slots, slots, count)
    rest[last:] = 0
    cheapest = np.empty(1 << slots, dtype=np.int64)
    cheapest[0] = INFINITY
    for item in range(signatures.size):
        begin = last + (signatures[item] << slots)
        rest[begin] = INFINITY
        for slot in range(slots):
            for before in range(1 << slot):
                visited = before | 1 << slot
                cheapest[visited] = min(cheapest[before], prices[item, slot])
                rest[begin + visited] = min(INFINITY, rest[begin + visited] + cheapest[visited])
    if plain.size:
        plain[last:] = rest[last:]
    _fill_slots(slots, count, visit, rest)
    if plain.size:
        _fill_slots(slots, count, 0, plain)


@compile_kernel
def _fill_slots(slots: int, count: int, visit: int, rest: IntArray) -> None:
    """All slots of a table that holds what classes pay where no slot is left."""
    for slot in range(slots - 1, -1, -1):
        for signature in range(count):
            # At either end lies nothing without a signature: nothing to visit.
            shut = signature == 0 and (slot == 0 or slot == slots - 1)
            begin = _base(slot, slots, count) + (signature << (slot + 1))
            after = _base(slot + 1, slots, count) + (signature << _width(slot + 1, slots))
            for visited in range(1 << (slot + 1)):
                best = rest[after + visited]
                if not (visited >> slot & 1 or shut):
                    best = min(best, rest[after + (visited | 1 << slot)] + visit)
                rest[begin + visited] = best


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
def _saved(slot: int, slots: int, middle: int, edge: int, is_fresh: bool) -> int:
    """What first visits save at most from a slot on, in which there was none yet if `is_fresh`.

    The first visit in a slot may be free: `middle` is what that saves at most. `edge` is what it
    saves that the family of the latest signature, or of the outside at either end, is there
    already.
    """
    total = middle * max(0, slots - 2 - slot) + edge
    if not is_fresh or slot == 0:
        total += edge
    elif slot < slots - 1:
        total += middle
    return total


@compile_kernel
def bound_sequences(
    sequences: IntArray,
    wanted: IntArray,
    charges: IntArray,
    signatures: IntArray,
    count: int,
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
            fill_rest(prices, signatures, count, visit, rest, rest[:0])
            least = -_saved(0, slots, middle, edge, True)
            for signature in range(count):
                least += rest[signature << 1]
            bounds[number] = max(total, least)


@compile_kernel
def _find(table: IntArray, keys: IntArray, key: IntArray, stamp: int, stamps: IntArray) -> int:
    """The place of `key` in the open addressing table, or the free place for it."""
    mask = table.size - 1
    place = 0
    for word in range(key.size):
        place = (place ^ key[word]) * -7046029254386353131
        place ^= place >> 29
    place = (place >> 24) & mask
    while stamps[place] == stamp:
        row = table[place]
        is_equal = True
        for word in range(key.size):
            if keys[row, word] != key[word]:
                is_equal = False
                break
        if is_equal:
            break
        place = (place + 1) & mask
    return place


@compile_kernel
def search_sequence(
    steps: IntArray,
    rest: IntArray,
    plain: IntArray,
    weighed: IntArray,
    lengths: IntArray,
    ways: IntArray,
    equal: IntArray,
    middle: int,
    edge: int,
    limit: int,
    keys: IntArray,
    costs: IntArray,
    ahead: IntArray,
    seen: IntArray,
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
    rest, plain : ndarray of int64
        See :func:`fill_rest`; `plain` for visits that cost nothing.
    weighed, lengths, ways : ndarray of int64
        See :func:`.visit_kernels.fill_ways`.
    equal : ndarray of int64
        See :func:`fill_equal`; empty to join no states that differ.
    middle, edge : int
        See ``_saved``.
    limit : int
        Only ways that cost less count.
    keys : ndarray of int64, shape (room, words + 1)
        Room for the states: the slots visited, for as many signatures per word as it has room
        for, and the latest signature.
    costs, seen, parents : ndarray of int64, shape (room,)
        Room for what they cost, which visits of the slot that count are made, and where they come
        from.
    ahead : ndarray of int64, shape (room, 2)
        Room for what their classes cost at least, with a price for further visits and without.
    table, stamps : ndarray of int64
        Room for the hash table, a power of two and twice as large.

    Returns
    -------
    int
        The last state of the cheapest way; `NONE_BELOW` if there is none, `OUT_OF_ROOM` if the
        room is spent. What it costs is in ``costs[-1]``.
    """
    count = steps.shape[0]
    slots = lengths.size
    words = keys.shape[1] - 1
    per = WORD_BITS // slots
    mask = (1 << slots) - 1
    stamps[:] = 0
    keys[0] = 0
    costs[0] = 0
    parents[0] = -1
    ahead[0] = 0
    seen[0] = 0
    for signature in range(count):
        ahead[0, 0] += rest[signature << 1]
        ahead[0, 1] += plain[signature << 1]
    bits = np.zeros(count, dtype=np.int64)
    key = np.zeros(words + 1, dtype=np.int64)
    begin, end = 0, 1
    used = 1
    stamp = 0
    for slot in range(slots):
        width = _width(slot, slots)
        base = _base(slot, slots, count)
        within = _saved(slot, slots, middle, edge, False)
        bits[:] = 0
        for place in range(lengths[slot]):
            bits[weighed[slot, place]] = 1 << place
        # States begin..end entered the slot; visits within it add states behind them.
        layer_begin, layer_end = begin, end
        while layer_begin < layer_end:
            stamp += 1
            for state in range(layer_begin, layer_end):
                last = keys[state, words]
                for signature in range(count):
                    if signature == 0 and (slot == 0 or slot == slots - 1):
                        continue
                    word, shift = signature // per, signature % per * slots
                    visited = keys[state, word] >> shift & mask
                    if visited >> slot & 1:
                        continue
                    cost = costs[state] + steps[last, signature]
                    entry = base + (signature << width) + visited
                    rests = ahead[state, 0] + rest[entry + (1 << slot)] - rest[entry]
                    if cost + rests - within >= limit:
                        continue
                    plains = ahead[state, 1] + plain[entry + (1 << slot)] - plain[entry]
                    now = seen[state] | bits[signature]
                    if cost + plains + ways[slot, now, signature] >= limit:
                        continue
                    key[:] = keys[state]
                    key[word] |= 1 << (shift + slot)
                    key[words] = signature
                    place = _find(table, keys, key, stamp, stamps)
                    if stamps[place] == stamp:
                        known = table[place]
                        if cost < costs[known]:
                            costs[known] = cost
                            parents[known] = state
                        continue
                    if used >= costs.size - 1:
                        return OUT_OF_ROOM
                    keys[used] = key
                    costs[used] = cost
                    ahead[used, 0] = rests
                    ahead[used, 1] = plains
                    seen[used] = now
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
        width = _width(slot + 1, slots)
        base = _base(slot + 1, slots, count)
        fresh = _saved(slot + 1, slots, middle, edge, True)
        for state in range(begin, leaving):
            key[:] = keys[state]
            rests = plains = 0
            for signature in range(count):
                word, shift = signature // per, signature % per * slots
                visited = key[word] >> shift & mask
                if equal.size:
                    found = equal[slot + 1, signature, visited]
                    key[word] ^= (visited ^ found) << shift
                    visited = found
                rests += rest[base + (signature << width) + visited]
                plains += plain[base + (signature << width) + visited]
            if costs[state] + rests - fresh >= limit:
                continue
            if costs[state] + plains + ways[slot + 1, 0, key[words]] >= limit:
                continue
            place = _find(table, keys, key, stamp, stamps)
            if stamps[place] == stamp:
                known = table[place]
                if costs[state] < costs[known]:
                    costs[known] = costs[state]
                    parents[known] = state
                continue
            if used >= costs.size - 1:
                return OUT_OF_ROOM
            keys[used] = key
            costs[used] = costs[state]
            ahead[used, 0] = rests
            ahead[used, 1] = plains
            seen[used] = 0
            parents[used] = state
            table[place] = used
            stamps[place] = stamp
            used += 1
        begin, end = leaving, used
    best = NONE_BELOW
    lowest = limit
    width, base = slots, _base(slots, slots, count)
    for state in range(begin, end):
        total = costs[state] + steps[keys[state, words], 0]
        for signature in range(count):
            word, shift = signature // per, signature % per * slots
            total += rest[base + (signature << width) + (keys[state, word] >> shift & mask)]
        if total < lowest:
            lowest = total
            best = state
    costs[costs.size - 1] = lowest
    return best
