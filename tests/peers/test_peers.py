"""Peers keep the contract of backends: layouts, costs, bounds, limits, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from brute_force import brute_force
from click.testing import CliRunner
from random_instances import random_instance

import reorder_solver as rs
from reorder_solver import Access, Instance, Objective, Part, Status, StopReason, Tensor
from reorder_solver.backends import backend_class, backend_names, make_backend
from reorder_solver.cli.backends import command
from reorder_solver.peers.columns import distances
from reorder_solver.presolve import compile_problem, presolve

TOURS = ["elkai", "fast-tsp", "ortools-routing"]
PLAIN = ["cp-sat-plain", "highs-plain"]
PEERS = [*TOURS, *PLAIN]
PAIRS = [(name, Objective.RUNS) for name in PEERS] + [
    (name, objective) for name in PLAIN for objective in (Objective.COPIES, Objective.BYTES)
]


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest, registered: None) -> None:
    """Skip a peer that is not installed, and say so."""
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("name")
    if name is not None and backend_class(name).missing_packages():
        pytest.skip(f"{name} is not installed")


def _matrix(rows: int, columns: int, seed: int, density: float = 0.5) -> Instance:
    rng = np.random.default_rng(seed)
    wanted = [np.flatnonzero(rng.random(columns) < density) for _ in range(rows)]
    accesses = [Access(f"a{i}", [Part("x", one)], weight=1 + i % 3) for i, one in enumerate(wanted)]
    return Instance("matrix", [Tensor("x", columns)], accesses)


def _solve(instance: Instance, objective: Objective, name: str, **options: Any) -> rs.Result | None:
    try:
        result = rs.solve(instance, objective, name, **options)
    except rs.UnsupportedError:
        return None
    rs.verify(instance, result)
    return result


def _compare(name: str, objective: Objective, stream: int, count: int) -> int:
    """Check `count` random instances against brute force; return how many were solved."""
    solved = 0
    for seed in range(count):
        instance = random_instance(np.random.default_rng([stream, seed]))
        best = brute_force(instance, objective)
        result = _solve(instance, objective, name, time_limit=30)
        if result is None:
            continue
        assert (best is None) == (result.status is Status.INFEASIBLE)
        if best is None or result.layout is None:
            continue
        assert result.cost is not None
        assert result.cost >= best[0]
        assert result.lower_bound is None or result.lower_bound <= best[0]
        # So small that even the heuristics must find it.
        assert result.cost == best[0]
        if name in PLAIN:
            assert result.status is Status.OPTIMAL
        solved += 1
    return solved


def test_pyproject_registers_them() -> None:
    """All five are there by name, state a licence, and are built without importing an engine."""
    assert set(PEERS) <= set(backend_names())
    for name in PEERS:
        found = backend_class(name)
        assert found.name == name
        assert found.licence
        assert found.summary


def test_import_loads_no_engine() -> None:
    """Asking what there is imports none of the packages that peers wrap."""
    code = (
        "import sys, reorder_solver.peers.tours, reorder_solver.peers.plain;"
        "print(' '.join(name.split('.')[0] for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert not {"fast_tsp", "elkai", "ortools", "scipy"} & set(done.stdout.split())


@pytest.mark.parametrize(("name", "objective"), PAIRS)
def test_against_brute_force(name: str, objective: Objective) -> None:
    """On small instances costs are the optimum, and bounds never above it."""
    assert _compare(name, objective, 31, 8) >= 2


@pytest.mark.slow
@pytest.mark.parametrize(("name", "objective"), PAIRS)
def test_against_brute_force_often(name: str, objective: Objective) -> None:
    """The same on many instances."""
    assert _compare(name, objective, 32, 200) >= 30


@pytest.mark.parametrize("name", PEERS)
def test_same_seed_same_answer(name: str) -> None:
    """Two calls without a limit agree."""
    instance = _matrix(5, 9, 3)
    one, two = (_solve(instance, Objective.RUNS, name, time_limit=None, seed=4) for _ in range(2))
    assert one is not None
    assert two is not None
    assert one.layout == two.layout
    assert (one.cost, one.lower_bound) == (two.cost, two.lower_bound)


@pytest.mark.parametrize("name", TOURS)
def test_seeds_rename_nodes_and_nothing_else(name: str) -> None:
    """Another seed gives an honest layout of the same small problem, as good."""
    instance = _matrix(6, 10, 5)
    costs = set()
    for seed in (0, 1, 2):
        result = _solve(instance, Objective.RUNS, name, time_limit=None, seed=seed)
        assert result is not None
        costs.add(result.cost)
    assert len(costs) == 1


@pytest.mark.parametrize("name", PEERS)
def test_warm_start_is_never_made_worse(name: str) -> None:
    """The result costs at most what the given layout costs."""
    instance = _matrix(6, 12, 6)
    start = rs.solve(instance, "runs", "subset-dp").layout
    assert start is not None
    given = rs.evaluate(instance, start, "runs").total
    result = _solve(instance, Objective.RUNS, name, warm_start=start, time_limit=0.0)
    assert result is not None
    assert result.cost == given


@pytest.mark.parametrize("name", PEERS)
def test_trivial_instances(name: str) -> None:
    """No accesses, one channel, nothing wanted: cost 0, proven."""
    for instance in (
        Instance("nothing", [], []),
        Instance("no accesses", [Tensor("x", 3)], []),
        Instance("one channel", [Tensor("x", 1)], [Access("a", [Part("x", [0])])]),
        Instance("unwanted", [Tensor("x", 2)], [Access("a", [Part("x", [])])]),
    ):
        result = _solve(instance, Objective.RUNS, name)
        assert result is not None
        assert (result.status, result.cost) == (Status.OPTIMAL, 0)


@pytest.mark.parametrize("name", PEERS)
def test_limit_is_kept(name: str) -> None:
    """A problem too hard for the time ends with an honest layout, and says that it was stopped."""
    instance = _matrix(60, 160, 7)
    result = _solve(instance, Objective.RUNS, name, time_limit=1.0)
    assert result is not None
    assert result.layout is not None
    assert result.stop_reason in (StopReason.TIME_LIMIT, StopReason.FINISHED)


@pytest.mark.parametrize("name", PEERS)
def test_no_time_at_all(name: str) -> None:
    """With the limit over at once, a layout still comes back."""
    result = _solve(_matrix(20, 60, 8), Objective.RUNS, name, time_limit=0.0)
    assert result is not None
    assert result.layout is not None
    assert result.stop_reason is StopReason.TIME_LIMIT


@pytest.mark.parametrize("name", PEERS)
def test_ctrl_c_returns_the_best_so_far(name: str) -> None:
    """An interrupt at the first report ends the solve with a valid layout."""

    def interrupt(progress: rs.Progress) -> None:
        raise KeyboardInterrupt

    result = _solve(_matrix(6, 12, 9), Objective.RUNS, name, callback=interrupt)
    assert result is not None
    assert result.layout is not None
    assert result.stop_reason is StopReason.INTERRUPTED


@pytest.mark.parametrize("name", PEERS)
def test_huge_weights_are_refused(name: str) -> None:
    """Integers that an engine cannot hold are refused, not rounded."""
    accesses = [Access(f"a{i}", [Part("x", [i, (i + 2) % 5])], weight=2**70 + i) for i in range(5)]
    with pytest.raises(rs.UnsupportedError, match="too large"):
        rs.solve(Instance("huge", [Tensor("x", 5)], accesses), "runs", name)


@pytest.mark.parametrize("name", PEERS)
def test_refusals_say_why(name: str) -> None:
    """Objectives, concatenations and sizes out of reach are named."""
    joined = [Access(f"a{i}", [Part("x", [0, i]), Part("y", [i])]) for i in (1, 2, 3)]
    instance = Instance("joined", [Tensor("x", 4), Tensor("y", 4)], joined)
    with pytest.raises(rs.UnsupportedError, match=r"several parts|depend on each other"):
        rs.solve(instance, "runs", name)
    prices = rs.PriceList(gather=(1, 1))
    accesses = [Access(f"a{i}", [Part("x", [i, (i + 2) % 5])], prices=prices) for i in range(5)]
    priced = Instance("priced", [Tensor("x", 5)], accesses)
    with pytest.raises(rs.UnsupportedError, match="latency is not among"):
        rs.solve(priced, "latency", name)
    with pytest.raises(rs.UnsupportedError, match="it takes up to"):
        rs.solve(_matrix(40, 5600, 1), "runs", name)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_models_take_fixed_and_required(name: str) -> None:
    """Several tensors at once, one fixed, and an access that must be a view."""
    accesses = [
        Access("fixed", [Part("f", [0, 2])], bytes=3),
        Access("must", [Part("x", [0, 2, 4])], required=True),
        *(Access(f"a{i}", [Part("x", [i, (i + 1) % 5])], bytes=1 + i) for i in range(5)),
    ]
    tensors = [Tensor("f", 3, fixed=True), Tensor("x", 5), Tensor("unused", 2)]
    instance = Instance("mixed", tensors, accesses)
    for objective in (Objective.COPIES, Objective.BYTES, Objective.RUNS):
        best = brute_force(instance, objective)
        result = _solve(instance, objective, name)
        assert best is not None
        assert result is not None
        assert (result.status, result.cost) == (Status.OPTIMAL, best[0])


def test_distances_are_twice_the_runs() -> None:
    """Tour lengths in the matrix that peers get are twice the weighted runs (Kou)."""
    instance = _matrix(9, 12, 11)
    (component,) = presolve(compile_problem(instance, Objective.RUNS).problem).components
    problem = component.problem
    matrix = distances(problem)
    first = sum(access.cost(2, 99).primary for access in problem.accesses)
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(problem.classes)
        tour = [*order.tolist(), problem.classes]
        length = sum(int(matrix[i, j]) for i, j in zip(tour, [*tour[1:], tour[0]], strict=True))
        assert length == 2 * (problem.cost((order,)).primary + first)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says what to install."""
    monkeypatch.setattr(backend_class("elkai"), "requires", ("no_such_elkai",))
    with pytest.raises(rs.MissingPackageError, match="pip install no_such_elkai"):
        make_backend("elkai")


def test_command_line_shows_licences() -> None:
    """``backends`` tells the licence of what it would call."""
    done = CliRunner().invoke(command, ["--format", "json"])
    rows = {row["name"]: row for row in json.loads(done.output)}
    assert rows["fast-tsp"]["licence"] == "MIT"
    assert "non-commercial" in rows["elkai"]["licence"]
    assert rows["greedy"]["licence"] is None
