"""Kernels on distances: one distance, and the nearest of every node.

Imports numba; import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from formulations.compiled import entry, inlined, popcount

if TYPE_CHECKING:
    import numpy.typing as npt

    from formulations.columns import IntArray, Metric


@inlined
def distance(metric: Metric, one: int, other: int) -> int:
    """Length of the edge between two nodes."""
    if metric.words.shape[1] == 0:
        return int(metric.matrix[one, other])
    total = 0
    for word in range(metric.words.shape[1]):
        differing = metric.words[one, word] ^ metric.words[other, word]
        total += metric.weights[word] * popcount(differing)
    return int(total)


@inlined
def scramble(number: np.uint64) -> np.uint64:
    """A well-mixed function of 64 bits (Steele, Lea, Flood 2014, DOI 10.1145/2660193.2660195)."""
    number = np.uint64(number + np.uint64(0x9E3779B97F4A7C15))
    number = np.uint64((number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    number = np.uint64((number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    return np.uint64(number ^ (number >> np.uint64(31)))


@entry
def nearest(
    metric: Metric,
    shift: IntArray,
    exponent: int,
    first: int,
    last: int,
    seed: int,
    near: npt.NDArray[np.int32],
    costs: IntArray,
    ranks: npt.NDArray[np.uint64],
) -> None:
    """Find the nodes of smallest reduced cost from each of the nodes `first` to `last` - 1.

    The reduced cost of an edge is its length times ``2**exponent`` less `shift` at both ends.
    Equal ones are told apart by a random number, or all nodes would share the same few.

    Parameters
    ----------
    near : ndarray of int32, (nodes, width)
        Receives the nodes, the nearest first; -1 where there are no more.
    costs : ndarray of int64, (nodes, width)
        Receives the reduced costs.
    ranks : ndarray of uint64, (width,)
        Scratch.
    """
    count, width = near.shape
    for node in range(first, last):
        filled = 0
        salt = scramble(np.uint64(node) ^ (np.uint64(seed) << np.uint64(32)))
        for other in range(count):
            if other == node:
                continue
            cost = (distance(metric, node, other) << exponent) - shift[node] - shift[other]
            if filled == width and cost > costs[node, width - 1]:
                continue
            rank = scramble(salt ^ np.uint64(other))
            if filled < width:
                filled += 1
            elif cost == costs[node, width - 1] and rank >= ranks[width - 1]:
                continue
            slot = filled - 1
            while slot > 0 and (
                costs[node, slot - 1] > cost
                or (costs[node, slot - 1] == cost and ranks[slot - 1] > rank)
            ):
                near[node, slot] = near[node, slot - 1]
                costs[node, slot] = costs[node, slot - 1]
                ranks[slot] = ranks[slot - 1]
                slot -= 1
            near[node, slot] = other
            costs[node, slot] = cost
            ranks[slot] = rank
        for slot in range(filled, width):
            near[node, slot] = -1


@entry
def edge_lengths(metric: Metric, near: npt.NDArray[np.int32], lengths: IntArray) -> None:
    """Fill in the length of the edge from every node to each in its row of `near`."""
    for node in range(near.shape[0]):
        for slot in range(near.shape[1]):
            if near[node, slot] >= 0:
                lengths[node, slot] = distance(metric, node, near[node, slot])


@entry
def nearest_neighbour(
    metric: Metric, left: npt.NDArray[np.int32], tour: IntArray, control: IntArray, work: int
) -> bool:
    """Go on to the nearest node left, from the last of `tour`, by about `work` edges looked at.

    Parameters
    ----------
    left : ndarray of int32, (nodes,)
        The nodes not yet visited come first.
    control : ndarray of int64, (1,)
        How many those are.

    Returns
    -------
    bool
        Whether the tour is complete.
    """
    size = control[0]
    while size > 0 and work > 0:
        work -= size
        node = tour[tour.size - size - 1]
        best, least = 0, 2**62
        for slot in range(size):
            length = distance(metric, node, left[slot])
            if length < least:
                best, least = slot, length
        tour[tour.size - size] = left[best]
        size -= 1
        left[best] = left[size]
    control[0] = size
    return bool(size == 0)


@entry
def pair_lengths(metric: Metric, tails: IntArray, heads: IntArray, lengths: IntArray) -> None:
    """Fill in the length of the edge between each of `tails` and its one of `heads`."""
    for edge in range(tails.size):
        lengths[edge] = distance(metric, tails[edge], heads[edge])
