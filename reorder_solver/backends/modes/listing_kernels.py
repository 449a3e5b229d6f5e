"""Kernels that list orders of openings and closings, compiled. See :mod:`.chains`."""

from __future__ import annotations

import numpy as np

from reorder_solver.backends.modes.kernels import INFINITY, IntArray, compile_kernel
from reorder_solver.backends.modes.missed_kernels import fill_missed, single_way
from reorder_solver.backends.modes.visit_kernels import MOST_WEIGHED, fill_slot, weigh


@compile_kernel
def _settled_regrets(
    members: IntArray,
    signatures: IntArray,
    weights: IntArray,
    left: IntArray,
    right: IntArray,
    on_left: int,
    on_right: int,
    totals: IntArray,
    regrets: IntArray,
) -> None:
    """As :func:`.visit_kernels.find_regrets`, of classes all of whose slots are known.

    Parameters
    ----------
    members, signatures, weights : ndarray of int64, shape (classes,)
        Covers and runners that want a class, as bit sets, and its channels.
    left, right : ndarray of int64
        Sets of covers not open, from the slot in the middle outwards, `on_left` and `on_right`
        of them beside the empty one.
    totals : ndarray of int64, shape (2^c,)
    regrets : ndarray of int64, shape (slots, signatures)
        Filled, from the first slot known on the left.
    """
    regrets[: on_left + on_right + 1] = 0
    for item in range(members.size):
        wanted = members[item]
        # With all covers taken on a side, what lies beyond is known, too: nothing.
        if not (wanted & left[on_left] or on_left == left.size - 1):
            continue
        if not (wanted & right[on_right] or on_right == right.size - 1):
            continue
        i, j = on_left, on_right
        while wanted & left[i]:
            i -= 1
        while wanted & right[j]:
            j -= 1
        if i == 0 and j == 0:
            regret = INFINITY
            where = on_left
        else:
            one, other = totals[left[i]], totals[right[j]]
            if one >= other:
                where = on_left - i
                regret = one - max(other, totals[left[i - 1]]) if i else 0
            else:
                where = on_left + j
                regret = other - max(one, totals[right[j - 1]])
            regret = min(INFINITY, regret * weights[item])
        signature = signatures[item]
        regrets[where, signature] = min(INFINITY, regrets[where, signature] + regret)


@compile_kernel
def _cheapest_way(
    regrets: IntArray,
    slots: int,
    steps: IntArray,
    is_left_done: bool,
    is_right_done: bool,
    members: IntArray,
    ways: IntArray,
) -> int:
    """The cheapest way through the slots known so far; before and after them all is free."""
    count = steps.shape[0]
    after = np.zeros(count, dtype=np.int64)
    if is_right_done:
        after[:] = steps[:, 0]
    for slot in range(slots - 1, -1, -1):
        length = weigh(regrets[slot], members)
        if length:
            ways[(1 << length) - 1] = after
            fill_slot(regrets[slot], members, length, steps, False, ways)
            after[:] = ways[0]
    best: int = after[0] if is_left_done else after.min()
    return best


@compile_kernel
def _least_way(
    members: IntArray,
    signatures: IntArray,
    weights: IntArray,
    left: IntArray,
    right: IntArray,
    on_left: int,
    on_right: int,
    totals: IntArray,
    steps: IntArray,
    regrets: IntArray,
    missed: IntArray,
    weighed: IntArray,
    ways: IntArray,
    single_ways: IntArray,
) -> int:
    """What runs, and classes that do not lie where they are cheapest, add at least.

    The parameters are those of the functions above, the last five room to work in.
    """
    is_left_done, is_right_done = on_left == left.size - 1, on_right == right.size - 1
    slots = on_left + on_right + 1
    if steps.shape[0] == 2:
        fill_missed(members, signatures, weights, left, right, on_left, on_right, totals, missed)
        return single_way(missed, slots, steps[0, 1], is_left_done, is_right_done, single_ways)
    _settled_regrets(members, signatures, weights, left, right, on_left, on_right, totals, regrets)
    return _cheapest_way(regrets, slots, steps, is_left_done, is_right_done, weighed, ways)


@compile_kernel
def list_chains(
    apart: IntArray,
    totals: IntArray,
    ahead: IntArray,
    members: IntArray,
    signatures: IntArray,
    weights: IntArray,
    steps: IntArray,
    dearest: int,
    least_runs: int,
    below: int,
    is_weighed: bool,
    budget: int,
    found: IntArray,
    spans_paid: IntArray,
    bounds: IntArray,
) -> int:
    """Pairs of orders of opening and closing that may cost less than `below`.

    Of two that mirror each other, one is kept. Classes whose slots are known say early what
    visits cost.

    Parameters
    ----------
    apart, totals, ahead : ndarray of int64
        See :func:`.chain_kernels.fill_ahead`.
    members, signatures, weights : ndarray of int64, shape (classes,)
    steps : ndarray of int64, shape (signatures, signatures)
    dearest, least_runs : int
        What spans cost if nothing is saved, and what runs cost at least.
    below : int
    is_weighed : bool
        Whether to ask what visits cost, by :func:`bound_ways` or the like.
    budget : int
        Most beginnings whose visits are looked at.
    found : ndarray of int64, shape (room, 2 * covers)
        Filled: the cover of every opening and closing, from left to right.
    spans_paid, bounds : ndarray of int64, shape (room,)
        Filled: what the spans of each of them cost, and what all does at least.

    Returns
    -------
    int
        How many; -1 if there is no room for them, or the budget is spent.
    """
    length = found.shape[1]
    covers = length // 2
    everything = apart.size - 1
    count = steps.shape[0]
    lefts = np.zeros(length + 1, dtype=np.int64)
    rights = np.zeros(length + 1, dtype=np.int64)
    values = np.zeros(length + 1, dtype=np.int64)
    ways_paid = np.zeros(length + 1, dtype=np.int64)
    tried = np.full(length + 1, -1, dtype=np.int64)
    opening = np.zeros(covers, dtype=np.int64)
    closing = np.zeros(covers, dtype=np.int64)
    left_sets = np.zeros(covers + 1, dtype=np.int64)
    right_sets = np.zeros(covers + 1, dtype=np.int64)
    regrets = np.zeros((length + 1, count), dtype=np.int64)
    weighed = np.zeros(MOST_WEIGHED, dtype=np.int64)
    ways = np.zeros((1 << MOST_WEIGHED, count), dtype=np.int64)
    missed = np.zeros((count, length + 3, length + 3), dtype=np.int64)
    single_ways = np.zeros((2, 2, length + 2), dtype=np.int64)
    depth, listed, on_left, on_right = 0, 0, 0, 0
    while depth >= 0:
        left, right = lefts[depth], rights[depth]
        is_left = totals[left] <= totals[right] and left != everything
        if tried[depth] >= 0:
            # Back from below: take the cover off again.
            if is_left:
                on_left -= 1
            else:
                on_right -= 1
        level = min(totals[left], totals[right])
        advanced = False
        number = tried[depth] + 1
        while number < covers:
            bit = 1 << number
            taken = left if is_left else right
            # The mirror image begins with the other of the two.
            is_mirror = not is_left and on_right == 0 and on_left > 0 and number < opening[0]
            if taken & bit or is_mirror:
                number += 1
                continue
            one = left | bit if is_left else left
            other = right if is_left else right | bit
            if ahead[one, other] < 0:
                number += 1
                continue
            step = min(totals[one], totals[other]) - level
            value = values[depth] + step * (apart[one] + apart[other] - apart[one | other])
            spans = dearest - value - ahead[one, other]
            if spans + max(least_runs, ways_paid[depth]) >= below:
                number += 1
                continue
            budget -= 1
            if budget < 0:
                return -1
            if is_left:
                left_sets[on_left + 1] = one
            else:
                right_sets[on_right + 1] = other
            after_left = on_left + (1 if is_left else 0)
            after_right = on_right + (0 if is_left else 1)
            way = 0
            if is_weighed:
                way = _least_way(
                    members,
                    signatures,
                    weights,
                    left_sets,
                    right_sets,
                    after_left,
                    after_right,
                    totals,
                    steps,
                    regrets,
                    missed,
                    weighed,
                    ways,
                    single_ways,
                )
            if spans + way < below:
                advanced = True
                break
            number += 1
        if not advanced:
            tried[depth] = -1
            depth -= 1
            continue
        tried[depth] = number
        if is_left:
            opening[on_left] = number
            on_left += 1
        else:
            closing[on_right] = number
            on_right += 1
        depth += 1
        lefts[depth], rights[depth], values[depth], ways_paid[depth] = one, other, value, way
        if depth < length:
            continue
        is_first = True
        for place in range(covers):
            if opening[place] != closing[place]:
                is_first = opening[place] < closing[place]
                break
        if is_first:
            if listed == found.shape[0]:
                return -1
            for place in range(covers):
                found[listed, covers - 1 - place] = opening[place]
                found[listed, covers + place] = closing[place]
            spans_paid[listed] = dearest - value
            bounds[listed] = dearest - value + max(least_runs, way)
            listed += 1
        tried[depth] = -1
        depth -= 1
    return listed


@compile_kernel
def bound_ways(
    chains: IntArray,
    members: IntArray,
    signatures: IntArray,
    weights: IntArray,
    totals: IntArray,
    steps: IntArray,
    spans_paid: IntArray,
    bounds: IntArray,
) -> None:
    """Per pair of orders, what spans and runs cost at least.

    Parameters
    ----------
    chains : ndarray of int64, shape (n, 2 * covers)
    members, signatures, weights, totals, steps
        See :func:`list_chains`.
    spans_paid : ndarray of int64, shape (n,)
    bounds : ndarray of int64, shape (n,)
        Filled.
    """
    covers = chains.shape[1] // 2
    count = steps.shape[0]
    left = np.zeros(covers + 1, dtype=np.int64)
    right = np.zeros(covers + 1, dtype=np.int64)
    regrets = np.zeros((2 * covers + 1, count), dtype=np.int64)
    weighed = np.zeros(MOST_WEIGHED, dtype=np.int64)
    ways = np.zeros((1 << MOST_WEIGHED, count), dtype=np.int64)
    for number in range(chains.shape[0]):
        for place in range(covers):
            left[place + 1] = left[place] | 1 << chains[number, covers - 1 - place]
            right[place + 1] = right[place] | 1 << chains[number, covers + place]
        _settled_regrets(members, signatures, weights, left, right, covers, covers, totals, regrets)
        way = _cheapest_way(regrets, 2 * covers + 1, steps, True, True, weighed, ways)
        bounds[number] = spans_paid[number] + way
