"""Windows on a line: what an order of window borders retains, for given prices.

A *line* is the channel axis of one tensor. A window is an interval of it. What matters of a layout
is only the order in which windows begin and end: it cuts the line into segments, and the channels
of a segment lie in the same windows. Any assignment of channels to segments is a layout, so for a
fixed order of borders, prices per channel of a window turn the problem into independent choices:
each channel takes the segment with the largest sum of net scores, or none. With multipliers of the
budgets as prices this is the Lagrangian dual, an upper bound for this order of borders; see
``docs/formulations/windows.md``.

Arrays throughout: ``gains`` of shape (accesses, channels) are net scores, integers or floats;
``base`` (accesses,) is True for windows that are open from the beginning of the line; ``rows`` and
``signs`` (borders,) say which window begins (+1) or ends (-1); ``extra`` (channels,) is what a
channel brings wherever it lies. Segment ``k`` lies after ``k`` borders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    IntArray = npt.NDArray[np.int64]
    BoolArray = npt.NDArray[np.bool_]
    #: int64 or float64.
    GainArray = npt.NDArray[Any]


@numba.njit(cache=True, nogil=True)
def choices(
    gains: GainArray, base: BoolArray, rows: IntArray, signs: IntArray, extra: GainArray
) -> tuple[Any, IntArray]:
    """The best segment of every channel, or -1 for none, and the sum of what they bring.

    O(channels x borders).
    """
    accesses, channels = gains.shape
    here = extra.copy()
    for row in range(accesses):
        if base[row]:
            for channel in range(channels):
                here[channel] += gains[row, channel]
    best = np.zeros_like(extra)
    segment = np.full(channels, -1, np.int64)
    for channel in range(channels):
        if here[channel] > best[channel]:
            best[channel] = here[channel]
            segment[channel] = 0
    for border in range(rows.size):
        gain = gains[rows[border]]
        sign = signs[border]
        for channel in range(channels):
            here[channel] += sign * gain[channel]
            if here[channel] > best[channel]:
                best[channel] = here[channel]
                segment[channel] = border + 1
    return best.sum(), segment


@numba.njit(cache=True, nogil=True)
def states(
    gains: GainArray, base: BoolArray, rows: IntArray, signs: IntArray, extra: GainArray
) -> GainArray:
    """What each channel brings in each segment, shape (borders + 1, channels)."""
    accesses, channels = gains.shape
    table = np.empty((rows.size + 1, channels), gains.dtype)
    table[0] = extra
    for row in range(accesses):
        if base[row]:
            table[0] += gains[row]
    for border in range(rows.size):
        table[border + 1] = table[border] + signs[border] * gains[rows[border]]
    return table


def widths(segment: IntArray, base: BoolArray, rows: IntArray, signs: IntArray) -> IntArray:
    """How many channels lie in each window."""
    in_segment = np.bincount(segment[segment >= 0], minlength=rows.size + 1)
    below = np.concatenate([[0], np.cumsum(in_segment)])
    result = np.where(base, below[-1], 0)
    # A window is all after its beginning less all after its end.
    np.add.at(result, rows, signs * (below[-1] - below[1 : rows.size + 1]))
    return result


def inside(segment: IntArray, base: BoolArray, rows: IntArray, signs: IntArray) -> BoolArray:
    """Whether each channel lies in each window, shape (windows, channels)."""
    member = np.zeros((rows.size + 1, base.size), dtype=np.int64)
    member[0] = base
    for border, (row, sign) in enumerate(zip(rows.tolist(), signs.tolist(), strict=True)):
        member[border + 1] = member[border]
        member[border + 1, row] += sign
    chosen = member[segment].astype(np.bool_)
    chosen[segment < 0] = False
    return chosen.T
