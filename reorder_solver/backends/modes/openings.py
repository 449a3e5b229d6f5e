"""How much is left unspanned by many accesses that go on past a tensor's end.

Take them in the order of their openings, the last first. What the d-th one does not span is wanted
by none of the first d. So it is no more than the most that any d accesses leave unwanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reorder_solver.backends.modes.kernels import IntArray, compile_kernel
from reorder_solver.backends.modes.warm_up import kernels_ready

if TYPE_CHECKING:
    from reorder_solver.core.limits import Deadline

#: Steps of the search for the most that some accesses leave unwanted.
_MOST_STEPS = 30_000_000


@compile_kernel
def most_unwanted(unwanted: IntArray, weights: IntArray, size: int, known: int, budget: int) -> int:
    """The most that so many accesses leave unwanted, if that is more than `known`.

    Parameters
    ----------
    unwanted : ndarray of int64, shape (k, classes)
        1 where the access does not want the class.
    weights : ndarray of int64, shape (classes,)
    size : int
        Number of accesses, at least 1 and at most k.
    known : int
    budget : int
        Most sets to look at.

    Returns
    -------
    int
        -1 if the budget is spent.
    """
    count, classes = unwanted.shape
    left = np.zeros((size, classes), dtype=np.int64)
    left[0] = weights
    members = np.zeros((size, count), dtype=np.int64)
    totals = np.zeros((size, count), dtype=np.int64)
    lengths = np.zeros(size, dtype=np.int64)
    places = np.zeros(size, dtype=np.int64)
    for number in range(count):
        members[0, number] = number
        for each in range(classes):
            totals[0, number] += weights[each] * unwanted[number, each]
    lengths[0] = count
    depth = 0
    while depth >= 0:
        place = places[depth]
        if lengths[depth] - place < size - depth:
            depth -= 1
            continue
        places[depth] += 1
        if totals[depth, place] <= known:
            continue
        if depth == size - 1:
            known = totals[depth, place]
            continue
        budget -= 1
        if budget < 0:
            return -1
        after, chosen = depth + 1, members[depth, place]
        for each in range(classes):
            left[after, each] = left[depth, each] * unwanted[chosen, each]
        length = 0
        for later in range(place + 1, lengths[depth]):
            if totals[depth, later] <= known:
                continue
            number = members[depth, later]
            total = 0
            for each in range(classes):
                total += left[after, each] * unwanted[number, each]
            if total > known:
                members[after, length] = number
                totals[after, length] = total
                length += 1
        lengths[after] = length
        places[after] = 0
        depth = after
    return known


def _use_kernels() -> None:
    most_unwanted(np.ones((2, 1), dtype=np.int64), np.ones(1, dtype=np.int64), 2, 0, 9)


def most_unspanned(
    wants: npt.NDArray[np.bool_],
    sizes: IntArray,
    prices: IntArray,
    inner: npt.NDArray[np.bool_],
    deadline: Deadline,
) -> int | None:
    """At most so much less do accesses pay than for all that they do not want; None without time.

    However few of them there are in the end.

    Parameters
    ----------
    wants : ndarray of bool, shape (k, classes)
    sizes : ndarray of int64, shape (classes,)
    prices : ndarray of int64, shape (k,)
        Per unwanted position in the span.
    inner : ndarray of bool, shape (k,)
        Those that do not go on past the end. What follows their last wanted class is not spanned
        either.
    deadline : Deadline
    """
    if not kernels_ready("openings", _use_kernels, deadline):
        return None
    unwanted = (~wants).astype(np.int64)
    weights = sizes.astype(np.int64)
    total = _by_openings(unwanted, weights, prices, deadline)
    if not inner.any():
        return total
    total += _by_openings(unwanted[inner], weights, prices[inner], deadline)
    if (prices == prices[0]).all():
        # What comes before an opening and what follows a closing count once.
        common = (unwanted * weights) @ unwanted[inner].T
        single = unwanted @ weights
        either = single[:, None] + single[inner][None, :] - common
        twice = int(single.max() + single[inner].max())
        total -= int(prices[0]) * (twice - int(either.max()))
    return total


def _by_openings(
    unwanted: IntArray, weights: IntArray, prices: IntArray, deadline: Deadline
) -> int:
    budget = max(1, _MOST_STEPS // unwanted.size)
    greedy = _one_by_one(unwanted, weights)
    total, before = 0, int(weights.sum())
    for number, price in enumerate(np.sort(prices)[::-1].tolist()):
        # More accesses never leave more.
        if before > greedy[number] and not deadline.expired:
            found = int(most_unwanted(unwanted, weights, number + 1, greedy[number], budget))
            before = before if found < 0 else min(before, found)
        total += price * before
    return total


def _one_by_one(unwanted: IntArray, weights: IntArray) -> list[int]:
    """What is left unwanted by accesses that are chosen one after the other, the best first."""
    left, others, found = weights.copy(), list(range(unwanted.shape[0])), []
    while others:
        totals = unwanted[others] @ left
        best = int(totals.argmax())
        found.append(int(totals[best]))
        left = left * unwanted[others.pop(best)]
    return found
