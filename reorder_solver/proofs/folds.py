"""Checking a chain of tensors that is taken apart.

Neighbouring tensors meet in one edge. So a tour passes through a tensor and all beyond it on a path
that begins at some node of the tensor, its entry. Of the tours in question (shorter than is to be
proven, along the edges left), let all that lies beyond the tensor cost at least ``away(l)`` if its
last node is ``l``. Then the path costs at least the shortest one through the tensor, from the entry
to any ``l``, with ``away(l)`` added: a *claim*, with a proof of its own. And from node ``n`` of the
tensor before, what follows costs at least the least of the step to any entry, along an edge left,
and that entry's claim. At last there is the core, between two such bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from reorder_solver.core.errors import VerificationError
from reorder_solver.proofs.segments import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from reorder_solver.core.proof import Claim, Fold, Tree
    from reorder_solver.proofs.tours import Tours

    #: Checks that a tree proves all tours of a segment to have a length.
    Check: TypeAlias = Callable[[Segment, Tree, int], None]
    #: Which edges are left from some nodes to some others.
    Left: TypeAlias = Callable[[range, range], npt.NDArray[np.bool_]]


def check_fold(fold: Fold, tours: Tours, target: int, left: Left, check: Check) -> None:
    """Raise :class:`VerificationError` unless no tour along the edges left is below `target`.

    Parameters
    ----------
    fold : Fold
    tours : Tours
    target : int
        Even.
    left : callable
        Edges not left are in no tour below `target`.
    check : callable
    """
    last = len(tours.groups) - 1 - len(fold.behind)
    first = len(fold.before)
    if first > last or not (fold.before or fold.behind):
        raise VerificationError("the fold leaves no core, or folds nothing")
    if type(fold.goal) is not int or fold.goal < target:
        raise VerificationError(f"the goal of the fold is below {target}, which is needed")
    folding = _Folding(tours, fold.goal, left, check)
    behind = folding.away(range(len(tours.groups) - 1, last, -1), fold.behind)
    before = folding.away(range(first), fold.before)
    check(folding.core(first, last, behind, before), fold.core, target)


class _Folding:
    def __init__(self, tours: Tours, goal: int, left: Left, check: Check) -> None:
        self._tours = tours
        self._goal = goal
        self._left = left
        self._check = check
        count = tours.count
        lengths = tours.distances(slice(0, count), slice(count - 1, count), pairs=False)
        self._own = [int(length) for length in lengths[:, 0]]

    def away(self, groups: range, stages: Sequence[tuple[Claim, ...]]) -> list[int]:
        """What lies beyond, by node of the group that comes after `groups`, outermost first."""
        outermost = self._tours.groups[groups.start]
        away = [self._own[node] for node in outermost]
        for group, claims in zip(groups, stages, strict=True):
            away = self._stage(group, group + groups.step, away, claims)
        return away

    def _stage(
        self, group: int, near: int, away: list[int], claims: tuple[Claim, ...]
    ) -> list[int]:
        nodes, nearer = self._tours.groups[group], self._tours.groups[near]
        values: dict[int, int] = {}
        for claim in claims:
            if type(claim.node) is not int or not 0 <= claim.node < len(nodes):
                raise VerificationError("a claim is of no node of its tensor")
            if type(claim.value) is not int or claim.node in values:
                raise VerificationError("a claim has no value, or there are two of a node")
            own = self._own[nodes[claim.node]]
            if (own + claim.value) % 2:
                raise VerificationError("a claim is even where paths are odd, or odd")
            segment = self._entered(nodes, claim.node, away, is_behind=group > near)
            self._check(segment, claim.tree, own + claim.value)
            values[claim.node] = claim.value
        return self._over(nearer, nodes, values)

    def _entered(self, nodes: range, entry: int, away: list[int], *, is_behind: bool) -> Segment:
        """A tensor whose other nodes are so far away from the core that they are no entries.

        Whatever that length is, it allows more tours, not fewer.
        """
        barrier = self._goal + self._tours.longest + 2
        towards = [self._at_least(barrier, node) for node in nodes]
        towards[entry] = self._own[nodes[entry]]
        return Segment(
            self._tours, nodes.start, nodes.stop, away, towards, first_is_behind=is_behind
        )

    def _over(self, nearer: range, nodes: range, values: dict[int, int]) -> list[int]:
        """The least of steps and claims, by node of `nearer`."""
        is_left = self._left(nearer, nodes)
        entries = np.flatnonzero(is_left.any(axis=0)).tolist()
        if not values.keys() >= set(entries):
            raise VerificationError("tours may enter at a node of which a claim is needed")
        lengths = self._tours.distances(
            slice(nearer.start, nearer.stop), slice(nodes.start, nodes.stop), pairs=False
        )
        found: list[int] = []
        for place, node in enumerate(nearer):
            # More than the goal is as good as the goal: no tour in question is as long.
            least = self._at_least(self._goal, node)
            for entry, value in values.items():
                if is_left[place, entry]:
                    least = min(least, int(lengths[place, entry]) + value)
            found.append(least)
        return found

    def core(self, first: int, last: int, behind: list[int], before: list[int]) -> Segment:
        """The groups left over; only the last ends at what is behind, the first at the other."""
        groups = self._tours.groups
        nodes = range(groups[first].start, groups[last].stop)
        far = [self._at_least(self._goal, node) for node in nodes]
        at_end = far[: len(nodes) - len(behind)] + behind
        at_start = before + far[len(before) :]
        first_is_behind = last + 1 < len(groups)
        sides = (at_end, at_start) if first_is_behind else (at_start, at_end)
        return Segment(
            self._tours, nodes.start, nodes.stop, *sides, first_is_behind=first_is_behind
        )

    def _at_least(self, number: int, node: int) -> int:
        """The least from `number` on that is as odd or even as what paths from `node` cost."""
        return number + (self._own[node] - number) % 2
