"""The subtour bound: never above the best tour, proven by its certificate, and tight."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import combinations
from math import gcd

import numpy as np
import pytest
from scipy.optimize import linprog
from tour_examples import hamming_distances, random_distances, shortest_tour

from formulations import glop, subtour
from formulations.cut_separation import VIOLATION, violated_cuts
from formulations.edge_program import EdgeProgram
from formulations.glop import import_glop
from formulations.subtour import check_certificate, nearest_neighbour_tour, subtour_bound
from formulations.subtour_certificate import make_certificate


def linear_value(distances):
    """The value of the linear programme with all edges and all sets."""
    count = len(distances)
    tails, heads = np.triu_indices(count, 1)
    degrees = [(tails == node) | (heads == node) for node in range(count)]
    sets = [
        np.isin(np.arange(count), chosen)
        for size in range(2, count - 1)
        for chosen in combinations(range(count), size)
    ]
    found = linprog(
        distances[tails, heads],
        A_eq=np.array(degrees, dtype=float),
        b_eq=np.full(count, 2.0),
        A_ub=[-(inside[tails] != inside[heads]).astype(float) for inside in sets] or None,
        b_ub=[-2.0] * len(sets) or None,
        bounds=(0, 1),
    )
    return found.fun


def test_never_above_the_shortest_tour_and_mostly_equal():
    """On small matrices of any kind the bound holds, and nearly always it is the optimum."""
    equal = 0
    for seed in range(60):
        rng = np.random.default_rng([1, seed])
        count = int(rng.integers(3, 9))
        largest = int(rng.choice([2, 5, 30, 10**6]))
        distances = random_distances(rng, count, largest)
        found, best = subtour_bound(distances), shortest_tour(distances)
        assert found.is_complete
        assert found.bound <= best
        assert found.bound == check_certificate(distances, found.certificate)
        assert found.numerator <= found.bound << found.exponent
        equal += found.bound == best
    assert equal >= 54


def test_even_tours_close_the_gap():
    """Tours of 0/1 columns are even: rounded up, the bound is the optimum nearly always."""
    equal = 0
    for seed in range(40):
        rng = np.random.default_rng([2, seed])
        distances = hamming_distances(rng, int(rng.integers(3, 9)), int(rng.integers(1, 12)))
        found, best = subtour_bound(distances, step=2), shortest_tour(distances)
        assert found.bound <= best
        assert found.bound % 2 == 0
        assert found.bound == check_certificate(distances, found.certificate, step=2)
        equal += found.bound == best
    assert equal >= 38


def test_weights_with_a_common_divisor():
    """With weights that share a divisor, the bound is a multiple of twice that and still holds."""
    for seed in range(20):
        rng = np.random.default_rng([3, seed])
        weights = 7 * rng.integers(1, 5, size=6)
        step = 2 * gcd(*weights.tolist())
        distances = hamming_distances(rng, 7, 6, weights=weights)
        found = subtour_bound(distances, step=step)
        assert found.bound % step == 0
        assert found.bound <= shortest_tour(distances)


def test_value_of_the_whole_programme():
    """Before rounding it is the value of the linear programme with all edges and sets."""
    for seed in range(12):
        rng = np.random.default_rng([4, seed])
        distances = random_distances(rng, 8)
        found = subtour_bound(distances)
        value = found.numerator / 2**found.exponent
        assert value == pytest.approx(linear_value(distances), abs=1e-4)


def test_larger_matrices_need_cuts_and_pricing():
    """With some hundred columns sets and edges are added, and the target is not overshot."""
    rng = np.random.default_rng(5)
    distances = hamming_distances(rng, 150, 60, density=0.08)
    bounds = []
    found = subtour_bound(distances, step=2, report=bounds.append)
    assert found.is_complete
    assert found.cuts > 0
    assert found.rounds > 2
    assert bounds == sorted(set(bounds))
    assert bounds[-1] == found.bound == check_certificate(distances, found.certificate, step=2)
    tour = nearest_neighbour_tour(distances)
    assert found.bound <= distances[tour, np.roll(tour, 1)].sum()
    again = subtour_bound(distances, step=2)
    assert (again.numerator, again.rounds) == (found.numerator, found.rounds)


def test_two_far_apart_clusters():
    """Without its cut, the programme would not see the way between two clusters."""
    points = np.array([0, 1, 2, 3, 1000, 1001, 1002, 1003])
    distances = np.abs(points[:, None] - points)
    found = subtour_bound(distances)
    assert found.bound == shortest_tour(distances) == 2006
    assert found.cuts >= 1


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_tiny_matrices(count):
    """With up to four nodes the bound is the optimum; two use their edge twice."""
    for seed in range(8):
        distances = random_distances(np.random.default_rng([6, seed]), count)
        found = subtour_bound(distances)
        assert found.bound == shortest_tour(distances)
        assert found.bound == check_certificate(distances, found.certificate)
        assert found.is_complete


def test_all_columns_equal():
    """Distances that are all zero have bound 0, whatever the step."""
    found = subtour_bound(np.zeros((6, 6), dtype=np.int64), step=10)
    assert (found.bound, found.is_complete) == (0, True)


def test_negative_distances():
    """Nothing needs distances to be positive."""
    for seed in range(10):
        rng = np.random.default_rng([7, seed])
        distances = random_distances(rng, 6) - 15
        assert subtour_bound(distances).bound <= shortest_tour(distances)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint64])
def test_any_integer_type(dtype):
    """Small and unsigned types do not wrap around."""
    distances = 8 * hamming_distances(np.random.default_rng(8), 8, 31)
    assert distances.max() < 256
    assert subtour_bound(distances.astype(dtype)).bound == subtour_bound(distances).bound


def test_distances_up_to_the_limit():
    """At the largest distances taken, the bound is still exact; beyond, they are refused."""
    rng = np.random.default_rng(9)
    for _ in range(10):
        distances = random_distances(rng, 7, largest=2**50 // 7)
        found, best = subtour_bound(distances), shortest_tour(distances)
        assert found.bound == check_certificate(distances, found.certificate)
        assert found.bound <= best
        value = 2.0**40 * linear_value(distances / 2**40)
        assert found.bound == pytest.approx(value, rel=1e-6)
    with pytest.raises(ValueError, match="too large"):
        subtour_bound(distances * 8)


def test_no_time_at_all():
    """With time limit 0 no programme is solved, and the bound is what comes for free."""
    distances = hamming_distances(np.random.default_rng(10), 8, 12)
    found = subtour_bound(distances, step=2, time_limit=0)
    assert (found.rounds, found.is_complete) == (0, False)
    assert 0 < found.bound <= shortest_tour(distances)
    assert found.bound == check_certificate(distances, found.certificate, step=2)


def test_time_runs_out_between_rounds(monkeypatch):
    """What the last programme proves is returned, though it was never priced."""
    distances = hamming_distances(np.random.default_rng(11), 120, 50, density=0.08)
    complete = subtour_bound(distances, step=2)
    solve = EdgeProgram.solve
    for rounds in range(1, complete.rounds):
        calls = iter(range(rounds))

        def solve_some(program, seconds, *, dual, calls=calls):
            return None if next(calls, None) is None else solve(program, seconds, dual=dual)

        monkeypatch.setattr(EdgeProgram, "solve", solve_some)
        found = subtour_bound(distances, step=2)
        assert not found.is_complete
        assert found.rounds == rounds
        assert found.bound <= complete.bound
        assert found.bound == check_certificate(distances, found.certificate, step=2)


def test_rubbish_from_the_solver_proves_nothing_false(monkeypatch):
    """Wrong or infinite dual values cost tightness, never validity."""
    rng = np.random.default_rng(12)
    distances = hamming_distances(rng, 8, 12)
    best = shortest_tour(distances)
    solve = EdgeProgram.solve
    for damage in (np.nan, np.inf, -1e30, 1e12, -3.0, 0.5):

        def solve_badly(program, seconds, *, dual, damage=damage):
            found = solve(program, seconds, dual=dual)
            spoilt = found.nodes.copy()
            spoilt[0] += damage
            return found._replace(nodes=spoilt, cuts=found.cuts + damage)

        monkeypatch.setattr(EdgeProgram, "solve", solve_badly)
        found = subtour_bound(distances)
        assert 0 < found.bound <= best


def test_target_ends_the_search():
    """A bound that is high enough ends it, even before the first programme."""
    distances = hamming_distances(np.random.default_rng(13), 100, 50, density=0.08)
    complete = subtour_bound(distances, step=2)
    assert subtour_bound(distances, step=2, target=0).rounds == 0
    assert subtour_bound(distances, step=2, target=complete.bound).bound == complete.bound


def test_any_tour_leads_to_the_same_bound():
    """The tour given is a start only."""
    rng = np.random.default_rng(14)
    distances = hamming_distances(rng, 60, 30, density=0.1)
    bounds = {subtour_bound(distances, step=2).bound}
    for _ in range(3):
        bounds.add(subtour_bound(distances, step=2, tour=rng.permutation(60).tolist()).bound)
    assert len(bounds) == 1


def test_short_slices_of_the_simplex_method(monkeypatch):
    """Interrupted every few iterations, the programme comes to the same value."""
    distances = hamming_distances(np.random.default_rng(15), 60, 30, density=0.1)
    whole = subtour_bound(distances, step=2)
    monkeypatch.setattr(glop, "_SLICE", 1)
    monkeypatch.setattr(glop, "_MOST", 8)
    sliced = subtour_bound(distances, step=2)
    assert (sliced.bound, sliced.is_complete) == (whole.bound, True)


@pytest.mark.parametrize(
    ("distances", "arguments", "message"),
    [
        (np.zeros((2, 3), dtype=int), {}, "square"),
        (np.zeros(4, dtype=int), {}, "square"),
        (np.zeros((3, 3)), {}, "integers"),
        (np.array([[0, 1], [2, 0]]), {}, "symmetric"),
        (np.zeros((3, 3), dtype=int), {"step": 0}, "step"),
        (np.zeros((3, 3), dtype=int), {"tour": [0, 1, 1]}, "permutation"),
        (np.zeros((3, 3), dtype=int), {"tour": [0, 1]}, "permutation"),
        (np.full((3, 3), 2**62, dtype=np.uint64), {}, "too large"),
        (np.full((3, 3), -(2**63)), {}, "too large"),
    ],
)
def test_wrong_arguments(distances, arguments, message):
    """Each is refused with what is wrong about it."""
    with pytest.raises(ValueError, match=message):
        subtour_bound(distances, **arguments)


def test_corrupted_certificates_prove_nothing_false():
    """Whatever is changed in a certificate, it is refused or still a valid bound."""
    refused = weaker = 0
    for seed in range(150):
        rng = np.random.default_rng([16, seed])
        distances = hamming_distances(rng, 8, 10)
        found = subtour_bound(distances, step=2)
        given = found.certificate
        sets = np.append(given.sets, 1 << given.exponent)
        members = np.vstack([given.members, rng.random(8) < 0.5])
        size = int(rng.choice([1, 2**10, 2**24, 2**40, 2**60]))
        changed = [
            replace(given, nodes=given.nodes + rng.integers(-size, size, 8)),
            replace(given, sets=sets + rng.integers(-size, size, sets.size), members=members),
            replace(given, sets=sets, members=rng.random(members.shape) < 0.5),
            replace(given, exponent=given.exponent + int(rng.integers(-30, 40))),
        ][seed % 4]
        try:
            bound = check_certificate(distances, changed, step=2)
        except ValueError:
            refused += 1
            continue
        best = shortest_tour(distances)
        assert bound <= best
        weaker += bound < best
    assert refused > 10
    assert weaker > 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sets": np.array([-1])}, "negative"),
        ({"members": np.zeros((1, 4), dtype=bool)}, "no nodes, or all"),
        ({"members": np.ones((1, 4), dtype=bool)}, "no nodes, or all"),
        ({"members": np.ones((2, 4), dtype=bool)}, "shape"),
        ({"members": np.array([[1, 0, 0, 2]])}, "booleans"),
        ({"sets": np.array([0.5])}, "64-bit integers"),
        ({"nodes": np.zeros(3, dtype=np.int64)}, "4 nodes"),
        ({"nodes": np.zeros(4)}, "4 nodes"),
        ({"nodes": np.full(4, 2**60)}, "too large"),
        ({"nodes": np.full(4, -(2**63))}, "too large"),
        ({"sets": np.array([2**53])}, "too large"),
        ({"exponent": 62}, "too large"),
        ({"exponent": -1}, "exponent"),
        ({"exponent": 63}, "exponent"),
    ],
)
def test_malformed_certificates_are_refused(changes, message):
    """A certificate that is none, or might overflow, is an error."""
    distances = random_distances(np.random.default_rng(17), 4) + 1
    good = replace(
        subtour_bound(distances).certificate,
        sets=np.array([1]),
        members=np.array([[True, True, False, False]]),
    )
    check_certificate(distances, good)
    with pytest.raises(ValueError, match=message):
        check_certificate(distances, replace(good, **changes))
    with pytest.raises(ValueError, match="step"):
        check_certificate(distances, good, step=0)


def test_bound_of_a_certificate_by_hand():
    """The sum over all edges, in blocks of floats, equals the plain sum in Python integers."""
    rng = np.random.default_rng(18)
    distances = random_distances(rng, 9)
    members = rng.random((5, 9)) < 0.5
    members[:, 0], members[:, 1] = True, False
    given = make_certificate(distances, rng.normal(size=9), rng.random(5), members)
    total = 2 * sum(given.nodes.tolist()) + 2 * sum(given.sets.tolist())
    for tail, head in combinations(range(9), 2):
        left = sum(
            number
            for number, inside in zip(given.sets.tolist(), members, strict=True)
            if inside[tail] != inside[head]
        )
        length = int(distances[tail, head]) << given.exponent
        total += min(0, length - int(given.nodes[tail]) - int(given.nodes[head]) - left)
    assert subtour.exact_bound(distances, given) == total


def test_blocks_make_no_difference(monkeypatch):
    """One row at a time or all at once: the same bound."""
    distances = hamming_distances(np.random.default_rng(19), 40, 20, density=0.1)
    found = subtour_bound(distances)
    monkeypatch.setattr("formulations.subtour_certificate._BLOCK", 1)
    assert check_certificate(distances, found.certificate) == found.bound


def test_separation_against_all_sets():
    """A violated set is found exactly if there is one, and all that are found are violated."""
    found_some = 0
    for seed in range(400):
        rng = np.random.default_rng([20, seed])
        count = int(rng.integers(3, 12))
        values = np.zeros((count, count))
        for share in rng.dirichlet(np.ones(int(rng.integers(1, 4)))):
            for cycle in _random_cycles(rng, count):
                np.add.at(values, (cycle, np.roll(cycle, 1)), share)
        values += values.T
        tails, heads = np.triu_indices(count, 1)
        carried = values[tails, heads]
        # All sets without node 0, as the bits of a number.
        sets = np.arange(1, 2 ** (count - 1))[:, None] >> (np.arange(count) - 1) & 1 == 1
        sets[:, 0] = False
        borders = (sets[:, tails] != sets[:, heads]) @ carried
        found = violated_cuts(count, tails, heads, carried)
        assert not found[:, 0].any()
        assert found.any(axis=1).all()
        assert ((found[:, tails] != found[:, heads]) @ carried < 2 - VIOLATION / 2).all()
        assert len(np.unique(found, axis=0)) == len(found)
        assert (len(found) > 0) == (borders.min() < 2 - VIOLATION)
        found_some += len(found) > 0
    assert 50 < found_some < 350


def _random_cycles(rng, count):
    """Disjoint cycles through all nodes, of three nodes at least where there are as many."""
    nodes = rng.permutation(count)
    if count >= 6 and rng.random() < 0.5:
        middle = int(rng.integers(3, count - 2))
        return [nodes[:middle], nodes[middle:]]
    return [nodes]


def test_missing_glop_is_an_error(monkeypatch):
    """Where the wrapper cannot be loaded, the error of its import comes through."""
    monkeypatch.setitem(sys.modules, "ortools.linear_solver.pywraplp", None)
    with pytest.raises(ImportError, match="pywraplp"):
        import_glop()
