"""The arrays that the kernels of the tour search share."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from numpy import int8, int32, uint8, uint64

    from formulations.columns import IntArray, Metric

#: Edges exchanged at once, at most.
DEPTH = 5
#: Reversals that can be taken back; a change by more is kept.
_LOGGED = 1 << 14

# Places in State.control.
LENGTH, KEPT, BEST, TARGET, KICKS, FIRST, WAITING, LOGGED, MIRRORED, REACH = range(10)
_CONTROLS = 10


class State(NamedTuple):
    """One search. The tour is `order`, cyclically; its direction means nothing.

    Attributes
    ----------
    metric : Metric
    order : ndarray of int32, (nodes,)
        The nodes, place by place.
    place : ndarray of int32, (nodes,)
        Its inverse.
    best : ndarray of int32, (nodes,)
        The best order so far.
    near : ndarray of int32, (nodes, width)
        The only edges that are ever tried, from each node; -1 where there are no more.
    lengths : ndarray of int64, (nodes, width)
        Theirs.
    breadth : ndarray of int64, (DEPTH + 1,)
        Edges tried at each depth, at most.
    queue : ndarray of int32, (nodes,)
        A ring: the nodes whose neighbourhood has changed.
    queued : ndarray of uint8, (nodes,)
        Whether a node is in `queue`.
    log : ndarray of int32, (reversals, 2)
        The places reversed since the order was last kept.
    steps : ndarray of int8, (DEPTH, arrangements)
        See :func:`reversal_table`.
    ends : ndarray of int32, (2 * DEPTH,)
        Scratch: the ends of the edges taken out, in pairs.
    control : ndarray of int64
    random : ndarray of uint64, (1,)
    """

    metric: Metric
    order: npt.NDArray[int32]
    place: npt.NDArray[int32]
    best: npt.NDArray[int32]
    near: npt.NDArray[int32]
    lengths: IntArray
    breadth: IntArray
    queue: npt.NDArray[int32]
    queued: npt.NDArray[uint8]
    log: npt.NDArray[int32]
    steps: npt.NDArray[int8]
    trail: Trail
    control: IntArray
    random: npt.NDArray[uint64]


class Trail(NamedTuple):
    """Scratch of one search in depth: the edges taken out so far, by number.

    Attributes
    ----------
    ends : ndarray of int32, (2 * DEPTH,)
        Edge ``e`` was between ``ends[2 * e]`` and ``ends[2 * e + 1]``; the latter is joined
        to ``ends[2 * e + 2]``, the last to the first.
    left : ndarray of int32, (DEPTH,)
        The first of each edge's two places.
    leads : ndarray of uint8, (DEPTH,)
        Whether ``ends[2 * e]`` is in the first place.
    sorted : ndarray of int32, (DEPTH,)
        The edges by place.
    rank : ndarray of int32, (DEPTH,)
        Its inverse.
    cursor, gain : ndarray of int64, (DEPTH + 1,)
        How far each depth has come, and what has been gained before.
    first, last, turns : ndarray of int32, (2 * DEPTH,)
        For carrying an exchange out.
    """

    ends: npt.NDArray[int32]
    left: npt.NDArray[int32]
    leads: npt.NDArray[uint8]
    sorted: npt.NDArray[int32]
    rank: npt.NDArray[int32]
    cursor: IntArray
    gain: IntArray
    first: npt.NDArray[int32]
    last: npt.NDArray[int32]
    turns: npt.NDArray[int32]


def new_state(
    metric: Metric,
    tour: IntArray,
    near: npt.NDArray[int32],
    lengths: IntArray,
    breadth: tuple[int, ...],
    seed: int,
) -> State:
    """Allocate a search from `tour`, with nothing in its queue."""
    count = tour.size
    order = tour.astype(np.int32)
    place = np.empty(count, dtype=np.int32)
    place[order] = np.arange(count, dtype=np.int32)
    small = [np.zeros(2 * DEPTH, dtype=np.int32) for _ in range(7)]
    trail = Trail(
        ends=small[0],
        left=small[1],
        leads=np.zeros(DEPTH, dtype=np.uint8),
        sorted=small[2],
        rank=small[3],
        cursor=np.zeros(DEPTH + 1, dtype=np.int64),
        gain=np.zeros(DEPTH + 1, dtype=np.int64),
        first=small[4],
        last=small[5],
        turns=small[6],
    )
    return State(
        metric=metric,
        order=order,
        place=place,
        best=order.copy(),
        near=near,
        lengths=lengths,
        breadth=np.array((0, *breadth, *(0,) * DEPTH)[: DEPTH + 1], dtype=np.int64),
        queue=np.zeros(count, dtype=np.int32),
        queued=np.zeros(count, dtype=np.uint8),
        log=np.zeros((_LOGGED, 2), dtype=np.int32),
        steps=reversal_table(),
        trail=trail,
        control=np.zeros(_CONTROLS, dtype=np.int64),
        random=np.array([seed], dtype=np.uint64),
    )


@cache
def reversal_table() -> npt.NDArray[int8]:
    """Fewest reversals between arrangements of up to four segments.

    An arrangement is coded in base 8, the first segment lowest: twice the segment's number, plus
    one if it is turned round. ``table[m, code] = 8 * i + j`` is a reversal of the segments ``i`` to
    ``j`` that brings an arrangement of `m` segments one step nearer to the identity.

    Returns
    -------
    ndarray of int8, (DEPTH, 8 ** (DEPTH - 1))
        -1 for the identity, and for what is no arrangement.
    """
    table = np.full((DEPTH, 8 ** (DEPTH - 1)), -1, dtype=np.int8)
    for segments in range(1, DEPTH):
        start = tuple(2 * segment for segment in range(segments))
        seen, waiting = {start}, [start]
        for arrangement in waiting:
            for i in range(segments):
                for j in range(i, segments):
                    turned = tuple(digit ^ 1 for digit in reversed(arrangement[i : j + 1]))
                    other = (*arrangement[:i], *turned, *arrangement[j + 1 :])
                    if other not in seen:
                        seen.add(other)
                        waiting.append(other)
                        code = sum(digit << 3 * slot for slot, digit in enumerate(other))
                        table[segments, code] = 8 * i + j
    return table
