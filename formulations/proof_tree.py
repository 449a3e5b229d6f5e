"""Proofs by cases that no tour is shorter than a goal.

Where one dual solution (:mod:`formulations.subtour_certificate`) does not reach the goal, two
things help. A *sieve* leaves out edges: a tour with an edge costs at least what the dual solution
proves plus that edge's reduced cost (Dantzig, Fulkerson, Johnson 1954), so where that reaches the
goal, tours below the goal do without it. A *split* distinguishes tours without an edge from tours
with it. In either case fewer edges may be used, or some must, and a dual solution proves more:
edges that are out count nothing, and one that must be used counts its reduced cost, whatever its
sign.

References
----------
G. Dantzig, R. Fulkerson, S. Johnson, "Solution of a large-scale traveling-salesman problem",
Journal of the Operations Research Society of America 2 (1954) 393-410, DOI 10.1287/opre.2.4.393.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from formulations.subtour_certificate import (
    Certificate,
    Distances,
    check_certificate,
    check_distances,
    check_signs,
    constant_part,
    exact_bound,
    reduced_costs,
    reduced_costs_of,
    round_up,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.cut_separation import BoolArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Tours without the edge from `tail` to `head`, and tours with it.

    Attributes
    ----------
    tail, head : int
    apart, adjacent : Tree
    """

    tail: int
    head: int
    apart: Tree
    adjacent: Tree


@dataclass(frozen=True, slots=True, eq=False)
class Sieve:
    """Leave out the edges that `certificate` shows to be in no tour below the goal.

    Attributes
    ----------
    certificate : Certificate
    rest : Tree
    """

    certificate: Certificate
    rest: Tree


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """In no tour in question is the part from `node` on, away from a core, below `value`.

    See :mod:`formulations.chain_folding`.

    Attributes
    ----------
    node : int
        Where the tour enters a group from the core's side, by place in the group.
    value : int
    tree : Certificate, Split or Sieve
        About the tours through the group and two terminals.
    """

    node: int
    value: int
    tree: Tree


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A proof about the tours through a chain of groups.

    Attributes
    ----------
    goal : int
        Costs from here on were not told apart.
    behind, before : tuple of tuple of Claim
        For each group behind the core, from the last one on, and before it, from the first one on.
    core : Certificate, Split or Sieve
        About the tours through the core and two terminals.
    """

    goal: int
    behind: tuple[tuple[Claim, ...], ...]
    before: tuple[tuple[Claim, ...], ...]
    core: Tree


#: A proof; an end of it is a dual solution that reaches the goal.
Tree: TypeAlias = Certificate | Split | Sieve | Fold

#: What is made of a proof.
Made = TypeVar("Made")


def rebuilt(
    tree: Tree,
    *,
    end: Callable[[Certificate], Made],
    split: Callable[[int, int, Made, Made], Made],
    sieve: Callable[[Certificate, Made], Made],
    fold: Callable[[Fold], Made],
) -> Made:
    """Make something of a proof, from its ends upwards and without recursion.

    Parameters
    ----------
    tree : Certificate, Split, Sieve or Fold
    end, split, sieve, fold : callable
        Make it of an entry, given what was made of what the entry holds. A fold is not gone into.
    """
    order: list[Tree] = []
    waiting = [tree]
    while waiting:
        case = waiting.pop()
        order.append(case)
        if isinstance(case, Split):
            waiting += [case.apart, case.adjacent]
        elif isinstance(case, Sieve):
            waiting.append(case.rest)
    made: dict[int, Made] = {}
    for case in reversed(order):
        if isinstance(case, Split):
            parts = made[id(case.apart)], made[id(case.adjacent)]
            made[id(case)] = split(case.tail, case.head, *parts)
        elif isinstance(case, Sieve):
            made[id(case)] = sieve(case.certificate, made[id(case.rest)])
        else:
            made[id(case)] = fold(case) if isinstance(case, Fold) else end(case)
    return made[id(tree)]


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """The edges that tours may use, and which of them they must.

    Attributes
    ----------
    tails, heads : ndarray of int64
    is_used : ndarray of bool
        The edge is in every tour in question.
    """

    tails: IntArray
    heads: IntArray
    is_used: BoolArray

    def bound(self, distances: Distances, certificate: Certificate) -> tuple[int, IntArray]:
        """What `certificate` proves of such tours, and their edges' reduced costs.

        Both times ``2**exponent``.
        """
        costs = reduced_costs_of(distances, certificate, self.tails, self.heads)
        counted = np.where(self.is_used, costs, np.minimum(costs, 0))
        # As many costs as there are nodes add up within 64 bits; all of them need not.
        at_once = max(1, distances.shape[0])
        firsts = range(0, counted.size, at_once)
        total = sum(int(counted[first : first + at_once].sum()) for first in firsts)
        return constant_part(distances, certificate) + total, costs

    def keep(self, kept: BoolArray) -> Edges:
        """Only some of the edges."""
        return Edges(self.tails[kept], self.heads[kept], self.is_used[kept])


def all_edges(count: int) -> Edges:
    """Every edge between `count` nodes."""
    tails, heads = np.triu_indices(count, 1)
    return Edges(tails.astype(np.int64), heads.astype(np.int64), np.zeros(tails.size, np.bool_))


def sift(
    distances: Distances, certificate: Certificate, step: int, goal: int
) -> tuple[Edges, IntArray]:
    """The edges that tours below `goal` may use, by one dual solution.

    Parameters
    ----------
    distances : ndarray of int, (nodes, nodes)
    certificate : Certificate
    step : int
        A divisor of the length of every tour.
    goal : int

    Returns
    -------
    edges : Edges
    costs : ndarray of int64
        Their reduced costs, times ``2**exponent``.
    """
    room = _room(exact_bound(distances, certificate), certificate.exponent, step, goal)
    tails, heads, costs = [], [], []
    for first, block in reduced_costs(distances, certificate):
        rows, columns = np.nonzero(np.triu(block <= room, 1))
        tails.append(rows + first)
        heads.append(columns + first)
        costs.append(block[rows, columns])
    edges = Edges(np.concatenate(tails), np.concatenate(heads), np.zeros(0, np.bool_))
    used = np.zeros(edges.tails.size, dtype=np.bool_)
    return Edges(edges.tails, edges.heads, used), np.concatenate(costs)


def _room(numerator: int, exponent: int, step: int, goal: int) -> int:
    """How large a reduced cost an edge of a tour below the goal may have.

    A length that is no less than ``goal - step + 1`` is at least the goal, if that is a multiple.
    """
    below = round_up(goal, 0, step) - step
    return min((below << exponent) - numerator, 2**62)


def check_tree(
    distances: Distances,
    tree: Tree,
    goal: int,
    step: int = 1,
    closed: BoolArray | None = None,
) -> None:
    """Check, in integers, that `tree` proves all tours to be at least `goal` long.

    Parameters
    ----------
    distances : ndarray of int, (nodes, nodes)
        Symmetric, at least three nodes; the diagonal does not matter.
    tree : Certificate, Split or Sieve
        Trusted in nothing. A fold is refused.
    goal : int
    step : int
        A divisor of the length of every tour, on the caller's word.
    closed : ndarray of bool, (sets, nodes), optional
        Only tours count that leave each of these sets just twice.

    Raises
    ------
    ValueError
        If it does not, or is malformed.
    """
    check_distances(distances)
    count = distances.shape[0]
    if count < 3:
        raise ValueError("a proof by cases is of three nodes or more")
    open_cases: list[tuple[Tree, Edges]] = []
    if isinstance(tree, Certificate):
        if check_certificate(distances, tree, step, closed) < goal:
            raise ValueError(f"the proof does not reach {goal}")
    elif isinstance(tree, Sieve):
        check_signs(tree.certificate, closed)
        open_cases.append((tree.rest, sift(distances, tree.certificate, step, goal)[0]))
    else:
        open_cases.append((tree, all_edges(count)))
    while open_cases:
        case, edges = open_cases.pop()
        if isinstance(case, Fold):
            raise ValueError("a fold is about a chain of groups, which are not known here")
        if isinstance(case, Split):
            place = _place(edges, case.tail, case.head)
            if place is None:
                # Tours with an edge that is out: there are none below the goal.
                open_cases.append((case.apart, edges))
                continue
            if not edges.is_used[place]:
                others = np.arange(edges.tails.size) != place
                open_cases.append((case.apart, edges.keep(others)))
            open_cases.append(
                (case.adjacent, Edges(edges.tails, edges.heads, edges.is_used | _at(edges, place)))
            )
            continue
        certificate = case.certificate if isinstance(case, Sieve) else case
        check_signs(certificate, closed)
        numerator, costs = edges.bound(distances, certificate)
        if isinstance(case, Sieve):
            room = _room(numerator, certificate.exponent, step, goal)
            open_cases.append((case.rest, edges.keep(edges.is_used | (costs <= room))))
        elif round_up(numerator, certificate.exponent, step) < goal:
            raise ValueError(f"an end of the proof does not reach {goal}")


def _place(edges: Edges, tail: int, head: int) -> int | None:
    low, high = min(tail, head), max(tail, head)
    found = np.flatnonzero((edges.tails == low) & (edges.heads == high))
    return int(found[0]) if found.size else None


def _at(edges: Edges, place: int) -> BoolArray:
    marked = np.zeros(edges.tails.size, dtype=np.bool_)
    marked[place] = True
    return marked
