"""Sets of accesses that cannot all be views, the no-goods of the implicit hitting set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.view_selection.triples import Triples, conflicting_triples

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reorder_solver.backends.view_selection.triples import Words
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import ViewSet

__all__ = [
    "Triples",
    "conflicting_triples",
    "fits",
    "grow_clique",
    "minimal_conflict",
    "pair_cliques",
    "triple_cliques",
]


def fits(base: ViewSet, accesses: Iterable[int]) -> bool:
    """Whether all of `accesses` can be views together with those in `base`."""
    views = base.copy()
    return all(views.add(access) for access in accesses)


def minimal_conflict(
    base: ViewSet, background: Sequence[int], failing: int, deadline: Deadline | None = None
) -> list[int]:
    """A conflict within `background` and `failing` of which every proper subset fits.

    Parameters
    ----------
    base : ViewSet
        Accesses that are views in any case; they are not part of the answer.
    background : sequence of int
        Accesses that fit together with `base`.
    failing : int
        An access that does not fit along with them.
    deadline : Deadline, optional
        Once it is over, the conflict is still one, but perhaps not minimal.

    Returns
    -------
    list of int
        Sorted; contains `failing`.

    Notes
    -----
    QuickXplain (Junker 2004): O(k log(n/k)) tests for a conflict of k among n accesses. Of
    several conflicts it tends to the one among the first of `background`.
    """
    start = base.copy()
    if not start.add(failing):
        return [failing]
    return sorted([*_explain(start, list(background), deadline), failing])


def _explain(base: ViewSet, candidates: list[int], deadline: Deadline | None) -> list[int]:
    """A minimal subset of `candidates`, which do not fit on `base`, that does not fit either."""
    if len(candidates) == 1 or (deadline is not None and deadline.expired):
        return candidates
    half = len(candidates) // 2
    left, right = candidates[:half], candidates[half:]
    with_left = base.copy()
    left_fails = not all(with_left.add(access) for access in left)
    from_right = [] if left_fails else _explain(with_left, right, deadline)
    with_right = base.copy()
    right_fails = not all(with_right.add(access) for access in from_right)
    return from_right if right_fails else _explain(with_right, left, deadline) + from_right


def triple_cliques(
    triples: Triples,
    candidates: Sequence[int],
    limit: int | None,
    deadline: Deadline | None = None,
) -> list[tuple[int, ...]]:
    """Sets in which all triples conflict: at most two of each can be views.

    Parameters
    ----------
    triples : Triples
    candidates : sequence of int
        Places in `triples` to consider; earlier ones enter a set first.
    limit : int or None
        Most sets returned.
    deadline : Deadline, optional
        Once it is over, the sets found so far are returned.

    Returns
    -------
    list of tuple of int
        Together they cover every conflicting triple of `candidates` within which no pair
        conflicts, unless `limit` or the deadline was reached.
    """
    mask = triples.bits(candidates)
    uncovered = triples.genuine() & mask
    cliques: list[tuple[int, ...]] = []
    for a in candidates:
        own = uncovered[a]
        own[triples.flags(~mask)] = 0
        while own.any() and (limit is None or len(cliques) < limit):
            if deadline is not None and deadline.expired:
                return cliques
            b = int(np.flatnonzero(own.any(axis=1))[0])
            c = triples.first(own[b])
            clique = grow_clique(triples, (a, b, c), candidates)
            uncovered[np.ix_(clique, clique)] &= ~triples.bits(clique)
            cliques.append(clique)
    return cliques


def grow_clique(
    triples: Triples, seed: tuple[int, int, int], candidates: Sequence[int]
) -> tuple[int, ...]:
    """Enlarge a conflicting triple by whatever conflicts with every pair of the set so far.

    Returns
    -------
    tuple of int
        Sorted; O(k) operations on bit sets for each of its k members.
    """
    first, second, third = seed
    words = triples.words
    allowed = words[first, second] & words[first, third] & words[second, third]
    clique = list(seed)
    return _grown(triples, clique, allowed, candidates, pairs=False)


def pair_cliques(triples: Triples) -> list[tuple[int, ...]]:
    """Sets in which all pairs conflict: at most one of each can be a view; all pairs are covered.

    Pairs conflict only where an access has several parts or others are required.
    """
    uncovered = triples.pairs.copy()
    cliques: list[tuple[int, ...]] = []
    everything = range(len(triples))
    for a in everything:
        while uncovered[a].any():
            b = triples.first(uncovered[a])
            allowed = triples.pairs[a] & triples.pairs[b]
            clique = _grown(triples, [a, b], allowed, everything, pairs=True)
            uncovered[list(clique)] &= ~triples.bits(clique)
            cliques.append(clique)
    return cliques


def _grown(
    triples: Triples, clique: list[int], allowed: Words, candidates: Sequence[int], *, pairs: bool
) -> tuple[int, ...]:
    flags = triples.flags(allowed)
    for place in candidates:
        if flags[place]:
            if pairs:
                allowed = allowed & triples.pairs[place]
            else:
                allowed = allowed & np.bitwise_and.reduce(triples.words[place, clique], axis=0)
            flags = triples.flags(allowed)
            clique.append(place)
    return tuple(sorted(clique))
