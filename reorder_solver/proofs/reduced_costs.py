"""Reduced costs of edges in exact integers, over all edges or over those that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.errors import VerificationError
from reorder_solver.proofs.tours import SAFE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from reorder_solver.core.proof import Leaf
    from reorder_solver.proofs.segments import Segment
    from reorder_solver.proofs.tours import IntArray, Numbers, Tours

#: Numbers are over two to the power of this at most.
MOST_EXPONENT = 256
# Edges worked on at a time.
_BLOCK = 1 << 21
# Distances of up to so many pairs of nodes are kept.
_KEPT = 1 << 24


class DualSolution:
    """The numbers of a leaf, checked.

    Parameters
    ----------
    tours : Tours or Segment
    leaf : Leaf

    Attributes
    ----------
    tours : Tours or Segment
    exponent : int
    constant : int
        Twice the sum of all numbers.
    kind : type
        Of arrays of reduced costs: int64, or objects where that could overflow.
    own : ndarray
        Per node its number and those of the sets around it.
    sets : list of (ndarray of int64, int)
        Members, ascending, and number; sets of more than half of the nodes as their complements,
        which the same edges leave.

    Raises
    ------
    VerificationError
        If there is not a number for each node, a set is none, or a negative number belongs to a
        set that is not kept together.
    """

    def __init__(self, tours: Tours | Segment, leaf: Leaf) -> None:
        self.tours = tours
        self.exponent = leaf.exponent
        if type(leaf.exponent) is not int or not 0 <= leaf.exponent <= MOST_EXPONENT:
            raise VerificationError(f"the exponent is not from 0 to {MOST_EXPONENT}")
        if len(leaf.nodes) != tours.count:
            raise VerificationError(f"{len(leaf.nodes)} numbers for {tours.count} nodes")
        if not all(type(number) is int for number in leaf.nodes):
            raise VerificationError("the number of a node is no integer")
        self.sets: list[tuple[IntArray, int]] = []
        size = 2 * max(abs(number) for number in leaf.nodes) + (tours.longest << leaf.exponent)
        self.constant = 2 * sum(leaf.nodes)
        for members, number in leaf.sets:
            self.sets.append((self._members(members, number), number))
            self.constant += 2 * number
            size += 4 * abs(number)
        self.kind: Any = np.int64 if size < SAFE else object
        own = np.array(leaf.nodes, dtype=self.kind)
        for inside, number in self.sets:
            own[inside] += number
        self.own: Numbers = own

    def _members(self, members: tuple[int, ...], number: int) -> IntArray:
        count = self.tours.count
        # The outside is the last node.
        if type(number) is not int or not all(
            type(member) is int and 0 <= member < count - 1 for member in members
        ):
            raise VerificationError("a set has a member that is no node, or no number")
        inside = np.zeros(count, dtype=np.bool_)
        inside[list(members)] = True
        if not members or np.count_nonzero(inside) < len(members):
            raise VerificationError("a set has no members, or one of them twice")
        if number < 0 and not self.tours.is_kept_together(members):
            raise VerificationError(
                "the number of a set is negative that not every layout keeps together"
            )
        return np.flatnonzero(inside if 2 * len(members) <= count else ~inside)

    def reduced_costs(self, edges: Sequence[tuple[int, int]]) -> list[int]:
        """Of a few edges."""
        tails, heads = np.array(edges, dtype=np.int64).reshape(-1, 2).T
        lengths = self.tours.distances(tails, heads, pairs=True)
        costs: Numbers = lengths.astype(self.kind) << self.exponent
        costs -= self.own[tails]
        costs -= self.own[heads]
        marks = np.zeros(self.tours.count, dtype=np.bool_)
        for inside, number in self.sets if edges else ():
            marks[inside] = True
            costs[marks[tails] & marks[heads]] += 2 * number
            marks[inside] = False
        return [int(cost) for cost in costs]


class FreeEdges:
    """Edges that nothing is known of: all, or those that were not sifted out.

    Parameters
    ----------
    tours : Tours or Segment
    keys, lengths : ndarray, optional
        The edges as ``tail * count + head``, ascending, and their lengths; by default all.
    """

    def __init__(
        self, tours: Tours | Segment, keys: IntArray | None = None, lengths: Numbers | None = None
    ) -> None:
        self._tours = tours
        self._keys = keys
        self._lengths = lengths
        self._kept: Numbers | None = None

    def __contains__(self, edge: tuple[int, int]) -> bool:
        if self._keys is None:
            return True
        key = edge[0] * self._tours.count + edge[1]
        place = int(np.searchsorted(self._keys, key))
        return place < self._keys.size and int(self._keys[place]) == key

    def between(self, tails: range, heads: range) -> npt.NDArray[np.bool_]:
        """Which edges from earlier nodes `tails` to later ones `heads` are among them."""
        if self._keys is None:
            return np.ones((len(tails), len(heads)), dtype=np.bool_)
        found = np.zeros((len(tails), len(heads)), dtype=np.bool_)
        begin, end = np.searchsorted(
            self._keys, np.array([tails.start, tails.stop]) * self._tours.count
        )
        rows, columns = np.divmod(self._keys[begin:end], self._tours.count)
        is_here = (columns >= heads.start) & (columns < heads.stop)
        found[rows[is_here] - tails.start, columns[is_here] - heads.start] = True
        return found

    def negative_part(self, duals: DualSolution) -> int:
        """The sum of the negative reduced costs."""
        return sum(_sum(np.minimum(costs, 0)) for _, _, costs in self._costs(duals))

    def sifted(self, duals: DualSolution, most: int) -> FreeEdges:
        """Those whose reduced cost, or 0 if that is more, is at most `most`."""
        none = np.zeros(0, dtype=np.int64)
        keys: list[IntArray] = [none]
        lengths: list[Any] = [none]
        for found, long, costs in self._costs(duals):
            if most < 0:
                break
            chosen = costs <= most
            keys.append(found[chosen])
            lengths.append(long[chosen])
        return FreeEdges(self._tours, np.concatenate(keys), np.concatenate(lengths))

    def _costs(self, duals: DualSolution) -> Iterator[tuple[IntArray, Numbers, Numbers]]:
        """Keys, lengths and reduced costs, some edges at a time."""
        if self._keys is None:
            yield from self._all_costs(duals)
        elif self._keys.size:
            assert self._lengths is not None
            yield self._keys, self._lengths, self._listed_costs(duals)

    def _all_costs(self, duals: DualSolution) -> Iterator[tuple[IntArray, Numbers, Numbers]]:
        count = self._tours.count
        first = 0
        while first < count - 1:
            last = min(count - 1, first + max(1, _BLOCK // (count - first)))
            lengths = self._block(first, last)
            costs = lengths.astype(duals.kind) << duals.exponent
            costs -= duals.own[first:last, None]
            costs -= duals.own[None, first:]
            for inside, number in duals.sets:
                begin, middle = np.searchsorted(inside, (first, last))
                if begin < middle:
                    rows, columns = inside[begin:middle] - first, inside[begin:] - first
                    costs[np.ix_(rows, columns)] += 2 * number
            rows, columns = np.triu_indices(last - first, 1, count - first)
            keys = (rows + first) * count + columns + first
            yield keys, lengths[rows, columns], costs[rows, columns]
            first = last

    def _block(self, first: int, last: int) -> Numbers:
        """Distances of nodes from `first` to before `last` from all nodes from `first` on."""
        count = self._tours.count
        if count * count > _KEPT:
            return self._tours.distances(slice(first, last), slice(first, None), pairs=False)
        if self._kept is None:
            everything = slice(None)
            self._kept = self._tours.distances(everything, everything, pairs=False)
        return self._kept[first:last, first:]

    def _listed_costs(self, duals: DualSolution) -> Numbers:
        assert self._keys is not None
        assert self._lengths is not None
        tails, heads = np.divmod(self._keys, self._tours.count)
        costs: Numbers = self._lengths.astype(duals.kind) << duals.exponent
        costs -= duals.own[tails]
        costs -= duals.own[heads]
        starts = np.searchsorted(tails, np.arange(self._tours.count + 1))
        marks = np.zeros(self._tours.count, dtype=np.bool_)
        for inside, number in duals.sets:
            marks[inside] = True
            sizes = starts[inside + 1] - starts[inside]
            # All places from starts[i] to before starts[i + 1], for every member i.
            shifts = np.repeat(starts[inside] - (np.cumsum(sizes) - sizes), sizes)
            places = shifts + np.arange(int(sizes.sum()))
            costs[places[marks[heads[places]]]] += 2 * number
            marks[inside] = False
        return costs


def _sum(numbers: Numbers) -> int:
    """The sum, which may leave 64 bits."""
    if numbers.dtype == object:
        return int(sum(numbers.tolist()))
    # Of upper and lower halves of the numbers, neither sum can.
    return (int((numbers >> 32).sum()) << 32) + int((numbers & 0xFFFFFFFF).sum())
