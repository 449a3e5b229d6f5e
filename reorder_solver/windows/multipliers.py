"""Multipliers: prices for budgets, widths and live channels that make channels choose alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from formulations.window_lines import choices, widths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from formulations.windows import WindowsModel
    from reorder_solver.core.limits import Deadline
    from reorder_solver.windows.borders import BoolArray, Borders, FloatArray, IntArray, Line
    from reorder_solver.windows.realise import Stretches

    Segments = list["IntArray | None"]


class Limits:
    """The linear constraints of a model, scaled such that a unit is about one channel.

    In order: budgets, most and least channels of each access, live channels of each tensor.

    Attributes
    ----------
    bounds : ndarray of float64
        Usage must not exceed them.
    """

    def __init__(self, model: WindowsModel) -> None:
        self.model = model
        accesses = model.accesses
        self.budget_of = np.array([one.budget for one in accesses], dtype=np.int64)
        self.costs = np.array([one.cost for one in accesses], dtype=np.float64)
        fixed_and_each = [one.gather or (0, 0) for one in accesses]
        self.gather_fixed = np.array([each[0] for each in fixed_and_each], dtype=np.float64)
        self.gather_each = np.array([each[1] for each in fixed_and_each], dtype=np.float64)
        budgets = len(model.limits)
        totals = np.bincount(self.budget_of, self.costs, budgets)
        users = np.bincount(self.budget_of, minlength=budgets)
        self.scale = np.maximum(1.0, totals / np.maximum(users, 1))
        self.live_cost = np.zeros(len(model.channels))
        self.live_budget = np.zeros(len(model.channels), dtype=np.int64)
        for tensor, charge in enumerate(model.live_charges):
            if charge is not None:
                self.live_budget[tensor], self.live_cost[tensor] = charge
        sizes = np.array([sum(s.size for _, s in one.parts) for one in accesses], dtype=np.float64)
        most = np.array([one.maximum for one in accesses], dtype=np.float64)
        self.bounds = np.concatenate(
            [
                np.array(model.limits, dtype=np.float64) / self.scale,
                np.where(most < sizes, most, np.inf),
                -np.array([one.minimum for one in accesses], dtype=np.float64),
                np.array(
                    [
                        limit if limit < channels and not fixed else np.inf
                        for limit, channels, fixed in zip(
                            model.live_limits, model.channels, model.fixed, strict=True
                        )
                    ],
                    dtype=np.float64,
                ),
            ]
        )
        self.finite = np.isfinite(self.bounds)
        # No access must have channels: nothing to pay for.
        least = slice(budgets + len(accesses), budgets + 2 * len(accesses))
        self.finite[least] &= self.bounds[least] < 0

    def usage(self, counts: IntArray, pays: Sequence[bool], live: IntArray) -> FloatArray:
        """What so many channels per access, and live channels per tensor, use."""
        paying = np.asarray(pays, dtype=np.bool_)
        units = self.costs * counts
        units += np.where(paying, self.gather_fixed + self.gather_each * counts, 0)
        spent = np.bincount(self.budget_of, units, self.scale.size)
        spent += np.bincount(self.live_budget, self.live_cost * live, self.scale.size)
        return np.concatenate([spent / self.scale, counts, -counts, live]).astype(np.float64)

    def prices(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Per channel of each access's window, of its free selection, and per live channel."""
        budgets, accesses = self.scale.size, self.costs.size
        rate = theta[:budgets] / self.scale
        most = theta[budgets : budgets + accesses]
        least = theta[budgets + accesses : budgets + 2 * accesses]
        window = rate[self.budget_of] * self.costs + most - least
        gather = window + rate[self.budget_of] * self.gather_each
        live = theta[budgets + 2 * accesses :] + rate[self.live_budget] * self.live_cost
        return window, gather, live

    def fee(self, theta: FloatArray, access: int) -> float:
        """What selecting freely costs an access besides its channels."""
        budget = self.budget_of[access]
        return float(theta[budget] / self.scale[budget] * self.gather_fixed[access])


@dataclass(slots=True)
class Choice:
    """What all channels choose at given multipliers.

    Attributes
    ----------
    value : float
        The dual: no solution with these borders retains more.
    usage : ndarray of float64
    segments : list of ndarray or None
        Per line the segment of each channel, -1 for none.
    """

    value: float
    usage: FloatArray
    segments: Segments


def extra_of(
    line: Line, pays: Sequence[bool], gather: FloatArray, live_price: float
) -> tuple[FloatArray, BoolArray]:
    """What channels bring to free selections, less their price for living; and who wants them."""
    free = np.array([pays[access] for access in line.accesses], dtype=np.bool_)
    gains = line.scores[free] - gather[line.accesses[free], None]
    return np.maximum(gains, 0).sum(axis=0) - live_price, gains > 0


def choose(
    limits: Limits,
    lines: list[Line | None],
    borders: Borders,
    stretches: Stretches,
    theta: FloatArray,
) -> Choice:
    """Let every channel choose, with the windows on tensors of fixed order as they are."""
    model = limits.model
    window, gather, live_price = limits.prices(theta)
    value = float((theta * np.where(limits.finite, limits.bounds, 0)).sum())
    counts = np.zeros(len(model.accesses), dtype=np.int64)
    live = np.zeros(len(model.channels), dtype=np.int64)
    segments: Segments = [None] * len(lines)
    for tensor, line in enumerate(lines):
        if line is None or not line.accesses.size:
            continue
        extra, wanted = extra_of(line, borders.pays, gather, live_price[tensor])
        arrays = borders.sequences[tensor].arrays(line.accesses.size)
        net = line.scores - window[line.accesses][:, None]
        total, segment = choices(net, *arrays, extra)
        value += float(total)
        segments[tensor] = segment
        alive = segment >= 0
        live[tensor] = int(np.count_nonzero(alive))
        np.add.at(counts, line.accesses, widths(segment, *arrays))
        free = np.array([borders.pays[access] for access in line.accesses], dtype=np.bool_)
        np.add.at(counts, line.accesses[free], (wanted & alive).sum(axis=1))
    for (number, part), (start, stop) in stretches.items():
        scores = model.accesses[number].parts[part][1]
        value += float((scores[start:stop] - window[number]).sum())
        counts[number] += stop - start
    for number, access in enumerate(model.accesses):
        if borders.pays[number]:
            value -= limits.fee(theta, number)
            for tensor, scores in access.parts:
                if lines[tensor] is None:
                    gains = scores - gather[number]
                    value += float(gains[gains > 0].sum())
                    counts[number] += int(np.count_nonzero(gains > 0))
    return Choice(value, limits.usage(counts, borders.pays, live), segments)


def descend(
    limits: Limits,
    lines: list[Line | None],
    borders: Borders,
    stretches: Stretches,
    theta: FloatArray,
    steps: int,
    target: float,
    deadline: Deadline | None = None,
) -> tuple[FloatArray, Choice]:
    """Multipliers of a small dual value, by subgradients with the step of Polyak (1969).

    Returns
    -------
    (ndarray, Choice)
        The best multipliers met, and what is chosen there.
    """
    best, best_choice = theta, choose(limits, lines, borders, stretches, theta)
    here, choice, ease = theta, best_choice, 1.0
    for _ in range(steps):
        slack = np.where(limits.finite, limits.bounds - choice.usage, 0.0)
        # A multiplier that is zero cannot fall.
        slack[(here <= 0) & (slack > 0)] = 0.0
        norm = float(slack @ slack)
        if norm == 0 or choice.value <= target or (deadline is not None and deadline.expired):
            break
        here = np.maximum(0.0, here - ease * (choice.value - target) / norm * slack)
        choice = choose(limits, lines, borders, stretches, here)
        if choice.value < best_choice.value:
            best, best_choice = here, choice
        else:
            ease *= 0.85
    return best, best_choice
