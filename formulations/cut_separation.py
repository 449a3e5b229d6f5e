"""Violated subtour cuts of a fractional tour.

A tour crosses the border of every proper, nonempty set of nodes at least twice. Given values of
the edges, sets whose border carries less than two are searched for: the components of the support
first; where it is connected, minimum cuts. A search runs in phases. Each puts the nodes in a
maximum adjacency order, whose last node and prefixes are candidate sets, and then merges nodes
that no cut below two separates, the last two among them (Stoer and Wagner 1997; merging the
others as well is due to Nagamochi, Ono and Ibaraki 1994). Nodes that an edge of value one joins
are merged from the start (Padberg and Rinaldi 1990).

References
----------
M. Stoer, F. Wagner, "A simple min-cut algorithm", Journal of the ACM 44 (1997) 585-591,
DOI 10.1145/263867.263872.

H. Nagamochi, T. Ono, T. Ibaraki, "Implementing an efficient minimum capacity cut algorithm",
Mathematical Programming 67 (1994) 325-341, DOI 10.1007/BF01582226.

M. Padberg, G. Rinaldi, "An efficient algorithm for the minimum capacity cut problem",
Mathematical Programming 47 (1990) 19-36, DOI 10.1007/BF01580850.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

#: By how much less than two a border must carry to count as violated.
VIOLATION = 1e-5
# Values that differ by less are the same to the simplex method.
_NOISE = 1e-9


def violated_cuts(n_nodes: int, tails: IntArray, heads: IntArray, values: FloatArray) -> BoolArray:
    """Find sets of nodes whose border carries less than two.

    Parameters
    ----------
    n_nodes : int
    tails, heads : ndarray of int64
        The ends of every edge.
    values : ndarray of float64
        What every edge carries.

    Returns
    -------
    ndarray of bool, (sets, nodes)
        Different proper nonempty sets, none of them with node 0 (a set and its complement have
        the same border). Empty only if no border carries clearly less than two.
    """
    kept = values > _NOISE
    tails, heads, values = tails[kept], heads[kept], values[kept]
    count, labels = _components(n_nodes, tails, heads)
    if count > 1:
        members = labels[None, :] == np.arange(count)[:, None]
    else:
        is_one = values >= 1.0 - _NOISE
        count, labels = _components(n_nodes, tails[is_one], heads[is_one])
        capacities = np.zeros((count, count))
        np.add.at(capacities, (labels[tails], labels[heads]), values)
        members = _cuts_below_two(capacities + capacities.T)[:, labels]
    members = members ^ members[:, :1]
    proper = members[members.any(axis=1)]
    return np.unique(proper, axis=0)


def _components(n_nodes: int, tails: IntArray, heads: IntArray) -> tuple[int, IntArray]:
    # scipy takes longer to import than a small problem to solve; not at module level.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(tails.size), (tails, heads)), shape=(n_nodes, n_nodes))
    count, labels = connected_components(graph, directed=False)
    return int(count), labels.astype(np.int64)


def _cuts_below_two(capacities: FloatArray) -> BoolArray:
    """Sets with a border below two, one a row; at least one if there are any."""
    limit = 2.0 - VIOLATION
    labels = np.arange(capacities.shape[0])
    found: list[BoolArray] = []
    np.fill_diagonal(capacities, 0.0)
    while capacities.shape[0] > 1:
        degrees = capacities.sum(axis=1)
        found.extend(labels == node for node in np.flatnonzero(degrees < limit))
        order, attached = _adjacency_order(capacities)
        borders = np.cumsum(degrees[order] - 2.0 * attached)
        # Neighbouring prefixes make all but the same cut; the last one is everything.
        is_dip = (borders[1:-1] <= borders[:-2]) & (borders[1:-1] < borders[2:])
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        found.extend(
            place[labels] <= last for last in np.flatnonzero(is_dip & (borders[1:-1] < limit)) + 1
        )
        is_joined = attached >= 2.0 - _NOISE
        is_joined[-1] = True
        is_joined[0] = False
        firsts = np.flatnonzero(~is_joined)
        merged = np.empty_like(order)
        merged[order] = np.cumsum(~is_joined) - 1
        capacities = np.add.reduceat(capacities[np.ix_(order, order)], firsts, axis=0)
        capacities = np.add.reduceat(capacities, firsts, axis=1)
        np.fill_diagonal(capacities, 0.0)
        labels = merged[labels]
    return np.array(found, dtype=np.bool_).reshape(len(found), labels.size)


def _adjacency_order(capacities: FloatArray) -> tuple[IntArray, FloatArray]:
    """Put next, always, the node with the largest capacity to those before; and that capacity."""
    count = capacities.shape[0]
    order = np.empty(count, dtype=np.int64)
    attached = np.empty(count)
    reach = np.zeros(count)
    for place in range(count):
        node = int(reach.argmax())
        order[place], attached[place] = node, reach[node]
        reach += capacities[node]
        reach[node] = -np.inf
    return order, attached
