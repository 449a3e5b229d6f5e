"""The subgradient ascent behind the 1-tree bound (:mod:`formulations.one_tree`)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from formulations.neighbours import PIECE, nearest_nodes

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.columns import IntArray, Metric
    from formulations.tree_kernels import Sparse, Tree

#: Short edges per node in the graph of the ascent.
_NEIGHBOURS = 10
#: Potentials are integers over two to this power at most.
_EXPONENT = 10
#: Sums stay below two to this power.
SUM_BITS = 61
#: Subgradient steps on one graph, and those without gain before the step length is halved.
_STEPS, _PATIENCE = 100, 20
#: Step lengths below this, in parts of the longest, change nothing.
_LEAST_RATE = 2.0**-12
#: Step lengths are those for a tour longer by this part.
_SLACK = 16
#: Graphs: the edges of small reduced cost change as the potentials do.
ROUNDS = 6
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


class Ascent:
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
        self._exponent = max(0, min(_EXPONENT, SUM_BITS - bits))
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
            round_up(least, self._exponent, step), least, self._exponent, zeros
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
            if self.best.numerator == before and number >= ROUNDS // 2:
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
            bound = round_up(numerator, self._exponent, self._step)
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


def round_up(numerator: int, exponent: int, step: int) -> int:
    """The least multiple of `step` that is at least ``numerator / 2**exponent``."""
    return -(-numerator // (step << exponent)) * step
