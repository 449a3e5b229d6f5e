"""The 1-tree bound: below every tour, exact, and recomputed from its potentials."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from formulations.columns import PackedColumns, metric, tour_length
from formulations.neighbours import first_tour, nearest_nodes
from formulations.one_tree import alpha_candidates, check_potentials, one_tree_bound


def random_matrix(rng, count, low=-9, high=60):
    """A random symmetric matrix."""
    half = rng.integers(low, high, (count, count))
    return np.triu(half, 1) + np.triu(half, 1).T


def random_columns(rng, count, rows, weights=None):
    """Random packed columns and the matrix of their distances."""
    ones = rng.random((rows, count)) < rng.choice([0.2, 0.5])
    weights = [1] * rows if weights is None else weights
    packed = PackedColumns.of([np.flatnonzero(row) for row in ones], weights, count)
    differ = ones[:, :, None] != ones[:, None, :]
    matrix = np.zeros((count, count), dtype=np.int64)
    for weight, one in zip(weights, differ, strict=True):
        matrix += weight * one
    return packed, matrix


def shortest(matrix):
    """Length of the shortest tour, by trying all."""
    count = len(matrix)
    if count < 2:
        return 0
    tours = ((0, *rest) for rest in permutations(range(1, count)))
    return min(sum(int(matrix[tour[k - 1], tour[k]]) for k in range(count)) for tour in tours)


def best_one_tree(matrix, potentials, exponent):
    """The 1-tree bound of potentials, by Kruskal's algorithm: the best over leaves."""
    count = len(matrix)
    cost = [
        [(int(matrix[i, j]) << exponent) - int(potentials[i]) - int(potentials[j])
         for j in range(count)]
        for i in range(count)
    ]  # fmt: skip
    edges = sorted((cost[i][j], i, j) for i, j in combinations(range(count), 2))
    best = None
    for special in range(count):
        group = list(range(count))
        total, degree = 0, 0
        for value, i, j in edges:
            if special in (i, j):
                if degree < 2:
                    degree, total = degree + 1, total + value
            elif group[i] != group[j]:
                total += value
                old, new = group[i], group[j]
                group = [new if each == old else each for each in group]
        best = total if best is None else max(best, total)
    return best + 2 * sum(int(each) for each in potentials)


@pytest.mark.parametrize("count", range(8))
def test_bound_is_below_the_optimum(count) -> None:
    """With any integers, negative ones too, no tour is shorter than the bound."""
    for seed in range(12):
        matrix = random_matrix(np.random.default_rng([1, count, seed]), count)
        found = one_tree_bound(matrix, seed=seed)
        assert found.bound <= shortest(matrix)
        assert check_potentials(matrix, found.potentials, found.exponent) == found.bound


def test_bound_of_columns_is_even_and_near() -> None:
    """Rounded up to even numbers, the bound proves most tours of 0/1 columns."""
    proven = 0
    for seed in range(40):
        packed, matrix = random_columns(np.random.default_rng([2, seed]), 8, 6)
        optimum = shortest(matrix)
        found = one_tree_bound(packed, step=2)
        assert found.bound % 2 == 0
        assert found.bound <= optimum
        assert one_tree_bound(matrix, step=2).numerator == found.numerator
        proven += found.bound == optimum
    assert proven >= 30


def test_tree_is_the_cheapest_over_all_edges() -> None:
    """Whatever the potentials, the bound is that of a minimum 1-tree, and never too high."""
    for seed in range(30):
        rng = np.random.default_rng([3, seed])
        matrix = random_matrix(rng, 7)
        potentials = rng.integers(-100, 100, 7)
        numerator = best_one_tree(matrix, potentials, 3)
        # Leaves of the spanning tree alone are tried, so it may be a little lower.
        found = check_potentials(matrix, potentials, 3)
        assert found <= -(-numerator // 8)
        assert -(-numerator // 8) <= shortest(matrix)


def test_bound_with_huge_weights() -> None:
    """Distances near the limit of 64-bit sums stay exact."""
    rng = np.random.default_rng(4)
    weights = [int(each) for each in rng.integers(2**42, 2**43, 5)]
    packed, matrix = random_columns(rng, 8, 5, weights)
    found = one_tree_bound(packed)
    assert found.bound <= shortest(matrix)
    assert found.bound > 0.8 * shortest(matrix)
    assert check_potentials(matrix, found.potentials, found.exponent) == found.bound
    with pytest.raises(ValueError, match="too large"):
        PackedColumns.of([np.array([0])], [2**50], 2)
    with pytest.raises(ValueError, match="too large"):
        one_tree_bound(matrix * 2**7)


def test_tampered_potentials_prove_no_more() -> None:
    """Any potentials prove only what is true."""
    rng = np.random.default_rng(5)
    packed, matrix = random_columns(rng, 8, 7)
    optimum = shortest(matrix)
    potentials = one_tree_bound(packed, step=2).potentials
    for _ in range(200):
        changed = potentials.copy()
        changed[rng.integers(8)] += rng.integers(-5000, 5000)
        assert check_potentials(packed, changed, 10, 2) <= optimum


@pytest.mark.parametrize(
    ("potentials", "exponent", "message"),
    [
        (np.zeros(3, dtype=np.int64), 2, "as many potentials"),
        (np.zeros(4), 2, "64-bit"),
        (np.full(4, 2**60), 2, "too large"),
        (np.zeros(4, dtype=np.int64), 62, "exponent"),
        (np.zeros(4, dtype=np.int64), 59, "too large"),
    ],
)
def test_malformed_potentials_are_refused(potentials, exponent, message) -> None:
    """What might overflow is not checked but refused."""
    matrix = random_matrix(np.random.default_rng(6), 4)
    with pytest.raises(ValueError, match=message):
        check_potentials(matrix, potentials, exponent)


def test_malformed_distances_are_refused() -> None:
    """Neither floats nor asymmetry nor a wrong tour."""
    with pytest.raises(ValueError, match="integers"):
        one_tree_bound(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="symmetric"):
        one_tree_bound(np.arange(9).reshape(3, 3))
    with pytest.raises(ValueError, match="square"):
        one_tree_bound(np.zeros((2, 3), dtype=np.int64))
    with pytest.raises(ValueError, match="permutation"):
        one_tree_bound(np.zeros((3, 3), dtype=np.int64), tour=[0, 1, 1])
    with pytest.raises(ValueError, match="step"):
        one_tree_bound(np.zeros((3, 3), dtype=np.int64), step=0)


def test_reports_rise_and_stop_at_the_target() -> None:
    """Every report is better than the last, and the target ends the ascent."""
    packed, _ = random_columns(np.random.default_rng(7), 150, 40)
    reports: list[int] = []
    found = one_tree_bound(packed, step=2, report=reports.append)
    assert reports == sorted(set(reports))
    assert reports[-1] == found.bound
    assert one_tree_bound(packed, step=2, target=reports[0]).rounds == 1


def test_threads_and_repetition_change_nothing() -> None:
    """Same seed, same answer, on one thread or two."""
    packed, _ = random_columns(np.random.default_rng(8), 900, 70)
    bounds = [one_tree_bound(packed, rounds=2, seed=3, threads=k) for k in (1, 2, 1)]
    assert np.array_equal(bounds[0].potentials, bounds[1].potentials)
    assert np.array_equal(bounds[0].potentials, bounds[2].potentials)
    lists = [alpha_candidates(packed, bounds[0], 5, seed=3, threads=k) for k in (1, 2)]
    assert lists[0] is not None
    assert np.array_equal(lists[0], lists[1])


def test_no_time_gives_a_true_bound() -> None:
    """Without any time, the bound says little, and nothing false."""
    packed, matrix = random_columns(np.random.default_rng(9), 8, 6)
    assert one_tree_bound(packed, time_limit=0.0).bound <= shortest(matrix)
    assert one_tree_bound(matrix - 7, time_limit=0.0).bound <= shortest(matrix - 7)


def test_nearest_nodes_are_the_nearest() -> None:
    """By length, and by reduced cost; ties broken in any way."""
    rng = np.random.default_rng(10)
    packed, matrix = random_columns(rng, 40, 9)
    shift = rng.integers(-9, 9, 40)
    for known in (metric(packed), metric(matrix)):
        near = nearest_nodes(known, 6, shift=shift, exponent=1)
        assert near is not None
        costs = 2 * matrix - shift[:, None] - shift[None, :]
        for node in range(40):
            others = np.sort(np.delete(costs[node], node))[:6]
            assert np.array_equal(costs[node, near[node]], others)
            assert node not in near[node]
            assert len(set(near[node].tolist())) == 6


def test_alpha_values_are_those_of_forced_edges() -> None:
    """An edge's alpha value is what forcing it into the spanning tree costs."""
    rng = np.random.default_rng(11)
    matrix = random_matrix(rng, 9, 1, 40)
    found = one_tree_bound(matrix)
    near = alpha_candidates(matrix, found, 8)
    assert near is not None
    potentials = found.potentials
    costs = (matrix << found.exponent) - potentials[:, None] - potentials[None, :]

    def spanning_tree(first: tuple[int, int] | None = None) -> int:
        group = list(range(9))
        edges = sorted((int(costs[i, j]), i, j) for i, j in combinations(range(9), 2))
        if first is not None:
            edges.insert(0, (int(costs[first]), *first))
        total = 0
        for cost, i, j in edges:
            if group[i] != group[j]:
                total += cost
                old, new = group[i], group[j]
                group = [new if each == old else each for each in group]
        return total

    cheapest = spanning_tree()
    for node in range(9):
        alphas = [spanning_tree((node, int(other))) - cheapest for other in near[node]]
        assert alphas == sorted(alphas)
        assert sorted(near[node].tolist()) == [each for each in range(9) if each != node]


def test_packed_columns_know_their_distances() -> None:
    """Rows of mixed weights, more of them than a word has bits."""
    rng = np.random.default_rng(12)
    weights = [int(each) for each in rng.integers(0, 7, 150)]
    packed, matrix = random_columns(rng, 30, 150, weights)
    tour = rng.permutation(30).astype(np.int64)
    assert tour_length(metric(packed), tour) == tour_length(metric(matrix), tour)
    assert int(matrix.max()) <= packed.largest
    assert np.array_equal(first_tour(metric(packed)), first_tour(metric(matrix)))
