"""How a move lays down the two blocks of positions that it takes up."""

from __future__ import annotations

from reorder_solver.backends.search.jit import inlined

# A shape is a sum of these; an empty second block allows TURN_LEFT only.
SWAP = 1  # the second block first
TURN_LEFT = 2  # reverse the first block
TURN_RIGHT = 4  # reverse the second block


@inlined
def laid_down(
    left: int, left_end: int, right: int, right_end: int, shape: int
) -> tuple[int, int, int, int]:
    """The outer ends of both blocks in the sequence in which they are laid down."""
    if shape & TURN_LEFT:
        left, left_end = left_end, left
    if shape & TURN_RIGHT:
        right, right_end = right_end, right
    if shape & SWAP:
        return right, right_end, left, left_end
    return left, left_end, right, right_end
