"""Descent: improve the surroundings of queued nodes until none of the moves tried helps.

Moves join a node to one of its nearest by weighted Hamming distance, which is twice the price of
making the two neighbours (Kou 1977). The queue does the work of don't-look bits.
"""

from __future__ import annotations

from reorder_solver.backends.search.arrays import NEIGHBOURS, Arrays
from reorder_solver.backends.search.jit import inlined, kernel, popcount
from reorder_solver.backends.search.moves import change_of_cost, make_move
from reorder_solver.backends.search.shapes import SWAP, TURN_LEFT, TURN_RIGHT

#: Longest segment that is relocated.
LONGEST_SEGMENT = 3


@kernel
def push(data: Arrays, node: int) -> None:
    """Queue a node unless it waits already."""
    if not data.nodes[node].queued:
        data.nodes[node].queued = 1
        control = data.control[0]
        data.nodes[(control.head + control.waiting) % data.nodes.size].queue = node
        control.waiting += 1


@inlined
def pop(data: Arrays) -> int:
    """Take the node that waits longest from the queue."""
    control = data.control[0]
    node: int = data.nodes[control.head].queue
    control.head = (control.head + 1) % data.nodes.size
    control.waiting -= 1
    data.nodes[node].queued = 0
    return node


@kernel
def push_ends(data: Arrays, tensor: int, low: int, cut: int, high: int, shape: int) -> None:
    """Queue the nodes that a move just made has given new neighbours."""
    slot = data.tensors[tensor].slot_start
    outside = data.tensors[tensor + 1].node_start - 1
    if shape & SWAP:
        cut = low + high - cut - 1
    for place in (low - 1, low, cut, cut + 1, high, high + 1):
        node = data.order[slot + place]
        if node != outside:
            push(data, node)


@inlined
def distance(data: Arrays, one: int, other: int) -> int:
    """Weighted Hamming distance of two nodes of one tensor."""
    tensor = data.nodes[one].tensor
    word = data.tensors[tensor].word_start
    left, right = data.nodes[one].bit_start, data.nodes[other].bit_start
    total = 0
    for k in range(data.tensors[tensor + 1].word_start - word):
        total += data.words[word + k].guide * popcount(data.bits[left + k] ^ data.bits[right + k])
    return total


@kernel
def list_neighbours(data: Arrays, node: int, length: int) -> None:
    """Fill in the neighbour list of a node."""
    tensor = data.nodes[node].tensor
    start = data.tensors[tensor].node_start
    classes = data.tensors[tensor].classes
    data.nodes[node].listed = 1
    data.control[0].work += classes // 4
    count = 0
    for other in range(start, start + classes):
        gap = distance(data, node, other)
        if other == node or (count == length and gap >= data.near[node, count - 1].gap):
            continue
        place = count if count < length else count - 1
        while place > 0 and data.near[node, place - 1].gap > gap:
            data.near[node, place].gap = data.near[node, place - 1].gap
            data.near[node, place].node = data.near[node, place - 1].node
            place -= 1
        data.near[node, place].gap = gap
        data.near[node, place].node = other
        count = min(count + 1, length)


@inlined
def improve_node(data: Arrays, node: int) -> bool:
    """Make the first improving move found that joins `node` to a near node or to an end."""
    tensor = data.nodes[node].tensor
    slot = data.tensors[tensor].slot_start
    classes = data.tensors[tensor].classes
    near = min(NEIGHBOURS, classes - 1)
    if not data.nodes[node].listed:
        list_neighbours(data, node, near)
    place = data.nodes[node].place
    outside = data.tensors[tensor + 1].node_start - 1
    lenient = 1 if data.rows.size else 0
    for side in (1, -1):
        parted = distance(data, node, data.order[slot + place + side])
        for k in range(near + 2):
            if k < near:
                other = data.nodes[data.near[node, k].node].place
                gap = data.near[node, k].gap
            else:
                other = 0 if k == near else classes + 1
                gap = distance(data, node, outside) - lenient
            # Some node of every exchange that saves runs gets nearer to its new neighbour.
            if gap >= parted:
                continue
            if other != place + side and _join(data, tensor, place, side, other):
                return True
    return False


@inlined
def _join(data: Arrays, tensor: int, place: int, side: int, other: int) -> bool:
    """Try the moves that part a node from its neighbour on one side and join it to another."""
    classes = data.tensors[tensor].classes
    # Where all that counts is the number of runs, relocations cost more time than they save runs.
    longest = LONGEST_SEGMENT if data.rows.size else 0
    for variant in range(1 + 2 * longest):
        if variant == 0:
            # Reverse what lies between, either with or without the nodes to be joined.
            low = min(place, other) + (1 if side == 1 else 0)
            high = max(place, other) - (0 if side == 1 else 1)
            cut, shape = high, TURN_LEFT
            possible = 1 <= low < high <= classes
        else:
            low, cut, high, shape = _relocation(place, side, other, variant)
            possible = 1 <= low <= cut < high <= classes
        if possible and change_of_cost(data, tensor, low, cut, high, shape) < 0:
            make_move(data, tensor, low, cut, high, shape)
            push_ends(data, tensor, low, cut, high, shape)
            return True
    return False


@inlined
def _relocation(place: int, side: int, other: int, variant: int) -> tuple[int, int, int, int]:
    """The move of a segment that ends in a node to before or behind another node.

    The segment has ``(variant + 1) // 2`` nodes; it goes before the other node if `variant` is
    odd, and is turned so that the two become neighbours. Not all moves are possible.
    """
    length = (variant + 1) // 2
    start = place - length + 1 if side == 1 else place
    end = start + length - 1
    gap = other - variant % 2
    turned = (gap == other) == (side == 1)
    if gap > end:
        return start, end, gap, SWAP | (TURN_LEFT if turned else 0)
    if gap < start - 1:
        return gap + 1, start - 1, end, SWAP | (TURN_RIGHT if turned else 0)
    return 0, 0, 0, 0
