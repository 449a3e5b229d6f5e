"""Tensors laid end to end: a problem about runs as tours through the columns of one 0/1 matrix.

If every access reads neighbours of one sequence of tensors, all of them laid end to end are as
good as one tensor: its columns are the classes of all, its rows the accesses, and a row's runs in
the whole are the access's own. What the single tensor would be free to do and the sequence is not
are consecutive-ones conditions again: each tensor, and all tensors before or after a junction, keep
together.

The weighted runs of an order of columns are half the length of the tour through the columns and
one of zeros, the *outside*, under weighted Hamming distance (Kou 1977). A set that keeps together
is left by the tour just twice.

Where accesses do not agree on one sequence, links between tensors are given up until the rest
makes sequences; an access is then cut in pieces. A junction that was given up may join a run of one
piece with one of the next, so an access in ``p`` pieces with ``r_1 .. r_p`` runs has at least
``r_1 + .. + r_p - (p - 1)``: its runs beyond the first are at least the pieces' runs beyond their
first. The sequences together thus bound the cost from below, and so they do with the price of a run
for every cut added, less what cuts can join at most (:mod:`reorder_solver.backends.junctions`).

References
----------
L. T. Kou, "Polynomial complete consecutive information retrieval problems", SIAM Journal on
Computing 6 (1977) 67-75, DOI 10.1137/0206004.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from reorder_solver.presolve import Orders, Problem, ProblemAccess
    from reorder_solver.presolve.problem import IntArray

    BoolArray: TypeAlias = npt.NDArray[np.bool_]

#: Piece of an access: its first part's place among the tensors of a sequence, and the wanted
#: classes of its parts, tensor by tensor.
Piece: TypeAlias = "tuple[int, list[IntArray]]"


class Cut(NamedTuple):
    """Where an access is cut, between two parts that both want something.

    Attributes
    ----------
    access : int
    left, right : (int, ndarray of int64)
        The parts before and after: tensor and wanted classes.
    can_join : bool
        Nothing lies in between, so a run can go on.
    """

    access: int
    left: tuple[int, IntArray]
    right: tuple[int, IntArray]
    can_join: bool


def run_weight(access: ProblemAccess) -> int | None:
    """Price of every run of `access` beyond its first; None if it pays for anything else."""
    if any(set(each.to_mapping()) - {"split"} for each in access.prices):
        return None
    return sum(each.split[0] for each in access.prices if each.split is not None)


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """Tensors laid end to end, and what accesses want of them.

    Attributes
    ----------
    tensors : tuple of int
        In their order.
    starts : ndarray of int64, (tensors + 1,)
        First node of every tensor; last, the outside node.
    wants : ndarray of bool, (rows, nodes)
        What each row (an access, or a piece of one) wants; nobody wants the outside.
    accesses : tuple of int
        The access behind each row.
    weights : tuple of int
        Price of a run of each row; 0 where it must be one.
    closed : ndarray of bool, (sets, nodes)
        Sets of two nodes or more that keep together, none with the outside.
    """

    tensors: tuple[int, ...]
    starts: IntArray
    wants: BoolArray
    accesses: tuple[int, ...]
    weights: tuple[int, ...]
    closed: BoolArray

    @property
    def nodes(self) -> int:
        """Number of nodes, the outside included."""
        return int(self.starts[-1]) + 1

    @property
    def first_runs(self) -> int:
        """What the first runs of all rows weigh: half a tour's length has them, costs do not."""
        return sum(
            weight for weight, row in zip(self.weights, self.wants, strict=True) if row.any()
        )

    def distances(self, unit: int = 1) -> IntArray:
        """Weighted Hamming distances of all nodes, with weights divided by `unit`."""
        columns = self.wants.T.astype(np.float64)
        # Sums of integers below 2**53: exact in floats.
        weights = np.array([weight // unit for weight in self.weights], dtype=np.float64)
        shared = (columns * weights) @ columns.T
        own = shared.diagonal().copy()
        shared *= -2.0
        shared += own[:, None]
        shared += own
        return shared.astype(np.int64)

    def tour(self, orders: Orders) -> IntArray:
        """The tour of a problem's orders."""
        nodes = [
            orders[tensor] + start
            for tensor, start in zip(self.tensors, self.starts[:-1].tolist(), strict=True)
        ]
        return np.concatenate([*nodes, self.starts[-1:]])

    def fill(self, tour: IntArray, orders: list[IntArray]) -> bool:
        """Put a tour's order into `orders`, tensor by tensor.

        Returns
        -------
        bool
            False, and nothing is changed, if some tensor does not keep together or in its place.
        """
        outside = int(np.flatnonzero(tour == self.starts[-1])[0])
        nodes = np.roll(tour, -outside)[1:]
        tensor_of = np.searchsorted(self.starts[1:], nodes, side="right")
        if tensor_of.size and tensor_of[0] > tensor_of[-1]:
            nodes, tensor_of = nodes[::-1], tensor_of[::-1]
        if np.any(np.diff(tensor_of) < 0):
            return False
        for place, tensor in enumerate(self.tensors):
            orders[tensor] = nodes[self.starts[place] : self.starts[place + 1]] - self.starts[place]
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Concatenations:
    """A problem about runs as sequences of tensors.

    Attributes
    ----------
    sequences : tuple of Sequence
    cuts : tuple of Cut
        Between pieces that want something.
    """

    sequences: tuple[Sequence, ...]
    cuts: tuple[Cut, ...]

    @property
    def is_exact(self) -> bool:
        """No access is cut in pieces."""
        return not self.cuts

    @classmethod
    def of(cls, problem: Problem) -> Concatenations:
        """Lay the tensors of `problem` end to end, in as few sequences as its accesses allow."""
        following = _links(problem)
        heads = set(range(len(problem.sizes))) - set(following.values())
        chains: list[list[int]] = []
        for head in sorted(heads):
            chain = [head]
            while chain[-1] in following:
                chain.append(following[chain[-1]])
            chains.append(chain)
        place = {
            tensor: (number, at)
            for number, chain in enumerate(chains)
            for at, tensor in enumerate(chain)
        }
        pieces: list[list[tuple[int, Piece]]] = [[] for _ in chains]
        cuts: list[Cut] = []
        for number, access in enumerate(problem.accesses):
            for chain_number, piece in _pieces(access, place):
                pieces[chain_number].append((number, piece))
            cuts += _cuts(problem, number, place)
        made = (_sequence(problem, chain, rows) for chain, rows in zip(chains, pieces, strict=True))
        return cls(tuple(made), tuple(cuts))


def _weight(access: ProblemAccess) -> int:
    return 0 if access.required else run_weight(access) or 0


def _links(problem: Problem) -> dict[int, int]:
    """Which tensor follows which: the heaviest links that make sequences."""
    weights: dict[tuple[int, int], int] = {}
    for access in problem.accesses:
        for (left, _), (right, _) in zip(access.parts, access.parts[1:], strict=False):
            # A required access is worth any number of others.
            worth = 1 << 80 if access.required else 1 + _weight(access)
            weights[left, right] = weights.get((left, right), 0) + worth
    following: dict[int, int] = {}
    before: dict[int, int] = {}
    for left, right in sorted(weights, key=lambda link: (-weights[link], link)):
        if left in following or right in before:
            continue
        last = right
        while last in following:
            last = following[last]
        if last != left:
            following[left], before[right] = right, left
    return following


def _pieces(access: ProblemAccess, place: dict[int, tuple[int, int]]) -> list[tuple[int, Piece]]:
    """An access cut where its parts are no neighbours in a sequence; pieces that want something."""
    found: list[tuple[int, Piece]] = []
    last = (-1, -1)
    for tensor, wanted in access.parts:
        chain, at = place[tensor]
        if found and (chain, at) == (last[0], last[1] + 1):
            found[-1][1][1].append(wanted)
        else:
            found.append((chain, (at, [wanted])))
        last = (chain, at)
    return [each for each in found if any(wanted.size for wanted in each[1][1])]


def _cuts(problem: Problem, number: int, place: dict[int, tuple[int, int]]) -> list[Cut]:
    """Where neighbours among the parts that want something are in different pieces."""
    parts = problem.accesses[number].parts
    # How often the access is cut before a part, and how much room there is.
    cut, room = [0], [0]
    for (left, _), (right, _) in pairwise(parts):
        chain, at = place[left]
        cut.append(cut[-1] + (place[right] != (chain, at + 1)))
        room.append(room[-1] + problem.sizes[left].size)
    wanting = [each for each, (_, wanted) in enumerate(parts) if wanted.size]
    return [
        Cut(
            number,
            parts[one],
            parts[other],
            room[other] - room[one] == problem.sizes[parts[one][0]].size,
        )
        for one, other in pairwise(wanting)
        if cut[one] != cut[other]
    ]


def _sequence(problem: Problem, chain: list[int], rows: list[tuple[int, Piece]]) -> Sequence:
    starts = np.cumsum([0, *(problem.sizes[tensor].size for tensor in chain)]).astype(np.int64)
    wants = np.zeros((len(rows), int(starts[-1]) + 1), dtype=np.bool_)
    for row, (_, (first, parts)) in enumerate(rows):
        for at, wanted in enumerate(parts, first):
            wants[row, starts[at] + wanted] = True
    required = [problem.accesses[number].required for number, _ in rows]
    closed = [wants[row] for row, is_required in enumerate(required) if is_required]
    closed += _kept_together(problem, chain, starts)
    return Sequence(
        tensors=tuple(chain),
        starts=starts,
        wants=wants,
        accesses=tuple(number for number, _ in rows),
        weights=tuple(_weight(problem.accesses[number]) for number, _ in rows),
        closed=_different(closed, int(starts[-1]) + 1),
    )


def _kept_together(problem: Problem, chain: list[int], starts: IntArray) -> list[BoolArray]:
    """Each tensor, the tensors before and after each junction, and all that a fixed one fixes."""
    node = np.arange(int(starts[-1]) + 1)
    last = int(starts[-1])
    found: list[BoolArray] = []
    for at, tensor in enumerate(chain):
        begin, end = int(starts[at]), int(starts[at + 1])
        found.append((node >= begin) & (node < end))
        found.append(node < end)
        found.append((node >= begin) & (node < last))
        if problem.fixed[tensor]:
            found.extend(node < stop for stop in range(begin + 1, end))
            found.extend((node >= first) & (node < last) for first in range(begin + 1, end))
    return found


def _different(sets: list[BoolArray], nodes: int) -> BoolArray:
    """The sets, each once, without those that any tour leaves just twice."""
    seen: dict[bytes, BoolArray] = {}
    for each in sets:
        size = int(each.sum())
        if 2 <= size <= nodes - 2:
            seen.setdefault(each.tobytes(), each)
    return np.array(list(seen.values()), dtype=np.bool_).reshape(len(seen), nodes)
