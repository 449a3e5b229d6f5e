"""Brute force: the best of all orders, by plain enumeration. The reference for every solver.

Every order of every free tensor is enumerated. What an access costs depends only on the positions
its channels take, so each pattern of positions is handed to the package's own evaluation once
(in some layout that has it) and looked up from then on.
"""

from __future__ import annotations

from itertools import permutations
from math import factorial, prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

import reorder_solver as rs
from reorder_solver.core.objectives import tie_weight
from reorder_solver.presolve import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from reorder_solver import Instance, Objective
    from reorder_solver.presolve import Problem

    #: Of one layout: for every access whether it is violated, its cost and its tie-break.
    Costs: TypeAlias = list[tuple[int, int, int]]
    #: Tensor and wanted blocks of one part of an access.
    Wanted: TypeAlias = tuple[int, npt.NDArray[np.int64]]

#: More layouts than this are refused: a test that needs them is asking the wrong question.
MOST_LAYOUTS = 2_000_000


def brute_force(instance: Instance, objective: str | Objective) -> tuple[int, int] | None:
    """Smallest cost of `instance`, then smallest tie-break, over all layouts.

    Returns
    -------
    (int, int) or None
        None if no layout keeps all required accesses.
    """
    objective = rs.Objective.parse(objective)
    placed = instance.placed_channels()
    channels = [np.flatnonzero(placed[tensor.id]) for tensor in instance.tensors]
    index = {tensor.id: number for number, tensor in enumerate(instance.tensors)}

    def layout_of(orders: Sequence[npt.NDArray[np.int64]]) -> rs.Layout:
        return rs.Layout(
            {
                tensor.id: np.concatenate([found[order], np.flatnonzero(~placed[tensor.id])])
                for tensor, found, order in zip(instance.tensors, channels, orders, strict=True)
            }
        )

    def costs_of(orders: Sequence[npt.NDArray[np.int64]]) -> Costs:
        found = rs.evaluate(instance, layout_of(orders), objective).accesses
        return [
            (
                int(found[access.id].mode is None),
                found[access.id].cost,
                tie_weight(access, objective) * max(found[access.id].runs - 1, 0),
            )
            for access in instance.accesses
        ]

    best = _enumerate(
        sizes=[np.ones(found.size, dtype=np.int64) for found in channels],
        fixed=[tensor.fixed for tensor in instance.tensors],
        accesses=[
            [
                (index[part.tensor], np.searchsorted(channels[index[part.tensor]], part.channels))
                for part in access.parts
            ]
            for access in instance.accesses
        ],
        costs_of=costs_of,
    )
    if best is None:
        return None
    cost, orders = best
    check = rs.evaluate(instance, layout_of(orders), objective)
    assert (check.total, check.tie_break) == cost[1:], "the patterns do not tell the costs"
    return cost[1:]


def brute_force_problem(problem: Problem) -> Cost | None:
    """Smallest cost of `problem` over all orders; None if all violate a required access."""

    def costs_of(orders: Sequence[npt.NDArray[np.int64]]) -> Costs:
        facts = problem.facts(tuple(orders))
        return [
            tuple(access.cost(runs, span))
            for access, (runs, span) in zip(problem.accesses, facts, strict=True)
        ]

    best = _enumerate(
        sizes=problem.sizes,
        fixed=problem.fixed,
        accesses=[access.parts for access in problem.accesses],
        costs_of=costs_of,
    )
    if best is None:
        return None
    cost, orders = best
    assert problem.cost(tuple(orders)) == cost, "the patterns do not tell the costs"
    return Cost(*cost)


def _enumerate(
    sizes: Sequence[npt.NDArray[np.int64]],
    fixed: Sequence[bool],
    accesses: Sequence[Sequence[Wanted]],
    costs_of: Callable[[Sequence[npt.NDArray[np.int64]]], Costs],
) -> tuple[tuple[int, int, int], list[npt.NDArray[np.int64]]] | None:
    """Best (0, cost, tie) and orders that have it; None if every layout violates something."""
    counts = [1 if held else factorial(size.size) for size, held in zip(sizes, fixed, strict=True)]
    assert prod(counts) <= MOST_LAYOUTS, "too many layouts to enumerate"
    tables = [_orders(size.size, held) for size, held in zip(sizes, fixed, strict=True)]
    chosen = _all_combinations(counts)
    patterns = [_patterns(parts, sizes, tables, chosen) for parts in accesses]

    def orders_at(layout: int) -> list[npt.NDArray[np.int64]]:
        return [table[rows[layout]] for table, rows in zip(tables, chosen, strict=True)]

    prices = _price_patterns(patterns, lambda layout: costs_of(orders_at(layout)))
    totals = np.zeros((3, prod(counts)), dtype=object)
    for (_, labels), priced in zip(patterns, prices, strict=True):
        totals += priced[:, labels]
    left = np.arange(totals.shape[1])
    for row in totals:
        left = left[row[left] == min(row[left])]
    violated, primary, tie = totals[:, left[0]]
    return None if violated else ((0, primary, tie), orders_at(int(left[0])))


def _orders(count: int, held: bool) -> npt.NDArray[np.int64]:
    """All orders of `count` blocks, one a row; only the original one if `held`."""
    rows = [range(count)] if held else list(permutations(range(count)))
    return np.array(rows, dtype=np.int64).reshape(len(rows), count)


def _all_combinations(counts: Sequence[int]) -> list[npt.NDArray[np.int64]]:
    """Per tensor the row of its order table, layout by layout."""
    flat = np.arange(prod(counts), dtype=np.int64)
    chosen: list[npt.NDArray[np.int64]] = []
    for count in counts:
        flat, row = np.divmod(flat, count)
        chosen.append(row)
    return chosen


def _patterns(
    parts: Sequence[Wanted],
    sizes: Sequence[npt.NDArray[np.int64]],
    tables: Sequence[npt.NDArray[np.int64]],
    chosen: Sequence[npt.NDArray[np.int64]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First layout of every pattern of wanted positions, and every layout's pattern."""
    first = labels = np.zeros(chosen[0].size if chosen else 1, dtype=np.int64)
    for tensor, wanted in parts:
        positions = _positions(wanted, sizes[tensor], tables[tensor])
        both = np.stack([labels, positions[chosen[tensor]]])
        key = both[0] * (int(both[1].max()) + 1) + both[1]
        _, first, labels = np.unique(key, return_index=True, return_inverse=True)
    if not parts:
        first = first[:1]
    return first, labels


def _positions(
    wanted: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], table: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """A label per order in the table: equal where the wanted blocks cover equal positions."""
    lengths = sizes[table]
    starts = np.empty_like(table)
    np.put_along_axis(starts, table, np.cumsum(lengths, axis=1) - lengths, axis=1)
    # Bit masks of positions, as Python integers where they are too long for 64 bits.
    kind = np.int64 if int(sizes.sum()) < 63 else np.object_
    ones = np.array([(1 << int(size)) - 1 for size in sizes[wanted]], dtype=kind)
    masks = (ones << starts[:, wanted].astype(kind)).sum(axis=1)
    return np.unique(masks, return_inverse=True)[1].astype(np.int64)


def _price_patterns(
    patterns: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
    costs_at: Callable[[int], Costs],
) -> list[npt.NDArray[np.object_]]:
    """Per access an array (violated / cost / tie, pattern); one evaluation fills all accesses."""
    prices = [np.full((3, first.size), None, dtype=object) for first, _ in patterns]
    for number, (first, _) in enumerate(patterns):
        for label, layout in enumerate(first):
            if prices[number][0, label] is not None:
                continue
            for (_, labels), priced, cost in zip(
                patterns, prices, costs_at(int(layout)), strict=True
            ):
                priced[:, labels[layout]] = cost
    return prices
