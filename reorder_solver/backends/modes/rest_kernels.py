"""Kernels for what is still to be paid, in tables with an axis for the slots. See :mod:`.walks`."""

from __future__ import annotations

import numpy as np

from reorder_solver.backends.modes.kernels import INFINITY, IntArray, compile_kernel


@compile_kernel
def fill_rest(
    prices: IntArray, signatures: IntArray, visit: int, rest: IntArray, is_whole: bool
) -> None:
    """What the classes of every signature cost at least, by slot and by slots visited so far.

    Parameters
    ----------
    prices : ndarray of int64, shape (classes, slots)
    signatures : ndarray of int64, shape (classes,)
    visit : int
        What a further visit costs at least.
    rest : ndarray of int64, shape (slots + 1, signatures, 2**slots)
        ``rest[t, s, h]``: visited are the slots `h`, none after `t`; those from `t` on may still
        be. Other entries are left as they are.
    is_whole : bool
        No access goes on past the tensor: at either end lies nothing without a signature.
    """
    slots = prices.shape[1]
    count = rest.shape[1]
    rest[slots] = 0
    cheapest = np.empty(1 << slots, dtype=np.int64)
    cheapest[0] = INFINITY
    for item in range(signatures.size):
        signature = signatures[item]
        rest[slots, signature, 0] = INFINITY
        for slot in range(slots):
            for before in range(1 << slot):
                visited = before | 1 << slot
                cheapest[visited] = min(cheapest[before], prices[item, slot])
                rest[slots, signature, visited] = min(
                    INFINITY, rest[slots, signature, visited] + cheapest[visited]
                )
    for slot in range(slots - 1, -1, -1):
        for signature in range(count):
            shut = is_whole and signature == 0 and (slot == 0 or slot == slots - 1)
            for visited in range(1 << (slot + 1)):
                best = rest[slot + 1, signature, visited]
                if not (visited >> slot & 1 or shut):
                    best = min(best, rest[slot + 1, signature, visited | 1 << slot] + visit)
                rest[slot, signature, visited] = best


@compile_kernel
def least_left(
    rest: IntArray, slot: int, history: int, middle: int, edge: int, is_fresh: bool
) -> int:
    """What is still to be paid at least.

    The first visit in a slot may be free: `middle` is what that saves at most. `edge` is what it
    saves that the family of the latest signature, or of the outside at either end, is there
    already.
    """
    slots = rest.shape[0] - 1
    mask = (1 << slots) - 1
    total: int = -middle * max(0, slots - 2 - slot) - edge
    if not is_fresh or slot == 0:
        total -= edge
    elif slot < slots - 1:
        total -= middle
    for signature in range(rest.shape[1]):
        total += rest[slot, signature, history >> (signature * slots) & mask]
    return total
