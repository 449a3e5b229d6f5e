"""Checking a bound on weighted runs: a tree of cases, each closed by a dual solution.

Give every node a number ``pi`` and some sets of nodes a number ``mu``. The *reduced cost* of an
edge is its length less the numbers of both ends and of all sets that it leaves. A tour passes
every node with two edges, leaves every set at least twice (just twice if the set is kept
together: then ``mu`` may be negative) and uses an edge at most once. So it is at least ::

    2 * sum(pi) + 2 * sum(mu) + sum over free edges of min(0, reduced cost)
                              + sum over edges in the tour of reduced costs

long, where an edge is free if nothing is known of it (Dantzig, Fulkerson, Johnson 1954,
DOI 10.1287/opre.2.4.393). All of it is worked out in integers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reorder_solver.core.errors import VerificationError
from reorder_solver.core.proof import Fold, Leaf, Sieve, Split
from reorder_solver.proofs.folds import check_fold
from reorder_solver.proofs.reduced_costs import DualSolution, FreeEdges
from reorder_solver.proofs.tours import Tours

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from reorder_solver.core.proof import RunsPart, Tree
    from reorder_solver.proofs.groups import Groups
    from reorder_solver.proofs.segments import Segment


def check_runs(part: RunsPart[str, tuple[str, int]], groups: Groups, taken: set[int]) -> None:
    """Raise :class:`VerificationError` unless the accesses of `part` cost its bound or more."""
    tours = Tours(part, groups, taken)
    if not tours.unit:
        if part.bound:
            raise VerificationError(f"claims {part.bound}, but the accesses cost nothing")
        return
    # Half of the shortest tour that costs the bound.
    half = -(-(part.bound + tours.first_runs) // tours.unit)
    _Walk(tours, 2 * half).check(part.tree)


@dataclass(frozen=True, slots=True)
class _Case:
    """What is known of the edges.

    Attributes
    ----------
    free : FreeEdges
        Edges not sifted out yet.
    used, unused : tuple of (int, int)
        Edges that were split; they are not free, though `free` may list them.
    """

    free: FreeEdges
    used: tuple[tuple[int, int], ...] = ()
    unused: tuple[tuple[int, int], ...] = ()


class _Walk:
    """From case to case, without recursion: a tree may be deep."""

    def __init__(self, tours: Tours | Segment, target: int) -> None:
        self._tours = tours
        self._target = target
        self._number = 0

    def check(self, tree: Tree) -> None:
        left: list[tuple[Tree, _Case]] = [(tree, _Case(FreeEdges(self._tours)))]
        while left:
            node, case = left.pop()
            self._number += 1
            try:
                if isinstance(node, Leaf):
                    self._close(node, case)
                elif isinstance(node, Sieve):
                    left.append((node.rest, self._sift(node.leaf, case)))
                elif isinstance(node, Fold):
                    self._fold(node, case)
                else:
                    left += self._split(node, case)
            except VerificationError as error:
                raise VerificationError(f"tree entry {self._number}: {error}") from None

    def _close(self, leaf: Leaf, case: _Case) -> None:
        duals = DualSolution(self._tours, leaf)
        proven = self._length(self._numerator(duals, case), duals.exponent)
        if proven < self._target:
            raise VerificationError(
                f"proves tours of {proven} or more, but {self._target} is needed"
            )

    def _sift(self, leaf: Leaf, case: _Case) -> _Case:
        duals = DualSolution(self._tours, leaf)
        # Tours are even: what is longer than the target less 2 reaches the target.
        most = ((self._target - 2) << duals.exponent) - self._numerator(duals, case)
        return replace(case, free=case.free.sifted(duals, most))

    def _fold(self, fold: Fold, case: _Case) -> None:
        tours = self._tours
        if not isinstance(tours, Tours):
            raise VerificationError("a fold within a fold")

        def left(nearer: range, nodes: range) -> npt.NDArray[np.bool_]:
            tails, heads = sorted((nearer, nodes), key=lambda each: each.start)
            found = case.free.between(tails, heads)
            for tail, head in case.unused:
                if tail in tails and head in heads:
                    found[tail - tails.start, head - heads.start] = False
            return found if tails is nearer else found.T

        def check(segment: Segment, tree: Tree, target: int) -> None:
            _Walk(segment, target).check(tree)

        check_fold(fold, tours, self._target, left, check)

    def _split(self, split: Split, case: _Case) -> list[tuple[Tree, _Case]]:
        """The cases to look at; one is none of tours below the target if the edge is decided."""
        ends = (split.tail, split.head)
        if not all(type(end) is int and 0 <= end < self._tours.count for end in ends):
            raise VerificationError(f"there is no edge {split.tail} - {split.head}")
        edge = (min(ends), max(ends))
        if edge[0] == edge[1]:
            raise VerificationError(f"splits on node {edge[0]} and itself")
        if edge in case.used:
            return [(split.adjacent, case)]
        if edge in case.unused or edge not in case.free:
            return [(split.apart, case)]
        return [
            (split.adjacent, replace(case, used=(*case.used, edge))),
            (split.apart, replace(case, unused=(*case.unused, edge))),
        ]

    def _numerator(self, duals: DualSolution, case: _Case) -> int:
        """What `duals` prove of the tours in `case`, times ``2**exponent``."""
        if self._tours.count < 2:
            return 0
        # The tour through two nodes uses their edge twice.
        uses = 2 if self._tours.count == 2 else 1
        total = case.free.negative_part(duals)
        listed = [edge for edge in (*case.used, *case.unused) if edge in case.free]
        total -= sum(min(0, cost) for cost in duals.reduced_costs(listed))
        total += sum(duals.reduced_costs(case.used))
        return duals.constant + uses * total

    def _length(self, numerator: int, exponent: int) -> int:
        return -(-numerator // (2 << exponent)) * 2
