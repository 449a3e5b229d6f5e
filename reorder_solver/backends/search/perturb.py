"""Perturbations: what a descent starts from next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.search.descent import push_ends
from reorder_solver.backends.search.jit import inlined, kernel
from reorder_solver.backends.search.moves import make_move
from reorder_solver.backends.search.pricing import wants
from reorder_solver.backends.search.shapes import SWAP

if TYPE_CHECKING:
    from reorder_solver.backends.search.arrays import Arrays

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
    return high <= classes and _swap(data, tensor, low, cut, high)


@kernel
def _swap(data: Arrays, tensor: int, low: int, cut: int, high: int) -> bool:
    """Swap two blocks unless that is forbidden, and queue the nodes with new neighbours."""
    # The call of int keeps numba from compiling everything below anew for this very constant.
    shape = int(SWAP)
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
        for step in (1, -1):
            _pull_side(data, row, high if step == 1 else low, step)


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
def _pull_side(data: Arrays, row: int, edge: int, step: int) -> None:
    """Move the row's runs beyond position `edge`, in the direction of `step`, there one by one."""
    tensor = data.rows[row].tensor
    slot, classes = data.tensors[tensor].slot_start, data.tensors[tensor].classes
    place = edge + step
    while 1 <= place <= classes:
        if wants(data, row, data.order[slot + place]):
            end = place
            while 1 <= end + step <= classes and wants(data, row, data.order[slot + end + step]):
                end += step
            low, cut, high = edge + 1, place - 1, end
            if step == -1:
                low, cut, high = end, place, edge - 1
            if place != edge + step and not _swap(data, tensor, low, cut, high):
                return
            edge += end - place + step
            place = end
        place += step
