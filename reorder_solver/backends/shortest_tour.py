"""The shortest tour, where all are even: found, bounded, proven.

What is done in which turn depends on effort, not on time, so that the same seed gives the same
answer unless the deadline ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from formulations.subtour import SubtourBound, nearest_neighbour_tour, subtour_bound
from formulations.tour_search import StoppedError, TourSearch
from reorder_solver.backends.tours import improve_tour

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.cut_separation import BoolArray
    from formulations.proof_tree import Tree
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve.problem import IntArray

#: Perturbations of a local search, times nodes.
_KICKS = 20
#: Edges that a local search tries from every node, if they are chosen by length.
_NEIGHBOURS = 8
#: New tours for a merger, and all tours in one.
_TOURS = 6
_MOST_TOURS = 18
#: Cases of a merger.
_MERGE_CASES = 60
#: Cases of the first turn of branch and cut; twice as many each time.
_FIRST_CASES = 20
#: Dives come after so many turns without success.
_DIVE_TURN = 2
#: Seconds for each pair of nodes that the bound may take after its last look at the clock.
_PER_PAIR = 5e-8
#: Every Hamming tour has an even length.
_STEP = 2
#: Lengths with closed sets weighted stay below this.
_LARGEST = 2**60


@dataclass(slots=True, eq=False)
class TourAnswer:
    """What is known of the tours.

    Attributes
    ----------
    tour : ndarray of int64
        The shortest known that leaves all closed sets just twice.
    length, bound : int
        Of `tour`; and no tour is shorter than `bound`.
    proof : Tree or None
        Of `bound`.
    """

    tour: IntArray
    length: int
    bound: int
    proof: Tree | None


class TourSolver:
    """Solves one problem.

    Parameters
    ----------
    distances : ndarray of int64, (nodes, nodes)
        Symmetric, and every tour is even.
    closed : ndarray of bool, (sets, nodes)
        Only tours count that leave each of these sets just twice.
    start : ndarray of int64
        A tour that leaves all closed sets just twice.
    deadline : Deadline
    seed : int
    report : callable
        Called whenever `answer` got better.
    known : (int, Tree), optional
        A bound that is known already, and what proves it.
    bounds_first : bool
        The local search comes after the bound, not before it.

    Attributes
    ----------
    answer : TourAnswer
    """

    def __init__(
        self,
        distances: IntArray,
        closed: BoolArray,
        start: IntArray,
        deadline: Deadline,
        seed: int,
        report: Callable[[], None],
        known: tuple[int, Tree] | None = None,
        *,
        bounds_first: bool = False,
    ) -> None:
        self._bounds_first = bounds_first
        self._distances = distances
        self._closed = closed
        self._deadline = deadline
        self._seed = seed
        self._report = report
        length = tour_length(self._distances, start)
        self.answer = TourAnswer(start, length, *(known or (0, None)))
        self._guided, self._extra = self._weighted()
        self._candidates = None if known is None else self._nearest()
        self._first = start
        self._known: list[IntArray] = []

    def run(self) -> bool:
        """Improve `answer` until it is proven; False if time ran out before."""
        if self._distances.shape[0] < 4:
            self._enumerate()
            return True
        if not self._bounds_first:
            self._search(0)
        if self._is_proven and self.answer.proof is not None:
            return True
        self._decompose(None)
        if self.answer.proof is not None and (self._is_proven or self._deadline.expired):
            return self._is_proven
        root = self._bound()
        if not self._is_proven:
            self._decompose(root)
        turn = 0
        while not self._is_proven and not self._deadline.expired:
            turn = self._pursue(root, turn)
            if turn < 0:
                break
        return self._is_proven

    @property
    def _is_proven(self) -> bool:
        return self.answer.bound >= self.answer.length

    def _decompose(self, root: SubtourBound | None) -> None:
        """What a subclass can do before the bound (None), and before the search by cases."""

    def _pursue(self, root: SubtourBound, turn: int) -> int:
        """Look for a tour as short as the bound, or raise that; the next turn, -1 to give up."""
        goal = self.answer.bound + _STEP
        cases = _FIRST_CASES
        # The local search is at a loss between closed sets, but the programme is not.
        dive_turn = turn + 1 if self._closed.shape[0] else _DIVE_TURN
        try:
            hunt = TourSearch(
                self._distances,
                root.certificate,
                goal=goal,
                step=_STEP,
                closed=self._closed,
                seconds=self._seconds,
            )
            while hunt.tour is None and hunt.tree is None and not self._is_proven:
                turn += 1
                self._search(turn)
                if turn == dive_turn and not self._is_proven:
                    hunt.dive()
                if hunt.tour is None and not self._is_proven:
                    hunt.split(cases)
                    cases *= 2
                if hunt.tour is None and hunt.tree is None:
                    self._merge(root, turn)
        except StoppedError:
            return -1
        if hunt.tour is not None:
            self._offer(hunt.tour)
        elif hunt.tree is not None:
            self.answer.bound, self.answer.proof = goal, hunt.tree
            self._report()
        return turn

    def _merge(self, root: SubtourBound, turn: int) -> None:
        """Look for a shorter tour among the edges of several good ones.

        Raises
        ------
        StoppedError
        """
        if self._guided is None:
            return
        rng = np.random.default_rng([self._seed, turn])
        for number in range(_TOURS):
            if self._is_proven or self._deadline.expired:
                return
            start = self.answer.tour
            if number % 2 and self._closed.shape[0]:
                start = self._first
            elif number % 2:
                start = nearest_neighbour_tour(self._distances, int(rng.integers(start.size)))
            self._known.append(self._improved(start, int(rng.integers(2**31))))
            self._offer(self._known[-1])
        self._known = self._known[-_MOST_TOURS:]
        while not self._is_proven:
            merged = TourSearch(
                self._distances,
                root.certificate,
                goal=self.answer.length,
                step=_STEP,
                closed=self._closed,
                seconds=self._seconds,
                among=[*self._known, self.answer.tour],
            )
            merged.split(_MERGE_CASES)
            if merged.tour is None:
                return
            self._offer(merged.tour)

    def _search(self, turn: int) -> None:
        """Local search from the best tour; for none shorter than the bound."""
        if self._guided is not None and not self._deadline.expired and not self._is_proven:
            self._offer(self._improved(self.answer.tour, self._seed + turn))

    def _improved(self, start: IntArray, seed: int) -> IntArray:
        assert self._guided is not None
        return improve_tour(
            self._guided,
            start,
            candidates=self._candidates,
            seed=seed,
            deadline_seconds=self._deadline.limit,
            max_kicks=_KICKS * start.size,
            target=self.answer.bound + self._extra,
        )[0]

    def _nearest(self) -> IntArray | None:
        """The nearest nodes of each: found at once, and good enough where a bound leads the way."""
        if self._guided is None:
            return None
        lengths = self._guided.copy()
        np.fill_diagonal(lengths, np.iinfo(np.int64).max)
        width = min(_NEIGHBOURS, lengths.shape[0] - 1)
        near: IntArray = np.argsort(lengths, axis=1, kind="stable")[:, :width]
        return near

    def _offer(self, tour: IntArray) -> None:
        length = tour_length(self._distances, tour)
        if length < self.answer.length and keeps_closed(tour, self._closed):
            self.answer.tour, self.answer.length = tour, length
            self._report()

    def _bound(self) -> SubtourBound:
        def rise(bound: int) -> None:
            self.answer.bound = max(self.answer.bound, bound)
            self._report()

        known, proof = self.answer.bound, self.answer.proof
        limit = self._deadline.limit
        if limit is not None:
            # What cannot be interrupted in it must not begin too late.
            limit = max(0.0, limit - _PER_PAIR * self._distances.size)
        found = subtour_bound(
            self._distances,
            step=_STEP,
            tour=self.answer.tour,
            closed=self._closed,
            target=self.answer.length,
            time_limit=limit,
            report=rise,
        )
        if proof is None or found.bound > known:
            known, proof = found.bound, found.certificate
        self.answer.bound, self.answer.proof = known, proof
        self._report()
        return found

    def _enumerate(self) -> None:
        """With three nodes or fewer all tours are the same."""
        found = subtour_bound(self._distances, step=_STEP)
        self.answer.bound, self.answer.proof = found.bound, found.certificate
        self._report()

    def _seconds(self) -> float:
        return self._deadline.remaining

    def _weighted(self) -> tuple[IntArray | None, int]:
        """Distances under which no shortest tour leaves a closed set more than twice.

        And by how much longer tours are that do not; None if the numbers get too large.
        """
        if not self._closed.shape[0]:
            return self._distances, 0
        price = self.answer.length + 1
        crossings = self._closed.shape[0]
        if price * crossings * 2 * self._distances.shape[0] > _LARGEST:
            return None, 0
        inside = self._closed.T.astype(np.float64)
        shared = inside @ inside.T
        own = shared.diagonal()
        crossed = (own[:, None] + own[None, :] - 2.0 * shared).astype(np.int64)
        return self._distances + price * crossed, 2 * price * crossings


def tour_length(distances: IntArray, tour: IntArray) -> int:
    """Length of a tour; with two nodes it uses their edge twice."""
    return int(distances[tour, np.roll(tour, 1)].sum()) if tour.size > 1 else 0


def keeps_closed(tour: IntArray, closed: BoolArray) -> bool:
    """Whether a tour leaves each of some sets just twice."""
    if not closed.shape[0]:
        return True
    inside = closed[:, tour]
    return bool(((inside != np.roll(inside, 1, axis=1)).sum(axis=1) == 2).all())
