"""The subtour bound: a proven lower bound on the tours of a symmetric travelling salesman problem.

The linear programme has a variable between 0 and 1 per edge, two edges at every node and at least
two leaving every proper set of nodes (Dantzig, Fulkerson, Johnson 1954). It starts with few edges
and no sets; sets are added where :mod:`formulations.cut_separation` finds them violated, edges
where their reduced costs are negative, until there are none of either. The bound itself is not
taken from the floating point solver, but recomputed from its dual solution in integers and over
all edges (:mod:`formulations.subtour_certificate`): it holds after every round.

Where all tours have lengths divisible by some step, the bound is rounded up to a multiple. The
tours of 0/1 columns under Hamming distance are even (Kou 1977), which closes most gaps.

References
----------
G. Dantzig, R. Fulkerson, S. Johnson, "Solution of a large-scale traveling-salesman problem",
Journal of the Operations Research Society of America 2 (1954) 393-410, DOI 10.1287/opre.2.4.393.

L. T. Kou, "Polynomial complete consecutive information retrieval problems", SIAM Journal on
Computing 6 (1977) 67-75, DOI 10.1137/0206004.

D. L. Applegate, R. E. Bixby, V. Chvatal, W. J. Cook, "The Traveling Salesman Problem: A
Computational Study", Princeton University Press 2006, ISBN 978-0-691-12993-8.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from formulations.cut_separation import BoolArray, IntArray, violated_cuts
from formulations.edge_program import EdgeProgram, LinearSolution
from formulations.subtour_certificate import (
    DISTANCE_LIMIT,
    Certificate,
    Distances,
    check_certificate,
    check_distances,
    constant_part,
    exact_bound,
    make_certificate,
    negative_part,
    reduced_costs,
    round_up,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "DISTANCE_LIMIT",
    "Certificate",
    "SubtourBound",
    "check_certificate",
    "nearest_neighbour_tour",
    "subtour_bound",
]

# Edges per node to start with.
_NEIGHBOURS = 8
# Edges per node that one pricing adds at most, over all nodes together.
_PRICED_IN = 2
# Lengths in the programme go up to this: GLOP's tolerances are absolute.
_LARGEST_LENGTH = 1000.0
# Reduced costs, in the programme's lengths, that count as zero.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class SubtourBound:
    """A proven lower bound on all tours, and what proves it.

    Attributes
    ----------
    bound : int
        No tour is shorter; a multiple of the step.
    numerator, exponent : int
        The same before rounding: ``numerator / 2**exponent``.
    certificate : Certificate
        :func:`check_certificate` returns `bound` for it.
    is_complete : bool
        The linear programme was solved to its end: no set violated, no edge priced in.
    rounds, cuts, edges : int
        Linear programmes solved; sets and edges in the last one.
    """

    bound: int
    numerator: int
    exponent: int
    certificate: Certificate
    is_complete: bool = False
    rounds: int = 0
    cuts: int = 0
    edges: int = 0


def subtour_bound(
    distances: Distances,
    *,
    step: int = 1,
    tour: Sequence[int] | IntArray | None = None,
    closed: BoolArray | None = None,
    target: int | None = None,
    time_limit: float | None = None,
    report: Callable[[int], None] | None = None,
) -> SubtourBound:
    """Bound the tours through all nodes from below.

    Parameters
    ----------
    distances : ndarray of int, (nodes, nodes)
        Symmetric; the diagonal does not matter. No triangle inequality is needed.
    step : int
        A divisor of the length of every tour.
    tour : sequence of int, optional
        A good tour, to start from its edges; otherwise one is made.
    closed : ndarray of bool, (sets, nodes), optional
        Proper nonempty sets; only tours count that leave each of them just twice.
    target : int, optional
        Stop as soon as the bound is this high (the length of a known tour).
    time_limit : float, optional
        Wall-clock seconds, from the call on. The bound proven by then is returned.
    report : callable, optional
        Called with every better bound.

    Returns
    -------
    SubtourBound
        With two nodes, the tour uses their edge twice; with fewer its length is 0. Without a time
        limit reached, the same arguments give the same answer.

    Raises
    ------
    ValueError
        If `distances` is no symmetric integer matrix or too large (see
        :func:`check_certificate`), `step` is not positive or `tour` no permutation.
    """
    end = inf if time_limit is None else time.monotonic() + time_limit
    check_distances(distances)
    if step < 1:
        raise ValueError(f"the step must be positive, not {step}")
    count = distances.shape[0]
    if tour is not None and sorted(int(node) for node in tour) != list(range(count)):
        raise ValueError(f"the tour is no permutation of {count} nodes")
    search = _Search(distances, step, closed, target, report, end)
    if count > 2 and not search.is_over:
        search.run(nearest_neighbour_tour(distances) if tour is None else np.asarray(tour))
    return search.best if count > 2 else replace(search.best, is_complete=True)


def nearest_neighbour_tour(distances: Distances, first: int = 0) -> IntArray:
    """From `first` always on to the nearest node left. O(nodes squared)."""
    count = distances.shape[0]
    tour = np.empty(count, dtype=np.int64)
    left = np.arange(count, dtype=np.int64)
    node = first
    for place in range(count):
        tour[place] = node
        left = left[left != node]
        if left.size:
            node = int(left[distances[node, left].argmin()])
    return tour


class _Search:
    """The rounds, and the best bound so far."""

    def __init__(
        self,
        distances: Distances,
        step: int,
        closed: BoolArray | None,
        target: int | None,
        report: Callable[[int], None] | None,
        end: float,
    ) -> None:
        self._distances = distances
        self._step = step
        self._closed = closed
        self._target = target
        self._report = report
        self._end = end
        self._count = distances.shape[0]
        largest = float(np.abs(distances.astype(np.float64)).max(initial=0.0))
        self._unit = max(1.0, largest / _LARGEST_LENGTH)
        self._known: IntArray = np.zeros(0, dtype=np.int64)
        certificate = _nearest_halves(distances)
        numerator = exact_bound(distances, certificate)
        bound = round_up(numerator, certificate.exponent, step)
        self.best = SubtourBound(bound, numerator, certificate.exponent, certificate)
        if report is not None:
            report(bound)

    @property
    def is_over(self) -> bool:
        """Whether the target is reached or the time spent."""
        reached = self._target is not None and self.best.bound >= self._target
        return reached or self._seconds() <= 0.0

    def _seconds(self) -> float:
        return self._end - time.monotonic()

    def run(self, tour: IntArray) -> None:
        """Solve programme after programme, until nothing is missing or the search is over."""
        program = EdgeProgram(self._count, self._unit, self._closed)
        self._add_edges(program, _first_edges(self._distances, tour))
        solution: LinearSolution | None = None
        follows_cuts, is_complete, rounds = False, False, 0
        while not is_complete and not self.is_over:
            found = program.solve(self._seconds, dual=follows_cuts)
            if found is None:
                break
            solution, rounds = found, rounds + 1
            members = program.members
            cuts = violated_cuts(self._count, program.tails, program.heads, solution.edges)
            # The solver's tolerance may leave a set violated that it was told of.
            cuts = cuts[~_are_among(cuts, members)]
            follows_cuts = cuts.shape[0] > 0
            if follows_cuts:
                program.add_cuts(cuts)
                continue
            keys = self._take(solution, members)
            solution = None
            if keys is None:
                break
            is_complete = keys.size == 0
            self._add_edges(program, keys)
        if solution is not None:
            self._take(solution, program.members[: solution.cuts.size])
        self.best = replace(
            self.best,
            is_complete=is_complete,
            rounds=rounds,
            cuts=program.members.shape[0],
            edges=program.tails.size,
        )

    def _add_edges(self, program: EdgeProgram, keys: IntArray) -> None:
        tails, heads = np.divmod(keys, self._count)
        program.add_edges(tails, heads, self._distances[tails, heads].astype(np.float64))
        self._known = np.sort(np.concatenate([self._known, keys]))

    def _take(self, solution: LinearSolution, members: BoolArray) -> IntArray | None:
        """Prove a solution's bound, keep the better, and return the edges it lacks."""
        certificate = make_certificate(
            self._distances,
            solution.nodes,
            solution.cuts,
            members,
            0 if self._closed is None else self._closed.shape[0],
        )
        if certificate is None:
            return None
        numerator, keys, lowest = self._price(certificate)
        self._offer(certificate, numerator)
        if keys.size:
            # While many edges are missing, their negative costs outweigh the rest of the bound.
            # Taken from the nodes, the lowest at each counts once, not every one.
            certificate = replace(certificate, nodes=certificate.nodes + lowest // 2)
            self._offer(certificate, exact_bound(self._distances, certificate))
        return keys

    def _offer(self, certificate: Certificate, numerator: int) -> None:
        """Keep what is proven, if it is better."""
        known = self.best
        if numerator << known.exponent <= known.numerator << certificate.exponent:
            return
        bound = round_up(numerator, certificate.exponent, self._step)
        self.best = SubtourBound(bound, numerator, certificate.exponent, certificate)
        if bound > known.bound and self._report is not None:
            self._report(bound)

    def _price(self, certificate: Certificate) -> tuple[int, IntArray, IntArray]:
        """Work out all reduced costs.

        Returns
        -------
        total : int
            The bound, times ``2**exponent``.
        keys : ndarray of int64
            The edges to add: those of most negative cost.
        lowest : ndarray of int64
            The most negative cost of a missing edge at each node, or 0.
        """
        scale = float(2**certificate.exponent)
        limit = min(-1, -int(_TOLERANCE * self._unit * scale))
        most = max(1, _PRICED_IN * self._count)
        total = constant_part(self._distances, certificate)
        keys = costs = np.zeros(0, dtype=np.int64)
        lowest = np.zeros(self._count, dtype=np.int64)
        for first, block in reduced_costs(self._distances, certificate):
            total += negative_part(self._count, block)
            rows, columns = np.nonzero(block < limit)
            found, more = block[rows, columns], (rows + first) * self._count + columns + first
            place = np.minimum(np.searchsorted(self._known, more), self._known.size - 1)
            is_new = self._known[place] != more
            found, more = found[is_new], more[is_new]
            np.minimum.at(lowest, more // self._count, found)
            np.minimum.at(lowest, more % self._count, found)
            keys, costs = np.concatenate([keys, more]), np.concatenate([costs, found])
            if keys.size > most:
                best = np.argsort(costs, kind="stable")[:most]
                keys, costs = keys[best], costs[best]
        return total, keys, lowest


def _nearest_halves(distances: Distances) -> Certificate:
    """A dual solution at no cost: half of how far each node's nearest is."""
    count = distances.shape[0]
    nodes = np.zeros(count, dtype=np.int64)
    for node in range(count if count > 1 else 0):
        row = distances[node]
        before, after = row[:node], row[node + 1 :]
        nodes[node] = min(int(part.min()) for part in (before, after) if part.size)
    none = np.zeros((0, count), dtype=np.bool_)
    return Certificate(nodes, np.zeros(0, dtype=np.int64), none, 1)


def _first_edges(distances: Distances, tour: IntArray) -> IntArray:
    """The edges of the tour, and those from every node to its nearest few."""
    count = distances.shape[0]
    keys = [_keys(count, tour.astype(np.int64), np.roll(tour, 1).astype(np.int64))]
    width = min(_NEIGHBOURS, count - 1)
    for node in range(count):
        row = distances[node].astype(np.int64)
        row[node] = np.iinfo(np.int64).max
        near = np.argpartition(row, width - 1)[:width]
        keys.append(_keys(count, np.full(width, node), near))
    return np.unique(np.concatenate(keys))


def _keys(count: int, tails: IntArray, heads: IntArray) -> IntArray:
    """One number per edge, whichever way it is given."""
    return np.minimum(tails, heads) * count + np.maximum(tails, heads)


def _are_among(sets: BoolArray, known: BoolArray) -> BoolArray:
    """Which rows of `sets` are rows of `known`."""
    seen = {row.tobytes() for row in known}
    return np.array([row.tobytes() in seen for row in sets], dtype=np.bool_)
