"""What special accesses cost: their runs, seams and spans, one access at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.search.coefficients import NEVER
from reorder_solver.backends.search.jit import kernel, lowest_bit

if TYPE_CHECKING:
    from reorder_solver.backends.search.arrays import Arrays


@kernel
def price(data: Arrays, access: int, runs: int, room: int) -> int:
    """Cost of an access with `room` unwanted positions in its span; NEVER if it may not be so."""
    total = 0
    if runs > 1 and data.accesses[access].required:
        total = NEVER
    elif runs > 1:
        total = data.accesses[access].tie * (runs - 1)
        for k in range(data.accesses[access].list_start, data.accesses[access + 1].list_start):
            modes = data.lists[k]
            cheapest = modes.gather
            if modes.cat < NEVER:
                cheapest = min(cheapest, modes.cat + modes.cat_run * runs)
            if modes.split < NEVER:
                cheapest = min(cheapest, modes.split * (runs - 1))
            if modes.cover < NEVER:
                cheapest = min(cheapest, modes.cover * room)
            total += cheapest
    return total


@kernel
def wants(data: Arrays, row: int, node: int) -> bool:
    """Whether a special row wants a node of its tensor."""
    word = data.bits[data.nodes[node].bit_start + data.rows[row].word]
    return bool(word & data.rows[row].mask)


@kernel
def note(data: Arrays, access: int) -> None:
    """Put an access on the list of those that the move at hand affects."""
    record = data.accesses[access]
    if not record.noted:
        record.noted = 1
        data.accesses[data.control[0].touched].touched = access
        data.control[0].touched += 1


@kernel
def note_change(data: Arrays, access: int, change: int) -> None:
    """Note that an access gains, or loses, so many runs."""
    note(data, access)
    data.accesses[access].change += change


@kernel
def note_rows(data: Arrays, word: int, more: np.uint64, fewer: np.uint64) -> None:
    """Note one run more, or one fewer, for some rows of a word."""
    rows = more | fewer
    while rows:
        bit = lowest_bit(rows)
        change = 1 if more >> np.uint64(bit) & np.uint64(1) else -1
        note_change(data, data.rows[data.row_of[64 * word + bit]].access, change)
        rows &= rows - np.uint64(1)


@kernel
def forget(data: Arrays) -> None:
    """Make the list of affected accesses empty again."""
    for k in range(data.control[0].touched):
        record = data.accesses[data.accesses[k].touched]
        record.noted = 0
        record.change = 0
    data.control[0].touched = 0


@kernel
def closed(data: Arrays, row: int, last: int, first: int) -> int:
    """1 if a run of `row` goes on in the next row, from node `last` to node `first`; else 0."""
    return int(wants(data, row, last) and wants(data, row + 1, first))


@kernel
def note_seams(data: Arrays, tensor: int, first: int, last: int) -> None:
    """Note what changes at the seams when a tensor gets new outermost nodes."""
    for k in range(data.tensors[tensor].seam_start, data.tensors[tensor].span_start):
        row = data.links[k]
        left, right = data.rows[row].tensor, data.rows[row + 1].tensor
        old_last = data.order[data.tensors[left + 1].slot_start - 2]
        old_first = data.order[data.tensors[right].slot_start + 1]
        new_last = last if left == tensor else old_last
        new_first = first if right == tensor else old_first
        change = closed(data, row, old_last, old_first) - closed(data, row, new_last, new_first)
        if change != 0:
            note_change(data, data.rows[row].access, change)


@kernel
def outermost(data: Arrays, row: int, end_row: int) -> tuple[int, int]:
    """First node of a row and last node of another."""
    first = data.tensors[data.rows[row].tensor].slot_start + data.rows[row].first
    last = data.tensors[data.rows[end_row].tensor].slot_start + data.rows[end_row].last
    return data.order[first], data.order[last]


@kernel
def room(data: Arrays, access: int) -> int:
    """Unwanted positions in the span of an access."""
    record = data.accesses[access]
    first, last = outermost(data, record.row_start, data.accesses[access + 1].row_start - 1)
    end = data.nodes[last].begin + data.nodes[last].size
    unwanted: int = end + record.spread - data.nodes[first].begin - record.channels
    return unwanted


@kernel
def refresh_masks(data: Arrays, access: int) -> None:
    """Have an access looked at only where another run more or less changes its price."""
    if data.accesses[access].only_view:
        row = data.rows[data.accesses[access].row_start]
        word = data.words[data.tensors[row.tensor].word_start + row.word]
        word.rise &= ~row.mask
        word.fall &= ~row.mask
        if data.accesses[access].runs == 1:
            word.rise |= row.mask
        elif data.accesses[access].runs == 2:
            word.fall |= row.mask
