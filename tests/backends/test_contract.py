"""One contract for all backends: what a layout, a cost, a bound and a status may claim."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import numpy as np
import pytest
from brute_force import brute_force
from random_instances import random_instance

import reorder_solver as rs
from reorder_solver import Access, Instance, Layout, Objective, Part, Status, StopReason, Tensor
from reorder_solver.backends import backend_class, backend_names

#: Those by others have processes to start, and tests of their own (tests/peers).
BACKENDS = [
    name
    for name in backend_names()
    if not backend_class(name).__module__.startswith("reorder_solver.peers")
]
EXACT = [name for name in BACKENDS if backend_class(name).is_exact]
PAIRS = [
    (name, objective) for name in BACKENDS for objective in sorted(backend_class(name).objectives)
]
EXACT_PAIRS = [(name, objective) for name, objective in PAIRS if name in EXACT]
#: The portfolio must prove whatever one of its members can prove.
PROVING_PAIRS = EXACT_PAIRS + [("auto", objective) for objective in Objective]


def _case(stream: int, seed: int) -> Instance:
    return random_instance(np.random.default_rng([stream, seed]))


def _objective(name: str) -> Objective:
    """One that the backend takes, ``copies`` if it does."""
    known = backend_class(name).objectives
    return Objective.COPIES if Objective.COPIES in known else min(known)


def _solve_if_taken(
    instance: Instance, objective: Objective, name: str, **options: Any
) -> rs.Result | None:
    """The result, or None if the backend says that it does not take the instance."""
    try:
        return rs.solve(instance, objective, name, **options)
    except rs.UnsupportedError:
        return None


@cache
def _best(stream: int, seed: int, objective: Objective) -> tuple[int, int] | None:
    return brute_force(_case(stream, seed), objective)


def _check_against_brute_force(name: str, objective: Objective, stream: int, seed: int) -> bool:
    """Check one instance; return whether the backend took it and found a layout."""
    instance = _case(stream, seed)
    best = _best(stream, seed, objective)
    result = _solve_if_taken(instance, objective, name, time_limit=20)
    if result is None:
        return False
    rs.verify(instance, result)
    if best is None:
        assert result.status is Status.INFEASIBLE
        return False
    if result.layout is None:
        assert result.status is Status.NO_SOLUTION
        assert name in ("identity", "upscale"), f"{name} must keep required accesses"
        return False
    assert result.cost is not None
    assert (result.cost, result.tie_break) >= best
    if result.lower_bound is not None:
        assert result.lower_bound <= best[0]
    if result.status is Status.OPTIMAL:
        assert result.cost == best[0]
    if (name, objective) in PROVING_PAIRS:
        assert result.status is Status.OPTIMAL, "small instances must be proven"
    return True


@pytest.mark.parametrize(("name", "objective"), PAIRS)
def test_against_brute_force(name: str, objective: Objective) -> None:
    """Exact backends prove the brute-force optimum; none ever claims less than it."""
    count = 20 if name == "exact-pulp" else 60
    taken = [_check_against_brute_force(name, objective, 21, seed) for seed in range(count)]
    assert sum(taken) >= count // 5


@pytest.mark.slow
@pytest.mark.parametrize(("name", "objective"), PAIRS)
def test_against_brute_force_often(name: str, objective: Objective) -> None:
    """The same on 2000 instances for every backend and objective it takes."""
    for seed in range(2000):
        _check_against_brute_force(name, objective, 22, seed)


@pytest.mark.parametrize(("name", "objective"), PAIRS)
def test_same_seed_same_answer(name: str, objective: Objective) -> None:
    """Two calls with one seed agree in layout and bound."""
    for seed in range(5):
        instance = _case(23, seed)
        first, second = (
            _solve_if_taken(instance, objective, name, time_limit=None, seed=5) for _ in range(2)
        )
        if first is None or second is None:
            assert first is second
            continue
        assert first.layout == second.layout
        assert first.lower_bound == second.lower_bound


@pytest.mark.parametrize(("name", "objective"), PAIRS)
def test_warm_start_is_never_made_worse(name: str, objective: Objective) -> None:
    """The result costs at most what the given layout costs."""
    for seed in range(15):
        instance = _case(24, seed)
        rng = np.random.default_rng(seed)
        start = Layout(
            {
                t.id: np.arange(t.channels) if t.fixed else rng.permutation(t.channels)
                for t in instance.tensors
            }
        )
        given = rs.evaluate(instance, start, objective)
        if given.total is None:
            continue
        result = _solve_if_taken(instance, objective, name, warm_start=start)
        if result is None:
            continue
        assert result.cost is not None
        assert (result.cost, result.tie_break) <= (given.total, given.tie_break)


@pytest.mark.parametrize(("name", "objective"), PAIRS)
def test_trivial_instances(name: str, objective: Objective) -> None:
    """No accesses, one channel, nothing wanted: cost 0, proven."""
    prices = rs.PriceList(gather=(1, 1))
    cases = [
        Instance("nothing", [], []),
        Instance("no accesses", [Tensor("x", 3)], []),
        Instance("one channel", [Tensor("x", 1)], [Access("a", [Part("x", [0])], prices=prices)]),
        Instance("unwanted", [Tensor("x", 2)], [Access("a", [Part("x", [])], prices=prices)]),
    ]
    for instance in cases:
        result = rs.solve(instance, objective, name)
        rs.verify(instance, result)
        assert (result.status, result.cost, result.lower_bound) == (Status.OPTIMAL, 0, 0)
        assert result.layout is not None
        assert set(result.layout) == {t.id for t in instance.tensors}


@pytest.mark.parametrize(("name", "objective"), PAIRS)
def test_infeasible_required_accesses(name: str, objective: Objective) -> None:
    """Three pairs out of a triangle cannot all be views, whoever is asked."""
    accesses = [
        Access(f"a{i}", [Part("x", pair)], required=True)
        for i, pair in enumerate([(0, 1), (1, 2), (0, 2)])
    ]
    result = rs.solve(Instance("triangle", [Tensor("x", 4)], accesses), objective, name)
    assert result.status is Status.INFEASIBLE
    assert result.layout is None
    assert result.cost is None


@pytest.mark.parametrize("name", BACKENDS)
def test_huge_integers(name: str) -> None:
    """Costs past 64 bits come out exactly and no bound is above them."""
    objective = min(backend_class(name).objectives)
    for seed in range(8):
        instance = _case(25, seed)
        huge = instance.replace(
            accesses=[
                Access(
                    a.id,
                    a.parts,
                    bytes=a.bytes * 2**90 + number,
                    weight=2**80 + number,
                    required=a.required,
                    prices=rs.PriceList(gather=(2**100 + number, 3)),
                )
                for number, a in enumerate(instance.accesses)
            ]
        )
        for each in sorted({objective, Objective.BYTES} & backend_class(name).objectives):
            best = brute_force(huge, each)
            result = _solve_if_taken(huge, each, name, time_limit=5)
            if result is None:
                continue
            rs.verify(huge, result)
            if best is not None and result.layout is not None:
                assert result.cost is not None
                assert result.cost >= best[0]
                assert result.lower_bound is None or result.lower_bound <= best[0]


@pytest.mark.parametrize("name", BACKENDS)
def test_no_time_at_all(name: str) -> None:
    """With the limit already over, the answer is still honest and comes soon."""
    rng = np.random.default_rng(1)
    accesses = [
        Access(f"a{i}", [Part("x", np.flatnonzero(rng.random(300) < 0.5))]) for i in range(40)
    ]
    instance = Instance("large", [Tensor("x", 300)], accesses)
    result = _solve_if_taken(instance, _objective(name), name, time_limit=0.0)
    if result is None:
        assert name in ("betweenness", "subset-dp", "junctions"), "too large, or no shuffle"
        return
    rs.verify(instance, result)
    assert result.layout is not None


@pytest.mark.parametrize("name", BACKENDS)
def test_ctrl_c_returns_the_best_so_far(name: str) -> None:
    """An interrupt at the first improvement ends the solve with a valid layout."""

    def interrupt(progress: rs.Progress) -> None:
        raise KeyboardInterrupt

    for seed in range(3, 20):
        result = _solve_if_taken(_case(26, seed), _objective(name), name, callback=interrupt)
        if result is not None and result.status is not Status.INFEASIBLE:
            break
    assert result is not None
    rs.verify(_case(26, seed), result)
    assert result.layout is not None
    assert result.stop_reason in (StopReason.INTERRUPTED, StopReason.PROVEN)


def test_callback_sees_improvements_only() -> None:
    """Costs fall, bounds rise, time goes on."""
    seen: list[rs.Progress] = []
    rng = np.random.default_rng(2)
    accesses = [
        Access(f"a{i}", [Part("x", np.flatnonzero(rng.random(64) < 0.5))]) for i in range(9)
    ]
    instance = Instance("seen", [Tensor("x", 64)], accesses)
    result = rs.solve(instance, "copies", callback=seen.append)
    assert seen
    costs = [each.cost for each in seen if each.cost is not None]
    bounds = [each.lower_bound for each in seen if each.lower_bound is not None]
    assert costs == sorted(costs, reverse=True)
    assert bounds == sorted(bounds)
    assert [each.elapsed for each in seen] == sorted(each.elapsed for each in seen)
    assert costs[-1] == result.cost


@pytest.mark.parametrize(
    ("arguments", "error", "phrase"),
    [
        ({"objective": "beauty"}, rs.InputError, "known: copies, bytes, runs, latency"),
        ({"backend": "magic"}, rs.UnknownBackendError, "known: auto, betw"),
        ({"time_limit": -1}, rs.InputError, "time limit"),
        ({"time_limit": float("nan")}, rs.InputError, "time limit"),
        ({"seed": 0.5}, rs.InputError, "seed must be an integer"),
        ({"threads": 0}, rs.InputError, "threads must be at least 1"),
        ({"objective": "runs", "backend": "exact"}, rs.UnsupportedError, "depends on runs"),
        ({"warm_start": Layout({"y": [0]})}, rs.LayoutError, "unknown tensor 'y'"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], error: type[Exception], phrase: str) -> None:
    """Each wrong argument raises its own message."""
    accesses = [Access("a", [Part("x", [0, 1])]), Access("b", [Part("x", [1, 2])])]
    instance = Instance("x", [Tensor("x", 3)], accesses)
    with pytest.raises(error, match=phrase):
        rs.solve(instance, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BACKENDS)
def test_wall_clock_limit_counts_from_the_call(name: str) -> None:
    """The reported total time covers presolve and solve."""
    pairs = [[[i, (i + 2) % 5]] for i in range(5)]
    if name == "junctions":
        # Channel by channel, or it would not take them.
        pairs = [[[one], [other]] for ((one, other),) in pairs]
    accesses = [Access(f"a{i}", [Part("x", one) for one in pairs[i]]) for i in range(5)]
    instance = Instance("ring", [Tensor("x", 5)], accesses)
    begin = time.perf_counter()
    result = rs.solve(instance, _objective(name), name)
    outside = time.perf_counter() - begin
    assert 0 <= result.times["presolve"] <= result.times["total"] <= outside
