"""The 1-tree bound: a proven lower bound on tours where no linear programme fits.

A *1-tree* is a spanning tree on all nodes but one, and two edges at that one. Every tour is a
1-tree, so the cheapest 1-tree bounds all tours from below. Give every node ``v`` a potential
``pi[v]`` and take both ends' potentials from the length of every edge: that takes ``2 * sum(pi)``
from every tour and leaves their order as it is, but changes which 1-tree is cheapest. The best
potentials give the bound of the subtour programme (Held and Karp 1970); a subgradient ascent
(Held and Karp 1971) comes near it in time that grows hardly faster than the number of nodes, for
nearly all steps need only the short edges.

What is claimed rests on integers alone: the potentials are integers over ``2**exponent``, and the
cheapest 1-tree is grown anew over all edges.

References
----------
M. Held, R. M. Karp, "The traveling-salesman problem and minimum spanning trees", Operations
Research 18 (1970) 1138-1162, DOI 10.1287/opre.18.6.1138; part II, Mathematical Programming 1 (1971)
6-25, DOI 10.1007/BF01584070.

M. Held, P. Wolfe, H. P. Crowder, "Validation of subgradient optimization", Mathematical
Programming 6 (1974) 62-88, DOI 10.1007/BF01580223.

K. Helsgaun, "An effective implementation of the Lin-Kernighan traveling salesman heuristic",
European Journal of Operational Research 126 (2000) 106-130, DOI 10.1016/S0377-2217(99)00284-2.
"""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from formulations.ascent import (
    ROUNDS,
    SUM_BITS,
    Ascent,
    OneTreeBound,
    edge_lengths_along,
    exact_tree,
    round_up,
)
from formulations.columns import DISTANCE_LIMIT, IntArray, Metric, PackedColumns, metric
from formulations.neighbours import first_tour, in_pieces
from formulations.warm_up import is_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from formulations.tree_kernels import Tree

__all__ = [
    "DISTANCE_LIMIT",
    "OneTreeBound",
    "alpha_candidates",
    "check_potentials",
    "one_tree_bound",
]


def one_tree_bound(
    distances: npt.NDArray[np.integer] | PackedColumns,
    *,
    step: int = 1,
    tour: Sequence[int] | IntArray | None = None,
    target: int | None = None,
    rounds: int = ROUNDS,
    time_limit: float | None = None,
    seed: int = 0,
    threads: int = 1,
    report: Callable[[int], None] | None = None,
) -> OneTreeBound:
    """Bound the tours through all nodes from below.

    O(nodes squared) time per round; memory is linear in the nodes, beside the distances.

    Parameters
    ----------
    distances : ndarray of int, (nodes, nodes), or PackedColumns
        Symmetric; no triangle inequality is needed.
    step : int
        A divisor of the length of every tour.
    tour : sequence of int, optional
        A good tour: the better it is, the better the step lengths. Otherwise one is made.
    target : int, optional
        Stop as soon as the bound is this high (the length of a known tour).
    rounds : int
        Ascents, at most.
    time_limit : float, optional
        Wall-clock seconds from the call on. The bound proven by then is returned; it is 0, or
        negative with negative distances, if there was none.
    seed, threads : int
        Without a time limit reached, the answer depends on the seed, not on the threads.
    report : callable, optional
        Called with every better bound.

    Returns
    -------
    OneTreeBound
        With two nodes, the tour uses their edge twice; with fewer its length is 0.

    Raises
    ------
    ValueError
        If `distances` is no symmetric integer matrix or too large, `step` is not positive or
        `tour` no permutation.
    """
    end = inf if time_limit is None else time.perf_counter() + time_limit
    known = metric(distances)
    count = known.words.shape[0]
    if step < 1:
        raise ValueError(f"the step must be positive, not {step}")
    if tour is not None and sorted(int(node) for node in tour) != list(range(count)):
        raise ValueError(f"the tour is no permutation of {count} nodes")
    if count < 3:
        potentials = np.zeros(count, dtype=np.int64)
        numerator = _few_nodes(known)
        return OneTreeBound(round_up(numerator, 0, step), numerator, 0, potentials)
    search = Ascent(known, _largest(distances), step, target, end, seed, threads, report)
    if not kernels_ready(known, end):
        return search.best
    search.run(first_tour(known, end) if tour is None else np.asarray(tour, np.int64), rounds)
    return search.best


def check_potentials(
    distances: npt.NDArray[np.integer] | PackedColumns,
    potentials: IntArray,
    exponent: int,
    step: int = 1,
) -> int:
    """Work out, in integers, the bound on tours that potentials prove.

    O(nodes squared) time.

    Parameters
    ----------
    distances : ndarray of int, (nodes, nodes), or PackedColumns
    potentials : ndarray of int64, (nodes,)
        Times ``2**exponent``. Any that are not refused prove their bound.
    exponent : int
    step : int
        A divisor of the length of every tour, on the caller's word.

    Returns
    -------
    int
        No closed tour through all nodes is shorter.

    Raises
    ------
    ValueError
        If `distances` are not as in :func:`one_tree_bound`, or the potentials malformed or so
        large that their sums might leave 64 bits.
    """
    known = metric(distances)
    count = known.words.shape[0]
    if step < 1:
        raise ValueError(f"the step must be positive, not {step}")
    if potentials.shape != (count,) or potentials.dtype != np.int64:
        raise ValueError(f"{count} nodes need as many potentials, 64-bit integers")
    if not 0 <= exponent < SUM_BITS:
        raise ValueError(f"the exponent {exponent} is out of range")
    size = max(int(potentials.max(initial=0)), -int(potentials.min(initial=0)))
    if count * ((_largest(distances) << exponent) + 4 * size) >= 2**SUM_BITS:
        raise ValueError("the potentials are too large to be added up in 64 bits")
    if count < 3:
        return round_up(_few_nodes(known), 0, step)
    kernels_ready(known, inf)
    found = exact_tree(known, potentials, exponent, inf)
    assert found is not None
    return round_up(found[0], exponent, step)


def alpha_candidates(
    distances: npt.NDArray[np.integer] | PackedColumns,
    bound: OneTreeBound,
    width: int,
    *,
    seed: int = 0,
    threads: int = 1,
    time_limit: float | None = None,
) -> IntArray | None:
    """The edges most likely to be in a shortest tour, by alpha value (Helsgaun 2000).

    O(nodes squared) time, O(nodes times width) memory.

    Parameters
    ----------
    distances : ndarray of int, (nodes, nodes), or PackedColumns
    bound : OneTreeBound
        Of the same distances; the better it is, the better are the candidates.
    width : int
        Edges per node.
    seed, threads : int
        The answer depends on the seed (ties are broken at random), not on the threads.
    time_limit : float, optional
        Wall-clock seconds from the call on.

    Returns
    -------
    ndarray of int64, (nodes, width), or None
        The other ends, the most likely first; -1 where there are no more. None if time ran out.
    """
    end = inf if time_limit is None else time.perf_counter() + time_limit
    known = metric(distances)
    count = known.words.shape[0]
    if count < 3:
        near = np.full((count, width), -1, dtype=np.int64)
        near[:, :1] = np.arange(count)[::-1, None] if count == 2 else -1
        return near
    if not kernels_ready(known, end):
        return None
    found = exact_tree(known, bound.potentials, bound.exponent, end)
    if found is None:
        return None
    return _alpha_lists(known, bound, found[1], width, seed, threads, end)


def _alpha_lists(
    known: Metric,
    bound: OneTreeBound,
    tree: Tree,
    width: int,
    seed: int,
    threads: int,
    end: float,
) -> IntArray | None:
    from formulations.alpha_kernels import alpha_nearest

    count = known.words.shape[0]
    near = np.full((count, width), -1, dtype=np.int32)
    alphas, costs = np.zeros((2, count, width), dtype=np.int64)

    def step(first: int, last: int) -> None:
        largest = np.zeros(count, dtype=np.int64)
        ranks = np.zeros(width, dtype=np.uint64)
        alpha_nearest(
            known, bound.potentials, bound.exponent, tree, first, last, seed, largest, near,
            alphas, costs, ranks,
        )  # fmt: skip

    return near.astype(np.int64) if in_pieces(step, count, end, threads) else None


def kernels_ready(known: Metric, end: float) -> bool:
    """Wait for the kernels for such a matrix to be compiled; False if time ran out first."""
    kind = known.matrix.dtype

    def work() -> None:
        matrix = np.arange(16, dtype=kind).reshape(4, 4)
        small = metric(matrix + matrix.T)._replace(matrix=matrix + matrix.T)
        search = Ascent(small, 30, 1, None, inf, 0, 1, None)
        search.run(first_tour(small), 2)
        tree = exact_tree(small, search.best.potentials, search.best.exponent, inf)
        assert tree is not None
        _alpha_lists(small, search.best, tree[1], 2, 0, 1, inf)

    return is_ready(f"trees, {kind}", work, end)


def _few_nodes(known: Metric) -> int:
    """Length of the tour through at most two nodes."""
    if known.words.shape[0] < 2:
        return 0
    return int(edge_lengths_along(known, np.array([0, 1], dtype=np.int64)).sum())


def _largest(distances: npt.NDArray[np.integer] | PackedColumns) -> int:
    """A bound on the absolute values of the distances."""
    if isinstance(distances, PackedColumns):
        return distances.largest
    return max(int(distances.max(initial=0)), -int(distances.min(initial=0)))
