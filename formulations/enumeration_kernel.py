"""The compiled part of :mod:`formulations.enumeration`: depth first through sets of items.

Loading the compiler takes longer than a small problem; not for import at module level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]
    Ints = npt.NDArray[np.int64]

#: What :func:`advance` stopped for.
EXHAUSTED, FOUND, PAUSED = 0, 1, 2
#: Places in the state that it keeps between calls.
DEPTH, BEST, IS_NEW = 0, 1, 2


@numba.njit(cache=True, nogil=True)
def _lowest(word):  # type: ignore[no-untyped-def]
    place = 0
    while not word & np.uint64(0xFF):
        word >>= np.uint64(8)
        place += 8
    while not word & np.uint64(1):
        word >>= np.uint64(1)
        place += 1
    return place


@numba.njit(cache=True, nogil=True)
def _rank(candidates, friends, weights, weight, best, sequence, bounds):  # type: ignore[no-untyped-def]
    """List the candidates that may lead above `best`, by classes without two friends."""
    words = candidates.shape[0]
    left = candidates.copy()
    open_class = np.empty(words, np.uint64)
    count, total = 0, weight
    while True:
        empty = True
        for word in range(words):
            open_class[word] = left[word]
            if left[word]:
                empty = False
        if empty:
            return count
        # Items are sorted by weight, so the first of a class is its heaviest.
        is_first = True
        word = 0
        while word < words:
            if not open_class[word]:
                word += 1
                continue
            place = _lowest(open_class[word])
            item = 64 * word + place
            bit = np.uint64(1) << np.uint64(place)
            if is_first:
                total += weights[item]
                is_first = False
            left[word] &= ~bit
            open_class[word] &= ~bit
            for each in range(word, words):
                open_class[each] &= ~friends[item, each]
            if total > best:
                sequence[count] = item
                bounds[count] = total
                count += 1


@numba.njit(cache=True, nogil=True)
def _breaks(item, members, limits, lists, lengths, chosen):  # type: ignore[no-untyped-def]
    """Whether one more item is one too many for a constraint."""
    words = chosen.shape[0]
    for place in range(lengths[item]):
        constraint = lists[item, place]
        count = 1
        for word in range(words):
            common = members[constraint, word] & chosen[word]
            while common:
                common &= common - np.uint64(1)
                count += 1
        if count > limits[constraint]:
            return True
    return False


@numba.njit(cache=True, nogil=True)
def advance(  # type: ignore[no-untyped-def]
    state,
    candidates,
    friends,
    fitting,
    weights,
    path,
    heights,
    sequences,
    bounds,
    counts,
    chosen,
    members,
    limits,
    lists,
    lengths,
    nodes,
):
    """Go on until a set heavier than the best is found, `nodes` are visited, or none is left.

    Parameters
    ----------
    state : ndarray of int64
        Depth, weight of the best set, and whether the node at that depth is new.
    candidates : ndarray of uint64, shape (depths, words)
        Items that may yet join the set at each depth.
    friends : ndarray of uint64, shape (depths, items, words)
        Pairs of candidates that may join it together.
    fitting : ndarray of uint64, shape (items, items, words)
        Triples that no constraint forbids.
    weights : ndarray of int64, shape (items,)
        Descending.
    path, heights, sequences, bounds, counts : ndarray of int64
        By depth: the item chosen, the weight, the candidates in the sequence to try them from
        the end, what they may lead to, and how many are left.
    chosen : ndarray of uint64, shape (words,)
        The set.
    members, limits, lists, lengths
        Constraints of more than three items: their members as bits, how many may be in the set,
        and for each item in which of them it is.
    nodes : int
    """
    words = chosen.shape[0]
    one = np.uint64(1)
    depth = state[DEPTH]
    visited = 0
    while depth >= 0:
        if state[IS_NEW]:
            if visited >= nodes:
                state[DEPTH] = depth
                return PAUSED
            visited += 1
            state[IS_NEW] = 0
            counts[depth] = _rank(
                candidates[depth],
                friends[depth],
                weights,
                heights[depth],
                state[BEST],
                sequences[depth],
                bounds[depth],
            )
        if counts[depth] == 0 or bounds[depth, counts[depth] - 1] <= state[BEST]:
            depth -= 1
            if depth >= 0:
                last = path[depth]
                chosen[last >> 6] &= ~(one << np.uint64(last & 63))
            continue
        counts[depth] -= 1
        item = sequences[depth, counts[depth]]
        bit = one << np.uint64(item & 63)
        candidates[depth, item >> 6] &= ~bit
        if _breaks(item, members, limits, lists, lengths, chosen):
            continue
        path[depth] = item
        chosen[item >> 6] |= bit
        heights[depth + 1] = heights[depth] + weights[item]
        for word in range(words):
            left = candidates[depth, word] & friends[depth, item, word]
            candidates[depth + 1, word] = left
            while left:
                other = 64 * word + _lowest(left)
                left &= left - one
                for each in range(words):
                    friends[depth + 1, other, each] = (
                        friends[depth, other, each] & fitting[item, other, each]
                    )
        depth += 1
        state[IS_NEW] = 1
        if heights[depth] > state[BEST]:
            state[DEPTH] = depth
            return FOUND
    state[DEPTH] = -1
    return EXHAUSTED
