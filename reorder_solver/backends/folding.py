"""The shortest tour through a sequence of tensors, tensor by tensor.

Neighbouring tensors meet in one edge, so a chain of them can be folded from its ends
(:mod:`formulations.chain_folding`): many small tours in place of a large one between many closed
sets. Long chains of small tensors are folded at once. For others the bound on the whole comes
first. Then only those edges between tensors are looked at that its sieve leaves below a goal; with
the goal just above the bound these are few. If no tour below the goal is found the bound rises to
it, and the next goal is farther away.
"""

from __future__ import annotations

from dataclasses import replace
from math import isinf
from typing import TYPE_CHECKING

import numpy as np

from formulations.chain_folding import Chain, choose_core, path_of
from formulations.proof_tree import Fold, Sieve, sift
from reorder_solver.backends.fold_stage import FoldStage, solve_path
from reorder_solver.backends.shortest_tour import TourSolver
from reorder_solver.core.limits import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.proof_tree import Edges
    from formulations.subtour import SubtourBound
    from formulations.subtour_certificate import Certificate
    from reorder_solver.backends.concatenation import Sequence
    from reorder_solver.backends.shortest_tour import TourAnswer
    from reorder_solver.presolve.problem import IntArray

#: Tensors of more classes are not folded.
_MOST_NODES = 256
#: Folding is quick if this times the nodes squared, times the tensors, is more than the sum of the
#: folded tensors' classes to the third power.
_PER_WHOLE = 0.02
#: Seconds for each pair of nodes that are kept back to bound what could not be folded.
_PER_PAIR = 2e-7
#: Every Hamming tour has an even length.
_STEP = 2
#: How much farther each goal is from the bound.
_FARTHER = 8
#: Nodes times the largest number may be this much.
_LARGEST = 2**49


class ChainSolver(TourSolver):
    """Solves one sequence; folds it if that is quick, or where the bound on the whole is not met.

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

    def _decompose(self, root: SubtourBound | None) -> None:
        if self._chain is None:
            return
        if root is None:
            if _is_quick(self._chain):
                self._fold(self._chain, None, self.answer.length)
            return
        step = _STEP
        while not self._is_proven and not self._deadline.expired:
            goal = min(self.answer.length, self.answer.bound + step)
            if not self._fold(self._chain, root.certificate, goal):
                return
            step *= _FARTHER

    def _fold(self, chain: Chain, sieve: Certificate | None, goal: int) -> bool:
        """Fold for a goal; whether that raised the bound."""
        edges = None
        if sieve is not None:
            edges, _ = sift(self._distances, sieve, _STEP, goal)
        folding = Folding(chain, edges, goal, self._deadline, self._seed)
        core = folding.run(self.answer.tour)
        if core is None:
            return False
        tour = folding.tour()
        if tour is not None:
            self._offer(tour)
        bound = min(goal, core.bound)
        if bound <= self.answer.bound:
            return False
        fold = folding.fold()
        self.answer.bound = bound
        self.answer.proof = fold if sieve is None else Sieve(sieve, fold)
        self._report()
        return True


def _is_quick(chain: Chain) -> bool:
    """Whether folding the chain takes less time than bounding the whole."""
    sizes = np.diff(chain.starts).astype(np.float64)
    sizes[chain.core[0] : chain.core[1] + 1] = 0.0
    whole = float(chain.distances.shape[0]) ** 2 * chain.groups
    return float((sizes**3).sum()) < _PER_WHOLE * whole


class Folding:
    """Folds a chain for one goal.

    Parameters
    ----------
    chain : Chain
    edges : Edges or None
        Tours below the goal have no other edges between groups; None for all edges.
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
        self, chain: Chain, edges: Edges | None, goal: int, deadline: Deadline, seed: int
    ) -> None:
        self.core: TourAnswer | None = None
        self._chain = chain
        self._edges = edges
        self._goal = goal
        self._deadline = deadline
        left = deadline.remaining
        reserve = _PER_PAIR * chain.distances.size
        self._early = deadline if isinf(left) else Deadline(max(0.0, left - reserve))
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
        behind, last = self._fold(range(chain.groups - 1, last, -1), self._behind)
        before, first = self._fold(range(first), self._before)
        if not (self._behind or self._before):
            return None
        # If time ran out, what is left is the core.
        chain = self._chain = replace(chain, core=(first, last))
        order = chain.in_sequence(start)
        nodes = chain.nodes(first, last)
        inner = order[(order >= nodes[0]) & (order <= nodes[-1])] - nodes[0]
        path = inner[::-1] if chain.is_folded_behind else inner
        tours = chain.core_tours(behind, before, self._goal)
        # The time kept back is for a bound; the path has seen a local search as part of the whole.
        is_cut = self._early.expired
        found = solve_path(tours, path, self._deadline, self._seed, bounds_first=is_cut)
        assert found.proof is not None
        base, proof = sum(tours.bases), tours.lifted(found.proof)
        self.core = replace(
            found, length=base + found.length, bound=base + found.bound, proof=proof
        )
        return self.core

    def _fold(self, groups: range, stages: list[FoldStage]) -> tuple[IntArray, int]:
        """Fold some groups, outermost first, as many as time allows.

        Returns
        -------
        costs : ndarray of int64
            What they cost, by node of the group that comes next.
        group : int
            That group.
        """
        chain, near = self._chain, groups.start
        costs = chain.outside(chain.nodes(near, near))
        for group in groups:
            allowed = chain.junction(min(group, group + groups.step), self._edges)
            stage = FoldStage(
                chain,
                group,
                group + groups.step,
                costs,
                allowed.T if groups.step > 0 else allowed,
                self._goal,
                self._early,
                self._seed,
            )
            if not stage.run():
                break
            stages.append(stage)
            costs, near = stage.costs, group + groups.step
        return costs, near

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
