"""The one move of the search: what it costs, and its execution.

A move takes two neighbouring blocks of positions, ``low .. cut`` and ``cut+1 .. high``, and lays
them down again in either sequence and each in either direction. Reversals of a segment (2-opt,
Croes 1958; the second block is empty), relocations (Or-opt, Or 1976) and double bridges are such
moves. Three pairs of neighbours are parted and three joined, so only rows that differ there change
their runs (Kou 1977).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.backends.search.coefficients import NEVER
from reorder_solver.backends.search.jit import inlined, kernel, popcount
from reorder_solver.backends.search.pricing import (
    forget,
    note,
    note_rows,
    note_seams,
    price,
    refresh_masks,
    room,
)
from reorder_solver.backends.search.shapes import SWAP, TURN_LEFT, TURN_RIGHT, laid_down
from reorder_solver.backends.search.spans import room_after, settle_spans

if TYPE_CHECKING:
    from reorder_solver.backends.search.arrays import Arrays


@inlined
def note_changes(
    data: Arrays, tensor: int, low: int, cut: int, high: int, shape: int, every: bool
) -> int:
    """Change of the weighted runs; notes the special accesses affected.

    With `every`, also those whose price stays as it is.
    """
    nodes, order, bits = data.nodes, data.order, data.bits
    slot = data.tensors[tensor].slot_start
    # Where the words of the outer nodes start; the node after stands for an empty second block.
    before = nodes[order[slot + low - 1]].bit_start
    left = nodes[order[slot + low]].bit_start
    left_end = nodes[order[slot + cut]].bit_start
    right = nodes[order[slot + cut + 1]].bit_start
    right_end = nodes[order[slot + max(high, cut + 1)]].bit_start
    after = nodes[order[slot + high + 1]].bit_start
    first, first_end, second, second_end = laid_down(left, left_end, right, right_end, shape)
    total = 0
    start = data.tensors[tensor].word_start
    for k in range(data.tensors[tensor + 1].word_start - start):
        x1 = bits[before + k] ^ bits[left + k]
        x2 = bits[left_end + k] ^ bits[right + k]
        x3 = bits[right_end + k] ^ bits[after + k]
        y1 = bits[before + k] ^ bits[first + k]
        y2 = bits[first_end + k] ^ bits[second + k]
        y3 = bits[second_end + k] ^ bits[after + k]
        # A row's borders change by -2, 0 or 2 in number, so that two of three decide.
        old = (x1 & x2) | (x3 & (x1 | x2))
        new = (y1 & y2) | (y3 & (y1 | y2))
        more, fewer = new & ~old, old & ~new
        word = data.words[start + k]
        total += word.weight * (popcount(more) - popcount(fewer))
        more &= word.special if every else word.rise
        fewer &= word.special if every else word.fall
        if more | fewer:
            note_rows(data, start + k, more, fewer)
    if data.links.size:
        _note_links(data, tensor, low, cut, high, shape)
    return total


@kernel
def _note_links(data: Arrays, tensor: int, low: int, cut: int, high: int, shape: int) -> None:
    """Note the accesses whose seams or span the move may change."""
    slot = data.tensors[tensor].slot_start
    classes = data.tensors[tensor].classes
    if low == 1 or high == classes:
        first, middle, _, last = laid_down(low, cut, cut + 1, high, shape)
        first = first if low == 1 else 1
        last = classes if high < classes else last if cut < high else middle
        note_seams(data, tensor, data.order[slot + first], data.order[slot + last])
    for k in range(data.tensors[tensor].span_start, data.tensors[tensor + 1].seam_start):
        access = data.links[k]
        row = data.rows[data.accesses[access].row_start]
        end_row = data.rows[data.accesses[access + 1].row_start - 1]
        if (row.tensor == tensor and low <= row.first <= high) or (
            end_row.tensor == tensor and low <= end_row.last <= high
        ):
            note(data, access)


@kernel
def _special_change(data: Arrays, tensor: int, low: int, cut: int, high: int, shape: int) -> int:
    """Change of the cost of the affected accesses; NEVER if one of them forbids the move."""
    total = 0
    data.control[0].work += data.control[0].touched
    for k in range(data.control[0].touched):
        access = data.accesses[k].touched
        record = data.accesses[access]
        now, then = 0, 0
        if record.spanned:
            now = room(data, access)
            then = room_after(data, access, tensor, low, cut, high, shape)
        new = price(data, access, record.runs + record.change, then)
        if new >= NEVER:
            total = NEVER
            break
        total += new - price(data, access, record.runs, now)
    return total


@inlined
def change_of_cost(data: Arrays, tensor: int, low: int, cut: int, high: int, shape: int) -> int:
    """What the move would add to the cost; above ``NEVER // 2`` if it is forbidden."""
    total = note_changes(data, tensor, low, cut, high, shape, False)
    data.control[0].work += 1
    if data.control[0].touched:
        total += _special_change(data, tensor, low, cut, high, shape)
        forget(data)
    return total


@kernel
def make_move(data: Arrays, tensor: int, low: int, cut: int, high: int, shape: int) -> bool:
    """Execute a move unless it is forbidden; returns whether it was executed."""
    change = note_changes(data, tensor, low, cut, high, shape, True)
    change += _special_change(data, tensor, low, cut, high, shape)
    allowed = change < NEVER // 2
    if allowed:
        for k in range(data.control[0].touched):
            record = data.accesses[data.accesses[k].touched]
            record.runs += record.change
            refresh_masks(data, data.accesses[k].touched)
        data.control[0].value += change
        _lay_down(data, tensor, low, cut, high, shape)
        if data.links.size:
            settle_spans(data, tensor, low, high)
    forget(data)
    return allowed


@kernel
def _lay_down(data: Arrays, tensor: int, low: int, cut: int, high: int, shape: int) -> None:
    record = data.tensors[tensor]
    record.low = min(record.low, low)
    record.high = max(record.high, high)
    turn_left, turn_right = shape & TURN_LEFT != 0, shape & TURN_RIGHT != 0
    if shape & SWAP:
        _reverse(data, record.slot_start, low, high)
        cut = low + high - cut - 1
        turn_left, turn_right = not turn_right, not turn_left
    if turn_left:
        _reverse(data, record.slot_start, low, cut)
    if turn_right:
        _reverse(data, record.slot_start, cut + 1, high)


@kernel
def _reverse(data: Arrays, slot: int, low: int, high: int) -> None:
    while low < high:
        left, right = data.order[slot + low], data.order[slot + high]
        data.order[slot + low] = right
        data.order[slot + high] = left
        data.nodes[right].place = low
        data.nodes[left].place = high
        low += 1
        high -= 1
