"""The tour search: real tours, true lengths, repeatable, and short ones."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from formulations.columns import metric, tour_length
from reorder_solver.backends.tours import PackedColumns, improve_tour, solve_large
from reorder_solver.backends.tours.improve import kernels_ready
from reorder_solver.backends.tours.state import DEPTH, reversal_table


@pytest.fixture(autouse=True)
def _compiled():
    """Compile first: some tests are about short times."""
    kernels_ready(metric(np.zeros((2, 2), dtype=np.int64)), float("inf"))


def random_columns(seed, count, rows, weights=None):
    """Random columns, packed and as a matrix of distances."""
    rng = np.random.default_rng(seed)
    ones = rng.random((rows, count)) < rng.choice([0.05, 0.2, 0.5])
    weights = [1] * rows if weights is None else weights
    packed = PackedColumns.of([np.flatnonzero(row) for row in ones], weights, count)
    matrix = np.zeros((count, count), dtype=np.int64)
    for weight, row in zip(weights, ones, strict=True):
        matrix += weight * (row[:, None] != row)
    return packed, matrix


def length_of(matrix, tour):
    """Length of a closed tour, in plain Python."""
    return sum(int(matrix[tour[k - 1], tour[k]]) for k in range(len(tour)))


def shortest(matrix):
    """Length of the shortest tour, by a dynamic programme over subsets (Held and Karp 1962)."""
    count = len(matrix)
    full = (1 << (count - 1)) - 1
    best = np.full((full + 1, count - 1), 2**62, dtype=np.int64)
    for last in range(count - 1):
        best[1 << last, last] = matrix[count - 1, last]
    for seen in range(1, full + 1):
        for last in range(count - 1):
            if seen >> last & 1 and seen != 1 << last:
                rest = best[seen ^ 1 << last] + matrix[: count - 1, last]
                best[seen, last] = rest.min()
    return int((best[full] + matrix[count - 1, : count - 1]).min())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 60, 230])
def test_tours_are_permutations_of_true_length(count) -> None:
    """For any symmetric integers, and never longer than the start."""
    for seed in range(4):
        rng = np.random.default_rng([1, count, seed])
        half = np.triu(rng.integers(-20, 90, (count, count)), 1)
        matrix = half + half.T
        start = rng.permutation(count)
        tour, length = improve_tour(matrix, start, seed=seed, max_kicks=40)
        assert np.array_equal(np.sort(tour), np.arange(count))
        assert length == (length_of(matrix, tour) if count > 1 else 0)
        assert length <= (length_of(matrix, start) if count > 1 else 0)


@pytest.mark.parametrize("kind", ["columns", "any"])
def test_small_optima_are_found(kind) -> None:
    """With a few hundred disturbances the optimum of small problems is all but certain."""
    found = 0
    for seed in range(25):
        count = 7 + seed % 6
        if kind == "columns":
            _, matrix = random_columns([2, seed], count, 9)
        else:
            half = np.triu(np.random.default_rng([3, seed]).integers(1, 99, (count, count)), 1)
            matrix = half + half.T
        _, length = improve_tour(matrix, np.arange(count), seed=seed, max_kicks=300)
        optimum = shortest(matrix)
        assert length >= optimum
        found += length == optimum
    assert found >= 24


def test_matrix_and_columns_give_the_same_search() -> None:
    """Distances on the fly are those of the matrix, so is everything that follows."""
    rng = np.random.default_rng(4)
    weights = [int(each) for each in rng.integers(0, 5, 90)]
    packed, matrix = random_columns(5, 150, 90, weights)
    start = np.arange(150)
    one = improve_tour(packed, start, seed=7, max_kicks=300)
    other = improve_tour(matrix, start, seed=7, max_kicks=300)
    assert one[1] == other[1] == length_of(matrix, one[0])
    assert np.array_equal(one[0], other[0])


def test_same_seed_same_tour() -> None:
    """The number of kicks decides, not the clock; another seed goes another way."""
    packed, _ = random_columns(6, 300, 60)
    start = np.random.default_rng(0).permutation(300)
    runs = [improve_tour(packed, start, seed=seed, max_kicks=200)[0] for seed in (1, 1, 2)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_huge_weights_stay_exact() -> None:
    """Lengths beyond 32 bits, up to the limit; beyond that they are refused."""
    weights = [2**37 + 3 * k for k in range(40)]
    packed, matrix = random_columns(8, 60, 40, weights)
    for distances in (packed, matrix):
        tour, length = improve_tour(distances, np.arange(60), max_kicks=100)
        assert length == length_of(matrix, tour)
    with pytest.raises(ValueError, match="too large"):
        improve_tour(matrix * 2**8, np.arange(60), max_kicks=1)


def test_only_candidates_are_added() -> None:
    """Every edge of the result that was not in the start is a candidate, or closes an exchange.

    With candidates along one good tour only, the search must find that tour.
    """
    _, matrix = random_columns(9, 40, 200)
    good, length = improve_tour(matrix, np.arange(40), max_kicks=500)
    along = np.stack([np.roll(good, 1), np.roll(good, -1)], axis=1)[np.argsort(good)]
    start = np.random.default_rng(1).permutation(40)
    tour, found = improve_tour(matrix, start, candidates=along, max_kicks=3000)
    assert found == length_of(matrix, tour)
    assert found <= length + length // 20
    none = np.full((40, 3), -1)
    tour, found = improve_tour(matrix, start, candidates=none, max_kicks=0)
    assert np.array_equal(tour, start)
    assert found == length_of(matrix, start)


def test_target_stops_and_reports_get_better() -> None:
    """Reports are tours of true and falling length; the target ends the search."""
    packed, matrix = random_columns(10, 250, 50)
    seen: list[int] = []

    def report(tour, length):
        assert length == length_of(matrix, tour)
        seen.append(length)

    start = np.random.default_rng(2).permutation(250)
    _, length = improve_tour(packed, start, max_kicks=500, report=report)
    assert seen == sorted(set(seen), reverse=True)
    assert seen[-1] == length
    _, reached = improve_tour(packed, start, target=length + 4)
    assert length <= reached <= length + 4


def test_interrupt_gets_through() -> None:
    """A search without end is left by an exception from its report."""
    packed, _ = random_columns(11, 400, 50)

    def report(_tour, _length):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        improve_tour(packed, np.arange(400), deadline_seconds=60.0, report=report)


def test_no_time_returns_the_start() -> None:
    """What is returned without time is what was given, and its length."""
    packed, matrix = random_columns(12, 3000, 20)
    start = np.arange(3000)
    tour, length = improve_tour(packed, start, deadline_seconds=0.0)
    assert np.array_equal(tour, start)
    assert length == length_of(matrix, start)


def test_bad_arguments_are_refused() -> None:
    """Each with a message of its own."""
    matrix = np.ones((9, 9), dtype=np.int64)
    start = np.arange(9)
    with pytest.raises(ValueError, match="permutation"):
        improve_tour(matrix, np.zeros(9, dtype=np.int64), max_kicks=1)
    with pytest.raises(ValueError, match="no end"):
        improve_tour(matrix, start)
    with pytest.raises(ValueError, match="rows"):
        improve_tour(matrix, start, candidates=np.zeros((3, 2), dtype=np.int64), max_kicks=1)
    with pytest.raises(ValueError, match="none of 9 nodes"):
        improve_tour(matrix, start, candidates=np.full((9, 1), 9), max_kicks=1)
    with pytest.raises(ValueError, match="its own"):
        improve_tour(matrix, start, candidates=np.arange(9)[:, None], max_kicks=1)
    with pytest.raises(ValueError, match="integers"):
        improve_tour(matrix, start, candidates=np.zeros((9, 1)), max_kicks=1)


def test_reversal_table_sorts_every_arrangement() -> None:
    """From each arrangement the steps lead to the identity, in at most five reversals."""
    table = reversal_table()
    for segments in range(1, DEPTH):
        for order in permutations(range(segments)):
            for signs in range(1 << segments):
                digits = [2 * each + (signs >> slot & 1) for slot, each in enumerate(order)]
                steps = 0
                while digits != [2 * slot for slot in range(segments)]:
                    code = sum(digit << 3 * slot for slot, digit in enumerate(digits))
                    step = int(table[segments, code])
                    assert step >= 0
                    i, j = divmod(step, 8)
                    digits[i : j + 1] = [digit ^ 1 for digit in reversed(digits[i : j + 1])]
                    steps += 1
                assert steps <= segments + 1


def test_large_problems_bracket_the_optimum() -> None:
    """Bound and tour agree on what is known, and reports on what is returned."""
    for seed in range(6):
        packed, matrix = random_columns([13, seed], 12, 8)
        found = solve_large(packed, seed=seed)
        assert found.length == length_of(matrix, found.tour)
        assert found.bound.bound <= shortest(matrix) <= found.length
    packed, matrix = random_columns(14, 700, 70)
    reports: list[tuple[int, int]] = []
    kept: list[int] = []

    def report(tour, length, bound):
        reports.append((length, bound))
        if tour is not None:
            kept.append(length_of(matrix, tour))

    found = solve_large(packed, seed=1, report=report)
    again = solve_large(packed, seed=1, threads=2)
    assert found.bound.bound <= found.length == length_of(matrix, found.tour)
    assert found.length <= 1.01 * found.bound.bound
    assert reports[-1] == (found.length, found.bound.bound)
    assert kept[-1] == found.length
    assert again.length == found.length
    assert np.array_equal(again.tour, found.tour)
    assert solve_large(packed, deadline_seconds=0.0).length >= tour_length(
        metric(packed), found.tour
    )
