"""Shared buffers: which readers of a value share which copied buffer, and who stays at its home.

A value is stored once, in one order. A reader that is a view of it is free; the others are copied,
by themselves (a gather) or together: a buffer holds the union of what its readers want, in an order
in which each of them is a view. The cheapest set partition of the readers is found by a dynamic
programme over subsets (a dozen readers), or by an integer programme over columns, with no-goods and
columns by enumeration, from where a local search left off.

References
----------
M. L. Balinski, R. E. Quandt, "On an integer program for a delivery problem", Operations Research 12
(1964) 300-304, DOI 10.1287/opre.12.2.300 (set partitioning over columns).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from formulations.sharing_columns import (
    SharingProgram,
    grown_clique,
    list_columns,
    minimal_conflicts,
)
from formulations.sharing_model import (
    STAYS,
    Buffer,
    BufferSharing,
    Sets,
    SharedBuffers,
    mask_of,
    members,
)
from formulations.sharing_partition import solve_partition
from formulations.sharing_search import Partition, PartitionSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["STAYS", "Buffer", "BufferSharing", "SharedBuffers", "search", "solve"]

#: Up to so many readers the partition is found by the dynamic programme.
EXACT_READERS = 12
# Shares of the time for conflicts of three, for local search, and for listing columns.
_TRIPLES_SHARE = 0.1
_SEARCH_SHARE = 0.3
_COLUMNS_SHARE = 0.2


def solve(
    problem: BufferSharing,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    threads: int = 1,
    start: Iterable[int] = (),
    exact_readers: int = EXACT_READERS,
) -> SharedBuffers:
    """Find the cheapest partition, and a bound on how cheap one can be.

    Parameters
    ----------
    problem : BufferSharing
    time_limit : float, optional
        Wall-clock seconds from the call on.
    seed : int
        The same seed and one thread give the same answer if no limit was reached.
    threads : int
        Search workers of CP-SAT.
    start : iterable of int
        Readers that are views of the home in a known layout, all together. The answer never costs
        more than gathering all others from the home.
    exact_readers : int
        Most readers that are left to the dynamic programme.

    Returns
    -------
    SharedBuffers
        Optimal, unless time ran out or there are too many buffers to list
        (:data:`formulations.sharing_columns.MOST_COLUMNS`).

    Raises
    ------
    ValueError
        If `start` is not a set of views.
    """
    clock = _Clock(time_limit)
    sets = Sets(problem, clock.expires_at(_TRIPLES_SHARE))
    home = mask_of(start)
    if not sets.fits_home(home):
        raise ValueError("start must name readers that can all be views of the home")
    if len(problem) <= exact_readers:
        found = solve_partition(sets, clock.expires_at(0.8))
        if found is not None:
            return found
    finder = PartitionSearch(sets, clock.expires_at(_SEARCH_SHARE))
    starts = [finder.from_home(members(home))]
    if problem.home_price:
        starts.append(finder.all_at_home(home))
    if home:
        starts.append(finder.from_home(()))
    best = finder.best(starts)
    if finder.cost(best) == 0 or clock.expires_at(1.0)():
        return finder.solution(best, 0, finished=finder.cost(best) == 0)
    return _by_programme(sets, best, clock, seed, threads)


def search(problem: BufferSharing, *, time_limit: float | None = None) -> SharedBuffers:
    """A good partition by pairing and local moves alone, without a bound."""
    finder = PartitionSearch(Sets(problem), _Clock(time_limit).expires_at(1.0))
    best = finder.best([finder.from_home(())])
    return finder.solution(best, 0, finished=True)


def _by_programme(
    sets: Sets, best: Partition, clock: _Clock, seed: int, threads: int
) -> SharedBuffers:
    """Solve programmes with ever more no-goods until one has a solution that fits."""
    expired = clock.expires_at(1.0)
    finder = PartitionSearch(sets, expired)
    columns = list_columns(sets, clock.expires_at(_SEARCH_SHARE + _COLUMNS_SHARE))
    programme = SharingProgram(sets, columns)
    bound = 0
    while True:
        left = clock.left
        if left is not None and left <= 0:
            return finder.solution(best, bound, finished=False)
        stated = finder.solution(best, bound, finished=False)
        buffers = tuple(mask_of((*each.views, *each.gathered)) for each in stated.buffers)
        programme.hint(mask_of(stated.home), mask_of(stated.gathered), buffers)
        master = programme.solve(left, seed, threads)
        bound = max(bound, master.bound)
        if not master.has_solution:
            return finder.solution(best, bound, finished=False)
        conflicts = minimal_conflicts(sets, master.home)
        views = master.home if not conflicts else finder.filled(0, members(master.home))
        groups = [outside for each in master.groups if (outside := each & ~views)]
        best = min(best, finder.from_groups(views, groups), key=finder.cost)
        if conflicts and not expired():
            best = min(best, finder.improved(finder.from_groups(views, groups)), key=finder.cost)
        if finder.cost(best) <= bound or not conflicts:
            return finder.solution(best, bound, finished=not expired())
        for conflict in conflicts:
            programme.forbid(conflict, conflict.bit_count() - 1)
            if conflict.bit_count() == 3 and sets.knows_triples:
                _forbid_clique(sets, programme, conflict)


def _forbid_clique(sets: Sets, programme: SharingProgram, conflict: int) -> None:
    """Of a set in which all triples conflict, allow two at home."""
    triple = list(members(conflict))
    if sets.triples()[tuple(triple)]:
        programme.forbid(mask_of(grown_clique(sets, triple)), 2)


class _Clock:
    """Wall-clock seconds since the call."""

    def __init__(self, limit: float | None) -> None:
        self._begin = time.monotonic()
        self._limit = limit

    @property
    def left(self) -> float | None:
        """Seconds left; None without a limit."""
        if self._limit is None:
            return None
        return self._limit - (time.monotonic() - self._begin)

    def expires_at(self, share: float) -> Callable[[], bool]:
        """Whether this share of the limit is over."""
        limit = self._limit
        if limit is None:
            return lambda: False
        return lambda: time.monotonic() - self._begin >= share * limit
