"""One tensor of a chain that is folded: what it and all beyond it cost, by where it is entered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from formulations.chain_folding import at_least, path_of
from formulations.entry_bounds import EntryBounds
from formulations.proof_tree import Claim
from reorder_solver.backends.shortest_tour import TourSolver

if TYPE_CHECKING:
    from formulations.chain_folding import Chain, Tours
    from formulations.cut_separation import BoolArray
    from formulations.proof_tree import Tree
    from reorder_solver.backends.shortest_tour import TourAnswer
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve.problem import IntArray

#: Tensors of fewer classes need no bounds of another kind.
_FEW = 4


class FoldStage:
    """Bounds for every entry, and the best path for those that matter.

    Parameters
    ----------
    chain : Chain
    group, near : int
        The tensor, and its neighbour on the core's side.
    away : ndarray of int64
        What all beyond it costs, by its class next to that.
    allowed : ndarray of bool, (classes of near, classes of group)
        Edges between the two that tours below the goal may have.
    goal : int
    deadline : Deadline
    seed : int

    Attributes
    ----------
    paths : dict of int to ndarray of int64
        By entry, the tensor's classes from there outwards.
    costs, entries : ndarray of int64
        What the tensor and all beyond it cost, by the neighbour's class next to it; and the entry
        that this goes to.
    """

    def __init__(
        self,
        chain: Chain,
        group: int,
        near: int,
        away: IntArray,
        allowed: BoolArray,
        goal: int,
        deadline: Deadline,
        seed: int,
    ) -> None:
        self.paths: dict[int, IntArray] = {}
        self._chain = chain
        self._group = group
        self._near = near
        self._away = away
        self._allowed = allowed
        self._goal = goal
        self._deadline = deadline
        self._seed = seed
        self._own = chain.outside(chain.nodes(group, group))
        # About tours without their bases.
        self._proven: dict[int, tuple[int, Tree]] = {}
        self._base = sum(self._tours(0).bases)
        self._cross()

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What was proven of every entry that is allowed."""
        return tuple(
            Claim(entry, self._value(entry), self._tours(entry).lifted(tree))
            for entry, (_, tree) in self._proven.items()
        )

    def run(self) -> bool:
        """Work out costs and entries; False if time ran out."""
        self._bound_all()
        self._cross()
        # Values that are too low attract: until those in use are met by paths.
        while not self._deadline.expired and (unsettled := self._in_use() - self.paths.keys()):
            for entry in sorted(unsettled):
                self._settle(entry)
            self._cross()
        return not self._deadline.expired

    def _bound_all(self) -> None:
        """A lower bound for every entry that is allowed."""
        candidates = np.flatnonzero(self._allowed.any(axis=0)).tolist()
        if self._own.size < _FEW:
            for entry in candidates:
                self._settle(entry)
            return
        programme: EntryBounds | None = None
        for entry in candidates:
            if self._deadline.expired:
                return
            tours = self._tours(entry)
            if programme is None:
                programme = EntryBounds(tours, self._own, lambda: self._deadline.remaining)
            found = programme.bound(tours, entry)
            if found is None:
                self._settle(entry)
            else:
                self._proven[entry] = found

    def _tours(self, entry: int) -> Tours:
        return self._chain.stage(self._group, entry, self._away, self._goal)

    def _value(self, entry: int) -> int:
        most = int(at_least(self._goal, self._own[entry]))
        return min(most, self._base + self._proven[entry][0] - int(self._own[entry]))

    def _settle(self, entry: int) -> None:
        """Find the best path from an entry, and prove it unless time runs out."""
        if self._deadline.expired:
            return
        places = np.arange(self._own.size)
        answer = solve_path(
            self._tours(entry),
            np.append(places[places != entry], entry),
            self._deadline,
            self._seed,
            self._proven.get(entry),
        )
        if answer.proof is not None:
            self._proven[entry] = answer.bound, answer.proof
            self.paths[entry] = path_of(answer.tour)[::-1]

    def _cross(self) -> None:
        values = at_least(self._goal, self._own)
        is_settled = np.zeros(values.size, dtype=np.bool_)
        for entry in self._proven:
            values[entry] = self._value(entry)
            is_settled[entry] = entry in self.paths
        self.costs, self.entries = self._chain.crossing(
            self._near, self._group, self._allowed, values, is_settled, self._goal
        )

    def _in_use(self) -> set[int]:
        """The entries that some class of the neighbour goes to at a cost below the goal."""
        return set(self.entries[self.costs < self._goal].tolist())


def solve_path(
    tours: Tours,
    path: IntArray,
    deadline: Deadline,
    seed: int,
    known: tuple[int, Tree] | None = None,
    *,
    bounds_first: bool = False,
) -> TourAnswer:
    """Solve a small problem, without its bases, as far as time allows.

    Parameters
    ----------
    tours : Tours
    path : ndarray of int64
        From the first terminal to the second; leaves closed sets just twice.
    deadline : Deadline
    seed : int
    known : (int, Tree), optional
        A bound that is known, and what proves it.
    bounds_first : bool
        See :class:`TourSolver`.
    """
    start = np.concatenate([[path.size], path, [path.size + 1]])
    solver = TourSolver(
        *(tours.distances, tours.closed, start, deadline, seed, lambda: None, known),
        bounds_first=bounds_first,
    )
    solver.run()
    return solver.answer
