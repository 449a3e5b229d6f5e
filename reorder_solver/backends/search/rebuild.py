"""Everything that follows from the working orders, worked out from nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.search.jit import kernel, lowest_bit, popcount
from reorder_solver.backends.search.pricing import closed, price, refresh_masks, room, wants

if TYPE_CHECKING:
    from reorder_solver.backends.search.arrays import Arrays


@kernel
def rebuild(data: Arrays) -> None:
    """Fill in all that depends on the working orders, their cost included."""
    accesses = data.accesses.size - 1
    tensors = data.tensors.size - 1
    for access in range(accesses):
        data.accesses[access].runs = 0
    for k in range(data.words.size):
        word = data.words[k]
        word.rise = word.special
        word.fall = word.special
    total = -data.control[0].free_runs
    for tensor in range(tensors):
        total += _count_runs(data, tensor)
    for tensor in range(tensors):
        _close_seams(data, tensor)
    for row in range(data.rows.size):
        if data.accesses[data.rows[row].access].spanned:
            _find_row(data, row)
    for access in range(accesses):
        refresh_masks(data, access)
        extra = room(data, access) if data.accesses[access].spanned else 0
        total += price(data, access, data.accesses[access].runs, extra)
    data.control[0].value = total


@kernel
def _count_runs(data: Arrays, tensor: int) -> int:
    """Weighted runs of a tensor's rows; counts those of special accesses, and places nodes."""
    total = 0
    record = data.tensors[tensor]
    record.low = 1
    record.high = record.classes
    reached = 0
    for place in range(record.classes + 1):
        node = data.nodes[data.order[record.slot_start + place]]
        following = data.nodes[data.order[record.slot_start + place + 1]]
        node.place = place
        node.begin = reached
        reached += node.size
        for k in range(data.tensors[tensor + 1].word_start - record.word_start):
            word = record.word_start + k
            rows = data.bits[following.bit_start + k] & ~data.bits[node.bit_start + k]
            total += data.words[word].weight * popcount(rows)
            rows &= data.words[word].special
            while rows:
                row = data.row_of[64 * word + lowest_bit(rows)]
                data.accesses[data.rows[row].access].runs += 1
                rows &= rows - np.uint64(1)
    return total


@kernel
def _close_seams(data: Arrays, tensor: int) -> None:
    """Count runs that go on over a seam at the tensor's end once."""
    last = data.order[data.tensors[tensor + 1].slot_start - 2]
    for k in range(data.tensors[tensor].seam_start, data.tensors[tensor].span_start):
        row = data.links[k]
        if data.rows[row].tensor == tensor:
            first = data.order[data.tensors[data.rows[row + 1].tensor].slot_start + 1]
            data.accesses[data.rows[row].access].runs -= closed(data, row, last, first)


@kernel
def _find_row(data: Arrays, row: int) -> None:
    """Find the row's outermost nodes."""
    tensor = data.tensors[data.rows[row].tensor]
    data.rows[row].first = 0
    for place in range(1, tensor.classes + 1):
        if wants(data, row, data.order[tensor.slot_start + place]):
            if data.rows[row].first == 0:
                data.rows[row].first = place
            data.rows[row].last = place
