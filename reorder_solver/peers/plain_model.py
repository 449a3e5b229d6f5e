"""The textbook model of a layout problem: which channel directly follows which.

A binary variable per ordered pair of a tensor's channels, one more node standing for the outside
where its order begins and ends. An access has as many runs as arcs lead from what it does not
want to what it does. No channel classes, no cuts, no start: what one writes down first.

References
----------
C. E. Miller, A. W. Tucker, R. A. Zemlin, "Integer programming formulation of traveling salesman
problems", Journal of the ACM 7 (1960) 326-329, DOI 10.1145/321043.321046.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from reorder_solver import Objective

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from reorder_solver.peers.columns import IntArray
    from reorder_solver.presolve import Problem


class Row(NamedTuple):
    """One access.

    Attributes
    ----------
    arcs : list of int
        Those at which a run begins; how many are taken is the number of its runs.
    most : int
        Runs it can have.
    mode : {"runs", "copy", "view"}
        Whether each run beyond the first, or any of them, costs `price`, or none is allowed.
    price : int
    """

    arcs: list[int]
    most: int
    mode: Literal["runs", "copy", "view"]
    price: int


@dataclass(frozen=True, slots=True)
class PlainModel:
    """Circuits through the free tensors, and what accesses pay.

    Attributes
    ----------
    nodes : list of int
        Per free tensor, its channels and one.
    first : list of int
        Number of its first arc.
    arcs : int
        How many there are.
    rows : list of Row
        Accesses to free tensors that may have more than one run.
    """

    nodes: list[int]
    first: list[int]
    arcs: int
    rows: list[Row]

    @property
    def first_runs(self) -> int:
        """What the runs that cost nothing would cost: the constant of the objective."""
        return sum(row.price for row in self.rows if row.mode == "runs")

    @staticmethod
    def pairs(nodes: int) -> Iterator[tuple[int, int]]:
        """The arcs of a tensor, in the order of their numbers."""
        return ((i, j) for i in range(nodes) for j in range(nodes) if i != j)

    def successors(self, taken: npt.NDArray[np.bool_]) -> list[list[int]]:
        """Per free tensor the node after each, from the arcs taken."""
        found = []
        for first, nodes in zip(self.first, self.nodes, strict=True):
            if nodes == 1:
                found.append([0])
                continue
            arcs = taken[first : first + nodes * (nodes - 1)].reshape(nodes, nodes - 1)
            heads = arcs.argmax(axis=1)
            found.append((heads + (heads >= np.arange(nodes))).tolist())
        return found


def arc_count(problem: Problem) -> int:
    """Arcs of the model of `problem`, without building it."""
    return sum(
        (sizes.size + 1) * sizes.size
        for sizes, fixed in zip(problem.sizes, problem.fixed, strict=True)
        if not fixed
    )


def price_unit(problem: Problem) -> int:
    """Common divisor of all prices."""
    prices = [access.cost(2, access.channels + 1).primary for access in problem.accesses]
    return gcd(*prices) or 1


def plain_model(problem: Problem) -> tuple[PlainModel, int]:
    """The model, its prices over :func:`price_unit`, and the cost of accesses to fixed tensors."""
    free = [number for number, fixed in enumerate(problem.fixed) if not fixed]
    place = {number: at for at, number in enumerate(free)}
    nodes = [problem.sizes[number].size + 1 for number in free]
    first = [0, *np.cumsum([each * (each - 1) for each in nodes]).tolist()]
    unit = price_unit(problem)
    constant = 0
    rows: list[Row] = []
    facts = problem.facts(problem.identity())
    for access, (runs, span) in zip(problem.accesses, facts, strict=True):
        tensor, wanted = access.parts[0]
        if tensor not in place:
            constant += access.cost(runs, span).primary
        elif wanted.size:
            at = place[tensor]
            arcs = _beginnings(nodes[at], wanted) + first[at]
            most = min(wanted.size, nodes[at] - wanted.size)
            kind: Literal["runs", "copy"] = (
                "runs" if problem.objective is Objective.RUNS else "copy"
            )
            price = access.cost(2, access.channels + 1).primary // unit
            rows.append(Row(arcs.tolist(), most, "view" if access.required else kind, price))
    return PlainModel(nodes, first[:-1], first[-1], rows), constant


def _beginnings(nodes: int, wanted: IntArray) -> IntArray:
    """Arcs from nodes that are not wanted to nodes that are; the last node never is."""
    outside = np.setdiff1d(np.arange(nodes), wanted)
    tails, heads = np.meshgrid(outside, wanted, indexing="ij")
    # The arc from a node to itself is left out of the numbering.
    numbers: IntArray = tails * (nodes - 1) + heads - (heads > tails)
    return numbers.ravel()


class MixedInteger(NamedTuple):
    """``min costs @ x`` with ``low <= matrix @ x <= high``, ``0 <= x <= upper``."""

    costs: npt.NDArray[np.float64]
    matrix: Any
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    upper: npt.NDArray[np.float64]
    integral: npt.NDArray[np.int64]


def mixed_integer_programme(model: PlainModel) -> MixedInteger:
    """The model as a programme: arcs, then positions of nodes, then a binary per copied access."""
    from scipy.sparse import coo_array

    entries: list[tuple[int, int, float]] = []
    limits: list[tuple[float, float]] = []
    positions = model.arcs
    copied = positions + sum(nodes - 1 for nodes in model.nodes)
    width = copied + sum(row.mode == "copy" for row in model.rows)
    costs, upper = np.zeros(width), np.ones(width)
    for first, nodes in zip(model.first, model.nodes, strict=True):
        if nodes > 1:
            _circuit(entries, limits, first, positions, nodes)
        upper[positions : positions + nodes - 1] = nodes - 2
        positions += nodes - 1
    for row in model.rows:
        if row.mode == "runs":
            costs[row.arcs] += row.price
            continue
        entries.extend((len(limits), arc, 1.0) for arc in row.arcs)
        if row.mode == "copy":
            entries.append((len(limits), copied, 1.0 - row.most))
            costs[copied] = row.price
            copied += 1
        limits.append((-np.inf, 1.0))
    at, column, value = zip(*entries, strict=True) if entries else ((), (), ())
    matrix = coo_array((value, (at, column)), shape=(len(limits), width)).tocsr()
    low, high = np.array(limits).reshape(-1, 2).T
    integral = np.ones(width, dtype=np.int64)
    integral[model.arcs : model.arcs + sum(nodes - 1 for nodes in model.nodes)] = 0
    return MixedInteger(costs, matrix, low, high, upper, integral)


def _circuit(
    entries: list[tuple[int, int, float]],
    limits: list[tuple[float, float]],
    first: int,
    positions: int,
    nodes: int,
) -> None:
    """Every node is entered and left once, and positions grow along arcs between channels."""
    begin = len(limits)
    limits.extend([(1.0, 1.0)] * (2 * nodes))
    for number, (tail, head) in enumerate(PlainModel.pairs(nodes)):
        entries += [
            (begin + tail, first + number, 1.0),
            (begin + nodes + head, first + number, 1.0),
        ]
        if nodes - 1 not in (tail, head):
            place = len(limits)
            entries += [
                (place, positions + tail, 1.0),
                (place, positions + head, -1.0),
                (place, first + number, float(nodes - 1)),
            ]
            limits.append((-np.inf, float(nodes - 2)))
