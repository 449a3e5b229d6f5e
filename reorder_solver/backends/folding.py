"""The shortest tour through a sequence of tensors, tensor by tensor.

Neighbouring tensors meet in one edge, so a chain of them can be folded from its ends
(:mod:`formulations.chain_folding`): many small tours in place of a large one between many closed
sets. The bound on the whole comes first. Only those edges between tensors are looked at that its
sieve leaves below a goal; with the goal just above the bound these are few. If no tour below the
goal is found the bound rises to it, and the next goal is farther away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from formulations.chain_folding import Chain, choose_core, path_of
from formulations.proof_tree import Fold, Sieve, sift
from reorder_solver.backends.fold_stage import FoldStage, solve_path
from reorder_solver.backends.shortest_tour import TourSolver

if TYPE_CHECKING:
    from collections.abc import Callable

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
#: How much farther each goal is from the bound.
_FARTHER = 8
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
        super().__init__(sequence.distances(unit), sequence.closed, start, deadline, seed, report)
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
            step *= _FARTHER


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
        self._behind: list[FoldStage] = []
        self._before: list[FoldStage] = []

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
        tours = chain.core_tours(behind, before, self._goal)
        self.core = solve_path(tours, path, self._deadline, self._seed)
        return self.core

    def _fold(self, groups: range, stages: list[FoldStage]) -> IntArray | None:
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
            stage = FoldStage(
                chain,
                group,
                near,
                costs,
                allowed.T if near > group else allowed,
                self._goal,
                self._deadline,
                self._seed,
            )
            if not stage.run():
                return None
            stages.append(stage)
            costs = stage.costs
        return costs

    def fold(self) -> Fold:
        """The proof of what is known of the core, given the edges."""
        assert self.core is not None
        assert self.core.proof is not None
        behind, before = (
            tuple(stage.claims for stage in side) for side in (self._behind, self._before)
        )
        return Fold(self._goal, behind, before, self.core.proof)

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
        return np.concatenate(
            [*(part[::-1] for part in before[::-1]), core, *behind, chain.starts[-1:]]
        )

    def _unfolded(self, node: int, groups: range, stages: list[FoldStage]) -> list[IntArray] | None:
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
