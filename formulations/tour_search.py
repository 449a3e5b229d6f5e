"""Branch and cut for tours below a goal: it finds one, or proves that there is none.

Only edges that survive the sieve of a dual solution are looked at (see
:mod:`formulations.proof_tree`). Every case, given by edges out and edges used, is a linear
programme with cuts added where they are violated (Padberg and Rinaldi 1991). It ends in a dual
solution that reaches the goal, in a tour, or in two cases. Before the cases, dives fix edge after
edge and look back a little: where a tour exists, that mostly finds it.

References
----------
M. Padberg, G. Rinaldi, "A branch-and-cut algorithm for the resolution of large-scale symmetric
traveling salesman problems", SIAM Review 33 (1991) 60-100, DOI 10.1137/1033004.

W. Cook, P. Seymour, "Tour merging via branch-decomposition", INFORMS Journal on Computing 15 (2003)
233-248, DOI 10.1287/ijoc.15.3.233.16078.

D. Applegate, R. Bixby, V. Chvatal, W. Cook, "Finding cuts in the TSP", DIMACS Technical Report
95-05 (1995) (strong branching).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from formulations.cut_separation import violated_cuts
from formulations.edge_program import EdgeProgram, LinearSolution
from formulations.proof_tree import Edges, Sieve, Split, Tree, sift
from formulations.subtour_certificate import Certificate, Distances, make_certificate, round_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.cut_separation import BoolArray, FloatArray, IntArray

# By how much a programme's value must pass what a tour may cost before its dual values are tried.
_MARGIN = 1e-4
# An edge that carries this much less or more than a whole one is a fractional one.
_FRACTION = 1e-6
# Edges tried before one is split on.
_TRIED = 8
# How often one dive may look back.
_LOOKS_BACK = 40
# A dive fixes one in so many fractional edges at a time.
_PER_BATCH = 6


class StoppedError(Exception):
    """A search stopped early: time is over, or floating point arithmetic at its end."""


class _Case:
    """Edges out and used, and what became of it."""

    __slots__ = ("end", "fixed", "parts", "split_on")

    def __init__(self, fixed: dict[int, int]) -> None:
        self.fixed = fixed
        self.end: Certificate | None = None
        self.split_on = -1
        self.parts: tuple[_Case, ...] = ()

    def split(self, edge: int) -> tuple[_Case, ...]:
        """The cases without and with an edge; the latter is to be looked at first."""
        self.split_on = edge
        self.parts = (_Case({**self.fixed, edge: 0}), _Case({**self.fixed, edge: 1}))
        return self.parts


class TourSearch:
    """Looks for a tour shorter than a goal, or a proof that there is none.

    Parameters
    ----------
    distances : ndarray of int, (nodes, nodes)
        Symmetric, at least three nodes; the diagonal does not matter.
    certificate : Certificate
        A good dual solution; the closer its bound to the goal, the fewer edges are left.
    goal : int
        A multiple of `step`.
    step : int
        A divisor of the length of every tour.
    closed : ndarray of bool, (sets, nodes), optional
        Only tours count that leave each of these sets just twice.
    seconds : callable
        Returns the seconds left, possibly infinite.
    among : list of ndarray of int64, optional
        Tours. Only their edges are looked at; there will be no proof (merging tours: Cook and
        Seymour 2003).

    Attributes
    ----------
    edges : Edges
        What the sieve of the dual solution left.
    costs : ndarray of int64
        Their reduced costs by that solution.
    tour : ndarray of int64 or None
        A tour below the goal, once found.
    tree : Sieve or None
        A proof that there is none, once found.
    cases : int
        How many cases were closed, by an end or by splitting them.
    """

    def __init__(
        self,
        distances: Distances,
        certificate: Certificate,
        *,
        goal: int,
        seconds: Callable[[], float],
        step: int = 1,
        closed: BoolArray | None = None,
        among: list[IntArray] | None = None,
    ) -> None:
        self.tour: IntArray | None = None
        self.tree: Sieve | None = None
        self.cases = 0
        self._distances = distances
        self._certificate = certificate
        self._goal = goal
        self._step = step
        self._n_closed = 0 if closed is None else closed.shape[0]
        self._seconds = seconds
        self._count = distances.shape[0]
        self.edges, self.costs = sift(distances, certificate, step, goal)
        self._is_whole = among is None
        if among is not None:
            kept = _is_in(self.edges, among, self._count)
            self.edges, self.costs = self.edges.keep(kept), self.costs[kept]
        self._most = round_up(goal, 0, step) - step
        lengths = distances[self.edges.tails, self.edges.heads].astype(np.float64)
        self._unit = max(1.0, float(lengths.max(initial=0.0)) / 1000.0)
        self._program = EdgeProgram(self._count, self._unit, closed)
        self._program.add_edges(self.edges.tails, self.edges.heads, lengths)
        self._program.add_cuts(certificate.members[certificate.sets > 0])
        self._fixed: dict[int, int] = {}
        self._root = _Case({})
        self._waiting = [self._root]

    def dive(self) -> None:
        """Fix edges, some at a time; may end nowhere.

        Raises
        ------
        StoppedError
        """
        fixed: dict[int, int] = {}
        batches: list[list[int]] = []
        most, looks_back = self._count, 0
        while True:
            solution = self._solve(fixed)
            if self._is_over(solution):
                looks_back += 1
                if not batches or looks_back > _LOOKS_BACK:
                    return
                failed = batches.pop()
                for edge in failed:
                    del fixed[edge]
                if len(failed) == 1:
                    fixed[failed[0]] = 0
                most = max(1, len(failed) // 4)
                continue
            values = solution.edges
            fractional = _fractional(values)
            if not fractional.size:
                self.tour = self._read_tour(values)
                return
            most = min(2 * most, 1 + fractional.size // _PER_BATCH)
            batches.append(self._batch(values, fractional, most))
            fixed.update(dict.fromkeys(batches[-1], 1))

    def _batch(self, values: FloatArray, fractional: IntArray, most: int) -> list[int]:
        """The largest fractional edges that make paths, along with all that carry one."""
        paths = _Paths(self._count)
        tails, heads = self._program.tails, self._program.heads
        for edge in np.flatnonzero(values >= 1.0 - _FRACTION).tolist():
            paths.join(int(tails[edge]), int(heads[edge]))
        order = fractional[np.argsort(-values[fractional], kind="stable")]
        batch: list[int] = []
        for edge in order.tolist():
            if len(batch) == most:
                break
            if paths.join(int(tails[edge]), int(heads[edge])):
                batch.append(edge)
        return batch or [int(order[0])]

    def split(self, max_cases: int) -> None:
        """Go on through the cases, depth first, until so many more are closed.

        Raises
        ------
        StoppedError
            The search may go on later, if it was for the time.
        """
        last = self.cases + max_cases
        while self._waiting and self.cases < last and self.tour is None:
            case = self._waiting[-1]
            solution = self._close(case)
            self._waiting.pop()
            self.cases += 1
            if case.end is not None:
                continue
            fractional = _fractional(solution.edges)
            if not fractional.size:
                self.tour = self._read_tour(solution.edges)
            else:
                self._waiting += case.split(self._choose(solution, fractional))
        if self.is_done and self._is_whole and self.tour is None:
            self.tree = Sieve(self._certificate, self._proof())

    @property
    def is_done(self) -> bool:
        """Whether no case is left."""
        return not self._waiting

    def _close(self, case: _Case) -> LinearSolution:
        """Solve a case; where no tour below the goal is left in it, prove that."""
        solution = self._solve(case.fixed)
        while self._is_over(solution):
            case.end = self._end(solution, case.fixed)
            if case.end is not None:
                break
            if not self._program.raise_penalty():
                raise StoppedError
            solution = self._solve(case.fixed)
        return solution

    def _is_over(self, solution: LinearSolution) -> bool:
        return not solution.is_tour or solution.value > self._most + _MARGIN * self._unit

    def _solve(self, fixed: dict[int, int]) -> LinearSolution:
        """The programme of a case, with all its cuts unless it is over before."""
        for edge in self._fixed.keys() - fixed.keys():
            self._program.fix(edge, None)
        for edge, value in fixed.items():
            if self._fixed.get(edge) != value:
                self._program.fix(edge, value)
        self._fixed = dict(fixed)
        while True:
            solution = self._program.solve(self._seconds, dual=True)
            if solution is None:
                raise StoppedError
            if self._is_over(solution):
                return solution
            cuts = violated_cuts(
                self._count, self._program.tails, self._program.heads, solution.edges
            )
            known = {row.tobytes() for row in self._program.members}
            new = np.array([row.tobytes() not in known for row in cuts], dtype=np.bool_)
            if not new.any():
                return solution
            self._program.add_cuts(cuts[new])

    def _end(self, solution: LinearSolution, fixed: dict[int, int]) -> Certificate | None:
        """A dual solution that proves the goal in this case; None if rounding gets in the way."""
        certificate = make_certificate(
            self._distances, solution.nodes, solution.cuts, self._program.members, self._n_closed
        )
        if certificate is None:
            return None
        is_out = np.zeros(self.edges.tails.size, dtype=np.bool_)
        is_used = is_out.copy()
        for edge, value in fixed.items():
            (is_used if value else is_out)[edge] = True
        edges = Edges(self.edges.tails, self.edges.heads, is_used).keep(~is_out)
        numerator, _ = edges.bound(self._distances, certificate)
        if round_up(numerator, certificate.exponent, self._step) < self._goal:
            return None
        return certificate

    def _choose(self, solution: LinearSolution, fractional: IntArray) -> int:
        """The edge whose two cases are both much longer (strong branching)."""
        values = solution.edges[fractional]
        closest = fractional[np.argsort(np.abs(values - 0.5), kind="stable")][:_TRIED]
        best, best_score = int(closest[0]), -1.0
        for edge in closest.tolist():
            gains = []
            for value in (0, 1):
                self._program.fix(edge, value)
                tried = self._program.solve(self._seconds, dual=True)
                if tried is None:
                    raise StoppedError
                over = self._most + 1.0 - solution.value
                gains.append(min(over, tried.value - solution.value) / max(over, 1e-9))
            self._program.fix(edge, None)
            score = max(1e-3, gains[0]) * max(1e-3, gains[1])
            if score > best_score:
                best, best_score = edge, score
        return best

    def _read_tour(self, values: FloatArray) -> IntArray:
        """The nodes one after the other, from edges that carry one."""
        is_in = values > 0.5
        neighbours: list[list[int]] = [[] for _ in range(self._count)]
        tails, heads = self._program.tails[is_in].tolist(), self._program.heads[is_in].tolist()
        for tail, head in zip(tails, heads, strict=True):
            neighbours[tail].append(head)
            neighbours[head].append(tail)
        tour, before = [0], -1
        while len(tour) < self._count:
            node = tour[-1]
            following = [each for each in neighbours[node] if each != before]
            before = node
            tour.append(following[0])
        if sorted(tour) != list(range(self._count)):
            raise StoppedError
        return np.array(tour, dtype=np.int64)

    def _proof(self) -> Tree:
        """The proof, from its ends upwards."""
        order, waiting = [], [self._root]
        while waiting:
            case = waiting.pop()
            order.append(case)
            waiting += case.parts
        made: dict[int, Tree] = {}
        for case in reversed(order):
            if case.end is not None:
                made[id(case)] = case.end
                continue
            edge = case.split_on
            apart, adjacent = (made[id(part)] for part in case.parts)
            tail, head = int(self.edges.tails[edge]), int(self.edges.heads[edge])
            made[id(case)] = Split(tail, head, apart, adjacent)
        return made[id(self._root)]


class _Paths:
    """Nodes joined to paths."""

    def __init__(self, count: int) -> None:
        self._degree = [0] * count
        self._opposite = list(range(count))

    def join(self, tail: int, head: int) -> bool:
        """Join two ends of different paths; False if they are not."""
        if self._degree[tail] > 1 or self._degree[head] > 1 or self._opposite[tail] == head:
            return False
        far_tail, far_head = self._opposite[tail], self._opposite[head]
        self._opposite[far_tail], self._opposite[far_head] = far_head, far_tail
        self._degree[tail] += 1
        self._degree[head] += 1
        return True


def _is_in(edges: Edges, tours: list[IntArray], count: int) -> BoolArray:
    """Which edges are in some tour."""
    ends = [(tour, np.roll(tour, 1)) for tour in tours]
    keys = np.concatenate([np.minimum(a, b) * count + np.maximum(a, b) for a, b in ends])
    return np.isin(edges.tails * count + edges.heads, keys)


def _fractional(values: FloatArray) -> IntArray:
    return np.flatnonzero((values > _FRACTION) & (values < 1.0 - _FRACTION))
