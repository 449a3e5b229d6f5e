"""Kernels for what visits of slots cost, and missed ones, compiled. See :mod:`.slots`."""

from __future__ import annotations

from reorder_solver.backends.modes.kernels import INFINITY, IntArray, compile_kernel

#: Signatures of one slot whose visits are weighed against each other; the others are free.
MOST_WEIGHED = 10


@compile_kernel
def find_regrets(prices: IntArray, signatures: IntArray, regrets: IntArray) -> int:
    """What is paid at least if a signature does not visit a slot, beside what is paid anyway.

    Parameters
    ----------
    prices : ndarray of int64, shape (classes, slots)
    signatures : ndarray of int64, shape (classes,)
    regrets : ndarray of int64, shape (slots, signatures)
        Filled. They add up: each class is counted where it is cheapest.

    Returns
    -------
    int
        What all classes pay in their cheapest slots.
    """
    regrets[:] = 0
    total = 0
    for item in range(signatures.size):
        best = second = INFINITY
        where = 0
        for slot in range(prices.shape[1]):
            price = prices[item, slot]
            if price < best:
                best, second, where = price, best, slot
            elif price < second:
                second = price
        total += best
        signature = signatures[item]
        regrets[where, signature] = min(INFINITY, regrets[where, signature] + second - best)
    return min(total, INFINITY)


@compile_kernel
def weigh(regrets: IntArray, members: IntArray) -> int:
    """The signatures of a slot with the largest regrets; how many."""
    length = 0
    for signature in range(regrets.size):
        regret = regrets[signature]
        if regret == 0 or (length == MOST_WEIGHED and regret <= regrets[members[MOST_WEIGHED - 1]]):
            continue
        place = length if length < MOST_WEIGHED else MOST_WEIGHED - 1
        while place > 0 and regrets[members[place - 1]] < regret:
            members[place] = members[place - 1]
            place -= 1
        members[place] = signature
        length = min(length + 1, MOST_WEIGHED)
    return length


@compile_kernel
def fill_slot(
    regrets: IntArray,
    members: IntArray,
    length: int,
    steps: IntArray,
    is_whole: bool,
    ways: IntArray,
) -> None:
    """One slot of :func:`fill_ways`, whose row without a member left holds what comes after it.

    Unless it is to be whole, only what leads to the row without a visit.
    """
    count = steps.shape[0]
    full = (1 << length) - 1
    for visited in range(full - 1, -1, -1):
        missed = 0
        for each in range(length):
            if not visited >> each & 1:
                missed += regrets[members[each]]
        missed = min(missed, INFINITY)
        is_every = is_whole or visited == 0
        for number in range(count if is_every else length):
            if not is_every and not visited >> number & 1:
                continue
            last = number if is_every else members[number]
            best = ways[full, last] + missed
            for each in range(length):
                if not visited >> each & 1:
                    signature = members[each]
                    way = steps[last, signature] + ways[visited | 1 << each, signature]
                    best = min(best, way)
            ways[visited, last] = min(best, INFINITY)


@compile_kernel
def fill_ways(
    regrets: IntArray, steps: IntArray, weighed: IntArray, lengths: IntArray, ways: IntArray
) -> None:
    """The cheapest ways on through the slots, visits missed paid for.

    Parameters
    ----------
    regrets : ndarray of int64, shape (slots, signatures)
    steps : ndarray of int64, shape (signatures, signatures)
    weighed : ndarray of int64, shape (slots, MOST_WEIGHED)
        Filled: the signatures whose visits count.
    lengths : ndarray of int64, shape (slots,)
        Filled: how many of them there are.
    ways : ndarray of int64, shape (slots, 2**MOST_WEIGHED, signatures)
        Filled: by slot, those of its signatures that count and are visited, and the latest
        signature.
    """
    slots, count = regrets.shape
    for slot in range(slots - 1, -1, -1):
        length = weigh(regrets[slot], weighed[slot])
        lengths[slot] = length
        full = (1 << length) - 1
        for last in range(count):
            ways[slot, full, last] = (
                steps[last, 0] if slot == slots - 1 else ways[slot + 1, 0, last]
            )
        fill_slot(regrets[slot], weighed[slot], length, steps, True, ways[slot])
