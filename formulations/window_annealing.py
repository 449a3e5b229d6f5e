"""Simulated annealing of layouts and windows together (Kirkpatrick, Gelatt and Vecchi 1983).

Two channels change places, a window slides by a few positions, or two windows that share a budget
trade a channel. Each move is priced from the windows that it touches: O(windows of the tensor) for
an exchange, O(step) for a slide. Compiled; the arrays are described at :class:`Plan`.
"""

# ruff: noqa: NPY002 - compiled code has no other generator.
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    IntArray = npt.NDArray[np.int64]

#: Shares of slides and of trades among the moves; the rest are exchanges.
_SLIDES, _TRADES = 0.06, 0.04
#: Longest slide, in positions.
_STEP = 5


class Plan(NamedTuple):
    """What does not change: lines (tensors), rows (an access on a line), accesses, budgets.

    Coordinates of an access count the live positions of its parts laid end to end.

    Attributes
    ----------
    line_start, line_length, line_live : ndarray, per line
        Where its positions begin in the flat order, how many there are, how many may be live.
    line_purse, line_cost : ndarray, per line
        Budget and units per live position.
    row_first : ndarray, per line and one more
        Where its rows begin.
    row_access, row_shift, row_scores : ndarray, per row
        Access, coordinate of the line's position 0, where its scores begin in `scores`.
    part_first : ndarray, per access and one more
    part_row, part_line : ndarray, per part
    scores : ndarray
        Of all rows, channel by channel.
    purse, cost, least, most : ndarray, per access
    limit : ndarray, per budget
    movable, sliding, trading : ndarray
        Lines whose channels change places, accesses that slide, and those that may trade width.
    """

    line_start: IntArray
    line_length: IntArray
    line_live: IntArray
    line_purse: IntArray
    line_cost: IntArray
    row_first: IntArray
    row_access: IntArray
    row_shift: IntArray
    row_scores: IntArray
    part_first: IntArray
    part_row: IntArray
    part_line: IntArray
    scores: IntArray
    purse: IntArray
    cost: IntArray
    least: IntArray
    most: IntArray
    limit: IntArray
    movable: IntArray
    sliding: IntArray
    trading: IntArray


@numba.njit(cache=True, nogil=True)
def _score_at(plan: Plan, order: IntArray, access: int, coordinate: int) -> int:
    """The score of the channel at a coordinate of an access."""
    for part in range(plan.part_first[access], plan.part_first[access + 1]):
        row, line = plan.part_row[part], plan.part_line[part]
        place = coordinate - plan.row_shift[row]
        if 0 <= place < plan.line_live[line]:
            channel = order[plan.line_start[line] + place]
            return int(plan.scores[plan.row_scores[row] + channel])
    return 0


@numba.njit(cache=True, nogil=True)
def _reach(plan: Plan, access: int) -> int:
    """How many coordinates an access has."""
    total = 0
    for part in range(plan.part_first[access], plan.part_first[access + 1]):
        total += plan.line_live[plan.part_line[part]]
    return total


@numba.njit(cache=True, nogil=True)
def _hull(plan: Plan, line: int, start: IntArray, width: IntArray) -> int:
    """Positions of a line from the first to the last that is in some window."""
    first, last = plan.line_live[line], 0
    for row in range(plan.row_first[line], plan.row_first[line + 1]):
        access = plan.row_access[row]
        low = max(0, start[access] - plan.row_shift[row])
        high = min(plan.line_live[line], start[access] + width[access] - plan.row_shift[row])
        if low < high:
            first, last = min(first, low), max(last, high)
    return int(max(0, last - first))


@numba.njit(cache=True, nogil=True)
def _reserve(
    plan: Plan, access: int, start: IntArray, width: IntArray, new_start: int, new_width: int,
    spent: IntArray,
) -> bool:  # fmt: skip
    """Move a window and charge the budgets; undone, and False, if one is overdrawn."""
    old_start, old_width = start[access], width[access]
    purse = plan.purse[access]
    before = 0
    for part in range(plan.part_first[access], plan.part_first[access + 1]):
        line = plan.part_line[part]
        if plan.line_cost[line]:
            before += plan.line_cost[line] * _hull(plan, line, start, width)
    start[access], width[access] = new_start, new_width
    after = 0
    live_purse = purse
    for part in range(plan.part_first[access], plan.part_first[access + 1]):
        line = plan.part_line[part]
        if plan.line_cost[line]:
            live_purse = plan.line_purse[line]
            after += plan.line_cost[line] * _hull(plan, line, start, width)
    units = plan.cost[access] * (new_width - old_width)
    spent[purse] += units
    spent[live_purse] += after - before
    grown = units > 0 or after > before
    if grown and (spent[purse] > plan.limit[purse] or spent[live_purse] > plan.limit[live_purse]):
        spent[purse] -= units
        spent[live_purse] -= after - before
        start[access], width[access] = old_start, old_width
        return False
    return True


@numba.njit(cache=True, nogil=True)
def _exchange(
    plan: Plan, order: IntArray, line: int, p: int, q: int, start: IntArray, width: IntArray
) -> int:
    """What it brings to exchange the channels at two positions of a line."""
    base = plan.line_start[line]
    one, other = order[base + p], order[base + q]
    gain = 0
    for row in range(plan.row_first[line], plan.row_first[line + 1]):
        access = plan.row_access[row]
        first = start[access] - plan.row_shift[row]
        last = min(first + width[access], plan.line_live[line])
        at_p, at_q = first <= p < last, first <= q < last
        if at_p != at_q:
            scores = plan.row_scores[row]
            change = plan.scores[scores + other] - plan.scores[scores + one]
            gain += change if at_p else -change
    return gain


@numba.njit(cache=True, nogil=True)
def _slide(plan: Plan, order: IntArray, access: int, start: int, width: int, step: int) -> int:
    """What it brings to slide a window."""
    gain = 0
    if step > 0:
        for k in range(min(step, width)):
            gain -= _score_at(plan, order, access, start + k)
            gain += _score_at(plan, order, access, start + width + step - 1 - k)
    else:
        for k in range(min(-step, width)):
            gain -= _score_at(plan, order, access, start + width - 1 - k)
            gain += _score_at(plan, order, access, start + step + k)
    return gain


@numba.njit(cache=True, nogil=True)
def anneal(
    plan: Plan,
    order: IntArray,
    start: IntArray,
    width: IntArray,
    spent: IntArray,
    moves: int,
    hot: float,
    cold: float,
    seed: int,
) -> int:
    """Anneal in place; what all moves brought together.

    Parameters
    ----------
    plan : Plan
    order : ndarray of int64
        Changed: the channel at each position of each line.
    start, width : ndarray of int64, per access
        Changed: the windows.
    spent : ndarray of int64, per budget
        Changed: units used.
    moves : int
        Tried altogether; the temperature falls geometrically from `hot` to `cold`.
    hot, cold : float
        In units of the scores.
    seed : int
    """
    np.random.seed(seed)
    total = 0
    temperature = hot
    cooling = (cold / hot) ** (1.0 / max(1, moves // 100))
    for move in range(moves):
        if move % 100 == 99:
            temperature *= cooling
        kind = np.random.random()
        if kind < _TRADES and plan.trading.size:
            total += _trade(plan, order, start, width, spent, temperature)
            continue
        if kind < _TRADES + _SLIDES and plan.sliding.size:
            access = plan.sliding[np.random.randint(plan.sliding.size)]
            step = np.random.randint(1, _STEP + 1)
            if np.random.random() < 0.5:
                step = -step
            new = start[access] + step
            if new < 0 or new + width[access] > _reach(plan, access):
                continue
            gain = _slide(plan, order, access, start[access], width[access], step)
            accepted = gain >= 0 or np.random.random() < np.exp(gain / temperature)
            if accepted and _reserve(plan, access, start, width, new, width[access], spent):
                total += gain
            continue
        if not plan.movable.size:
            continue
        line = plan.movable[np.random.randint(plan.movable.size)]
        p = np.random.randint(plan.line_live[line])
        q = np.random.randint(plan.line_length[line])
        gain = _exchange(plan, order, line, p, q, start, width)
        if gain >= 0 or np.random.random() < np.exp(gain / temperature):
            base = plan.line_start[line]
            order[base + p], order[base + q] = order[base + q], order[base + p]
            total += gain
    return total


@numba.njit(cache=True, nogil=True)
def _trade(
    plan: Plan,
    order: IntArray,
    start: IntArray,
    width: IntArray,
    spent: IntArray,
    temperature: float,
) -> int:
    """One window gains a position at one of its ends, others of its budget pay for it."""
    taker = plan.trading[np.random.randint(plan.trading.size)]
    if width[taker] >= plan.most[taker]:
        return 0
    front = np.random.random() < 0.5
    new_start = start[taker] - 1 if front else start[taker]
    if new_start < 0 or new_start + width[taker] + 1 > _reach(plan, taker):
        return 0
    place = new_start if front else new_start + width[taker]
    gain = _score_at(plan, order, taker, place)
    if _reserve(plan, taker, start, width, new_start, width[taker] + 1, spent):
        return gain
    giver = plan.trading[np.random.randint(plan.trading.size)]
    if giver == taker or plan.purse[giver] != plan.purse[taker] or not plan.cost[giver]:
        return 0
    needed = (plan.cost[taker] + plan.cost[giver] - 1) // plan.cost[giver]
    if width[giver] - needed < plan.least[giver]:
        return 0
    old_start, old_width = start[giver], width[giver]
    from_front = np.random.random() < 0.5
    for k in range(needed):
        at = old_start + k if from_front else old_start + old_width - 1 - k
        gain -= _score_at(plan, order, giver, at)
    if not (gain >= 0 or np.random.random() < np.exp(gain / temperature)):
        return 0
    given = old_start + needed if from_front else old_start
    _reserve(plan, giver, start, width, given, old_width - needed, spent)
    if _reserve(plan, taker, start, width, new_start, width[taker] + 1, spent):
        return gain
    _reserve(plan, giver, start, width, old_start, old_width, spent)
    return 0
