"""Consecutive block minimisation: both formulations against brute force, and their manners."""

from __future__ import annotations

import subprocess
from itertools import pairwise, permutations

import numpy as np
import pytest

from formulations import betweenness, circuit
from formulations.block_minimisation import (
    BlockMinimisation,
    BlockSolution,
    order_of_successors,
)
from formulations.cbc import CbcOutcome, cbc_path

ENGINES = pytest.mark.parametrize(
    "solve", [circuit.solve_cpsat, betweenness.solve_pulp], ids=["circuit", "betweenness"]
)


def random_model(rng, *, columns=None, unit=1):
    """A matrix with some empty and full rows, some of them without weight."""
    rows = int(rng.integers(1, 7))
    width = int(rng.integers(1, 7)) if columns is None else columns
    shares = rng.choice([0.0, 0.3, 0.5, 0.8, 1.0], size=rows, p=[0.05, 0.3, 0.4, 0.2, 0.05])
    matrix = rng.random((rows, width)) < shares[:, None]
    return BlockMinimisation(matrix, tuple(unit * int(w) for w in rng.integers(0, 5, size=rows)))


def runs(row):
    """Number of runs of ones, counted one by one."""
    return sum(1 for place, one in enumerate(row) if one and not (place and row[place - 1]))


def brute_force(model):
    """The least cost over all orders, counted without the model's help."""
    return min(
        sum(w * runs(row[list(order)]) for w, row in zip(model.weights, model.matrix, strict=True))
        for order in permutations(range(model.columns))
    )


def check(model, solution):
    """The facts of a solution that can be checked by themselves."""
    assert sorted(solution.order.tolist()) == list(range(model.columns))
    assert solution.value == model.cost(solution.order)
    assert solution.lower_bound <= solution.value
    assert solution.lower_bound % model.unit == 0


@ENGINES
def test_optimum_equals_brute_force(solve):
    """Small models are proven, at the cost that enumeration finds."""
    rng = np.random.default_rng(1)
    for _ in range(40):
        model = random_model(rng)
        solution = solve(model)
        check(model, solution)
        assert solution.is_optimal
        assert solution.value == brute_force(model)


def test_formulations_agree():
    """On sizes past brute force, CP-SAT and CBC prove the same optimum."""
    rng = np.random.default_rng(2)
    for columns in (9, 10, 11):
        model = BlockMinimisation(rng.random((6, columns)) < 0.3, (1, 2, 3, 1, 2, 3))
        one, other = circuit.solve_cpsat(model), betweenness.solve_pulp(model)
        assert one.is_optimal
        assert other.is_optimal
        assert one.value == other.value


@ENGINES
@pytest.mark.parametrize("unit", [7, 2**70])
def test_common_divisor_scales_everything(solve, unit):
    """A common divisor of the weights, however large, scales cost and bound exactly."""
    for seed in range(5):
        plain = solve(random_model(np.random.default_rng([3, seed])))
        scaled = solve(random_model(np.random.default_rng([3, seed]), unit=unit))
        assert scaled.is_optimal
        assert scaled.value == unit * plain.value


def test_starts_and_distances_add_up_to_the_cost():
    """Around the circuit, starts give the cost and Hamming distances twice as much."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        model = random_model(rng)
        order = rng.permutation(model.columns)
        loop = [model.columns, *order.tolist(), model.columns]
        starts, distances = model.starts(), model.distances()
        there = sum(int(starts[a, b]) for a, b in pairwise(loop))
        back = sum(int(starts[b, a]) for a, b in pairwise(loop))
        length = sum(int(distances[a, b]) for a, b in pairwise(loop))
        assert model.unit * there == model.unit * back == model.cost(order)
        assert length == 2 * there


def test_target_below_the_optimum_is_refuted():
    """The decision form: an order at the target, or a bound above it."""
    rng = np.random.default_rng(5)
    refuted = met = 0
    for _ in range(30):
        model = random_model(rng, columns=6, unit=int(rng.integers(1, 4)))
        best = brute_force(model)
        solution = circuit.solve_cpsat(model, target=best)
        check(model, solution)
        assert solution.value == best
        met += not model.cost(np.arange(6)) <= best
        solution = circuit.solve_cpsat(model, target=best - 1)
        check(model, solution)
        assert best - 1 < solution.lower_bound <= best
        refuted += model.lowest < best
    assert refuted
    assert met


@ENGINES
def test_start_is_never_made_worse(solve):
    """With no time, the start comes back; it has to be a permutation."""
    rng = np.random.default_rng(6)
    model = BlockMinimisation(rng.random((8, 12)) < 0.4, tuple(range(1, 9)))
    start = rng.permutation(12)
    solution = solve(model, start=start, time_limit=0.0)
    check(model, solution)
    assert solution.order.tolist() == start.tolist()
    assert solution.lower_bound == model.lowest
    with pytest.raises(ValueError, match="no permutation"):
        solve(model, start=[0] * 12)


@ENGINES
def test_time_limit_leaves_true_bounds(solve):
    """Stopped in between, bounds are below what the whole search proves."""
    rng = np.random.default_rng(7)
    model = BlockMinimisation(rng.random((8, 14)) < 0.3, (1,) * 8)
    best = circuit.solve_cpsat(model)
    assert best.is_optimal
    for limit in (0.05, 0.3):
        solution = solve(model, time_limit=limit)
        check(model, solution)
        assert solution.lower_bound <= best.value <= solution.value


@ENGINES
def test_same_seed_gives_same_answer(solve):
    """Two calls agree, start or not."""
    model = random_model(np.random.default_rng(8), columns=6)
    first, second = solve(model, seed=2**40), solve(model, seed=2**40)
    assert first.order.tolist() == second.order.tolist()


def test_better_orders_are_reported():
    """Improvements come before the end, each better than the one before."""
    rng = np.random.default_rng(9)
    model = BlockMinimisation(rng.random((30, 60)) < 0.2, (1,) * 30)
    seen = []
    solution = circuit.solve_cpsat(
        model, time_limit=20, report=lambda order: seen.append(model.cost(order))
    )
    assert seen == sorted(set(seen), reverse=True)
    assert all(model.cost(np.arange(60)) > cost >= solution.value for cost in seen)


def test_an_interrupt_from_the_report_comes_through():
    """What is raised while a better order is reported ends the search."""
    rng = np.random.default_rng(9)
    model = BlockMinimisation(rng.random((30, 60)) < 0.2, (1,) * 30)

    def interrupt(order):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        circuit.solve_cpsat(model, time_limit=20, report=interrupt)


@pytest.mark.parametrize(
    ("matrix", "weights", "error", "message"),
    [
        ([1, 0], [1], ValueError, "two dimensions"),
        ([[1, 2]], [1], ValueError, "zeros and ones"),
        ([[1, 0]], [1, 1], ValueError, "2 weights for 1 rows"),
        ([[1, 0]], [-1], ValueError, "negative"),
        ([[1, 0]], [1.5], TypeError, "integer"),
    ],
)
def test_bad_models_are_errors(matrix, weights, error, message):
    """Each broken rule has its own message."""
    with pytest.raises(error, match=message):
        BlockMinimisation(np.array(matrix), tuple(weights))


@ENGINES
def test_bad_arguments_are_errors(solve):
    """Threads, and weights past exact arithmetic."""
    model = BlockMinimisation(np.eye(4, dtype=int), (1, 2, 3, 4))
    with pytest.raises(ValueError, match="threads"):
        solve(model, threads=0)
    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match="too large"):
        solve(BlockMinimisation(rng.random((2, 9)) < 0.5, (2**60, 2**60 + 1)))


@pytest.mark.parametrize("successors", [{}, {3: 0, 0: 3}, {3: 0, 0: 1, 1: 0}, {3: 3}])
def test_what_is_no_circuit_is_no_order(successors):
    """Short, open and endless chains are found out."""
    assert order_of_successors(successors, 3) is None


@pytest.mark.parametrize(
    "outcome",
    [
        CbcOutcome(),
        CbcOutcome({"next_4_0": 1.0, "next_0_4": 1.0}, has_solution=True, is_optimal=True),
        CbcOutcome({"next_4_0": 0.5}, has_solution=True, is_optimal=True),
        CbcOutcome({}, has_solution=True, is_optimal=True, bound=1e9),
    ],
)
def test_cbc_is_not_trusted(monkeypatch, outcome):
    """Subtours, fractions and bounds out of thin air prove nothing."""
    monkeypatch.setattr(betweenness, "run_cbc", lambda *args, **options: outcome)
    model = BlockMinimisation(np.array([[1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 0, 0]]), (1, 1, 1))
    solution = betweenness.solve_pulp(model)
    check(model, solution)
    assert not solution.is_optimal


def test_claimed_bound_above_an_order_is_dropped():
    """A bound that an order refutes counts for nothing."""
    model = BlockMinimisation(np.array([[1, 0, 1]]), (2,))
    assert BlockSolution.of(model, [[0, 1, 2]], 5).lower_bound == 2


@pytest.mark.parametrize("name", ["lp", "mps"])
def test_written_models_have_the_same_optimum(name, tmp_path):
    """CBC's own readers find the brute-force optimum in the file."""
    rng = np.random.default_rng(10)
    for number in range(4):
        model = random_model(rng, columns=5, unit=3)
        path = tmp_path / f"{number}.{name}"
        getattr(betweenness, f"write_{name}")(model, path)
        assert model.unit * _optimum_of(path) == brute_force(model)


def _optimum_of(path):
    """What the program CBC, left alone with the file, says of it."""
    answer = path.with_suffix(".sol")
    command = [cbc_path(), str(path), "-solve", "-solution", str(answer)]
    subprocess.run(command, check=True, capture_output=True)
    heading = answer.read_text(encoding="utf-8").splitlines()[0]
    assert heading.startswith("Optimal - objective value")
    return round(float(heading.split()[-1]))


@pytest.mark.parametrize("write", [betweenness.write_lp, betweenness.write_mps])
def test_weights_too_long_for_the_files_are_an_error(write, tmp_path):
    """PuLP writes twelve digits; more would be written wrongly."""
    with pytest.raises(ValueError, match="twelve digits"):
        write(BlockMinimisation(np.eye(2, dtype=int), (10**12, 1)), tmp_path / "x.lp")
