"""Realise: from what channels choose at multipliers to a selection within all limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from formulations.window_lines import inside, states, widths
from formulations.window_moves import move_channels, swap_channels
from formulations.windows import WindowsSolution

if TYPE_CHECKING:
    from formulations.windows import WindowsModel
    from reorder_solver.windows.borders import Borders, FloatArray, IntArray, Line
    from reorder_solver.windows.multipliers import Limits, Segments

    Selection = list[list[IntArray]]
    #: Per access and part on a tensor of fixed order the first position and the one after the last.
    Stretches = dict[tuple[int, int], tuple[int, int]]

#: Penalties start low, so that first those channels move that hardly care.
_LOWEST, _GROWTH, _ROUNDS = 0.02, 2.0, 20
_PASSES = 8


def realise(
    limits: Limits,
    lines: list[Line | None],
    borders: Borders,
    segments: Segments,
    stretches: Stretches,
    theta: FloatArray,
    rng: np.random.Generator,
) -> WindowsSolution | None:
    """The selection next to given segments that keeps all limits; None where none is found.

    Parameters
    ----------
    limits : Limits
    lines : list of Line or None
    borders : Borders
    segments : list of ndarray or None
        Where the channels lie at first; not changed.
    stretches : mapping
        Windows on tensors of fixed order.
    theta : ndarray of float64
        Multipliers, for the scale of prices and for what accesses that pay will use.
    rng : numpy Generator
        For the order in which channels take their turns.
    """
    model = limits.model
    window, _, _ = limits.prices(theta)
    wanted = _free_selections(limits, borders, theta, segments)
    moves = _Moves(limits, lines, borders, segments, stretches, wanted)
    if moves.settle(window, rng) > 0:
        return None
    selected = _selected(model, lines, borders, moves.segments, stretches)
    gathered = _fill(model, lines, borders, moves.segments, selected)
    orders = tuple(
        np.arange(channels, dtype=np.int64) if segment is None else _order(segment, channels)
        for segment, channels in zip(moves.segments, model.channels, strict=True)
    )
    return solution(model, orders, selected, gathered)


def solution(
    model: WindowsModel,
    orders: tuple[IntArray, ...],
    selected: Selection,
    gathered: list[bool],
) -> WindowsSolution | None:
    """A selection with its value; None if it breaks a limit (in exact integers)."""
    spent = [0] * len(model.limits)
    used = [np.zeros(channels, dtype=np.bool_) for channels in model.channels]
    value = 0
    for access, chosen, pays in zip(model.accesses, selected, gathered, strict=True):
        width = sum(channels.size for channels in chosen)
        if not access.minimum <= width <= access.maximum:
            return None
        spent[access.budget] += access.cost * width
        if pays and access.gather is not None:
            spent[access.budget] += access.gather[0] + access.gather[1] * width
        for (tensor, scores), channels in zip(access.parts, chosen, strict=True):
            value += int(scores[channels].sum())
            used[tensor][channels] = True
    for tensor, charge in enumerate(model.live_charges):
        live = int(np.count_nonzero(used[tensor]))
        if not model.fixed[tensor] and live > model.live_limits[tensor]:
            return None
        if charge is not None:
            spent[charge[0]] += charge[1] * live
    if any(units > limit for units, limit in zip(spent, model.limits, strict=True)):
        return None
    parts = tuple(tuple(channels) for channels in selected)
    return WindowsSolution(value, None, orders, parts, tuple(gathered))


def _order(segment: IntArray, channels: int) -> IntArray:
    last = int(segment.max(initial=0)) + 1
    return np.argsort(np.where(segment < 0, last, segment), kind="stable").astype(np.int64)


def _free_selections(
    limits: Limits,
    borders: Borders,
    theta: FloatArray,
    segments: Segments,
) -> IntArray:
    """How many channels accesses that pay want at the prices."""
    _, gather, _ = limits.prices(theta)
    counts = np.zeros(len(limits.model.accesses), dtype=np.int64)
    for number, access in enumerate(limits.model.accesses):
        if not borders.pays[number]:
            continue
        for tensor, scores in access.parts:
            segment = segments[tensor]
            alive = np.ones(scores.size, np.bool_) if segment is None else segment >= 0
            counts[number] += int(np.count_nonzero(alive & (scores > gather[number])))
        counts[number] = min(max(counts[number], access.minimum), access.maximum)
    return counts


@dataclass(slots=True)
class _Moves:
    """Channels on all lines and what they use together."""

    limits: Limits
    lines: list[Line | None]
    borders: Borders
    segments: Segments
    stretches: Stretches
    wanted: IntArray

    def settle(self, window: FloatArray, rng: np.random.Generator) -> float:
        """Move channels until all limits are kept and none gains by moving; the excess left."""
        limits, model = self.limits, self.limits.model
        price = max(float(window.mean()) if window.size else 0.0, 1e-6)
        self.segments = [None if one is None else one.copy() for one in self.segments]
        counts = self.wanted.copy()
        for (number, _), (start, stop) in self.stretches.items():
            counts[number] += stop - start
        live = np.zeros(len(model.channels), dtype=np.int64)
        for tensor, line in enumerate(self.lines):
            segment = self.segments[tensor]
            if line is None or segment is None:
                continue
            arrays = self.borders.sequences[tensor].arrays(line.accesses.size)
            np.add.at(counts, line.accesses, widths(segment, *arrays))
            live[tensor] = int(np.count_nonzero(segment >= 0))
        usage = limits.usage(counts, self.borders.pays, live)
        budgets, accesses = limits.scale.size, len(model.accesses)
        bounds = np.where(limits.finite, limits.bounds, 1e18)
        state = _State(
            counts,
            usage[:budgets].copy(),
            live,
            bounds[:budgets] + 1e-9,
            bounds[budgets : budgets + accesses],
            np.array([one.minimum for one in model.accesses], dtype=np.float64),
            bounds[budgets + 2 * accesses :],
        )
        penalty = _LOWEST * price
        # Channels keep to what the prices say while they make room for each other.
        for _ in range(_ROUNDS):
            if state.excess() <= 0:
                break
            for _ in range(_PASSES):
                if not self._pass(state, window, penalty, rng):
                    break
            penalty *= _GROWTH
        # Now every channel is worth having, and no limit is broken again for gain.
        for _ in range(_PASSES):
            moved = self._pass(state, np.zeros_like(window), 1e6 * price, rng)
            if not moved and not self._swap():
                break
        return state.excess()

    def _pass(
        self, state: _State, window: FloatArray, penalty: float, rng: np.random.Generator
    ) -> int:
        limits, moved = self.limits, 0
        for tensor, line in enumerate(self.lines):
            segment = self.segments[tensor]
            if line is None or segment is None:
                continue
            arrays = self.borders.sequences[tensor].arrays(line.accesses.size)
            here = state.live[tensor : tensor + 1]
            moved += move_channels(
                line.scores - window[line.accesses][:, None],
                *arrays,
                line.accesses,
                segment,
                rng.permutation(segment.size),
                penalty,
                state.counts,
                state.spent,
                limits.costs / limits.scale[limits.budget_of],
                limits.budget_of,
                state.limit,
                state.most,
                state.least,
                here,
                float(state.live_limit[tensor]),
                int(limits.live_budget[tensor]),
                float(limits.live_cost[tensor] / limits.scale[limits.live_budget[tensor]]),
            )
        return moved

    def _swap(self) -> int:
        swapped = 0
        for tensor, line in enumerate(self.lines):
            segment = self.segments[tensor]
            if line is None or segment is None:
                continue
            arrays = self.borders.sequences[tensor].arrays(line.accesses.size)
            table = states(line.scores, *arrays, np.zeros(segment.size))
            table = np.concatenate([table, np.zeros((1, segment.size))])
            swapped += swap_channels(table, segment, segment.size)
        return swapped


@dataclass(slots=True)
class _State:
    counts: IntArray
    spent: FloatArray
    live: IntArray
    limit: FloatArray
    most: FloatArray
    least: FloatArray
    live_limit: FloatArray

    def excess(self) -> float:
        """How far limits are broken altogether, in channels."""
        over = np.maximum(self.spent - self.limit, 0).sum()
        over += np.maximum(self.counts - self.most, 0).sum()
        over += np.maximum(self.least - self.counts, 0).sum()
        return float(over + np.maximum(self.live - self.live_limit, 0).sum())


def _selected(
    model: WindowsModel,
    lines: list[Line | None],
    borders: Borders,
    segments: Segments,
    stretches: Stretches,
) -> Selection:
    """The channels in the windows, per access and part."""
    nothing = np.empty(0, dtype=np.int64)
    selected: Selection = [[nothing for _ in access.parts] for access in model.accesses]
    for tensor, line in enumerate(lines):
        segment = segments[tensor]
        if line is None or segment is None:
            continue
        member = inside(segment, *borders.sequences[tensor].arrays(line.accesses.size))
        for row, (access, part) in enumerate(zip(line.accesses, line.parts, strict=True)):
            selected[access][part] = np.flatnonzero(member[row])
    for (number, part), (start, stop) in stretches.items():
        selected[number][part] = np.arange(start, stop, dtype=np.int64)
    return selected


def _fill(
    model: WindowsModel,
    lines: list[Line | None],
    borders: Borders,
    segments: Segments,
    selected: Selection,
) -> list[bool]:
    """Let accesses that pay select what the budgets still allow; which do in the end."""
    paying = [number for number, pays in enumerate(borders.pays) if pays]
    gathered = [False] * len(model.accesses)
    spent = _spent(model, segments, selected)
    left = [limit - units for limit, units in zip(model.limits, spent, strict=True)]
    items: list[tuple[float, int, int, int]] = []
    for number in paying:
        access = model.accesses[number]
        assert access.gather is not None
        if left[access.budget] < access.gather[0]:
            continue
        left[access.budget] -= access.gather[0]
        gathered[number] = True
        units = access.cost + access.gather[1]
        for part, (tensor, scores) in enumerate(access.parts):
            for channel in _reachable(model, lines, borders, segments, tensor):
                worth = int(scores[channel]) / max(units, 1e-9)
                items.append((-worth, number, part, int(channel)))
    items.sort()
    taken: dict[tuple[int, int], set[int]] = {}
    widths_of = dict.fromkeys(paying, 0)
    # First what accesses must have, then what is worth most.
    for needed in (True, False):
        for item in items:
            _, number, part, channel = item
            access = model.accesses[number]
            assert access.gather is not None
            most = access.minimum if needed else access.maximum
            units = access.cost + access.gather[1]
            mine = taken.setdefault((number, part), set())
            if widths_of[number] >= most or left[access.budget] < units or channel in mine:
                continue
            mine.add(channel)
            widths_of[number] += 1
            left[access.budget] -= units
    for (number, part), channels in taken.items():
        selected[number][part] = np.array(sorted(channels), dtype=np.int64)
    return [pays and widths_of.get(number, 0) > 0 for number, pays in enumerate(gathered)]


def _spent(model: WindowsModel, segments: Segments, selected: Selection) -> list[int]:
    """Units that windows and live channels use of each budget."""
    spent = [0] * len(model.limits)
    for access, chosen in zip(model.accesses, selected, strict=True):
        spent[access.budget] += access.cost * sum(channels.size for channels in chosen)
    for charge, segment, channels in zip(model.live_charges, segments, model.channels, strict=True):
        if charge is not None:
            live = channels if segment is None else int(np.count_nonzero(segment >= 0))
            spent[charge[0]] += charge[1] * live
    return spent


def _reachable(
    model: WindowsModel,
    lines: list[Line | None],
    borders: Borders,
    segments: Segments,
    tensor: int,
) -> IntArray:
    """Channels that a free selection may have without spoiling a window or a limit."""
    everything = np.arange(model.channels[tensor], dtype=np.int64)
    segment = segments[tensor]
    if lines[tensor] is None or segment is None:
        return everything
    sequence = borders.sequences[tensor]
    open_ended = bool(sequence.base) or sum(sign for _, sign in sequence.borders) > 0
    scarce = model.live_limits[tensor] < everything.size or model.live_charges[tensor] is not None
    # A channel of no window goes to the end, which a window that never ends would reach.
    return np.flatnonzero(segment >= 0) if open_ended or scarce else everything
