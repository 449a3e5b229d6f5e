"""Kernels: minimum spanning trees under potentials, and the ascent that improves the potentials.

All numbers are integers, ``2**exponent`` times what they stand for. Imports numba; import it where
it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from formulations.compiled import entry, inlined, kernel
from formulations.nearness import distance

if TYPE_CHECKING:
    import numpy.typing as npt
    from numpy import int32

    from formulations.columns import IntArray, Metric


class Sparse(NamedTuple):
    """A graph: the edges of node ``v`` are ``heads[starts[v]:starts[v + 1]]``.

    Attributes
    ----------
    starts : ndarray of int64, (nodes + 1,)
    heads : ndarray of int32, (2 * edges,)
        Both ways.
    lengths : ndarray of int64, (2 * edges,)
        Times ``2**exponent``.
    """

    starts: IntArray
    heads: npt.NDArray[int32]
    lengths: IntArray


class Tree(NamedTuple):
    """A spanning tree, and what growing it takes.

    Attributes
    ----------
    parent : ndarray of int32, (nodes,)
        -1 at the root.
    order : ndarray of int32, (nodes,)
        Every node after its parent.
    cost : ndarray of int64, (nodes,)
        Reduced cost of the edge to the parent; 0 at the root.
    degree : ndarray of int64, (nodes,)
    heap, place : ndarray of int32, (nodes,)
        Scratch.
    """

    parent: npt.NDArray[int32]
    order: npt.NDArray[int32]
    cost: IntArray
    degree: IntArray
    heap: npt.NDArray[int32]
    place: npt.NDArray[int32]


@inlined
def sift_up(tree: Tree, slot: int) -> None:
    """Move an element of the heap to its place among its ancestors."""
    node = tree.heap[slot]
    cost = tree.cost[node]
    while slot > 0:
        above = (slot - 1) >> 2
        other = tree.heap[above]
        if tree.cost[other] <= cost:
            break
        tree.heap[slot] = other
        tree.place[other] = slot
        slot = above
    tree.heap[slot] = node
    tree.place[node] = slot


@inlined
def sift_down(tree: Tree, size: int) -> None:
    """Move the root of the heap to its place among its descendants."""
    slot = 0
    node = tree.heap[0]
    cost = tree.cost[node]
    while 4 * slot + 1 < size:
        child = 4 * slot + 1
        for other in range(4 * slot + 2, min(size, 4 * slot + 5)):
            if tree.cost[tree.heap[other]] < tree.cost[tree.heap[child]]:
                child = other
        below = tree.heap[child]
        if tree.cost[below] >= cost:
            break
        tree.heap[slot] = below
        tree.place[below] = slot
        slot = child
    tree.heap[slot] = node
    tree.place[node] = slot


@entry
def grow(graph: Sparse, potentials: IntArray, tree: Tree) -> int:
    """Grow a minimum spanning tree of a connected graph (Prim 1957); return its cost."""
    count = potentials.size
    for node in range(count):
        tree.place[node] = -1
        tree.degree[node] = 0
    tree.heap[0] = 0
    tree.place[0] = 0
    tree.parent[0] = -1
    tree.cost[0] = 0
    size, done = 1, 0
    total = 0
    while size > 0:
        node = tree.heap[0]
        tree.place[node] = -2
        size -= 1
        if size > 0:
            tree.heap[0] = tree.heap[size]
            sift_down(tree, size)
        tree.order[done] = node
        done += 1
        total += tree.cost[node]
        if tree.parent[node] >= 0:
            tree.degree[node] += 1
            tree.degree[tree.parent[node]] += 1
        own = potentials[node]
        for edge in range(graph.starts[node], graph.starts[node + 1]):
            other = graph.heads[edge]
            if tree.place[other] == -2:
                continue
            cost = graph.lengths[edge] - own - potentials[other]
            if tree.place[other] == -1:
                tree.heap[size] = other
                tree.cost[other] = cost
                tree.parent[other] = node
                size += 1
                sift_up(tree, size - 1)
            elif cost < tree.cost[other]:
                tree.cost[other] = cost
                tree.parent[other] = node
                sift_up(tree, tree.place[other])
    return int(total)


@kernel
def second_edge(graph: Sparse, potentials: IntArray, tree: Tree, best: IntArray) -> int:
    """Find the leaf whose second shortest edge is longest.

    A leaf's edge in a minimum spanning tree is its shortest, and without it the tree is one of
    the other nodes; so with the second edge it is a minimum 1-tree.

    Returns
    -------
    int
        The second edge's reduced cost; `best` receives the leaf and the other end.
    """
    most = np.int64(-(2**62))
    best[0] = -1
    for node in range(potentials.size):
        if tree.degree[node] != 1:
            continue
        one, two = np.int64(2**62), np.int64(2**62)
        for edge in range(graph.starts[node], graph.starts[node + 1]):
            other = graph.heads[edge]
            cost = graph.lengths[edge] - potentials[node] - potentials[other]
            if cost < one:
                two = one
                one = cost
            elif cost < two:
                two = cost
        if two < 2**62 and two > most:
            most = two
            best[0] = node
    if best[0] < 0:
        return 0
    # Which edge that is: the shortest but that of the tree.
    node = best[0]
    least = np.int64(2**62)
    for edge in range(graph.starts[node], graph.starts[node + 1]):
        other = graph.heads[edge]
        if tree.parent[node] == other or tree.parent[other] == node:
            continue
        cost = graph.lengths[edge] - potentials[node] - potentials[other]
        if cost < least:
            least = cost
            best[1] = other
    return int(least)


@entry
def ascend(
    graph: Sparse,
    potentials: IntArray,
    best: IntArray,
    tree: Tree,
    before: IntArray,
    control: IntArray,
    rates: npt.NDArray[np.float64],
    limit: int,
    iterations: int,
) -> None:
    """Take steps along subgradients: from nodes of degree over two to those of one.

    The step length is that of Polyak for a known tour, times a rate that is halved when
    the bound has not risen for some while (Held, Wolfe, Crowder 1974); the direction has a part
    of the last one (Volgenant, Jonker 1982).

    Parameters
    ----------
    potentials, best : ndarray of int64, (nodes,)
        The current ones, and those of the best bound.
    before : ndarray of int64, (nodes,)
        The last direction.
    control : ndarray of int64, (6,)
        Best bound, length of a tour, iterations without gain, patience, and the second edge.
    rates : ndarray of float64, (1,)
        The rate.
    limit : int
        Potentials stay between this and its opposite.
    """
    count = potentials.size
    for _ in range(iterations):
        total = grow(graph, potentials, tree)
        total += second_edge(graph, potentials, tree, control[4:])
        leaf, end = control[4], control[5]
        for node in range(count):
            total += 2 * potentials[node]
        if total > control[0]:
            if total - control[0] > (control[1] - control[0]) >> 6:
                control[2] = 0
            control[0] = total
            for node in range(count):
                best[node] = potentials[node]
        control[2] += 1
        if control[2] > control[3]:
            control[2] = 0
            rates[0] *= 0.5
            for node in range(count):
                potentials[node] = best[node]
                before[node] = 0
            continue
        if leaf >= 0:
            tree.degree[leaf] += 1
            tree.degree[end] += 1
        norm = np.int64(0)
        for node in range(count):
            norm += (tree.degree[node] - 2) ** 2
        if norm == 0 or total >= control[1]:
            return
        step = rates[0] * (control[1] - total) / norm
        for node in range(count):
            way = 2 - tree.degree[node]
            moved = potentials[node] + np.int64(np.rint(step * (0.7 * way + 0.3 * before[node])))
            potentials[node] = min(limit, max(-limit, moved))
            before[node] = way


@entry
def grow_complete(
    metric: Metric,
    potentials: IntArray,
    exponent: int,
    left: npt.NDArray[int32],
    tree: Tree,
    control: IntArray,
    work: int,
) -> bool:
    """Grow a minimum spanning tree of the complete graph, by about `work` edges looked at.

    Parameters
    ----------
    left : ndarray of int32, (nodes,)
        The nodes outside the tree come first; at first, all but node 0.
    control : ndarray of int64, (4,)
        How many those are, the node that came last, the cost so far, and the nodes inside.
        At first ``(nodes - 1, 0, 0, 1)``, with ``tree.cost`` at ``2**62`` but for 0 at node 0,
        ``tree.order[0]`` zero and ``tree.parent`` -1.

    Returns
    -------
    bool
        Whether the tree is complete.
    """
    size, node = control[0], control[1]
    while size > 0 and work > 0:
        work -= size
        best, least = 0, np.int64(2**62)
        own = potentials[node]
        for slot in range(size):
            other = left[slot]
            cost = distance(metric, node, other) << exponent
            cost -= own + potentials[other]
            if cost < tree.cost[other]:
                tree.cost[other] = cost
                tree.parent[other] = node
            else:
                cost = tree.cost[other]
            if cost < least:
                best, least = slot, cost
        node = left[best]
        size -= 1
        left[best] = left[size]
        control[2] += least
        tree.order[control[3]] = node
        control[3] += 1
        tree.degree[node] += 1
        tree.degree[tree.parent[node]] += 1
    control[0] = size
    control[1] = node
    return bool(size == 0)


@entry
def two_shortest(
    metric: Metric, potentials: IntArray, exponent: int, node: int, found: IntArray
) -> None:
    """Put the reduced costs of a node's two shortest edges, then their ends, into `found`."""
    found[0], found[1], found[2], found[3] = 2**62, 2**62, -1, -1
    for other in range(potentials.size):
        if other == node:
            continue
        cost = distance(metric, node, other) << exponent
        cost -= potentials[node] + potentials[other]
        if cost < found[0]:
            found[1], found[3] = found[0], found[2]
            found[0], found[2] = cost, other
        elif cost < found[1]:
            found[1], found[3] = cost, other
