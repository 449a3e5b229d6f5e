"""Upscale: the published heuristic on examples worked by hand from its description."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from brute_force import brute_force_problem
from random_instances import random_instance

from reorder_solver import Access, Instance, Objective, Part, Tensor
from reorder_solver.backends import upscale
from reorder_solver.backends.base import Answer, Task
from reorder_solver.backends.upscale import HeaviestPath, Upscale, consumer_order
from reorder_solver.core.limits import Deadline
from reorder_solver.presolve import Problem, compile_problem

NEVER = Deadline(None)


def _order(width: int, *consumers: list[int]) -> list[int]:
    wants = np.zeros((len(consumers), width), dtype=np.bool_)
    for row, consumer in enumerate(consumers):
        wants[row, consumer] = True
    return consumer_order(wants, np.ones(width, dtype=np.int64), NEVER).tolist()


def _is_run(order: list[int], consumer: list[int]) -> bool:
    places = sorted(order.index(column) for column in consumer)
    return places[-1] - places[0] + 1 == len(places)


def _solve(problem: Problem, start: tuple[np.ndarray, ...] | None = None) -> Answer:
    return Upscale().solve(Task(problem, NEVER, 0, 1, start, lambda orders, bound: None))


@pytest.mark.parametrize(
    ("width", "consumers", "expected"),
    [
        # Two consumers that share: own, shared, own.
        (6, [[0, 2, 4, 5], [1, 2, 5]], [0, 4, 2, 5, 1, 3]),
        # Two that share nothing are two paths, the heavier first.
        (5, [[1, 3], [0, 2, 4]], [0, 2, 4, 1, 3]),
        # A path of three: the middle one lies between its neighbours.
        (9, [[0, 1, 2], [2, 3, 4], [4, 5, 6, 7]], [5, 6, 7, 4, 3, 2, 0, 1, 8]),
        # One inside another is kept together there.
        (5, [[0, 1, 2, 3], [0, 3]], [0, 3, 1, 2, 4]),
        # Inside one inside another.
        (6, [[0, 1, 2, 3, 5], [0, 3, 5], [0, 5]], [0, 5, 3, 1, 2, 4]),
        # A star: the path takes the middle and the two leaves that add the most.
        (9, [[0, 1, 2], [0, 3], [1, 4, 5], [2, 6, 7, 8]], [6, 7, 8, 2, 0, 1, 4, 5, 3]),
        # Inside one on a path, blocks keep the inner order: 0 and 2 side by side.
        (8, [[0, 1, 2, 3, 4], [3, 4, 5, 6], [0, 2]], [0, 2, 1, 3, 4, 5, 6, 7]),
        # Nobody wants anything.
        (3, [], [0, 1, 2]),
    ],
)
def test_by_hand(width: int, consumers: list[list[int]], expected: list[int]) -> None:
    """Orders that follow from the description step by step, from the heaviest end of a path."""
    assert _order(width, *consumers) == expected


def test_three_in_general_position() -> None:
    """Where all seven regions are inhabited, the two heaviest become runs."""
    consumers = [[0, 3, 4, 6, 7], [1, 3, 5, 6], [2, 4, 5, 6, 8]]
    order = _order(9, *consumers)
    assert [_is_run(order, each) for each in consumers] == [True, False, True]


def test_equal_consumers_count_once() -> None:
    """Asking twice for the same channels changes nothing."""
    assert _order(6, [0, 2], [2, 4], [0, 2]) == _order(6, [0, 2], [2, 4])


def test_two_readers_never_copy() -> None:
    """Any two subsets become runs (why networks of two readers per tensor export freely)."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        pair = [np.flatnonzero(rng.random(20) < rng.random()).tolist() for _ in range(2)]
        order = _order(20, *(each for each in pair if each))
        assert sorted(order) == list(range(20))
        assert all(_is_run(order, each) for each in pair if each)


def _weight(shared: np.ndarray, path: tuple[int, ...]) -> int | None:
    """Weight of a path; None if it is none, or others than neighbours share channels."""
    total = 0
    for place, node in enumerate(path):
        total += int(shared[node, node])
        for later in range(place + 1, len(path)):
            overlap = int(shared[node, path[later]])
            if bool(overlap) != (later == place + 1):
                return None
            total -= overlap
    return total


def _random_overlaps(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wants = (rng.random((count, 3 * count)) < 1.3 / count).astype(np.int64)
    wants[:, :count] |= np.eye(count, dtype=np.int64)
    return wants @ wants.T


def test_heaviest_path_is_exact_within_the_budget() -> None:
    """Against enumeration of all paths."""
    lengths = set()
    for seed in range(120):
        shared = _random_overlaps(seed, 6)
        found = HeaviestPath(shared).among(list(range(6)), NEVER)
        best = max(
            weight
            for length in range(1, 7)
            for path in permutations(range(6), length)
            if (weight := _weight(shared, path)) is not None
        )
        assert _weight(shared, tuple(found)) == best
        lengths.add(len(found))
    assert {2, 3, 4, 5} <= lengths


@pytest.mark.parametrize("deadline", [NEVER, Deadline(0)])
def test_path_search_without_budget_extends_greedily(
    monkeypatch: pytest.MonkeyPatch, deadline: Deadline
) -> None:
    """Out of budget or time, what is found is still a path in which only neighbours share."""
    monkeypatch.setattr(upscale, "_SEARCH_BUDGET", 0)
    for seed in range(40):
        shared = _random_overlaps(seed, 12)
        found = HeaviestPath(shared).among(list(range(12)), deadline)
        weight = _weight(shared, tuple(found))
        assert weight is not None
        assert weight >= shared.diagonal().max()


def test_paths_stay_among_the_nodes_left() -> None:
    """Consumers laid out already are not used again."""
    shared = _random_overlaps(3, 8)
    assert set(HeaviestPath(shared).among([1, 4, 6], NEVER)) <= {1, 4, 6}


def test_parts_are_consumers_of_their_own_tensors() -> None:
    """A concatenation counts tensor by tensor; a fixed tensor keeps its order."""
    instance = Instance(
        "parts",
        [Tensor("x", 4), Tensor("y", 3, fixed=True)],
        [
            Access("both", [Part("x", [0, 2]), Part("y", [0, 2])]),
            Access("one", [Part("x", [1, 2, 3])]),
        ],
    )
    answer = _solve(compile_problem(instance, Objective.BYTES).problem)
    assert answer.orders is not None
    x, y = (order.tolist() for order in answer.orders)
    assert _is_run(x, [0, 2])
    assert _is_run(x, [1, 2, 3])
    assert y == [0, 1, 2]


def test_broken_required_access_means_no_answer() -> None:
    """It knows nothing of required accesses; a warm start that keeps them is returned."""
    accesses = [
        Access("a", [Part("x", [0, 3, 4, 6, 7])]),
        Access("b", [Part("x", [1, 3, 5, 6])], required=True),
        Access("c", [Part("x", [2, 4, 5, 6, 8])]),
    ]
    problem = compile_problem(Instance("general", [Tensor("x", 9)], accesses), Objective.COPIES)
    assert _solve(problem.problem).orders is None
    start = (np.array([1, 3, 5, 6, 0, 2, 4, 7, 8]),)
    assert _solve(problem.problem, start).orders is start


def test_never_below_the_optimum_and_never_above_the_warm_start() -> None:
    """On random instances, whatever the objective."""
    for seed in range(15):
        rng = np.random.default_rng([51, seed])
        instance = random_instance(rng, required=False)
        for objective in Objective:
            problem = compile_problem(instance, objective).problem
            best = brute_force_problem(problem)
            answer, again = _solve(problem), _solve(problem)
            assert best is not None
            assert answer.orders is not None
            assert again.orders is not None
            assert all(map(np.array_equal, answer.orders, again.orders))
            assert answer.lower_bound is None
            assert problem.cost(answer.orders) >= best
            start = tuple(
                np.arange(sizes.size) if fixed else rng.permutation(sizes.size)
                for sizes, fixed in zip(problem.sizes, problem.fixed, strict=True)
            )
            warm = _solve(problem, start).orders
            assert warm is not None
            assert problem.cost(warm) <= min(problem.cost(start), problem.cost(answer.orders))
