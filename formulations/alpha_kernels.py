"""Kernel: the alpha values of edges, from a minimum spanning tree (Helsgaun 2000).

Imports numba; import it where it is used.

References
----------
K. Helsgaun, "An effective implementation of the Lin-Kernighan traveling salesman heuristic",
European Journal of Operational Research 126 (2000) 106-130, DOI 10.1016/S0377-2217(99)00284-2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from formulations.compiled import entry
from formulations.nearness import distance, scramble

if TYPE_CHECKING:
    import numpy.typing as npt
    from numpy import int32, uint64

    from formulations.columns import IntArray, Metric
    from formulations.tree_kernels import Tree


@entry
def alpha_nearest(
    metric: Metric,
    potentials: IntArray,
    exponent: int,
    tree: Tree,
    first: int,
    last: int,
    seed: int,
    largest: IntArray,
    near: npt.NDArray[int32],
    alphas: IntArray,
    costs: IntArray,
    ranks: npt.NDArray[uint64],
) -> None:
    """Find, from each of some nodes, the edges that a minimum tree is least unwilling to take.

    The alpha value of an edge is by how much the cheapest spanning tree that has it is dearer
    than the cheapest of all: its reduced cost less that of the dearest tree edge between its ends.
    Of equal ones the cheaper edge is taken, and of those a random one.

    Parameters
    ----------
    tree : Tree
        Minimum, with the reduced costs of its edges.
    first, last : int
        The nodes ``order[first:last]`` of the tree are dealt with.
    largest : ndarray of int64, (nodes,)
        Scratch.
    near, alphas, costs : ndarray, (nodes, width)
        Receive the other ends, the best first (-1 where there are no more), and their values.
    ranks : ndarray of uint64, (width,)
        Scratch.
    """
    count, width = near.shape
    for number in range(first, last):
        node = tree.order[number]
        # The dearest edge on the way to each node: up to the root, then down.
        for other in range(count):
            largest[other] = -1 << 62
        upper, dearest = node, np.int64(-1 << 62)
        while tree.parent[upper] >= 0:
            dearest = max(dearest, tree.cost[upper])
            upper = tree.parent[upper]
            largest[upper] = dearest
        filled = 0
        salt = scramble(np.uint64(node) ^ (np.uint64(seed) << np.uint64(32)))
        for place in range(count):
            other = tree.order[place]
            if other == node:
                continue
            if largest[other] == -1 << 62:
                largest[other] = max(largest[tree.parent[other]], tree.cost[other])
            cost = distance(metric, node, other) << exponent
            cost -= potentials[node] + potentials[other]
            alpha = cost - largest[other]
            if filled == width and alpha > alphas[node, width - 1]:
                continue
            rank = scramble(salt ^ np.uint64(other))
            slot = filled
            while slot > 0 and (
                alphas[node, slot - 1] > alpha
                or (
                    alphas[node, slot - 1] == alpha
                    and (
                        costs[node, slot - 1] > cost
                        or (costs[node, slot - 1] == cost and ranks[slot - 1] > rank)
                    )
                )
            ):
                slot -= 1
            if slot == width:
                continue
            if filled < width:
                filled += 1
            for moved in range(filled - 1, slot, -1):
                near[node, moved] = near[node, moved - 1]
                alphas[node, moved] = alphas[node, moved - 1]
                costs[node, moved] = costs[node, moved - 1]
                ranks[moved] = ranks[moved - 1]
            near[node, slot] = other
            alphas[node, slot] = alpha
            costs[node, slot] = cost
            ranks[slot] = rank
        for slot in range(filled, width):
            near[node, slot] = -1
