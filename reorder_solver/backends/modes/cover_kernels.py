"""Kernels for one cover, compiled. See :mod:`reorder_solver.backends.modes.single_cover`."""

from __future__ import annotations

from reorder_solver.backends.modes.kernels import INFINITY, IntArray, compile_kernel


@compile_kernel
def fill_ways(steps: IntArray, start: int, allowed: int, ways: IntArray) -> None:
    """Cheapest ways from `start` through exactly the set ``s`` to ``e``, in ``ways[s, e]``.

    Only sets within `allowed` are filled; all others are INFINITY.
    """
    count = steps.shape[0]
    ways[:] = INFINITY
    for node in range(count):
        if allowed >> node & 1:
            ways[1 << node, node] = steps[start, node]
    for visited in range(1, 1 << count):
        if visited & ~allowed:
            continue
        for last in range(count):
            cost = ways[visited, last]
            if cost >= INFINITY:
                continue
            for node in range(count):
                if allowed >> node & 1 and not visited >> node & 1:
                    after = visited | 1 << node
                    ways[after, node] = min(ways[after, node], cost + steps[last, node])


@compile_kernel
def fill_left(ways: IntArray, middle: IntArray, left: IntArray, least: IntArray) -> None:
    """Outside, then the set ``s``, then the cover, to ``e``; and the least over ``e``."""
    count = middle.shape[0]
    for visited in range(ways.shape[0]):
        least[visited] = INFINITY
        for end in range(count):
            best = middle[0, end] if visited == 0 else INFINITY
            for last in range(count):
                if visited >> last & 1 and ways[visited, last] < INFINITY:
                    best = min(best, ways[visited, last] + middle[last, end])
            left[visited, end] = best
            least[visited] = min(least[visited], best)


@compile_kernel
def fill_right(ways: IntArray, steps: IntArray, right: IntArray, least: IntArray) -> None:
    """From ``e`` through the set ``s`` to the outside; and the least over ``e``."""
    count = steps.shape[0]
    for visited in range(ways.shape[0]):
        least[visited] = INFINITY
        for begin in range(count):
            best = steps[begin, 0] if visited == 0 else INFINITY
            for first in range(count):
                if visited >> first & 1 and ways[visited, first] < INFINITY:
                    best = min(best, steps[begin, first] + ways[visited, first])
            right[visited, begin] = best
            least[visited] = min(least[visited], best)


@compile_kernel
def combine(
    left: IntArray,
    least_left: IntArray,
    right: IntArray,
    least_right: IntArray,
    charges: IntArray,
    unwanted: int,
    forced: int,
    optional: int,
    below: int,
    answer: IntArray,
) -> int:
    """The cheapest division of the unwanted signatures into left, covered and right.

    Parameters
    ----------
    left, least_left, right, least_right : ndarray of int64
        See :func:`fill_left` and :func:`fill_right`.
    charges : ndarray of int64, shape (signatures,)
        What a covered signature costs.
    unwanted, forced, optional : int
        Sets: all to divide; those covered in any case; those that may be covered as well.
    below : int
        Only what costs less counts.
    answer : ndarray of int64, shape (3,)
        Filled: the sets on the left and on the right, and where the cover ends.

    Returns
    -------
    int
        The cost, `below` if there is nothing cheaper.
    """
    best = below
    more = optional
    while True:
        covered = forced | more
        charge = 0
        for node in range(charges.size):
            if covered >> node & 1:
                charge += charges[node]
        if charge < best:
            rest = unwanted & ~covered
            first = rest
            while True:
                second = rest & ~first
                if charge + least_left[first] + least_right[second] < best:
                    for end in range(charges.size):
                        cost = charge + left[first, end] + right[second, end]
                        if cost < best:
                            best = cost
                            answer[0] = first
                            answer[1] = second
                            answer[2] = end
                if first == 0:
                    break
                first = (first - 1) & rest
        if more == 0:
            break
        more = (more - 1) & optional
    return best
