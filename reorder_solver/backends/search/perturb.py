"""Perturbations: what a descent starts from next."""

from __future__ import annotations

import numpy as np

from reorder_solver.backends.search.arrays import Arrays
from reorder_solver.backends.search.descent import push_ends
from reorder_solver.backends.search.jit import inlined, kernel
from reorder_solver.backends.search.moves import SWAP, make_move
from reorder_solver.backends.search.pricing import wants

#: Most classes in a block of a double bridge.
LONGEST_BLOCK = 30
#: Draws before a perturbation is given up, where most moves are forbidden.
_DRAWS = 16


@kernel
def draw(data: Arrays, bound: int) -> int:
    """A random number below `bound`, by xorshift64* (Vigna 2016)."""
    word = data.control[0].random
    word ^= word >> np.uint64(12)
    word ^= word << np.uint64(25)
    word ^= word >> np.uint64(27)
    data.control[0].random = word
    high_bits = word * np.uint64(2685821657736338717) >> np.uint64(33)
    return np.int64(high_bits % np.uint64(bound))  # type: ignore[return-value]


@inlined
def perturb(data: Arrays) -> None:
    """Change one place of the working orders at random, and queue the nodes there."""
    for _ in range(_DRAWS):
        if data.rows.size and draw(data, 2) == 0:
            access = draw(data, data.accesses.size - 1)
            if data.accesses[access].runs > 1:
                _pull(data, access)
                break
        elif _swap_blocks(data, draw(data, data.nodes.size)):
            break


@kernel
def _swap_blocks(data: Arrays, node: int) -> bool:
    """Swap two neighbouring blocks, of which the first starts at `node`: a double bridge."""
    tensor = data.nodes[node].tensor
    classes = data.tensors[tensor].classes
    if not data.tensors[tensor].movable or node == data.tensors[tensor + 1].node_start - 1:
        return False
    longest = min(LONGEST_BLOCK, classes - 1)
    low = data.nodes[node].place
    cut = low + draw(data, longest)
    high = cut + 1 + draw(data, longest)
    return high <= classes and move_and_push(data, tensor, low, cut, high, SWAP)


@kernel
def move_and_push(data: Arrays, tensor: int, low: int, cut: int, high: int, shape: int) -> bool:
    """Make a move unless it is forbidden, and queue the nodes that got new neighbours."""
    made = make_move(data, tensor, low, cut, high, shape)
    if made:
        push_ends(data, tensor, low, cut, high, shape)
    return made


@kernel
def _pull(data: Arrays, access: int) -> None:
    """Bring together what an access wants, as far as no move on the way is forbidden."""
    for row in range(data.accesses[access].row_start, data.accesses[access + 1].row_start):
        tensor = data.tensors[data.rows[row].tensor]
        data.control[0].work += tensor.classes
        if not tensor.movable:
            continue
        if data.rows[row].joined:
            low, high = tensor.classes + 1, tensor.classes
        elif row > data.accesses[access].row_start and data.rows[row - 1].joined:
            low, high = 1, 0
        else:
            low, high = _largest_run(data, row)
        _pull_from_right(data, row, high)
        _pull_from_left(data, row, low)


@kernel
def _largest_run(data: Arrays, row: int) -> tuple[int, int]:
    """First and last position of the row's largest run, counted in classes."""
    tensor = data.tensors[data.rows[row].tensor]
    low, high, start = 1, 0, 1
    for place in range(1, tensor.classes + 1):
        if not wants(data, row, data.order[tensor.slot_start + place]):
            start = place + 1
        elif place - start > high - low:
            low, high = start, place
    return low, high


@kernel
def _pull_from_right(data: Arrays, row: int, high: int) -> None:
    """Move the row's runs right of position `high` there, one by one."""
    tensor = data.rows[row].tensor
    slot, classes = data.tensors[tensor].slot_start, data.tensors[tensor].classes
    place = high + 1
    while place <= classes:
        if wants(data, row, data.order[slot + place]):
            end = place
            while end < classes and wants(data, row, data.order[slot + end + 1]):
                end += 1
            if place > high + 1 and not move_and_push(data, tensor, high + 1, place - 1, end, SWAP):
                return
            high += end - place + 1
            place = end
        place += 1


@kernel
def _pull_from_left(data: Arrays, row: int, low: int) -> None:
    """Move the row's runs left of position `low` there, one by one."""
    tensor = data.rows[row].tensor
    slot = data.tensors[tensor].slot_start
    place = low - 1
    while place >= 1:
        if wants(data, row, data.order[slot + place]):
            end = place
            while end > 1 and wants(data, row, data.order[slot + end - 1]):
                end -= 1
            if place < low - 1 and not move_and_push(data, tensor, end, place, low - 1, SWAP):
                return
            low -= place - end + 1
            place = end
        place -= 1
