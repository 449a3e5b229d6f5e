"""Kernels for what classes pay whose slots are not visited, compiled. See :mod:`.chains`.

A class that finds its cheapest slot not visited lies in the next one visited towards the middle,
or on the other side. How far that is, the last visit of its signature and the next one say.
"""

from __future__ import annotations

from reorder_solver.backends.modes.kernels import INFINITY, IntArray, compile_kernel


@compile_kernel
def fill_missed(
    members: IntArray,
    signatures: IntArray,
    weights: IntArray,
    left: IntArray,
    right: IntArray,
    on_left: int,
    on_right: int,
    totals: IntArray,
    missed: IntArray,
) -> None:
    """What classes pay between two visits of their signature, in the middle slots.

    Parameters
    ----------
    members, signatures, weights : ndarray of int64, shape (classes,)
        Covers and runners that want a class, as bit sets, and its channels. Those count all of
        whose slots are known.
    left, right : ndarray of int64
        Sets of covers not open, from the slot in the middle outwards, `on_left` and `on_right`
        of them beside the empty one.
    on_left, on_right : int
    totals : ndarray of int64, shape (2^c,)
    missed : ndarray of int64, shape (signatures, slots + 2, slots + 2)
        Filled. By a slot visited, the next one visited, both counted from 1: what is paid beside
        the price of the cheapest slots by classes whose cheapest slot lies between. They may lie
        in the visited slot next to it, or in the last one that they may lie in at all on the
        other side of it, visited or not.
    """
    slots = on_left + on_right + 1
    missed[:, : slots + 2, : slots + 2] = 0
    for item in range(members.size):
        wanted = members[item]
        if not (wanted & left[on_left] or on_left == left.size - 1):
            continue
        if not (wanted & right[on_right] or on_right == right.size - 1):
            continue
        i, j = on_left, on_right
        while wanted & left[i]:
            i -= 1
        while wanted & right[j]:
            j -= 1
        signature, weight = signatures[item], weights[item]
        one, other = totals[left[i]], totals[right[j]]
        begin, end = on_left - i + 1, on_left + j + 1
        if one >= other:
            for after in range(begin + 1, slots + 2):
                paid = INFINITY
                if after <= end:
                    place = after - 1 - on_left
                    here = totals[left[-place]] if place < 0 else totals[right[place]]
                    paid = (one - max(here, other)) * weight
                for before in range(begin):
                    value = missed[signature, before, after] + paid
                    missed[signature, before, after] = min(INFINITY, value)
        else:
            for before in range(end):
                paid = INFINITY
                if before >= begin:
                    place = before - 1 - on_left
                    here = totals[left[-place]] if place < 0 else totals[right[place]]
                    paid = (other - max(here, one)) * weight
                for after in range(end + 1, slots + 2):
                    value = missed[signature, before, after] + paid
                    missed[signature, before, after] = min(INFINITY, value)


@compile_kernel
def single_way(
    missed: IntArray,
    slots: int,
    run: int,
    is_left_done: bool,
    is_right_done: bool,
    ways: IntArray,
) -> int:
    """The cheapest way of one runner through the slots known; before and after them all is free.

    `ways` has the shape (2, 2, slots + 1): by whether it wants the latest class, and when the
    others were visited last.
    """
    now = 0
    ways[:] = INFINITY
    ways[0, 0, 0] = 0
    if not is_left_done:
        ways[0, 1, 0] = 0
    for slot in range(1, slots + 1):
        after = 1 - now
        ways[after] = INFINITY
        for latest in range(2):
            other = 1 - latest
            for visited in range(slot):
                way = ways[now, latest, visited]
                if way >= INFINITY:
                    continue
                # Whoever is there anyway visits the slot, or has gone before.
                ways[after, latest, visited] = min(ways[after, latest, visited], way)
                way += run + missed[other, visited, slot]
                ways[after, other, slot] = min(ways[after, other, slot], way)
                ways[after, other, slot - 1] = min(ways[after, other, slot - 1], way)
                ways[after, latest, slot] = min(ways[after, latest, slot], way + run)
        now = after
    best = INFINITY
    for latest in range(2):
        for visited in range(slots + 1):
            way = ways[now, latest, visited] + missed[1 - latest, visited, slots + 1]
            if latest and is_right_done:
                way += run
            best = min(best, way)
    return best
