"""Tours through a chain of groups, one group at a time.

Let the nodes come in groups ``0 .. k``, and an *outside* node after them. Only tours count that go
from the outside through all nodes of one group after the other and back. Neighbouring groups then
meet in one edge, from the last node of one to the first node of the next. So what lies behind a
group matters to it by one number per node only: the least length of all that follows if the group
ends there. A chain is *folded* by working these numbers out, from the last group towards some
*core* of neighbouring groups, and from the first group likewise::

    value_i(f) = least length of a path from f through group i to any l, plus behind_i(l)
    behind_{i-1}(l) = least over f of distance(l, f) + value_i(f)

What is left is the tour through the core and two *terminals*, which stand for all before it and all
behind it. Each value is a tour through one group and two terminals, too.

This is a dynamic programme over the groups (Bellman 1957) whose transitions are travelling salesman
paths. With values that are only lower bounds, so is the result.

References
----------
R. Bellman, "Dynamic Programming", Princeton University Press 1957.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from formulations.proof_tree import Sieve, Split, rebuilt
from formulations.subtour_certificate import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from formulations.cut_separation import BoolArray, IntArray
    from formulations.proof_tree import Edges, Tree


class Tours(NamedTuple):
    """Tours through some nodes and two terminals, which come last and are neighbours.

    Attributes
    ----------
    distances : ndarray of int64, (nodes, nodes)
        Those of each terminal from all nodes but the other terminal are less by its base.
    closed : ndarray of bool, (sets, nodes)
        Sets that tours leave just twice.
    bases : tuple of int
        Even. So much must be added to the lengths of tours.
    """

    distances: IntArray
    closed: BoolArray
    bases: tuple[int, int]

    def lifted(self, tree: Tree) -> Tree:
        """A proof about the tours as they are, from one about `distances`; without folds."""
        if not any(self.bases):
            return tree

        def end(certificate: Certificate) -> Tree:
            return self._lifted(certificate)

        def sieve(certificate: Certificate, rest: Tree) -> Tree:
            return Sieve(self._lifted(certificate), rest)

        return rebuilt(tree, end=end, split=Split, sieve=sieve, fold=lambda fold: fold)

    def _lifted(self, certificate: Certificate) -> Certificate:
        """With the bases in the numbers of the terminals and of the set of both.

        The reduced costs of all edges stay as they are.
        """
        first, second = (base // 2 << certificate.exponent for base in self.bases)
        nodes = certificate.nodes.copy()
        nodes[-2] += first - second
        nodes[-1] += second - first
        pair = np.zeros((1, nodes.size), dtype=np.bool_)
        pair[0, -2:] = True
        return Certificate(
            nodes,
            np.append(certificate.sets, first + second),
            np.concatenate([certificate.members, pair]),
            certificate.exponent,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Groups in sequence.

    Attributes
    ----------
    distances : ndarray of int64, (nodes, nodes)
        Of all nodes, the outside last. Not negative; the distances of any two nodes and those of
        each of them from the outside add up to an even number (so all tours are even).
    starts : ndarray of int64, (groups + 1,)
        First node of every group, and the outside.
    closed : ndarray of bool, (sets, nodes)
        Other sets that tours leave just twice, none with the outside. A group that one of them
        cuts in two must be in the core.
    core : tuple of int
        First and last group of the core, not all groups.
    longest : int
        No distance is larger.
    """

    distances: IntArray
    starts: IntArray
    closed: BoolArray
    core: tuple[int, int]
    longest: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "longest", int(self.distances.max()))

    @property
    def groups(self) -> int:
        """How many."""
        return self.starts.size - 1

    def nodes(self, first: int, last: int) -> IntArray:
        """Nodes of the groups from `first` to `last`."""
        return np.arange(self.starts[first], self.starts[last + 1])

    def in_sequence(self, tour: IntArray) -> IntArray:
        """All nodes but the outside as they come in a tour, the first group's first."""
        outside = int(self.starts[-1])
        nodes = np.roll(tour, -int(np.flatnonzero(tour == outside)[0]))[1:]
        found: IntArray = nodes if nodes[0] < nodes[-1] else nodes[::-1]
        return found

    def outside(self, nodes: IntArray) -> IntArray:
        """Distances from the outside."""
        found: IntArray = self.distances[nodes, -1]
        return found

    def stage(self, group: int, entry: int, away: IntArray, goal: int) -> Tours:
        """The tours for the value of one node, away from the core.

        Parameters
        ----------
        group : int
        entry : int
            Its node (by place in the group) that is nearest to the core.
        away : ndarray of int64
            What all on the other side costs, by the group's node next to it.
        goal : int
            Lengths from here on need not be told apart.

        Returns
        -------
        Tours
            Through the group, the terminal away from the core and the one on its side. They are
            longer than the value by the entry's distance from the outside, so that they are even.
        """
        nodes = self.nodes(group, group)
        # Most of the goal is for what comes beyond the group.
        barrier = goal - int(away.min()) + self.longest + 2
        towards = at_least(barrier, self.outside(nodes))
        towards[entry] = self.outside(nodes)[entry]
        none = np.zeros((0, nodes.size + 2), dtype=np.bool_)
        inner = self.distances[np.ix_(nodes, nodes)]
        return between_terminals(inner, away, towards, none, (even_below(away), 0))

    def core_tours(self, behind: IntArray, before: IntArray, goal: int) -> Tours:
        """The tours through the core.

        Parameters
        ----------
        behind, before : ndarray of int64
            What all behind and before the core costs, by the node of its last and first group
            next to that.
        goal : int
            Lengths from here on need not be told apart.

        Returns
        -------
        Tours
            The last two nodes are terminals: if groups are folded behind the core, behind and
            before, else the other way round.
        """
        nodes = self.nodes(*self.core)
        far = at_least(goal, self.outside(nodes))
        at_end, at_start = far.copy(), far
        at_end[nodes.size - behind.size :] = behind
        at_start[: before.size] = before
        sides = (at_end, at_start) if self.is_folded_behind else (at_start, at_end)
        inner = self.distances[np.ix_(nodes, nodes)]
        bases = even_below(sides[0]), even_below(sides[1])
        return between_terminals(inner, *sides, self._closed_in_core(nodes), bases)

    @property
    def is_folded_behind(self) -> bool:
        """Whether groups come behind the core."""
        return self.core[1] + 1 < self.groups

    def _closed_in_core(self, nodes: IntArray) -> BoolArray:
        """Closed sets as they are seen from the core, terminals among them."""
        inside = self.closed[:, nodes]
        is_cut = inside.any(axis=1) & ~inside.all(axis=1)
        reaches_before = self.closed[:, : nodes[0]].any(axis=1)
        reaches_behind = self.closed[:, nodes[-1] + 1 :].any(axis=1)
        sides = [reaches_behind, reaches_before]
        found = np.column_stack([inside, *(sides if self.is_folded_behind else sides[::-1])])
        return np.unique(found[is_cut], axis=0)

    def junction(self, group: int, edges: Edges | None) -> BoolArray:
        """Which edges from `group` to the next one are among `edges`; None for all edges."""
        left, right = self.nodes(group, group), self.nodes(group + 1, group + 1)
        if edges is None:
            return np.ones((left.size, right.size), dtype=np.bool_)
        allowed = np.zeros((left.size, right.size), dtype=np.bool_)
        tails, heads = edges.tails - left[0], edges.heads - right[0]
        is_here = (tails >= 0) & (tails < left.size) & (heads >= 0) & (heads < right.size)
        allowed[tails[is_here], heads[is_here]] = True
        return allowed

    def crossing(
        self,
        near: int,
        far: int,
        allowed: BoolArray,
        values: IntArray,
        preferred: BoolArray,
        goal: int,
    ) -> tuple[IntArray, IntArray]:
        """Costs of going from every node of `near` over to `far`, away from the core.

        Parameters
        ----------
        near, far : int
            Neighbouring groups.
        allowed : ndarray of bool, (nodes of near, nodes of far)
            Edges that may be used.
        values : ndarray of int64
            Of the nodes of `far`.
        preferred : ndarray of bool
            Those of them that are taken where others cost the same.
        goal : int
            Costs from here on need not be told apart, and are made the least of them.

        Returns
        -------
        costs : ndarray of int64
        entries : ndarray of int64
            The node of `far` (by place) that each of them goes to.
        """
        nodes = self.nodes(near, near)
        most = at_least(goal, self.outside(nodes))
        lengths = self.distances[np.ix_(nodes, self.nodes(far, far))] + values
        lengths = np.where(allowed, lengths, np.maximum(lengths, most[:, None]))
        entries: IntArray = (2 * lengths - preferred).argmin(axis=1)
        costs = np.minimum(most, lengths[np.arange(nodes.size), entries])
        return costs, entries


def at_least(goal: int, parities: IntArray) -> IntArray:
    """The least numbers from `goal` on that are as odd or even as `parities`."""
    found: IntArray = goal + (parities - goal) % 2
    return found


def even_below(numbers: IntArray) -> int:
    """The largest even number that is not above any of `numbers`."""
    return int(numbers.min()) // 2 * 2


def between_terminals(
    inner: IntArray, first: IntArray, second: IntArray, closed: BoolArray, bases: tuple[int, int]
) -> Tours:
    """Paths as tours: through some nodes and two terminals that are neighbours.

    Parameters
    ----------
    inner : ndarray of int64, (nodes, nodes)
    first, second : ndarray of int64, (nodes,)
        Distances of the two terminals.
    closed : ndarray of bool, (sets, nodes + 2)
    bases : tuple of int
        Even numbers that distances of terminals are less by in the result: what all tours have in
        common does no good to linear programmes.
    """
    count = inner.shape[0]
    distances = np.zeros((count + 2, count + 2), dtype=np.int64)
    distances[:count, :count] = inner
    distances[:count, count] = distances[count, :count] = first - bases[0]
    distances[:count, count + 1] = distances[count + 1, :count] = second - bases[1]
    pair = np.zeros((1, count + 2), dtype=np.bool_)
    pair[0, count:] = True
    # Three nodes have but one tour.
    closed = np.concatenate([pair, closed]) if count > 1 else closed[:0]
    return Tours(distances, closed, bases)


def path_of(tour: Sequence[int] | IntArray) -> IntArray:
    """The nodes of such a tour from the first terminal to the second one, both left out."""
    nodes = np.asarray(tour)
    count = nodes.size - 2
    nodes = np.roll(nodes, -int(np.flatnonzero(nodes == count)[0]))
    # The second terminal comes either last or right after the first.
    path: IntArray = nodes[1:-1] if nodes[-1] == count + 1 else nodes[:1:-1]
    return path


def choose_core(starts: IntArray, closed: BoolArray, most: int) -> tuple[int, int]:
    """First and last group of the smallest core.

    Parameters
    ----------
    starts : ndarray of int64
        As in :class:`Chain`.
    closed : ndarray of bool, (sets, nodes)
        Groups that one of these sets cuts in two belong to the core.
    most : int
        So do larger groups than this.

    Returns
    -------
    tuple of int
        If no group must be, the core is a largest one.
    """
    sizes = np.diff(starts)
    wanted = np.add.reduceat(closed[:, : starts[-1]].astype(np.int64), starts[:-1], axis=1)
    is_cut = ((wanted > 0) & (wanted < sizes)).any(axis=0)
    needed = np.flatnonzero(is_cut | (sizes > most))
    if not needed.size:
        needed = np.flatnonzero(sizes == sizes.max())[:1]
    return int(needed[0]), int(needed[-1])
