"""All conflicting triples of accesses, as bit sets.

Three rows lack the consecutive-ones property exactly if they hold one of Tucker's two forbidden
patterns of three rows: each pair shares a column that the third lacks, or all three share a column
while each has one of its own. In both, any two of the rows *cross*: they share a column, and each
has one that the other lacks.

References
----------
A. Tucker, "A structure theorem for the consecutive 1's property", Journal of Combinatorial Theory
B 12 (1972) 153-162, DOI 10.1016/0095-8956(72)90019-6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Problem, ViewSet

Words: TypeAlias = npt.NDArray[np.uint64]

#: Up to how many rows plain numpy is quicker than loading the compiler.
_NUMPY_ROWS = 96
#: Seconds that must be left, of the share that triples have, to begin compiling.
_COMPILING = 1.5
#: Word tests between two looks at the deadline; about a tenth of a second.
_CHUNK = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Triples:
    """Which triples and pairs of accesses cannot all be views, the required ones given.

    What is marked is a proof of conflict; what is not stays open.

    Attributes
    ----------
    accesses : tuple of int
        The accesses in question; everything else counts by *places* in it.
    words : ndarray of uint64, shape (k, k, ceil(k / 64))
        Bit ``c`` of ``words[a, b]``: the three different places conflict. Symmetric.
    pairs : ndarray of uint64, shape (k, ceil(k / 64))
        Bit ``b`` of ``pairs[a]``: the two different places conflict by themselves. Then all
        triples with both are marked too.
    """

    accesses: tuple[int, ...]
    words: Words
    pairs: Words

    def __len__(self) -> int:
        return len(self.accesses)

    def conflict(self, a: int, b: int, c: int) -> bool:
        """Whether the triple is marked."""
        return bool(int(self.words[a, b, c >> 6]) >> (c & 63) & 1)

    def bits(self, places: Iterable[int]) -> Words:
        """A set of places as bits."""
        flags = np.zeros(len(self), dtype=np.bool_)
        flags[list(places)] = True
        return pack_bits(flags)

    def flags(self, words: Words) -> npt.NDArray[np.bool_]:
        """One boolean per place; the inverse of packing."""
        octets = words.astype("<u8", copy=False).view(np.uint8)
        found = np.unpackbits(octets, count=len(self), bitorder="little")
        return found.view(np.bool_)

    def first(self, words: Words) -> int:
        """The lowest place in a set that is not empty."""
        return int(np.flatnonzero(self.flags(words))[0])

    def genuine(self) -> Words:
        """A copy of `words` without the triples that hold a conflicting pair."""
        words = self.words & ~self.pairs[:, None, :] & ~self.pairs[None, :, :]
        for place, partners in enumerate(self.pairs):
            words[place, self.flags(partners)] = 0
        return words


def pack_bits(flags: npt.NDArray[np.bool_]) -> Words:
    """Booleans along the last axis as 64-bit words, the lowest bit first."""
    spare = -flags.shape[-1] % 64
    padded = np.pad(flags, [(0, 0)] * (flags.ndim - 1) + [(0, spare)])
    packed = np.packbits(padded, axis=-1, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)


def conflicting_triples(
    problem: Problem,
    views: ViewSet,
    deadline: Deadline | None = None,
    accesses: Sequence[int] | None = None,
) -> Triples:
    """Find the triples of accesses that cannot all be views, as far as one tensor alone shows it.

    Parameters
    ----------
    problem : Problem
    views : ViewSet
        Of `problem`, for the consecutive-ones rows of its accesses.
    deadline : Deadline, optional
        Once it is over, the triples not looked at yet are left open.
    accesses : sequence of int, optional
        The accesses in question, by default all.

    Returns
    -------
    Triples
        For accesses with one part each, all conflicts of three.

    Notes
    -----
    O(k^3 * classes / 64) word operations at worst; a conflict is mostly seen within a few words,
    as columns wanted by about half of the rows come first. Memory k^3 / 8 bytes.
    """
    chosen = tuple(range(len(problem.accesses)) if accesses is None else accesses)
    # One more owner stands for what holds in any case: required accesses, and tensors' ends.
    always = len(chosen)
    found = np.zeros((always + 1, always + 1, always // 64 + 1), dtype=np.uint64)
    numbered = list(enumerate(chosen))
    numbered += [(always, n) for n, access in enumerate(problem.accesses) if access.required]
    by_tensor: dict[int, list[tuple[int, npt.NDArray[np.int64]]]] = {}
    for owner, access in numbered:
        for tensor, leaves in views.rows(access) or []:
            by_tensor.setdefault(tensor, []).append((owner, leaves))
    for tensor, rows in by_tensor.items():
        width = problem.sizes[tensor].size
        rows.append((always, np.arange(width + 1)))
        rows.append((always, np.append(np.arange(width), width + 1)))
        owners = np.array([owner for owner, _ in rows], dtype=np.int64)
        has = _packed_rows([leaves for _, leaves in rows], width + 2)
        _mark(has, owners, found, deadline)
    return _as_triples(chosen, found)


def _packed_rows(rows: Sequence[npt.NDArray[np.int64]], width: int) -> Words:
    """The rows as bits, columns wanted by about half of the rows first."""
    wanted = np.zeros(width, dtype=np.int64)
    for leaves in rows:
        wanted[leaves] += 1
    rank = np.empty(width, dtype=np.int64)
    rank[np.argsort(np.abs(2 * wanted - len(rows)), kind="stable")] = np.arange(width)
    has = np.empty((len(rows), -(-width // 64)), dtype=np.uint64)
    flags = np.zeros(width, dtype=np.bool_)
    for number, leaves in enumerate(rows):
        flags[:] = False
        flags[rank[leaves]] = True
        has[number] = pack_bits(flags)
    return has


def _mark(
    has: Words, owners: npt.NDArray[np.int64], found: Words, deadline: Deadline | None
) -> None:
    """Set the bits of all conflicting triples of rows, a chunk at a time."""
    count, words = has.shape
    crosses = _crossing(has)
    mark = _marker(count, deadline)
    step = max(1, _CHUNK // (count * words))
    for a in range(count - 2):
        for low in range(a + 1, count - 1, step):
            if deadline is not None and deadline.expired:
                return
            mark(has, crosses, owners, a, low, min(low + step, count), found)


def _crossing(has: Words) -> npt.NDArray[np.bool_]:
    """Which rows share a column while each has one that the other lacks."""
    count = len(has)
    crosses = np.zeros((count, count), dtype=np.bool_)
    for a in range(count):
        others = has[a + 1 :]
        crosses[a, a + 1 :] = (
            (has[a] & others).any(axis=1)
            & (has[a] & ~others).any(axis=1)
            & (~has[a] & others).any(axis=1)
        )
    return crosses | crosses.T


def _marker(count: int, deadline: Deadline | None) -> Callable[..., None]:
    if count <= _NUMPY_ROWS or (deadline is not None and deadline.remaining < _COMPILING):
        return partial(mark_triples_plainly, deadline=deadline)
    from reorder_solver.backends.view_selection.triple_kernel import mark_triples

    return mark_triples


def mark_triples_plainly(
    has: Words,
    crosses: npt.NDArray[np.bool_],
    owners: npt.NDArray[np.int64],
    a: int,
    low: int,
    high: int,
    found: Words,
    *,
    deadline: Deadline | None = None,
) -> None:
    """The same as the compiled ``mark_triples``, in numpy, for the time until `deadline`."""
    for b in np.flatnonzero(crosses[a, low:high]) + low:
        if deadline is not None and deadline.expired:
            return
        third = np.flatnonzero(crosses[a, b + 1 :] & crosses[b, b + 1 :]) + b + 1
        z = has[third]
        both, only_a, only_b = has[a] & has[b], has[a] & ~has[b], has[b] & ~has[a]
        cycle = (both & ~z).any(axis=1) & (only_a & z).any(axis=1) & (only_b & z).any(axis=1)
        claw = (
            (both & z).any(axis=1)
            & (only_a & ~z).any(axis=1)
            & (only_b & ~z).any(axis=1)
            & (z & ~(has[a] | has[b])).any(axis=1)
        )
        for c in third[cycle | claw]:
            i, j, k = (int(owners[each]) for each in (a, b, c))
            for x, y, place in ((i, j, k), (i, k, j), (j, k, i)):
                flag = np.uint64(1 << (place & 63))
                found[x, y, place >> 6] |= flag
                found[y, x, place >> 6] |= flag


def _as_triples(chosen: tuple[int, ...], found: Words) -> Triples:
    """Sort out triples whose owners are not three different ones of the accesses."""
    count = len(chosen)
    width = -(-count // 64)
    blank = Triples(chosen, np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64))
    same = np.arange(count)
    # Two of the three may belong to one access, or to what holds in any case.
    flags = (
        np.stack([blank.flags(np.ascontiguousarray(found[count, a, :width])) for a in same])
        if count
        else np.zeros((0, 0), dtype=np.bool_)
    )
    for a in same:
        flags[a] |= blank.flags(np.ascontiguousarray(found[a, a, :width]))
    flags |= flags.T
    flags[same, same] = False
    pairs = pack_bits(flags)
    words = np.ascontiguousarray(found[:count, :count, :width])
    words |= pairs[:, None, :] | pairs[None, :, :]
    own = pack_bits(np.eye(count, dtype=np.bool_))
    words[flags] = ~np.uint64(0)
    words &= ~own[:, None, :] & ~own[None, :, :]
    words[same, same] = 0
    words &= pack_bits(np.ones(count, dtype=np.bool_))
    return Triples(chosen, words, pairs)
