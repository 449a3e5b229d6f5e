"""Evaluate: the facts of every access under a layout, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reorder_solver.core.objectives import price_list, tie_weight
from reorder_solver.core.prices import Mode, Objective

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reorder_solver.core.instance import Access, Instance
    from reorder_solver.core.layout import Layout

IntArray = npt.NDArray[np.int64]


def runs_and_span(starts: IntArray, lengths: IntArray) -> tuple[int, int]:
    """Number of maximal runs, and the span, of disjoint blocks of positions.

    Parameters
    ----------
    starts, lengths : ndarray of int64, shape (k,)
        Block ``i`` covers positions ``starts[i] .. starts[i] + lengths[i] - 1``; any order,
        ``lengths`` positive.

    Returns
    -------
    (int, int)
        ``(0, 0)`` where there is no block. O(k log k).
    """
    if starts.size == 0:
        return 0, 0
    by_start = np.argsort(starts, kind="stable")
    begin = starts[by_start]
    end = begin + lengths[by_start]
    runs = 1 + int(np.count_nonzero(begin[1:] != end[:-1]))
    return runs, int(end[-1] - begin[0])


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """What a layout means for one access.

    Attributes
    ----------
    channels, runs, span : int
        Wanted channels ``n``, maximal runs ``r`` and spanned positions ``s``.
    mode : Mode or None
        How it is served; None if it is required but no view.
    cost : int
        Price of that mode (0 where `mode` is None).
    """

    channels: int
    runs: int
    span: int
    mode: Mode | None
    cost: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Facts and cost of a layout.

    Attributes
    ----------
    objective : Objective
    accesses : mapping of str to AccessFacts
        By access id.
    total : int or None
        The cost; None if a required access is no view (then the layout is no solution).
    tie_break : int
        Weighted runs beyond the first, where the objective breaks ties by them; else 0.
    violated : tuple of str
        Ids of the required accesses that are no view.
    """

    objective: Objective
    accesses: Mapping[str, AccessFacts]
    total: int | None
    tie_break: int
    violated: tuple[str, ...]

    @property
    def views(self) -> int:
        """How many accesses are views."""
        return sum(1 for facts in self.accesses.values() if facts.mode is Mode.VIEW)

    @property
    def runs(self) -> int:
        """Runs over all accesses, unweighted."""
        return sum(facts.runs for facts in self.accesses.values())


def positions(instance: Instance, layout: Layout) -> dict[str, IntArray]:
    """Per tensor id and channel its position under `layout`; -1 for a dropped channel."""
    placed = instance.placed_channels()
    where: dict[str, IntArray] = {}
    for tensor in instance.tensors:
        order = layout[tensor.id]
        kept = order[placed[tensor.id][order]]
        ranks = np.full(tensor.channels, -1, dtype=np.int64)
        ranks[kept] = np.arange(kept.size)
        where[tensor.id] = ranks
    return where


def evaluate(
    instance: Instance, layout: Layout, objective: str | Objective = Objective.BYTES
) -> Evaluation:
    """Runs, span, mode and cost of every access under `layout`, and the total.

    Parameters
    ----------
    instance : Instance
    layout : Layout
        Checked against the instance.
    objective : str or Objective

    Returns
    -------
    Evaluation

    Raises
    ------
    LayoutError
        If the layout does not belong to the instance.
    InstanceError
        If the objective needs prices that an access lacks.

    Notes
    -----
    O(n log n) in the number of wanted channels. Costs are Python integers, exact at any size.
    """
    objective = Objective.parse(objective)
    layout.check(instance)
    where = positions(instance, layout)
    lengths = {key: int(np.count_nonzero(ranks >= 0)) for key, ranks in where.items()}
    accesses: dict[str, AccessFacts] = {}
    violated: list[str] = []
    total = tie_break = 0
    for access in instance.accesses:
        facts = _facts(access, where, lengths, objective)
        accesses[access.id] = facts
        total += facts.cost
        tie_break += tie_weight(access, objective) * max(facts.runs - 1, 0)
        if facts.mode is None:
            violated.append(access.id)
    return Evaluation(objective, accesses, None if violated else total, tie_break, tuple(violated))


def _facts(
    access: Access, where: Mapping[str, IntArray], lengths: Mapping[str, int], objective: Objective
) -> AccessFacts:
    offset = 0
    wanted: list[IntArray] = []
    for part in access.parts:
        wanted.append(where[part.tensor][part.channels] + offset)
        offset += lengths[part.tensor]
    starts = np.concatenate(wanted)
    runs, span = runs_and_span(starts, np.ones_like(starts))
    if access.required and runs > 1:
        return AccessFacts(starts.size, runs, span, None, 0)
    cost, mode = price_list(access, objective).cheapest(starts.size, runs, span)
    return AccessFacts(starts.size, runs, span, mode, cost)
