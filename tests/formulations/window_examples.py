"""Small windows problems, drawn at random with every feature, and solved by trying everything."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np

from formulations.windows import WindowsAccess, WindowsModel

if TYPE_CHECKING:
    from collections.abc import Iterator


def drawn_model(seed: int) -> WindowsModel:
    """A model of one or two tensors and up to four accesses."""
    random = np.random.RandomState(seed)

    def number(low: int, high: int) -> int:
        return int(random.randint(low, high + 1))

    tensors = number(1, 2)
    channels = tuple(number(1, 5 if tensors == 1 else 3) for _ in range(tensors))
    fixed = tuple(random.random_sample() < 0.15 for _ in channels)
    budgets = number(1, 3)
    limited = [not still and random.random_sample() < 0.3 for still in fixed]
    charged = [not still and random.random_sample() < 0.3 for still in fixed]
    accesses = []
    for _ in range(number(1, 4 if tensors == 1 else 3)):
        used = random.permutation(tensors)[: number(1, tensors)].tolist()
        size = sum(channels[t] for t in used)
        maximum = number(0, size) if random.random_sample() < 0.5 else size
        minimum = number(0, min(1, maximum)) if random.random_sample() < 0.3 else 0
        accesses.append(
            WindowsAccess(
                tuple((t, random.randint(0, 20, channels[t]).astype(np.int64)) for t in used),
                number(0, budgets - 1),
                number(0, 3),
                minimum,
                maximum,
                (number(0, 3), number(0, 1)) if random.random_sample() < 0.3 else None,
            )
        )
    return WindowsModel(
        channels,
        fixed,
        tuple(number(0, n) if on else n for n, on in zip(channels, limited, strict=True)),
        tuple((number(0, budgets - 1), number(0, 2)) if on else None for on in charged),
        tuple(accesses),
        tuple(number(0, 12) for _ in range(budgets)),
    )


def best_value(model: WindowsModel) -> int | None:
    """The optimum, by trying every live order of every tensor; None if nothing is feasible."""
    best: int | None = None
    for orders in product(*(_live_orders(model, t) for t in range(len(model.channels)))):
        left = list(model.limits)
        for order, charge in zip(orders, model.live_charges, strict=True):
            if charge is not None:
                left[charge[0]] -= charge[1] * len(order)
        if min(left) < 0:
            continue
        states: dict[tuple[int, ...], int] = {tuple(left): 0}
        for access in model.accesses:
            options = _options(access, orders)
            after: dict[tuple[int, ...], int] = {}
            for have, value in states.items():
                for units, gain in options.items():
                    rest = list(have)
                    rest[access.budget] -= units
                    if rest[access.budget] >= 0:
                        key = tuple(rest)
                        after[key] = max(after.get(key, -1), value + gain)
            states = after
        if states:
            found = max(states.values())
            best = found if best is None else max(best, found)
    return best


def _live_orders(model: WindowsModel, t: int) -> Iterator[tuple[int, ...]]:
    size = model.channels[t]
    if model.fixed[t]:
        yield tuple(range(size))
        return
    for live in range(min(size, model.live_limits[t]) + 1):
        yield from permutations(range(size), live)


def _options(access: WindowsAccess, orders: tuple[tuple[int, ...], ...]) -> dict[int, int]:
    """The most importance for each number of units."""
    line = [int(scores[channel]) for t, scores in access.parts for channel in orders[t]]
    found: dict[int, int] = {}

    def offer(units: int, value: int) -> None:
        found[units] = max(found.get(units, -1), value)

    ranked = sorted(line, reverse=True)
    for width in range(access.minimum, min(access.maximum, len(line)) + 1):
        units = access.cost * width
        for start in range(len(line) - width + 1):
            offer(units, sum(line[start : start + width]))
        if access.gather is not None:
            paid = units + access.gather[0] + access.gather[1] * width
            offer(paid, sum(ranked[:width]))
    return found
