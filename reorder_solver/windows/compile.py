"""From a windows instance to arrays of independent problems, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scipy.cluster.hierarchy import DisjointSet

from formulations.windows import WindowsAccess, WindowsModel, WindowsSolution
from reorder_solver.core.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from reorder_solver.core.window_result import Selected
    from reorder_solver.core.windows import WindowsInstance


def compile_windows(instance: WindowsInstance) -> WindowsModel:
    """The instance as arrays: tensors, accesses and budgets by number, in order."""
    tensors = {tensor.id: number for number, tensor in enumerate(instance.tensors)}
    budgets = {budget.id: number for number, budget in enumerate(instance.budgets)}
    return WindowsModel(
        tuple(tensor.channels for tensor in instance.tensors),
        tuple(tensor.fixed for tensor in instance.tensors),
        tuple(
            tensor.channels
            if tensor.live_limit is None
            else min(tensor.live_limit, tensor.channels)
            for tensor in instance.tensors
        ),
        tuple(
            (budgets[tensor.budget], tensor.live_cost)
            if tensor.budget is not None and tensor.live_cost
            else None
            for tensor in instance.tensors
        ),
        tuple(
            WindowsAccess(
                tuple((tensors[part.tensor], part.scores) for part in access.parts),
                budgets[access.budget],
                access.cost,
                access.minimum,
                access.most,
                access.gather,
            )
            for access in instance.accesses
        ),
        tuple(budget.limit for budget in instance.budgets),
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """Tensors, accesses and budgets that have nothing to do with the others."""

    model: WindowsModel
    tensors: tuple[int, ...]
    accesses: tuple[int, ...]


def pieces(model: WindowsModel) -> list[Piece]:
    """The independent problems of a model, those of most scores first."""
    count = len(model.channels)
    groups: DisjointSet = DisjointSet(range(count + len(model.limits)))
    for access in model.accesses:
        for tensor, _ in access.parts:
            groups.merge(tensor, count + access.budget)
    for tensor, charge in enumerate(model.live_charges):
        if charge is not None:
            groups.merge(tensor, count + charge[0])
    found = []
    for members in groups.subsets():
        tensors = sorted(each for each in members if each < count)
        if tensors:
            found.append(_piece(model, tensors, sorted(e - count for e in members if e >= count)))
    return sorted(found, key=lambda piece: -_size(piece.model))


def _size(model: WindowsModel) -> int:
    return sum(scores.size for access in model.accesses for _, scores in access.parts)


def _piece(model: WindowsModel, tensors: list[int], budgets: list[int]) -> Piece:
    place = {tensor: number for number, tensor in enumerate(tensors)}
    purse = {budget: number for number, budget in enumerate(budgets)}
    accesses = [n for n, one in enumerate(model.accesses) if one.parts[0][0] in place]
    charges = [model.live_charges[tensor] for tensor in tensors]
    return Piece(
        WindowsModel(
            tuple(model.channels[tensor] for tensor in tensors),
            tuple(model.fixed[tensor] for tensor in tensors),
            tuple(model.live_limits[tensor] for tensor in tensors),
            tuple(None if one is None else (purse[one[0]], one[1]) for one in charges),
            tuple(
                replace(
                    model.accesses[number],
                    parts=tuple((place[t], s) for t, s in model.accesses[number].parts),
                    budget=purse[model.accesses[number].budget],
                )
                for number in accesses
            ),
            tuple(model.limits[budget] for budget in budgets),
        ),
        tuple(tensors),
        tuple(accesses),
    )


def joined(
    instance: WindowsInstance, parts: Sequence[tuple[Piece, WindowsSolution]]
) -> tuple[Layout, Selected, frozenset[str]]:
    """Layout, selection and paying accesses of the instance from those of its pieces."""
    orders: dict[int, np.ndarray] = {}
    selected: Selected = {}
    gathered = set()
    for piece, solution in parts:
        orders.update(zip(piece.tensors, solution.orders, strict=True))
        for number, channels, pays in zip(
            piece.accesses, solution.selected, solution.gathered, strict=True
        ):
            selected[instance.accesses[number].id] = channels
            if pays:
                gathered.add(instance.accesses[number].id)
    layout = Layout({tensor.id: orders[number] for number, tensor in enumerate(instance.tensors)})
    return layout, {one.id: selected[one.id] for one in instance.accesses}, frozenset(gathered)
