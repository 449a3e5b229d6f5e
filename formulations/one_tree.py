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
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from formulations.columns import DISTANCE_LIMIT, IntArray, Metric, PackedColumns, metric
from formulations.neighbours import PIECE, first_tour, in_pieces, nearest_nodes
from formulations.warm_up import is_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from formulations.tree_kernels import Sparse, Tree

__all__ = [
    "DISTANCE_LIMIT",
    "OneTreeBound",
    "alpha_candidates",
    "check_potentials",
    "one_tree_bound",
]

#: Short edges per node in the graph of the ascent.
_NEIGHBOURS = 10
#: Potentials are integers over two to this power at most.
_EXPONENT = 10
#: Sums stay below two to this power.
_SUM_BITS = 61
#: Subgradient steps on one graph, and those without gain before the step length is halved.
_STEPS, _PATIENCE = 100, 20
#: Step lengths below this, in parts of the longest, change nothing.
_LEAST_RATE = 2.0**-12
#: Step lengths are those for a tour longer by this part.
_SLACK = 16
#: Graphs: the edges of small reduced cost change as the potentials do.
_ROUNDS = 6
#: Leaves of the tree whose second edge is looked for among all edges.
_LEAVES = 16


@dataclass(frozen=True, slots=True, eq=False)
class OneTreeBound:
    """A proven lower bound on all tours, and the potentials that prove it.

    Attributes
    ----------
    bound : int
        No tour is shorter; a multiple of the step.
    numerator, exponent : int
        The same before rounding: ``numerator / 2**exponent``.
    potentials : ndarray of int64, (nodes,)
        Times ``2**exponent``; :func:`check_potentials` returns `bound` for them.
    rounds : int
        Ascents, each on a graph of its own.
    """

    bound: int
    numerator: int
    exponent: int
    potentials: IntArray
    rounds: int = 0


def one_tree_bound(
    distances: npt.NDArray[np.integer] | PackedColumns,
    *,
    step: int = 1,
    tour: Sequence[int] | IntArray | None = None,
    target: int | None = None,
    rounds: int = _ROUNDS,
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
        return OneTreeBound(_round_up(numerator, 0, step), numerator, 0, potentials)
    search = _Ascent(known, _largest(distances), step, target, end, seed, threads, report)
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
    if not 0 <= exponent < _SUM_BITS:
        raise ValueError(f"the exponent {exponent} is out of range")
    size = max(int(potentials.max(initial=0)), -int(potentials.min(initial=0)))
    if count * ((_largest(distances) << exponent) + 4 * size) >= 2**_SUM_BITS:
        raise ValueError("the potentials are too large to be added up in 64 bits")
    if count < 3:
        return _round_up(_few_nodes(known), 0, step)
    kernels_ready(known, inf)
    found = exact_tree(known, potentials, exponent, inf)
    assert found is not None
    return _round_up(found[0], exponent, step)


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
    from formulations.tree_kernels import alpha_nearest

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
        search = _Ascent(small, 30, 1, None, inf, 0, 1, None)
        search.run(first_tour(small), 2)
        tree = exact_tree(small, search.best.potentials, search.best.exponent, inf)
        assert tree is not None
        _alpha_lists(small, search.best, tree[1], 2, 0, 1, inf)

    return is_ready(f"trees, {kind}", work, end)


def exact_tree(
    known: Metric, potentials: IntArray, exponent: int, end: float
) -> tuple[int, Tree, tuple[int, int]] | None:
    """Grow the cheapest 1-tree of the complete graph.

    Returns
    -------
    numerator : int
        The bound, times ``2**exponent``.
    tree : Tree
        The spanning tree within it.
    edge : (int, int)
        The further edge: a leaf of the tree, and the node that its second shortest edge leads to.

    None if time ran out.
    """
    from formulations.tree_kernels import grow_complete, two_shortest

    count = potentials.size
    tree = new_tree(count)
    tree.parent[:] = -1
    tree.cost[1:] = 2**62
    left = np.roll(np.arange(count, dtype=np.int32), -1)
    control = np.array([count - 1, 0, 0, 1], dtype=np.int64)
    while not grow_complete(known, potentials, exponent, left, tree, control, PIECE):
        if time.perf_counter() >= end:
            return None
    # The leaf whose second edge is dearest makes the best 1-tree; dear tree edges hint at it.
    leaves = np.flatnonzero(tree.degree == 1)
    if leaves.size > _LEAVES:
        own = tree.cost[leaves]
        leaves = leaves[np.argpartition(own, leaves.size - _LEAVES)[-_LEAVES:]]
    most, edge = -(2**62), (0, 0)
    found = np.zeros(4, dtype=np.int64)
    for leaf in leaves.tolist():
        two_shortest(known, potentials, exponent, leaf, found)
        if found[1] > most:
            most, edge = int(found[1]), (leaf, int(found[3]))
    total = int(control[2]) + most + 2 * sum(potentials.tolist())
    return total, tree, edge


class _Ascent:
    """The rounds, and the best bound so far."""

    def __init__(
        self,
        known: Metric,
        largest: int,
        step: int,
        target: int | None,
        end: float,
        seed: int,
        threads: int,
        report: Callable[[int], None] | None,
    ) -> None:
        self._known = known
        self._count = known.words.shape[0]
        bits = (16 * self._count * max(1, largest)).bit_length()
        self._exponent = max(0, min(_EXPONENT, _SUM_BITS - bits))
        self._limit = 2 * largest << self._exponent
        self._step = step
        self._target = target
        self._end = end
        self._seed = seed
        self._threads = threads
        self._report = report
        zeros = np.zeros(self._count, dtype=np.int64)
        least = min(0, int(known.matrix.min())) * self._count << self._exponent
        self.best = OneTreeBound(
            _round_up(least, self._exponent, step), least, self._exponent, zeros
        )

    @property
    def is_over(self) -> bool:
        """Whether the target is reached or the time spent."""
        reached = self._target is not None and self.best.bound >= self._target
        return reached or time.perf_counter() >= self._end

    def run(self, tour: IntArray, rounds: int) -> None:
        """Ascend on graph after graph, until that gains nothing or the search is over."""
        lengths = edge_lengths_along(self._known, tour)
        # Step lengths that would be right for so good a tour as may be given gain less.
        length = int(lengths.sum()) * (_SLACK + 1) // _SLACK << self._exponent
        extra = _keys(self._count, tour, np.roll(tour, -1))
        potentials = self._first_potentials()
        for number in range(rounds):
            graph = None if potentials is None else self._graph(potentials, extra)
            if graph is None or potentials is None:
                return
            potentials = self._ascend(graph, potentials, length, 0.5**number)
            before = self.best.numerator
            tree = self._prove(potentials, number + 1)
            if tree is None or self.is_over:
                return
            if self.best.numerator == before and number >= _ROUNDS // 2:
                return
            ends = np.flatnonzero(tree.parent >= 0)
            extra = np.union1d(extra, _keys(self._count, ends, tree.parent[ends].astype(np.int64)))

    def _first_potentials(self) -> IntArray | None:
        """Half of how far away its two nearest are, on average."""
        from formulations.nearness import edge_lengths

        near = nearest_nodes(self._known, 2, seed=self._seed, end=self._end, threads=self._threads)
        if near is None:
            return None
        lengths = np.zeros(near.shape, dtype=np.int64)
        edge_lengths(self._known, near, lengths)
        potentials: IntArray = (lengths.sum(axis=1) << self._exponent) // 4
        return potentials

    def _graph(self, potentials: IntArray, extra: IntArray) -> Sparse | None:
        """The edges of small reduced cost from every node, and some more."""
        from formulations.nearness import pair_lengths
        from formulations.tree_kernels import Sparse

        near = nearest_nodes(
            self._known,
            min(_NEIGHBOURS, self._count - 1),
            shift=potentials,
            exponent=self._exponent,
            seed=self._seed,
            end=self._end,
            threads=self._threads,
        )
        if near is None:
            return None
        tails = np.repeat(np.arange(self._count), near.shape[1])
        keys = np.union1d(extra, _keys(self._count, tails, near.ravel().astype(np.int64)))
        tails, heads = np.divmod(keys, self._count)
        lengths = np.zeros(keys.size, dtype=np.int64)
        pair_lengths(self._known, tails, heads, lengths)
        tails, heads = np.concatenate([tails, heads]), np.concatenate([heads, tails])
        order = np.argsort(tails, kind="stable")
        starts = np.searchsorted(tails[order], np.arange(self._count + 1)).astype(np.int64)
        lengths = np.tile(lengths, 2)[order] << self._exponent
        return Sparse(starts, heads[order].astype(np.int32), lengths)

    def _ascend(self, graph: Sparse, potentials: IntArray, length: int, rate: float) -> IntArray:
        """Improve the potentials on a sparse graph."""
        from formulations.tree_kernels import ascend

        current, best = potentials.copy(), potentials.copy()
        before = np.zeros(self._count, dtype=np.int64)
        control = np.array([-(2**62), length, 0, _PATIENCE, 0, 0], dtype=np.int64)
        rates = np.array([rate])
        tree = new_tree(self._count)
        left = _STEPS
        at_once = max(1, PIECE // graph.heads.size)
        while left > 0 and rates[0] > _LEAST_RATE and time.perf_counter() < self._end:
            steps = min(left, at_once)
            ascend(graph, current, best, tree, before, control, rates, self._limit, steps)
            left -= steps
        return best

    def _prove(self, potentials: IntArray, rounds: int) -> Tree | None:
        """Work out the bound over all edges, and keep it if it is better."""
        found = exact_tree(self._known, potentials, self._exponent, self._end)
        if found is None:
            return None
        numerator, tree, _ = found
        if numerator > self.best.numerator:
            bound = _round_up(numerator, self._exponent, self._step)
            if self._report is not None and bound > self.best.bound:
                self._report(bound)
            self.best = OneTreeBound(bound, numerator, self._exponent, potentials, rounds)
        return tree


def new_tree(count: int) -> Tree:
    """Allocate a tree."""
    from formulations.tree_kernels import Tree

    return Tree(
        parent=np.zeros(count, dtype=np.int32),
        order=np.zeros(count, dtype=np.int32),
        cost=np.zeros(count, dtype=np.int64),
        degree=np.zeros(count, dtype=np.int64),
        heap=np.zeros(count, dtype=np.int32),
        place=np.zeros(count, dtype=np.int32),
    )


def edge_lengths_along(known: Metric, tour: IntArray) -> IntArray:
    """Lengths of the edges of a tour."""
    from formulations.nearness import pair_lengths

    lengths = np.zeros(tour.size, dtype=np.int64)
    pair_lengths(known, tour, np.roll(tour, -1), lengths)
    return lengths


def _keys(count: int, tails: IntArray, heads: IntArray) -> IntArray:
    """One number per edge, whichever way it is given."""
    return np.minimum(tails, heads) * count + np.maximum(tails, heads)


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


def _round_up(numerator: int, exponent: int, step: int) -> int:
    """The least multiple of `step` that is at least ``numerator / 2**exponent``."""
    return -(-numerator // (step << exponent)) * step
