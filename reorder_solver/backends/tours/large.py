"""Tours and bounds where neither all distances nor a linear programme fit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf, isinf
from typing import TYPE_CHECKING

import numpy as np

from formulations.columns import metric, tour_length
from formulations.neighbours import first_tour
from formulations.one_tree import OneTreeBound, alpha_candidates, kernels_ready, one_tree_bound
from reorder_solver.backends.tours.improve import NEIGHBOURS, improve_tour

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.columns import IntArray, PackedColumns

#: Tours of 0/1 columns under Hamming distance are even.
_STEP = 2
#: Share of the time for the bound.
_SHARE = 0.5
#: Disturbances per node without a time limit.
_KICKS = 20


@dataclass(frozen=True, slots=True, eq=False)
class LargeAnswer:
    """A tour, and how much shorter others can be.

    Attributes
    ----------
    tour : ndarray of int64, (nodes,)
    length : int
        Its length.
    bound : OneTreeBound
        No tour is shorter than ``bound.bound``; ``bound.potentials`` prove it.
    """

    tour: IntArray
    length: int
    bound: OneTreeBound


def solve_large(
    columns: PackedColumns,
    *,
    tour: IntArray | None = None,
    deadline_seconds: float | None = None,
    threads: int = 1,
    seed: int = 0,
    report: Callable[[IntArray | None, int, int], None] | None = None,
) -> LargeAnswer:
    """Find a short tour through the columns of a 0/1 matrix, and bound all tours from below.

    O(columns squared) time; memory is linear in the columns' words.

    Parameters
    ----------
    columns : PackedColumns
        Integer weights, divided by their common divisor, under which all tours are even.
    tour : ndarray of int64, (columns,), optional
        To start from, if it is better than that of nearest neighbours.
    deadline_seconds : float, optional
        Wall-clock seconds from the call on. The search for a tour uses what is left of it; without
        it, a fixed number of disturbances per node.
    threads, seed : int
        Unless the time runs out, the answer depends on the seed, not on the threads.
    report : callable, optional
        Called with the best tour (None if it is the last one still), its length and the bound,
        whenever length or bound is better.

    Returns
    -------
    LargeAnswer

    Raises
    ------
    ValueError
        If the tour is no permutation of the columns.
    """
    end = inf if deadline_seconds is None else time.perf_counter() + deadline_seconds
    known = metric(columns)
    count = len(columns)
    if tour is not None and not np.array_equal(np.sort(tour), np.arange(count)):
        raise ValueError(f"the tour is no permutation of {count} columns")
    best = np.arange(count, dtype=np.int64) if tour is None else tour
    if kernels_ready(known, end):
        best = min((first_tour(known, end), best), key=lambda each: tour_length(known, each))
    length, bound = tour_length(known, best), 0

    def say(better: IntArray | None) -> None:
        if report is not None:
            report(better, length, bound)

    def rise(proven: int) -> None:
        nonlocal bound
        bound = max(bound, proven)
        say(None)

    def shorten(better: IntArray, shorter: int) -> None:
        nonlocal length
        if shorter < length:
            length = shorter
            say(better)

    say(best)
    proof = one_tree_bound(
        columns,
        step=_STEP,
        tour=best,
        target=length,
        time_limit=_left(end, _SHARE),
        seed=seed,
        threads=threads,
        report=rise,
    )
    if count > 3 and proof.bound < length:
        near = alpha_candidates(
            columns,
            proof,
            min(NEIGHBOURS, count - 1),
            seed=seed,
            threads=threads,
            time_limit=_left(end, _SHARE),
        )
        best, length = improve_tour(
            columns,
            best,
            candidates=near,
            seed=seed,
            deadline_seconds=_left(end, 1.0),
            max_kicks=_KICKS * count if isinf(end) else None,
            target=proof.bound,
            report=shorten,
        )
    return LargeAnswer(best, length, proof)


def _left(end: float, share: float) -> float | None:
    """Seconds of a share of the time that is left."""
    return None if isinf(end) else max(0.0, share * (end - time.perf_counter()))
