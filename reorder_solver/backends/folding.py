"""The shortest tour through a sequence of tensors, tensor by tensor.

Neighbouring tensors meet in one edge, so a chain of them can be folded from its ends
(:mod:`formulations.chain_folding`): many small tours in place of a large one between many closed
sets. The bound on the whole comes first. Only those edges between tensors are looked at that its
sieve leaves below a goal; with the goal just above the bound these are few. If no tour below the
goal is found the bound rises to it, and the next goal is twice as far away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from formulations.chain_folding import Chain, Claim, Fold, at_least, choose_core, path_of
from formulations.proof_tree import Sieve, sift
from reorder_solver.backends.shortest_tour import TourSolver

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.chain_folding import Tours
    from formulations.proof_tree import Edges
    from formulations.subtour import SubtourBound
    from reorder_solver.backends.concatenation import Sequence
    from reorder_solver.backends.shortest_tour import TourAnswer
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve.problem import IntArray

#: Tensors of more classes are not folded.
_MOST_NODES = 256
#: Every Hamming tour has an even length.
_STEP = 2
#: Nodes times the largest number may be this much.
_LARGEST = 2**49


class ChainSolver(TourSolver):
    """Solves one sequence; folds it where the first bound is not met.

    Parameters
    ----------
    sequence : Sequence
        Some weight must be positive.
    unit : int
        Common divisor of the weights: lengths are divided by it.
    start : ndarray of int64
        A tour that leaves all closed sets just twice.
    deadline : Deadline
    seed : int
    report : callable
        Called whenever `answer` got better.
    """

    def __init__(
        self,
        sequence: Sequence,
        unit: int,
        start: IntArray,
        deadline: Deadline,
        seed: int,
        report: Callable[[], None],
    ) -> None:
        super().__init__(
            sequence.distances(unit), sequence.closed, start, deadline, seed, report
        )
        self._chain = self._foldable(sequence.starts)

    def _foldable(self, starts: IntArray) -> Chain | None:
        """The chain, if there is something to fold."""
        if starts.size < 3 or (np.diff(starts) == 0).any():
            return None
        core = choose_core(starts, self._closed, _MOST_NODES)
        chain = Chain(self._distances, starts, self._closed, core)
        largest = self.answer.length + 2 * chain.longest + 4
        is_small = largest * self._distances.shape[0] <= _LARGEST
        return chain if core != (0, chain.groups - 1) and is_small else None

    def _decompose(self, root: SubtourBound) -> None:
        """Fold for one goal after the other, until the best tour is proven."""
        step = _STEP
        while self._chain is not None and not self._is_proven and not self._deadline.expired:
            goal = min(self.answer.length, self.answer.bound + step)
            edges, _ = sift(self._distances, root.certificate, _STEP, goal)
            folding = Folding(self._chain, edges, goal, self._deadline, self._seed)
            core = folding.run(self.answer.tour)
            if core is None:
                return
            tour = folding.tour()
            if tour is not None:
                self._offer(tour)
            bound = min(goal, core.bound)
            if bound <= self.answer.bound:
                return
            self.answer.bound = bound
            self.answer.proof = Sieve(root.certificate, folding.fold())
            self._report()
            step *= 2


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """A group that is folded.

    Attributes
    ----------
    claims : tuple of Claim
    paths : dict of int to ndarray of int64
        By entry, the group's nodes (by place) from there outwards.
    entries : ndarray of int64
        Where to enter it, by the node (by place) of the neighbour on the core's side.
    """

    claims: tuple[Claim, ...]
    paths: dict[int, IntArray]
    entries: IntArray


class Folding:
    """Folds a chain for one goal.

    Parameters
    ----------
    chain : Chain
    edges : Edges
        Tours below the goal have no other edges between groups.
    goal : int
        Even.
    deadline : Deadline
    seed : int

    Attributes
    ----------
    core : TourAnswer or None
        About the core, once that is begun.
    """

    def __init__(
        self, chain: Chain, edges: Edges, goal: int, deadline: Deadline, seed: int
    ) -> None:
        self.core: TourAnswer | None = None
        self._chain = chain
        self._edges = edges
        self._goal = goal
        self._deadline = deadline
        self._seed = seed
        self._behind: list[_Stage] = []
        self._before: list[_Stage] = []

    def run(self, start: IntArray) -> TourAnswer | None:
        """Fold, and solve the core as far as time allows; None if not even that was begun.

        Parameters
        ----------
        start : ndarray of int64
            A tour of the whole that leaves all closed sets just twice.
        """
        chain = self._chain
        first, last = chain.core
        behind = self._fold(range(chain.groups - 1, last, -1), self._behind)
        before = None if behind is None else self._fold(range(first), self._before)
        if behind is None or before is None:
            return None
        order = chain.in_sequence(start)
        nodes = chain.nodes(first, last)
        inner = order[(order >= nodes[0]) & (order <= nodes[-1])] - nodes[0]
        path = inner[::-1] if chain.is_folded_behind else inner
        self.core = self._solved(chain.core_tours(behind, before), path)
        return self.core

    def _fold(self, groups: range, stages: list[_Stage]) -> IntArray | None:
        """Fold some groups, outermost first.

        Returns
        -------
        ndarray of int64 or None
            What they cost, by the core's node next to them; None if time ran out.
        """
        chain = self._chain
        outermost = groups.start
        costs = chain.outside(chain.nodes(outermost, outermost))
        for group in groups:
            near = group + groups.step
            allowed = chain.junction(min(group, near), self._edges)
            allowed = allowed.T if near > group else allowed
            own = chain.outside(chain.nodes(group, group))
            values = at_least(self._goal, own)
            claims: list[Claim] = []
            paths: dict[int, IntArray] = {}
            for entry in np.flatnonzero(allowed.any(axis=0)).tolist():
                answer = self._solved_stage(chain.stage(group, entry, costs, self._goal), entry)
                if self._deadline.expired or answer.proof is None:
                    return None
                values[entry] = min(values[entry], answer.bound - own[entry])
                claims.append(Claim(entry, int(values[entry]), answer.proof))
                paths[entry] = path_of(answer.tour)[::-1]
            costs, entries = chain.crossing(near, group, allowed, values, self._goal)
            stages.append(_Stage(tuple(claims), paths, entries))
        return costs

    def _solved_stage(self, tours: Tours, entry: int) -> TourAnswer:
        places = np.arange(tours.distances.shape[0] - 2)
        return self._solved(tours, np.append(places[places != entry], entry))

    def _solved(self, tours: Tours, path: IntArray) -> TourAnswer:
        """The answer to a small problem; `path` leads from the first terminal to the second."""
        start = np.concatenate([[path.size], path, [path.size + 1]])
        solver = TourSolver(
            tours.distances, tours.closed, start, self._deadline, self._seed, lambda: None
        )
        solver.run()
        return solver.answer

    def fold(self) -> Fold:
        """The proof of what is known of the core, given the edges."""
        assert self.core is not None
        assert self.core.proof is not None
        behind, before = (
            tuple(stage.claims for stage in side) for side in (self._behind, self._before)
        )
        return Fold(behind, before, self.core.proof)

    def tour(self) -> IntArray | None:
        """The tour of the whole that the core's tour stands for; None if it is of no use."""
        assert self.core is not None
        chain = self._chain
        first, last = chain.core
        path = path_of(self.core.tour)
        core = chain.nodes(first, last)[path[::-1] if chain.is_folded_behind else path]
        behind = self._unfolded(core[-1], range(last + 1, chain.groups), self._behind)
        before = self._unfolded(core[0], range(first - 1, -1, -1), self._before)
        if behind is None or before is None:
            return None
        return np.concatenate([*(part[::-1] for part in before[::-1]), core, *behind, chain.starts[-1:]])

    def _unfolded(self, node: int, groups: range, stages: list[_Stage]) -> list[IntArray] | None:
        """The nodes of some groups, the nearest to the core first, each from there outwards."""
        chain = self._chain
        found: list[IntArray] = []
        near = groups.start - groups.step
        for group, stage in zip(groups, reversed(stages), strict=True):
            entry = int(stage.entries[node - chain.starts[near]])
            if entry not in stage.paths:
                return None
            found.append(chain.nodes(group, group)[stage.paths[entry]])
            node, near = int(found[-1][-1]), group
        return found
