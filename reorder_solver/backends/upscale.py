"""The published heuristic for channel reordering (UCPE), as a rival to compare with.

Written anew from the description in the paper. The consumers of a tensor are the nodes of a
graph; those that share channels are neighbours. Along a path in which only neighbours share
channels every consumer can be one run. So: take the heaviest such path, lay out its channels,
remove it, repeat. Consumers inside another are ordered within it in the same way.

References
----------
A. Wan, H. Hao, K. Patnaik, Y. Xu, O. Hadad, D. Guera, Z. Ren, Q. Shan, "UPSCALE: Unconstrained
Channel Pruning", ICML 2023, arXiv 2307.08771.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from reorder_solver.backends.base import Answer, Backend, Task

if TYPE_CHECKING:
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Problem

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

#: Paths looked at in one search; beyond, paths are only extended greedily.
_SEARCH_BUDGET = 20_000


class Upscale(Backend):
    """Heaviest paths of consumers, one tensor at a time.

    Every part of an access is a consumer of its tensor. Prices and weights play no role. Where
    the orders break a required access there is no answer.

    References
    ----------
    Wan et al., "UPSCALE: Unconstrained Channel Pruning", ICML 2023, arXiv 2307.08771.
    """

    name: ClassVar[str] = "upscale"
    summary: ClassVar[str] = "the published heuristic: heaviest paths of consumers (ICML 2023)"
    reduces: ClassVar[bool] = False

    def solve(self, task: Task) -> Answer:
        """Return the heuristic's orders, or the warm start where that is cheaper."""
        problem = task.problem
        orders = tuple(
            np.arange(sizes.size, dtype=np.int64)
            if problem.fixed[tensor]
            else consumer_order(_consumers(problem, tensor), sizes, task.deadline)
            for tensor, sizes in enumerate(problem.sizes)
        )
        cost = problem.cost(orders)
        if task.start is not None:
            given = problem.cost(task.start)
            if given < cost:
                orders, cost = task.start, given
        if cost.violated:
            return Answer(None)
        task.report(orders, None)
        return Answer(orders)


def _consumers(problem: Problem, tensor: int) -> BoolArray:
    """One row per part that wants something of `tensor`, True where it wants a class."""
    rows = [
        wanted
        for access in problem.accesses
        for each, wanted in access.parts
        if each == tensor and wanted.size
    ]
    wants = np.zeros((len(rows), problem.sizes[tensor].size), dtype=np.bool_)
    for number, wanted in enumerate(rows):
        wants[number, wanted] = True
    return wants


def consumer_order(wants: BoolArray, sizes: IntArray, deadline: Deadline) -> IntArray:
    """Order the columns of `wants` so that many rows become one run.

    Parameters
    ----------
    wants : ndarray of bool, shape (consumers, columns)
    sizes : ndarray of int64, shape (columns,)
        Channels behind each column.
    deadline : Deadline
        Once it has passed, paths are extended greedily.

    Returns
    -------
    ndarray of int64
        Columns that no consumer wants come last.
    """
    rows = np.unique(wants, axis=0) if wants.size else wants[:0]
    rows = rows[np.argsort(rows @ sizes, kind="stable")]
    shared = _shared(rows, sizes)
    weights = shared.diagonal()
    inside = (shared == weights[:, None]) & (weights[:, None] < weights[None, :])
    arranger = _Arranger(rows, HeaviestPath(shared), deadline)
    inner: list[IntArray] = []
    # Smaller consumers first: the order inside one is ready when another needs it.
    for consumer in range(rows.shape[0]):
        nested = np.flatnonzero(inside[:, consumer])
        outermost = nested[~inside[np.ix_(nested, nested)].any(axis=1)]
        inner.append(arranger.arrange(outermost, inner, np.flatnonzero(rows[consumer])))
    outermost = np.flatnonzero(~inside.any(axis=1))
    return arranger.arrange(outermost, inner, np.arange(wants.shape[1], dtype=np.int64))


def _shared(rows: BoolArray, sizes: IntArray) -> IntArray:
    """Channels that each two consumers share."""
    # float64 multiplies fast, and is exact up to 2**53 channels.
    counts = rows.astype(np.float64)
    shared: IntArray = np.rint((counts * sizes) @ counts.T).astype(np.int64)
    return shared


@dataclass(slots=True, eq=False)
class _Arranger:
    """Lays out consumers of which none is inside another."""

    rows: BoolArray
    paths: HeaviestPath
    deadline: Deadline

    def arrange(self, consumers: IntArray, inner: list[IntArray], columns: IntArray) -> IntArray:
        """Order `columns`: path by path, then what no consumer wants.

        Parameters
        ----------
        consumers : ndarray of int64
        inner : list of ndarray of int64
            Per consumer the order of its own columns.
        columns : ndarray of int64
        """
        is_placed = np.zeros(self.rows.shape[1], dtype=np.bool_)
        order: list[IntArray] = []

        def emit(block: IntArray) -> None:
            fresh = block[~is_placed[block]]
            is_placed[fresh] = True
            order.append(fresh)

        left = consumers.tolist()
        while left:
            path = self.paths.among(left, self.deadline)
            left = [consumer for consumer in left if consumer not in path]
            for place, consumer in enumerate(path):
                mine = inner[consumer]
                before = self._is_wanted(path[place - 1 : place], mine)
                after = self._is_wanted(path[place + 1 : place + 2], mine)
                emit(mine[before])
                emit(mine[~before & ~after])
                emit(mine[after])
        emit(columns)
        return np.concatenate(order)

    def _is_wanted(self, neighbour: list[int], columns: IntArray) -> BoolArray:
        rows = self.rows[np.array(neighbour, dtype=np.int64)][:, columns]
        wanted: BoolArray = np.logical_or.reduce(rows, axis=0)
        return wanted


class HeaviestPath:
    """Search for the heaviest path of consumers in which only neighbours share channels.

    Parameters
    ----------
    shared : ndarray of int64, shape (consumers, consumers)
        Channels that each two share; the diagonal holds how many each wants.
    """

    def __init__(self, shared: IntArray) -> None:
        self._shared = shared
        self._weights = shared.diagonal()
        self._near = shared > 0
        np.fill_diagonal(self._near, val=False)

    def among(self, nodes: list[int], deadline: Deadline) -> list[int]:
        """The heaviest path found among `nodes`.

        Its weight is the number of channels wanted along it, shared ones counted once. Exact
        within a budget of extensions; beyond it, paths are only extended greedily, and after the
        deadline only from one node.
        """
        is_node = np.zeros(self._weights.size, dtype=np.bool_)
        is_node[nodes] = True
        budget = _SEARCH_BUDGET
        best: list[int] = []
        heaviest = -1
        for start in sorted(nodes, key=lambda node: (-int(self._weights[node]), node)):
            if best and deadline.expired:
                break
            stack = [([start], int(self._weights[start]), is_node)]
            while stack:
                path, weight, free = stack.pop()
                if weight > heaviest:
                    best, heaviest = path, weight
                children, beyond = self._extensions(path, weight, free, heaviest)
                budget -= len(children)
                if budget < 0 or deadline.expired:
                    children = children[-1:]
                    stack.clear()
                stack.extend((longer, heavier, beyond) for longer, heavier in children)
        return best

    def _extensions(
        self, path: list[int], weight: int, free: BoolArray, heaviest: int
    ) -> tuple[list[tuple[list[int], int]], BoolArray]:
        """Longer paths that may get heavier than `heaviest`, heaviest last; and what is left.

        What shares channels with the last node can be its successor, but nothing later.
        """
        last = path[-1]
        near = self._near[last]
        beyond = free & ~near
        beyond[last] = False
        following = np.flatnonzero(free & near)
        weights = weight + self._weights[following] - self._shared[last, following]
        promising = weights + int(self._weights[beyond].sum()) > heaviest
        following, weights = following[promising], weights[promising]
        ranked = np.lexsort((-following, weights))
        return [([*path, int(following[at])], int(weights[at])) for at in ranked], beyond
