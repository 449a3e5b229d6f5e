"""Kernel: the best that priced channels can do when windows may overlap in some ways only.

Imports numba; import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations.compiled import entry

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    IntArray = npt.NDArray[np.int64]


@entry
def priced_value(
    scores: IntArray,
    prices: IntArray,
    signatures: IntArray,
    live_price: int,
    counts: IntArray,
) -> int:
    """Put every channel where it gains most, and count.

    Parameters
    ----------
    scores : ndarray of int64, (accesses, channels)
    prices : ndarray of int64, (accesses,)
        What an access pays for a channel; may be negative.
    signatures : ndarray of int64
        Sets of accesses, as bits, that may share a channel.
    live_price : int
        What a channel pays that any access has.
    counts : ndarray of int64, (accesses + 1,)
        Receives the channels of each access, and last the channels that any has.

    Returns
    -------
    int
        Sum over the channels of the best gain, at least 0.
    """
    accesses, channels = scores.shape
    counts[:] = 0
    total = 0
    for channel in range(channels):
        best = 0
        chosen = 0
        for index in range(signatures.size):
            signature = signatures[index]
            gain = -live_price
            for access in range(accesses):
                if (signature >> access) & 1:
                    gain += scores[access, channel] - prices[access]
            if gain > best:
                best = gain
                chosen = signature
        if chosen:
            total += best
            counts[accesses] += 1
            for access in range(accesses):
                if (chosen >> access) & 1:
                    counts[access] += 1
    return total
