"""The test of all triples of rows for Tucker's patterns, compiled.

Loading the compiler takes longer than a small problem; not for import at module level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.search.jit import entry

if TYPE_CHECKING:
    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]


@entry
def mark_triples(
    has: Words,
    crosses: npt.NDArray[np.bool_],
    owners: npt.NDArray[np.int64],
    a: int,
    low: int,
    high: int,
    found: Words,
) -> None:
    """Mark the conflicting triples of rows ``a < b < c`` with ``low <= b < high``.

    Parameters
    ----------
    has : ndarray of uint64, shape (rows, words)
        The rows' columns as bits; of spare bits none is set.
    crosses : ndarray of bool, shape (rows, rows)
        Pairs of rows that share a column while each has one that the other lacks.
    owners : ndarray of int64, shape (rows,)
    a, low, high : int
    found : ndarray of uint64, shape (owners, owners, words of owners)
        Changed in place: bit ``z`` of ``found[x, y]`` is set for owners of a conflicting triple,
        in all six sequences.
    """
    rows, words = has.shape
    nothing = np.uint64(0)
    for b in range(max(low, a + 1), high):
        if not crosses[a, b]:
            continue
        for c in range(b + 1, rows):
            if not (crosses[a, c] and crosses[b, c]):
                continue
            ab = ac = bc = abc = only_a = only_b = only_c = nothing
            conflict = False
            for word in range(words):
                x, y, z = has[a, word], has[b, word], has[c, word]
                ab |= x & y & ~z
                ac |= x & z & ~y
                bc |= y & z & ~x
                abc |= x & y & z
                only_a |= x & ~(y | z)
                only_b |= y & ~(x | z)
                only_c |= z & ~(x | y)
                if (ab and ac and bc) or (abc and only_a and only_b and only_c):
                    conflict = True
                    break
            if conflict:
                i, j, k = owners[a], owners[b], owners[c]
                bit_i = np.uint64(1) << np.uint64(i & 63)
                bit_j = np.uint64(1) << np.uint64(j & 63)
                bit_k = np.uint64(1) << np.uint64(k & 63)
                found[i, j, k >> 6] |= bit_k
                found[j, i, k >> 6] |= bit_k
                found[i, k, j >> 6] |= bit_j
                found[k, i, j >> 6] |= bit_j
                found[j, k, i >> 6] |= bit_i
                found[k, j, i >> 6] |= bit_i
