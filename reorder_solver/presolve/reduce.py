"""Reductions that never change the optimum, and the way back.

Unused channels are gone already (:func:`compile_problem`). Here accesses that cost the same
whatever the order are taken out, equal accesses merged, the rest split into independent
components, and the channels that exactly the same accesses want joined into classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.prices import PriceList
from reorder_solver.presolve.problem import Cost, IntArray, Orders, Problem, ProblemAccess

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """A part of a problem that shares no tensor with the rest.

    Attributes
    ----------
    problem : Problem
        Over channel classes.
    tensors : tuple of int
        Index, in the whole problem, of each tensor of `problem`.
    members : tuple of tuple of ndarray of int64
        Per tensor and class, the whole problem's classes behind it, ascending.
    """

    problem: Problem
    tensors: tuple[int, ...]
    members: tuple[tuple[IntArray, ...], ...]

    def restrict(self, orders: Orders) -> Orders:
        """The component's part of `orders`; a class goes where its first member stands."""
        found: list[IntArray] = []
        for tensor, members in zip(self.tensors, self.members, strict=True):
            rank = np.empty(orders[tensor].size, dtype=np.int64)
            rank[orders[tensor]] = np.arange(rank.size)
            first = np.array([int(rank[member].min()) for member in members], dtype=np.int64)
            found.append(np.argsort(first, kind="stable"))
        return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class Presolved:
    """Independent components, what the rest costs, and the way back.

    Attributes
    ----------
    whole : Problem
        What was reduced.
    components : tuple of Component
    constant : Cost
        Of the accesses that were taken out.
    paying : tuple of int
        Those of them that have a primary cost, by number, equal ones once.
    """

    whole: Problem
    components: tuple[Component, ...]
    constant: Cost
    paying: tuple[int, ...] = ()

    def lift(self, solutions: Sequence[Orders]) -> Orders:
        """Orders of the whole problem from one solution per component."""
        orders = list(self.whole.identity())
        for component, solution in zip(self.components, solutions, strict=True):
            for tensor, members, order in zip(
                component.tensors, component.members, solution, strict=True
            ):
                nothing = np.empty(0, dtype=np.int64)
                orders[tensor] = np.concatenate([nothing, *(members[each] for each in order)])
        return tuple(orders)


def presolve(problem: Problem) -> Presolved:
    """Reduce `problem` without changing its optimum.

    Notes
    -----
    Channels wanted by exactly the same accesses can be kept adjacent because every price is
    monotone and concave in (runs, span). O(total number of wanted classes), plus sorting.
    """
    constant = Cost(0, 0, 0)
    open_accesses: list[ProblemAccess] = []
    paying: list[ProblemAccess] = []
    facts: list[tuple[int, int]] | None = None
    for number, access in enumerate(problem.accesses):
        trimmed = replace(access, parts=_trim(problem, access))
        if not _depends_on_order(problem, trimmed):
            facts = facts if facts is not None else problem.facts(problem.identity())
            paid = access.cost(*facts[number])
            constant = Cost(*(a + b for a, b in zip(constant, paid, strict=True)))
            if paid.primary:
                paying.append(trimmed)
        elif trimmed.required or trimmed.tie_weight or any(trimmed.prices):
            open_accesses.append(trimmed)
    merged = _merge_equal(open_accesses)
    named = tuple(access.members[0] for access in _merge_equal(paying))
    return Presolved(problem, tuple(_components(problem, merged)), constant, named)


def _trim(problem: Problem, access: ProblemAccess) -> tuple[tuple[int, IntArray], ...]:
    """Leave out parts that take up no room, and empty ones at either end."""
    parts = [part for part in access.parts if problem.sizes[part[0]].size]
    while parts and not parts[0][1].size:
        parts.pop(0)
    while parts and not parts[-1][1].size:
        parts.pop()
    return tuple(parts)


def _depends_on_order(problem: Problem, access: ProblemAccess) -> bool:
    """Whether some order could change the runs or the span of `access`."""
    if access.channels <= 1:
        return False
    return any(
        0 < wanted.size < problem.sizes[tensor].size and not problem.fixed[tensor]
        for tensor, wanted in access.parts
    )


def _merge_equal(accesses: list[ProblemAccess]) -> list[ProblemAccess]:
    groups: dict[tuple[tuple[int, bytes], ...], list[ProblemAccess]] = {}
    for access in accesses:
        key = tuple((tensor, wanted.tobytes()) for tensor, wanted in access.parts)
        groups.setdefault(key, []).append(access)
    return [_merge(group) for group in groups.values()]


def _merge(group: list[ProblemAccess]) -> ProblemAccess:
    required = any(access.required for access in group)
    prices = [each for access in group for each in access.prices if not access.required]
    return replace(
        group[0],
        prices=() if required else _add_up(prices),
        tie_weight=sum(access.tie_weight for access in group),
        required=required,
        members=tuple(sorted(member for access in group for member in access.members)),
    )


def _add_up(prices: list[PriceList]) -> tuple[PriceList, ...]:
    """Join price lists that have the same single mode: their sum is again a price list."""
    joined: dict[str, list[tuple[int, ...]]] = {}
    kept: list[PriceList] = []
    for each in prices:
        modes = each.to_mapping()
        if len(modes) == 1:
            mode, coefficients = next(iter(modes.items()))
            joined.setdefault(mode, []).append(coefficients)
        else:
            kept.append(each)
    sums = [
        PriceList.from_mapping({mode: [sum(column) for column in zip(*rows, strict=True)]})
        for mode, rows in joined.items()
    ]
    return tuple(kept + sums)


def _components(problem: Problem, accesses: list[ProblemAccess]) -> list[Component]:
    if not accesses:
        return []
    if len(problem.sizes) == 1:
        return [_component(problem, accesses)]
    # scipy takes longer to import than a small instance to solve; not at module level.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = [
        (access.parts[0][0], tensor) for access in accesses for tensor, _wanted in access.parts
    ]
    rows, columns = np.array(links, dtype=np.int64).T
    count = len(problem.sizes)
    graph = coo_array((np.ones(rows.size), (rows, columns)), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    groups: dict[int, list[ProblemAccess]] = {}
    for access in accesses:
        groups.setdefault(int(labels[access.parts[0][0]]), []).append(access)
    return [_component(problem, group) for group in groups.values()]


def _component(problem: Problem, accesses: list[ProblemAccess]) -> Component:
    tensors = tuple(sorted({tensor for access in accesses for tensor, _ in access.parts}))
    local = {tensor: number for number, tensor in enumerate(tensors)}
    class_of = [_classes(problem, tensor, accesses) for tensor in tensors]
    sizes = tuple(
        np.bincount(labels, weights=problem.sizes[tensor]).astype(np.int64)
        for tensor, labels in zip(tensors, class_of, strict=True)
    )
    reduced = tuple(
        replace(
            access,
            parts=tuple(
                (
                    local[tensor],
                    _distinct(class_of[local[tensor]][wanted], sizes[local[tensor]].size),
                )
                for tensor, wanted in access.parts
            ),
        )
        for access in accesses
    )
    fixed = tuple(problem.fixed[tensor] for tensor in tensors)
    members = tuple(_groups(labels) for labels in class_of)
    return Component(Problem(problem.objective, sizes, fixed, reduced), tensors, members)


def _distinct(labels: IntArray, count: int) -> IntArray:
    """The different labels below `count`, ascending; without sorting."""
    flags = np.zeros(count, dtype=np.bool_)
    flags[labels] = True
    return np.flatnonzero(flags)


def _classes(problem: Problem, tensor: int, accesses: list[ProblemAccess]) -> IntArray:
    """Label of every class of `tensor`: equal where exactly the same parts want both.

    Labels are numbered by first appearance. In a fixed tensor only neighbours are joined.
    """
    width = problem.sizes[tensor].size
    rows = [wanted for access in accesses for each, wanted in access.parts if each == tensor]
    wants = np.zeros((len(rows), width), dtype=np.bool_)
    for number, wanted in enumerate(rows):
        wants[number, wanted] = True
    packed = np.ascontiguousarray(np.packbits(wants, axis=0).T)
    if problem.fixed[tensor]:
        changes = np.any(packed[1:] != packed[:-1], axis=1)
        return np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    by_appearance = np.empty(first.size, dtype=np.int64)
    by_appearance[np.argsort(first, kind="stable")] = np.arange(first.size)
    labels: IntArray = by_appearance[inverse]
    return labels


def _groups(labels: IntArray) -> tuple[IntArray, ...]:
    by_label = np.argsort(labels, kind="stable")
    cuts = np.cumsum(np.bincount(labels))[:-1]
    return tuple(np.split(by_label, cuts))
