"""Spans: how far an access stretches after a move, and what that is worked out from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.backends.search.jit import kernel
from reorder_solver.backends.search.pricing import outermost, room, wants
from reorder_solver.backends.search.shapes import SWAP, TURN_LEFT, TURN_RIGHT

if TYPE_CHECKING:
    from reorder_solver.backends.search.arrays import Arrays


@kernel
def _node_after(data: Arrays, slot: int, move: tuple[int, int, int, int], number: int) -> int:
    """The node that comes to lie at ``low + number`` by a move ``(low, cut, high, shape)``."""
    low, cut, high, shape = move
    left, right = cut - low + 1, high - cut
    is_left = number < left
    if shape & SWAP:
        is_left = number >= right
        number -= right if is_left else 0
    elif not is_left:
        number -= left
    place = low + number if is_left else cut + 1 + number
    if is_left and shape & TURN_LEFT:
        place = cut - number
    elif not is_left and shape & TURN_RIGHT:
        place = high - number
    node: int = data.order[slot + place]
    return node


@kernel
def room_after(
    data: Arrays, access: int, tensor: int, low: int, cut: int, high: int, shape: int
) -> int:
    """Unwanted positions in the span of an access after the move."""
    total = room(data, access)
    slot = data.tensors[tensor].slot_start
    row, end_row = data.accesses[access].row_start, data.accesses[access + 1].row_start - 1
    first, last = outermost(data, row, end_row)
    move = (low, cut, high, shape)
    if data.rows[row].tensor == tensor and low <= data.rows[row].first <= high:
        total += data.nodes[first].begin - data.nodes[data.order[slot + low]].begin
        number = 0
        node = _node_after(data, slot, move, number)
        while not wants(data, row, node):
            total -= data.nodes[node].size
            number += 1
            node = _node_after(data, slot, move, number)
    if data.rows[end_row].tensor == tensor and low <= data.rows[end_row].last <= high:
        end = data.order[slot + high]
        total += data.nodes[end].begin + data.nodes[end].size
        total -= data.nodes[last].begin + data.nodes[last].size
        number = high - low
        node = _node_after(data, slot, move, number)
        while not wants(data, end_row, node):
            total -= data.nodes[node].size
            number -= 1
            node = _node_after(data, slot, move, number)
    return total


@kernel
def settle_spans(data: Arrays, tensor: int, low: int, high: int) -> None:
    """Bring what spans are worked out from up to date after a change in ``low .. high``."""
    slot = data.tensors[tensor].slot_start
    before = data.nodes[data.order[slot + low - 1]]
    reached = before.begin + before.size
    for place in range(slot + low, slot + high + 1):
        node = data.nodes[data.order[place]]
        node.begin = reached
        reached += node.size
    for k in range(data.tensors[tensor].span_start, data.tensors[tensor + 1].seam_start):
        access = data.links[k]
        for row in (data.accesses[access].row_start, data.accesses[access + 1].row_start - 1):
            if data.rows[row].tensor == tensor:
                _find_ends(data, row, low, high)


@kernel
def _find_ends(data: Arrays, row: int, low: int, high: int) -> None:
    """Find the row's outermost nodes again where these lie in ``low .. high``."""
    slot = data.tensors[data.rows[row].tensor].slot_start
    record = data.rows[row]
    if low <= record.first <= high:
        record.first = low
        while not wants(data, row, data.order[slot + record.first]):
            record.first += 1
    if low <= record.last <= high:
        record.last = high
        while not wants(data, row, data.order[slot + record.last]):
            record.last -= 1
