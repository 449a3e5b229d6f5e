"""Problem: an instance under one objective, as arrays, the form in which solvers see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from reorder_solver.core.evaluate import runs_and_span
from reorder_solver.core.layout import Layout
from reorder_solver.core.objectives import price_list, tie_weight

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance
    from reorder_solver.core.prices import Objective, PriceList

IntArray: TypeAlias = npt.NDArray[np.int64]
#: One permutation of classes per tensor of a problem.
Orders: TypeAlias = tuple[IntArray, ...]


class Cost(NamedTuple):
    """What orders cost, compared in this sequence.

    Attributes
    ----------
    violated : int
        Required accesses that are no view; orders with any are no solution.
    primary : int
        The objective.
    tie : int
        The tie-break (weighted runs beyond the first; 0 where the objective has none).
    """

    violated: int
    primary: int
    tie: int


@dataclass(frozen=True, slots=True, eq=False)
class ProblemAccess:
    """One access, or several that want exactly the same, over channel classes.

    Attributes
    ----------
    parts : tuple of (int, ndarray of int64)
        Tensor index and sorted class indices, in order. An empty part still takes up room.
    channels : int
        Wanted channels ``n`` (classes counted with their sizes).
    prices : tuple of PriceList
        One per member, or fewer where they could be added up; the cost is the sum over them.
        Not used if `required`.
    tie_weight : int
        Price of a run beyond the first in the tie-break.
    required : bool
        Only a view will do.
    members : tuple of int
        Indices of the instance's accesses that this one stands for.
    """

    parts: tuple[tuple[int, IntArray], ...]
    channels: int
    prices: tuple[PriceList, ...]
    tie_weight: int
    required: bool
    members: tuple[int, ...]

    def cost(self, runs: int, span: int) -> Cost:
        """Cost with these facts; exact Python integers."""
        tie = self.tie_weight * max(runs - 1, 0)
        if self.required:
            return Cost(int(runs > 1), 0, tie)
        return Cost(
            0, sum(each.cheapest(self.channels, runs, span)[0] for each in self.prices), tie
        )


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Tensors as arrays of channel classes, and the accesses to them.

    A class is a set of channels that are kept side by side; class ``c`` of tensor ``t`` takes up
    ``sizes[t][c]`` positions. A solution is a permutation of the classes of every tensor
    (the identity, where the tensor is fixed).

    Attributes
    ----------
    objective : Objective
    sizes : tuple of ndarray of int64
        Per tensor, channels in each class (positive).
    fixed : tuple of bool
        Per tensor.
    accesses : tuple of ProblemAccess
    """

    objective: Objective
    sizes: tuple[IntArray, ...]
    fixed: tuple[bool, ...]
    accesses: tuple[ProblemAccess, ...]

    @property
    def classes(self) -> int:
        """Number of classes over all tensors."""
        return sum(sizes.size for sizes in self.sizes)

    def identity(self) -> Orders:
        """Every tensor's classes in their original order."""
        return tuple(np.arange(sizes.size, dtype=np.int64) for sizes in self.sizes)

    def facts(self, orders: Orders) -> list[tuple[int, int]]:
        """Runs and span of every access under `orders`."""
        starts: list[IntArray] = []
        for order, sizes in zip(orders, self.sizes, strict=True):
            start = np.empty_like(sizes)
            start[order] = np.cumsum(sizes[order]) - sizes[order]
            starts.append(start)
        widths = [int(sizes.sum()) for sizes in self.sizes]
        return [self._access_facts(access, starts, widths) for access in self.accesses]

    def _access_facts(
        self, access: ProblemAccess, starts: list[IntArray], widths: list[int]
    ) -> tuple[int, int]:
        offset = 0
        begins: list[IntArray] = []
        lengths: list[IntArray] = []
        for tensor, wanted in access.parts:
            begins.append(starts[tensor][wanted] + offset)
            lengths.append(self.sizes[tensor][wanted])
            offset += widths[tensor]
        return runs_and_span(np.concatenate(begins), np.concatenate(lengths))

    def cost(self, orders: Orders) -> Cost:
        """Cost of `orders`: the sum over the accesses."""
        violated = primary = tie = 0
        for access, (runs, span) in zip(self.accesses, self.facts(orders), strict=True):
            one = access.cost(runs, span)
            violated += one.violated
            primary += one.primary
            tie += one.tie
        return Cost(violated, primary, tie)


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """An instance as a problem in which every placed channel is a class of its own.

    Attributes
    ----------
    instance : Instance
    problem : Problem
    channels : tuple of ndarray of int64
        Per tensor, the channel behind each class, ascending.
    """

    instance: Instance
    problem: Problem
    channels: tuple[IntArray, ...]

    def layout(self, orders: Orders) -> Layout:
        """The layout that `orders` stand for, unused channels last."""
        layout: dict[str, IntArray] = {}
        for tensor, channels, order in zip(
            self.instance.tensors, self.channels, orders, strict=True
        ):
            unused = np.setdiff1d(np.arange(tensor.channels), channels, assume_unique=True)
            layout[tensor.id] = np.concatenate([channels[order], unused])
        return Layout(layout)

    def orders(self, layout: Layout) -> Orders:
        """The orders of the placed channels under `layout`."""
        found: list[IntArray] = []
        for tensor, channels in zip(self.instance.tensors, self.channels, strict=True):
            rank = np.full(tensor.channels, -1, dtype=np.int64)
            rank[channels] = np.arange(channels.size)
            ranks = rank[layout[tensor.id]]
            found.append(ranks[ranks >= 0])
        return tuple(found)


def compile_problem(instance: Instance, objective: Objective) -> Compiled:
    """Turn `instance` under `objective` into arrays, with nothing reduced yet.

    Raises
    ------
    InstanceError
        If the objective needs prices that an access lacks.
    """
    placed = instance.placed_channels()
    channels = tuple(np.flatnonzero(placed[tensor.id]) for tensor in instance.tensors)
    index = {tensor.id: number for number, tensor in enumerate(instance.tensors)}
    accesses = tuple(
        ProblemAccess(
            parts=tuple(
                (index[part.tensor], np.searchsorted(channels[index[part.tensor]], part.channels))
                for part in access.parts
            ),
            channels=access.size,
            prices=() if access.required else (price_list(access, objective),),
            tie_weight=tie_weight(access, objective),
            required=access.required,
            members=(number,),
        )
        for number, access in enumerate(instance.accesses)
    )
    sizes = tuple(np.ones(found.size, dtype=np.int64) for found in channels)
    fixed = tuple(tensor.fixed for tensor in instance.tensors)
    return Compiled(instance, Problem(objective, sizes, fixed, accesses), channels)
