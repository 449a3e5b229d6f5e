"""Sets of accesses that cannot all be views, the no-goods of the implicit hitting set."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Problem, ViewSet


def fits(base: ViewSet, accesses: Sequence[int]) -> bool:
    """Whether all of `accesses` can be views together with those in `base`."""
    views = base.copy()
    return all(views.add(access) for access in accesses)


def minimal_conflict(base: ViewSet, background: Sequence[int], failing: int) -> list[int]:
    """A conflict within `background` and `failing` of which every proper subset fits.

    Parameters
    ----------
    base : ViewSet
        Accesses that are views in any case; they are not part of the answer.
    background : sequence of int
        Accesses that fit together with `base`.
    failing : int
        An access that does not fit along with them.

    Returns
    -------
    list of int
        Sorted; contains `failing`.

    Notes
    -----
    QuickXplain (Junker 2004): O(k log(n/k)) tests for a conflict of k among n accesses.
    """
    start = base.copy()
    if not start.add(failing):
        return [failing]
    return sorted([*_explain(start, list(background), known_conflict=False), failing])


def _explain(base: ViewSet, candidates: list[int], *, known_conflict: bool) -> list[int]:
    """A minimal subset of `candidates` that does not fit on `base`."""
    if known_conflict:
        return []
    if len(candidates) == 1:
        return candidates
    half = len(candidates) // 2
    left, right = candidates[:half], candidates[half:]
    with_left = base.copy()
    left_fails = not all(with_left.add(access) for access in left)
    from_right = [] if left_fails else _explain(with_left, right, known_conflict=False)
    with_right = base.copy()
    right_fails = not all(with_right.add(access) for access in from_right)
    return _explain(with_right, left, known_conflict=right_fails) + from_right


def conflicting_triples(
    problem: Problem, views: ViewSet, deadline: Deadline | None = None
) -> npt.NDArray[np.bool_]:
    """Which triples of accesses cannot all be views, as far as one tensor alone shows it.

    Parameters
    ----------
    problem : Problem
    views : ViewSet
        Of `problem`, for the consecutive-ones rows of its accesses.
    deadline : Deadline, optional
        Once it is over, the triples not looked at yet are left open.

    Returns
    -------
    ndarray of bool, shape (m, m, m)
        Symmetric; True is a proof of conflict, False leaves it open.

    Notes
    -----
    Three rows lack the consecutive-ones property exactly if they hold one of Tucker's (1972)
    two forbidden patterns of three rows: each pair shares a column that the third lacks, or all
    three share a column while each has one of its own. O(m^3 * classes / 64).
    """
    count = len(problem.accesses)
    found = np.zeros((count, count, count), dtype=np.bool_)
    by_tensor: dict[int, list[tuple[int, npt.NDArray[np.int64]]]] = {}
    for access in range(count):
        for tensor, leaves in views.rows(access) or []:
            by_tensor.setdefault(tensor, []).append((access, leaves))
    for tensor, rows in by_tensor.items():
        owners = np.array([access for access, _ in rows])
        matrix = np.zeros((len(rows), problem.sizes[tensor].size + 2), dtype=np.bool_)
        for number, (_, leaves) in enumerate(rows):
            matrix[number, leaves] = True
        # An access with two rows on one tensor gives its triples from either of them.
        a, b, c = np.nonzero(_triples(matrix, deadline))
        for each in permutations((owners[a], owners[b], owners[c])):
            found[each] = True
    same = np.arange(count)
    found[same, same, :] = found[same, :, same] = found[:, same, same] = False
    return found


def _triples(matrix: npt.NDArray[np.bool_], deadline: Deadline | None) -> npt.NDArray[np.bool_]:
    """Conflicting triples of rows ``a < b < c``, 64 columns at a time."""
    rows, columns = matrix.shape
    padded = np.zeros((rows, -(-columns // 64) * 64), dtype=np.bool_)
    padded[:, :columns] = matrix
    has = np.packbits(padded, axis=1).view(np.uint64)
    padded[:, :columns] = ~matrix
    lacks = np.packbits(padded, axis=1).view(np.uint64)
    found = np.zeros((rows, rows, rows), dtype=np.bool_)
    for a in range(rows - 2):
        if deadline is not None and deadline.expired:
            break
        for b in range(a + 1, rows - 1):
            third, not_third = has[b + 1 :], lacks[b + 1 :]
            both = has[a] & has[b]
            only_first, only_second = has[a] & lacks[b], lacks[a] & has[b]
            cycle = (
                (both & not_third).any(axis=1)
                & (only_first & third).any(axis=1)
                & (only_second & third).any(axis=1)
            )
            claw = (
                (both & third).any(axis=1)
                & (only_first & not_third).any(axis=1)
                & (only_second & not_third).any(axis=1)
                & (lacks[a] & lacks[b] & third).any(axis=1)
            )
            found[a, b, b + 1 :] = cycle | claw
    return found


def triple_cliques(
    triples: npt.NDArray[np.bool_], candidates: Sequence[int], limit: int
) -> list[tuple[int, ...]]:
    """Sets of accesses in which all triples conflict: at most two of each can be views.

    Parameters
    ----------
    triples : ndarray of bool, shape (m, m, m)
    candidates : sequence of int
        Accesses to consider; earlier ones enter a set first.
    limit : int
        Most sets returned.

    Returns
    -------
    list of tuple of int
        Together they cover every conflicting triple of `candidates`, unless `limit` was reached.
    """
    order = np.asarray(candidates, dtype=np.int64)
    mask = np.zeros(triples.shape[0], dtype=np.bool_)
    mask[order] = True
    uncovered = triples & mask[:, None, None] & mask[None, :, None] & mask[None, None, :]
    cliques: list[tuple[int, ...]] = []
    for a in order:
        while len(cliques) < limit and uncovered[a].any():
            b, c = (int(each[0]) for each in np.nonzero(uncovered[a]))
            clique = _grow_clique(triples, [int(a), b, c], order)
            block = np.ix_(clique, clique, clique)
            uncovered[block] = False
            cliques.append(tuple(sorted(clique)))
    return cliques


def _grow_clique(
    triples: npt.NDArray[np.bool_], clique: list[int], order: npt.NDArray[np.int64]
) -> list[int]:
    allowed = np.ones(triples.shape[0], dtype=np.bool_)
    for first, second in combinations(clique, 2):
        allowed &= triples[first, second]
    for access in order:
        if allowed[access]:
            for member in clique:
                allowed &= triples[member, access]
            clique.append(int(access))
    return clique
