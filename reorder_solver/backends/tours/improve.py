"""The one call that makes a tour better."""

from __future__ import annotations

import time
from itertools import permutations
from math import inf, isinf
from typing import TYPE_CHECKING

import numpy as np

from formulations.columns import Metric, metric, tour_length
from formulations.neighbours import nearest_nodes
from formulations.one_tree import alpha_candidates, one_tree_bound
from formulations.warm_up import is_ready

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from formulations.columns import IntArray, PackedColumns
    from reorder_solver.backends.tours.state import State

#: Edges tried from every node if no others are given, and rounds of the ascent that finds them.
NEIGHBOURS, ROUNDS = 6, 4
#: Share of the time that finding them may take; else the nearest do.
_SHARE = 0.3
#: Edges tried at each depth of an exchange: with few edges per node, well chosen, and with more.
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
        Symmetric; negative ones are allowed. With columns, memory is linear in their words.
    tour : ndarray of int64, (nodes,)
        A permutation of the nodes.
    candidates : ndarray of int64, (nodes, width), optional
        The edges to try from every node, the most promising first, -1 where there are no more.
        Otherwise those of least alpha value (:mod:`formulations.one_tree`) are found first, in
        O(nodes squared) time.
    seed : int
        The same arguments give the same tour unless the time runs out.
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
        If the arguments are not as above, the distances too large for 64-bit sums, or nothing
        ends the search.
    """
    end = inf if deadline_seconds is None else time.perf_counter() + deadline_seconds
    known = metric(distances)
    count = len(distances)
    tour = np.ascontiguousarray(tour, dtype=np.int64)
    if not np.array_equal(np.sort(tour), np.arange(count)):
        raise ValueError(f"the tour is no permutation of {count} nodes")
    given = None if candidates is None else _checked(candidates, count)
    if count <= _FEW:
        return _best_of_all(known, tour)
    if deadline_seconds is None and max_kicks is None and target is None:
        raise ValueError("without a time, a number of kicks or a target, the search has no end")
    if not kernels_ready(known, end):
        return tour, tour_length(known, tour)
    near = _promising(distances, known, tour, seed, end) if given is None else given
    breadth = _BREADTH if near.shape[1] <= NEIGHBOURS else _WIDER
    return _run(
        _begin(known, tour, near, breadth, seed),
        end,
        _MOST if max_kicks is None else max_kicks,
        -_MOST if target is None else target,
        report,
    )


def kernels_ready(known: Metric, end: float) -> bool:
    """Wait for the kernels for such a matrix to be compiled; False if time ran out first."""
    kind = known.matrix.dtype

    def work() -> None:
        numbers = np.arange(8, dtype=kind)
        matrix = numbers[:, None] + numbers
        small = metric(matrix)._replace(matrix=matrix)
        near = np.tile(np.array([[0, 7]], dtype=np.int32), (8, 1))
        near[0], near[7] = [1, 2], [5, 6]
        _run(_begin(small, numbers.astype(np.int64), near, _BREADTH, 0), inf, 2, 0, None)

    return is_ready(f"tours, {kind}", work, end)


def _begin(
    known: Metric,
    tour: IntArray,
    near: npt.NDArray[np.int32],
    breadth: tuple[int, ...],
    seed: int,
) -> State:
    """Set up a search along the edges `near`."""
    from formulations.nearness import edge_lengths
    from reorder_solver.backends.tours import iterate
    from reorder_solver.backends.tours.state import REACH, new_state

    lengths = np.zeros(near.shape, dtype=np.int64)
    edge_lengths(known, near, lengths)
    state = new_state(known, tour, near, lengths, breadth, seed % 2**64)
    state.control[REACH] = _REACH
    iterate.begin(state)
    return state


def _run(
    state: State,
    end: float,
    max_kicks: int,
    target: int,
    report: Callable[[IntArray, int], None] | None,
) -> tuple[IntArray, int]:
    """Run the kernel slice by slice; Ctrl-C and the clock are heard in between."""
    from reorder_solver.backends.tours import iterate
    from reorder_solver.backends.tours.state import BEST, TARGET

    state.control[TARGET] = max(-_MOST, min(_MOST, target))
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
    return state.best.astype(np.int64), int(state.control[BEST])


def _promising(
    distances: npt.NDArray[np.integer] | PackedColumns,
    known: Metric,
    tour: IntArray,
    seed: int,
    end: float,
) -> npt.NDArray[np.int32]:
    """The edges of least alpha value, or the shortest if there is no time for more."""
    count = tour.size
    width = min(NEIGHBOURS, count - 1)
    limit = None if isinf(end) else max(0.0, _SHARE * (end - time.perf_counter()))
    bound = one_tree_bound(distances, tour=tour, rounds=ROUNDS, time_limit=limit, seed=seed)
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
    """Try all tours through a few nodes; that given if none is shorter."""
    best, least = tour, tour_length(known, tour)
    if tour.size < 4:
        return best, least
    for rest in permutations(range(1, tour.size)):
        other = np.array((0, *rest), dtype=np.int64)
        length = tour_length(known, other)
        if length < least:
            best, least = other, length
    return best, least
