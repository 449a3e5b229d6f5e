"""From a model to the arrays of the annealing, and from its windows to borders and segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from formulations.window_annealing import Plan
from reorder_solver.windows.borders import Borders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from formulations.windows import WindowsModel
    from reorder_solver.windows.borders import IntArray, Line
    from reorder_solver.windows.realise import Stretches


def make_plan(model: WindowsModel, pays: Sequence[bool]) -> Plan:
    """The arrays of a model whose accesses that pay are left out."""
    sizes = np.array(model.channels, dtype=np.int64)
    live = np.where(model.fixed, sizes, np.array(model.live_limits, dtype=np.int64))
    charges = [one or (0, 0) for one in model.live_charges]
    rows: list[list[tuple[int, int, int]]] = [[] for _ in model.channels]
    scores: list[IntArray] = []
    part_first, filled = [0], 0
    for number, access in enumerate(model.accesses):
        shift = 0
        for tensor, mine in access.parts:
            rows[tensor].append((number, shift, filled))
            scores.append(mine)
            filled += mine.size
            shift += int(live[tensor])
        part_first.append(part_first[-1] + len(access.parts))
    flat = [row for mine in rows for row in mine]
    row_first = np.cumsum([0, *(len(mine) for mine in rows)])
    numbers = {
        (row[0], tensor): int(row_first[tensor]) + at
        for tensor, mine in enumerate(rows)
        for at, row in enumerate(mine)
    }
    parts = [(number, t) for number, one in enumerate(model.accesses) for t, _ in one.parts]
    starts = np.cumsum([0, *model.channels])
    free = [number for number, paying in enumerate(pays) if not paying]
    users = np.bincount([one.budget for one in model.accesses], minlength=len(model.limits))
    for purse, units in charges:
        users[purse] += 2 * (units > 0)

    def ints(values: Sequence[int] | IntArray) -> IntArray:
        return np.asarray(values, dtype=np.int64).reshape(-1)

    return Plan(
        ints(starts[:-1]),
        sizes,
        live,
        ints([purse for purse, _ in charges]),
        ints([units for _, units in charges]),
        ints(row_first),
        ints([row[0] for row in flat]),
        ints([row[1] for row in flat]),
        ints([row[2] for row in flat]),
        ints(part_first),
        ints([numbers[part] for part in parts]),
        ints([tensor for _, tensor in parts]),
        np.concatenate([*scores, np.empty(0, dtype=np.int64)]),
        ints([one.budget for one in model.accesses]),
        ints([one.cost for one in model.accesses]),
        ints([one.minimum for one in model.accesses]),
        ints([one.maximum for one in model.accesses]),
        ints(model.limits),
        np.flatnonzero(
            (live > 0) & (sizes > 1) & ~np.array(model.fixed) & (np.diff(row_first) > 0)
        ),
        ints(free),
        ints([number for number in free if users[model.accesses[number].budget] > 1]),
    )


@dataclass(frozen=True, slots=True)
class Placed:
    """Windows of an annealing as borders, and where the channels lie between them.

    Attributes
    ----------
    borders : Borders
    segments : list of ndarray or None
        Per tensor the segment of each channel, -1 for none; None where the order is fixed.
    stretches : mapping of (int, int) to (int, int)
        Per access and part on a tensor of fixed order the positions in the window.
    """

    borders: Borders
    segments: list[IntArray | None]
    stretches: Stretches


def placed(
    model: WindowsModel,
    lines: list[Line | None],
    plan: Plan,
    order: IntArray,
    start: IntArray,
    width: IntArray,
    pays: Sequence[bool],
) -> Placed:
    """What windows and order mean for every line."""
    borders = Borders.empty(model)
    borders.pays = list(pays)
    stretches: Stretches = {}
    segments: list[IntArray | None] = []
    for tensor, line in enumerate(lines):
        live = int(plan.line_live[tensor])
        first = int(plan.row_first[tensor])
        ends: list[tuple[int, int, int]] = []
        for row in range(first, int(plan.row_first[tensor + 1])):
            access = int(plan.row_access[row])
            low = int(start[access] - plan.row_shift[row])
            high = low + int(width[access])
            if pays[access] or not width[access] or low >= live or high <= 0:
                # Without channels here; a window needs its borders all the same, but one that lies
                # on another tensor must not gain a second place here.
                if line is not None and not _may_begin(model, access, tensor, int(width[access])):
                    continue
                low = high = live
            if line is None:
                part = [t for t, _ in model.accesses[access].parts].index(tensor)
                if low < high:
                    stretches[access, part] = max(low, 0), min(high, live)
                continue
            if pays[access]:
                continue
            if low < 0:
                borders.sequences[tensor].base.add(row - first)
            else:
                ends.append((low, 1, row - first))
            if high <= live:
                ends.append((high, -1, row - first))
        if line is None:
            segments.append(None)
            continue
        ends.sort()
        # An empty window begins before it ends.
        borders.sequences[tensor].borders = _ordered(ends, borders.sequences[tensor].base)
        places = np.array(sorted(place for place, _, _ in ends), dtype=np.int64)
        base = int(plan.line_start[tensor])
        channels = order[base : base + model.channels[tensor]]
        segment = np.full(channels.size, -1, dtype=np.int64)
        at = np.searchsorted(places, np.arange(live), side="right")
        segment[channels[:live]] = at
        segments.append(_nowhere(segment, borders, tensor, len(line.accesses)))
    return Placed(borders, segments, stretches)


def _may_begin(model: WindowsModel, access: int, tensor: int, width: int) -> bool:
    """Whether an access without channels on a tensor may get some there."""
    parts = model.accesses[access].parts
    return len(parts) == 1 or (width == 0 and parts[0][0] == tensor)


def _ordered(ends: list[tuple[int, int, int]], base: set[int]) -> list[tuple[int, int]]:
    """Borders from ends by place, such that no window ends before it begins."""
    opened = set(base)
    result: list[tuple[int, int]] = []
    late: list[tuple[int, int, int]] = []
    for end in ends:
        _, sign, row = end
        if sign < 0 and row not in opened:
            late.append(end)
            continue
        result.append((row, sign))
        if sign > 0:
            opened.add(row)
            result += [(each[2], each[1]) for each in late if each[2] == row]
            late = [each for each in late if each[2] != row]
    return result


def _nowhere(segment: IntArray, borders: Borders, tensor: int, rows: int) -> IntArray:
    """Channels of no window lie nowhere."""
    base, _, signs = borders.sequences[tensor].arrays(rows)
    covered = np.cumsum([int(base.sum()), *signs.tolist()])
    return np.where((segment >= 0) & (covered[segment] > 0), segment, -1)
