"""What there is to draw: a panel per tensor or concatenation, a row per access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import InputError
from reorder_solver.core.evaluate import AccessFacts, Evaluation, evaluate, positions
from reorder_solver.core.layout import Layout
from reorder_solver.core.prices import Mode

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reorder_solver.core.instance import Access, Instance
    from reorder_solver.core.prices import Objective

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Panel:
    """Accesses that see the same tensors, laid end to end in the same order.

    Attributes
    ----------
    tensors : tuple of str
        One, or the parts of a concatenation.
    accesses : tuple of Access
        In the order of the instance.
    """

    tensors: tuple[str, ...]
    accesses: tuple[Access, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One access under a layout.

    Attributes
    ----------
    access : Access
    positions : ndarray of int64
        Where its channels are, ascending.
    facts : AccessFacts
    """

    access: Access
    positions: IntArray
    facts: AccessFacts

    def runs(self) -> list[tuple[int, int]]:
        """Start and length of every maximal run."""
        if self.positions.size == 0:
            return []
        breaks = np.flatnonzero(np.diff(self.positions) != 1)
        starts = self.positions[np.concatenate(([0], breaks + 1))]
        ends = self.positions[np.concatenate((breaks, [self.positions.size - 1]))]
        return list(zip(starts.tolist(), (ends - starts + 1).tolist(), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A panel under a layout.

    Attributes
    ----------
    panel : Panel
    rows : tuple of Row
    blocks : tuple of int
        Positions of each tensor; dropped channels have none.
    """

    panel: Panel
    rows: tuple[Row, ...]
    blocks: tuple[int, ...]

    @property
    def width(self) -> int:
        """Positions in all."""
        return sum(self.blocks)

    @property
    def cost(self) -> int:
        """What the rows cost together."""
        return sum(row.facts.cost for row in self.rows)

    def coverage(self, height: int, width: int) -> dict[Mode | None, FloatArray]:
        """Per mode, the share of every cell of a grid that rows of this mode want.

        The grid has at most one row per access and one column per position; its cells then
        average over several. Memory is that of the grid, however large the instance is.
        """
        height = max(1, min(height, len(self.rows)))
        width = max(1, min(width, self.width))
        found: dict[Mode | None, FloatArray] = {}
        for number, row in enumerate(self.rows):
            layer = found.setdefault(row.facts.mode, np.zeros((height, width)))
            columns = row.positions * width // max(self.width, 1)
            layer[number * height // len(self.rows)] += np.bincount(columns, minlength=width)
        per_row = np.bincount(np.arange(len(self.rows)) * height // len(self.rows))
        per_column = np.bincount(np.arange(self.width) * width // max(self.width, 1))
        if self.width:
            for layer in found.values():
                layer /= np.outer(per_row, per_column)
        return found


def panels(instance: Instance) -> list[Panel]:
    """The panels of an instance, by first access; tensors without access have none."""
    grouped: dict[tuple[str, ...], list[Access]] = {}
    for access in instance.accesses:
        grouped.setdefault(tuple(part.tensor for part in access.parts), []).append(access)
    return [Panel(tensors, tuple(accesses)) for tensors, accesses in grouped.items()]


def compare(
    instance: Instance, layout: Layout, objective: str | Objective
) -> tuple[Evaluation, list[tuple[View, View]]]:
    """Every panel in the original order and under `layout`, and the original order's evaluation.

    Rows are sorted by where `layout` puts their first channel, the same way on both sides.
    """
    plain = Layout.identity(instance)
    before, after = evaluate(instance, plain, objective), evaluate(instance, layout, objective)
    where_before, where_after = positions(instance, plain), positions(instance, layout)
    pairs: list[tuple[View, View]] = []
    for panel in panels(instance):
        left = _view(panel, where_before, before)
        right = _view(panel, where_after, after)
        order = sorted(range(len(right.rows)), key=lambda number: _place(right.rows[number]))
        pairs.append((_sorted(left, order), _sorted(right, order)))
    return before, pairs


def choose(
    pairs: Sequence[tuple[View, View]], tensors: Collection[str] = (), most: int | None = None
) -> list[tuple[View, View]]:
    """The panels worth drawing, in their order.

    Parameters
    ----------
    pairs : sequence of (View, View)
        See :func:`compare`.
    tensors : collection of str
        Only panels that touch one of these. If empty, only those where something is or was no
        view, unless there is none.
    most : int or None
        At most this many, those with the highest cost before.

    Raises
    ------
    InputError
        If no panel touches a tensor of `tensors`.
    """
    known = {tensor for left, _ in pairs for tensor in left.panel.tensors}
    for tensor in tensors:
        if tensor not in known:
            raise InputError(f"no access touches a tensor {tensor!r}")
    if tensors:
        chosen = [pair for pair in pairs if set(pair[0].panel.tensors) & set(tensors)]
    else:
        chosen = [pair for pair in pairs if not _is_dull(pair)] or list(pairs)
    if most is not None and len(chosen) > most:
        ranked = sorted(range(len(chosen)), key=lambda number: (-chosen[number][0].cost, number))
        chosen = [chosen[number] for number in sorted(ranked[:most])]
    return chosen


def note_on_choice(drawn: Sequence[tuple[View, View]], every: Sequence[tuple[View, View]]) -> str:
    """One line about the panels that :func:`choose` left out; empty if there are none."""
    if len(drawn) == len(every):
        return ""
    number = f"{len(drawn)} of {len(every)} tensors and concatenations are drawn"
    if len(drawn) == sum(not _is_dull(pair) for pair in every):
        return f"{number}; in the others every access is a view"
    return f"{number}: the costliest"


def _is_dull(pair: tuple[View, View]) -> bool:
    return all(row.facts.mode is Mode.VIEW for view in pair for row in view.rows)


def _view(panel: Panel, where: dict[str, IntArray], evaluation: Evaluation) -> View:
    blocks = tuple(int(np.count_nonzero(where[tensor] >= 0)) for tensor in panel.tensors)
    offsets = np.concatenate(([0], np.cumsum(blocks)[:-1]))
    rows: list[Row] = []
    for access in panel.accesses:
        parts = [
            where[part.tensor][part.channels] + offset
            for part, offset in zip(access.parts, offsets.tolist(), strict=True)
        ]
        wanted = np.sort(np.concatenate(parts))
        rows.append(Row(access, wanted, evaluation.accesses[access.id]))
    return View(panel, tuple(rows), blocks)


def _sorted(view: View, order: list[int]) -> View:
    return View(view.panel, tuple(view.rows[number] for number in order), view.blocks)


def _place(row: Row) -> tuple[int, int]:
    if row.positions.size == 0:
        return 1 << 62, 0
    return int(row.positions[0]), int(row.positions[-1])
