"""Kernels for spans that share a position and one access that pays for its runs, compiled.

See :mod:`reorder_solver.backends.modes.chains`. Slots are numbered from left to right, the one in
which all covers are open in the middle.
"""

from __future__ import annotations

import numpy as np

from reorder_solver.backends.modes.kernels import INFINITY, IntArray, compile_kernel


@compile_kernel
def saved_by(
    visited: IntArray, apart: IntArray, left: IntArray, right: IntArray, totals: IntArray
) -> int:
    """What the classes of one signature save if they can lie in the slots visited.

    Parameters
    ----------
    visited : ndarray of int64, shape (2 * c + 1,)
        0 where not.
    apart, totals : ndarray of int64, shape (2^c,)
        Channels of the signature apart from every set; what all spans of the set cost.
    left, right : ndarray of int64, shape (c + 1,)
        Sets of covers not open, from the slot in the middle outwards.

    Returns
    -------
    int
        Negative if some class has no slot.
    """
    covers = left.size - 1
    i = j = 0
    while i <= covers and not visited[covers - i]:
        i += 1
    while j <= covers and not visited[covers + j]:
        j += 1
    level = saved = 0
    is_first = True
    while i <= covers or j <= covers:
        inside = top = 0
        if i <= covers:
            inside, top = apart[left[i]], totals[left[i]]
        if j <= covers:
            other = totals[right[j]]
            if i <= covers:
                inside += apart[right[j]] - apart[left[i] | right[j]]
                top = min(top, other)
            else:
                inside, top = apart[right[j]], other
        if is_first and inside < apart[0]:
            return -INFINITY
        is_first = False
        saved += inside * (top - level)
        level = top
        if i <= covers and totals[left[i]] == top:
            i += 1
            while i <= covers and not visited[covers - i]:
                i += 1
        if j <= covers and totals[right[j]] == top:
            j += 1
            while j <= covers and not visited[covers + j]:
                j += 1
    return -INFINITY if is_first else saved


@compile_kernel
def _count_visits(first: int, last: int, change: int, inside: IntArray, outside: IntArray) -> None:
    """Add a run from one slot to another, or take it away."""
    for slot in range(first, last + 1):
        inside[slot] += change
    for slot in range(first + 1, last):
        outside[slot] -= change


@compile_kernel
def _with_runs(
    runs: int,
    with_it: IntArray,
    without_it: IntArray,
    left: IntArray,
    right: IntArray,
    totals: IntArray,
    known: int,
) -> int:
    """The most that is saved with so many runs; `known` if that is no less."""
    slots = 2 * left.size - 1
    inside = np.zeros(slots, dtype=np.int64)
    outside = np.ones(slots, dtype=np.int64)
    firsts = np.zeros(runs, dtype=np.int64)
    lasts = np.full(runs, -1, dtype=np.int64)
    depth = 0
    while depth >= 0:
        first, last = firsts[depth], lasts[depth]
        if last >= first:
            _count_visits(first, last, -1, inside, outside)
        last += 1
        if last == slots:
            first += 1
            last = first
        if first == slots:
            depth -= 1
            continue
        firsts[depth], lasts[depth] = first, last
        _count_visits(first, last, 1, inside, outside)
        is_last = depth == runs - 1
        if not is_last:
            # No better than with all slots from here on.
            for slot in range(last, slots):
                inside[slot] += 1
        value = saved_by(inside, with_it, left, right, totals)
        if not is_last:
            for slot in range(last, slots):
                inside[slot] -= 1
        if value < 0:
            continue
        value += saved_by(outside, without_it, left, right, totals)
        if value <= known:
            continue
        if is_last:
            known = value
        else:
            depth += 1
            firsts[depth], lasts[depth] = last, last - 1
    return known


@compile_kernel
def bound_single(
    chains: IntArray,
    with_it: IntArray,
    without_it: IntArray,
    totals: IntArray,
    run: int,
    dearest: int,
    below: int,
    most_runs: int,
    is_least: bool,
    bounds: IntArray,
) -> None:
    """Per pair of orders, what spans and the runs of one access cost.

    Exact up to `below`, but for this: more than `most_runs` runs count as one more, with any slots
    visited.

    Parameters
    ----------
    chains : ndarray of int64, shape (n, 2 * covers)
    with_it, without_it : ndarray of int64, shape (2^c,)
        Channels apart from every set of covers, of those that the access wants and the others.
    totals : ndarray of int64, shape (2^c,)
    run : int
        Price of a run.
    dearest : int
        What all spans cost if nothing is saved.
    below, most_runs : int
    is_least : bool
        Only the least of all is of interest: each is exact up to that of those before.
    bounds : ndarray of int64, shape (n,)
        Filled.
    """
    covers = chains.shape[1] // 2
    left = np.zeros(covers + 1, dtype=np.int64)
    right = np.zeros(covers + 1, dtype=np.int64)
    everywhere = np.ones(2 * covers + 1, dtype=np.int64)
    lowest = below
    for number in range(chains.shape[0]):
        for place in range(covers):
            left[place + 1] = left[place] | 1 << chains[number, covers - 1 - place]
            right[place + 1] = right[place] | 1 << chains[number, covers + place]
        best = saved_by(everywhere, with_it, left, right, totals)
        best += saved_by(everywhere, without_it, left, right, totals)
        least = lowest
        # What is saved less what the runs cost: more than so much is of interest.
        for runs in range(1, most_runs + 1):
            paid = dearest + run * runs
            if paid - best >= least:
                break
            found = _with_runs(runs, with_it, without_it, left, right, totals, paid - least)
            least = min(least, paid - found)
        bounds[number] = min(least, dearest + run * (most_runs + 1) - best)
        if is_least:
            lowest = min(lowest, bounds[number])
