"""What visits of slots cost, and steps between signatures; see :mod:`.slots`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.backends.modes.kernels import IntArray


def visit_prices(runs: Sequence[int]) -> tuple[int, int, int]:
    """What a visit costs at least, and what the first one in a slot saves, inside and at an end.

    Call the runs of low price light, and signatures that differ in them alone a family. In a slot,
    a step between families costs a heavy run at least and one within a family a light run. With
    all members of a family sharing the price of the step to it, that is a price per visit, less one
    heavy step for the slot's first family. At an end, that family is the outside's own.
    """
    if not runs:
        return 0, 0, 0
    ranked = sorted(runs)
    light, best = ranked[0], (ranked[0], ranked[0], 0)
    for number in range(1, len(ranked)):
        heavy = ranked[number]
        visit = light + (heavy - light) // (1 << number)
        if visit > 2 * best[0]:
            best = visit, heavy, heavy - light
    return best


def steps_between(count: int, runs: Sequence[int]) -> IntArray:
    """What steps between signatures cost, at the prices of the runs: shape (count, count)."""
    each = np.arange(count)
    differ = each[:, None] ^ each[None, :]
    return sum(
        ((differ >> bit & 1) * run for bit, run in enumerate(runs)),
        start=np.zeros((count, count), dtype=np.int64),
    )
