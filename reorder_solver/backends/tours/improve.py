"""The one call that makes a tour better."""

from __future__ import annotations

import time
from itertools import permutations
from math import inf, isinf
from typing import TYPE_CHECKING

import numpy as np

from formulations.columns import metric
from formulations.neighbours import nearest_nodes
from formulations.one_tree import alpha_candidates, one_tree_bound

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from formulations.columns import IntArray, Metric, PackedColumns
    from reorder_solver.backends.tours.state import State

#: Edges tried from every node if no others are given, and rounds of the ascent that finds them.
_NEIGHBOURS, _ROUNDS = 6, 4
#: Share of the time that finding them may take; else the nearest do.
_SHARE = 0.3
#: Edges tried at each depth of an exchange: of those found here, and of those given.
_BREADTH, _WIDER = (5, 3, 2, 1), (10, 5, 3, 1)
#: Nodes in a stretch that a disturbance moves, at most.
_REACH = 30
#: Up to so many nodes, all tours are tried.
_FEW = 7
#: Seconds between two looks at the clock, about.
_SLICE = 0.005
_MOST = 2**62


def improve_tour(
    distances: npt.NDArray[np.integer] | PackedColumns,
    tour: IntArray,
    *,
    candidates: IntArray | None = None,
    seed: int = 0,
    deadline_seconds: float | None = None,
    max_kicks: int | None = None,
    target: int | None = None,
    report: Callable[[IntArray, int], None] | None = None,
) -> tuple[IntArray, int]:
    """Make a tour better until a target, a number of disturbances or a time is reached.

    Parameters
    ----------
    distances : ndarray of int, (nodes, nodes), or PackedColumns
        Symmetric; negative ones are allowed. Of columns, memory is linear in their words.
    tour : ndarray of int64, (nodes,)
        A permutation of the nodes.
    candidates : ndarray of int64, (nodes, width), optional
        The edges to try from every node, the most promising first, -1 where there are no more.
        Otherwise those of least alpha value (``formulations.one_tree``) are found first.
    seed : int
        The same arguments and a number of disturbances reached before the time give the same tour.
    deadline_seconds : float, optional
        Wall-clock seconds from the call on.
    max_kicks : int, optional
        Disturbances; 0 only descends.
    target : int, optional
        Stop at a tour this short.
    report : callable, optional
        Called with every better tour and its length, at most every few milliseconds.

    Returns
    -------
    tour : ndarray of int64, (nodes,)
        Never longer than the one given.
    length : int
        Its length.

    Raises
    ------
    ValueError
        If the arguments are not as above, or the distances too large for 64-bit sums.
    """
    end = inf if deadline_seconds is None else time.perf_counter() + deadline_seconds
    known = metric(distances)
    count = len(distances)
    tour = np.ascontiguousarray(tour, dtype=np.int64)
    if not np.array_equal(np.sort(tour), np.arange(count)):
        raise ValueError(f"the tour is no permutation of {count} nodes")
    if deadline_seconds is None and max_kicks is None and target is None and count > _FEW:
        raise ValueError("without a time, a number of kicks or a target, the search has no end")
    if count <= _FEW:
        return _best_of_all(known, tour)
    from formulations.nearness import edge_lengths
    from reorder_solver.backends.tours import iterate
    from reorder_solver.backends.tours.state import BEST, REACH, TARGET, new_state

    near = None if candidates is None else _checked(candidates, count)
    if near is None:
        near = _promising(distances, known, tour, seed, end)
    lengths = np.zeros(near.shape, dtype=np.int64)
    edge_lengths(known, near, lengths)
    breadth = _BREADTH if candidates is None else _WIDER
    state = new_state(known, tour, near, lengths, breadth, seed % 2**64)
    state.control[REACH] = _REACH
    state.control[TARGET] = -_MOST if target is None else max(-_MOST, min(_MOST, target))
    iterate.begin(state)
    _run(state, end, _MOST if max_kicks is None else max_kicks, report)
    return state.best.astype(np.int64), int(state.control[BEST])


def _run(
    state: State,
    end: float,
    max_kicks: int,
    report: Callable[[IntArray, int], None] | None,
) -> None:
    """Run the kernel slice by slice; Ctrl-C and the clock are heard in between."""
    from reorder_solver.backends.tours import iterate
    from reorder_solver.backends.tours.state import BEST

    work, reported = 100, int(state.control[BEST])
    done = False
    while not done and time.perf_counter() < end:
        began = time.perf_counter()
        done = bool(iterate.run(state, max_kicks, work))
        took = time.perf_counter() - began
        work = max(10, int(work * min(2.0, _SLICE / max(took, 1e-6))))
        if state.control[BEST] < reported:
            reported = int(state.control[BEST])
            if report is not None:
                report(state.best.astype(np.int64), reported)


def _promising(
    distances: npt.NDArray[np.integer] | PackedColumns,
    known: Metric,
    tour: IntArray,
    seed: int,
    end: float,
) -> npt.NDArray[np.int32]:
    """The edges of least alpha value, or the shortest if there is no time for more."""
    count = tour.size
    width = min(_NEIGHBOURS, count - 1)
    left = end - time.perf_counter()
    limit = None if isinf(end) else _SHARE * left
    bound = one_tree_bound(distances, tour=tour, rounds=_ROUNDS, time_limit=limit, seed=seed)
    if bound.rounds:
        limit = None if isinf(end) else max(0.0, 0.5 * (end - time.perf_counter()))
        near = alpha_candidates(distances, bound, width, seed=seed, time_limit=limit)
        if near is not None:
            return near.astype(np.int32)
    nearest = nearest_nodes(known, width, seed=seed, end=end)
    return np.full((count, width), -1, dtype=np.int32) if nearest is None else nearest


def _checked(candidates: IntArray, count: int) -> npt.NDArray[np.int32]:
    """Candidates as the kernels take them."""
    if candidates.ndim != 2 or candidates.shape[0] != count:
        raise ValueError(f"the candidates must be a matrix of {count} rows")
    if not np.issubdtype(candidates.dtype, np.integer):
        raise ValueError(f"the candidates must be integers, not {candidates.dtype}")
    if candidates.size and (int(candidates.min()) < -1 or int(candidates.max()) >= count):
        raise ValueError(f"a candidate is none of {count} nodes")
    if (candidates == np.arange(count)[:, None]).any():
        raise ValueError("a node is its own candidate")
    return np.ascontiguousarray(candidates, dtype=np.int32)


def _best_of_all(known: Metric, tour: IntArray) -> tuple[IntArray, int]:
    """Try all tours through a few nodes."""
    from formulations.nearness import edge_lengths

    count = tour.size
    everyone = np.tile(np.arange(count, dtype=np.int32), (count, 1))
    lengths = np.zeros((count, count), dtype=np.int64)
    edge_lengths(known, everyone, lengths)
    np.fill_diagonal(lengths, 0)

    def length(order: IntArray) -> int:
        return int(lengths[order, np.roll(order, -1)].sum())

    if count < 4:
        return tour, length(tour)
    tours = (np.array((0, *rest), dtype=np.int64) for rest in permutations(range(1, count)))
    best = min((tour, *tours), key=length)
    return best, length(best)
