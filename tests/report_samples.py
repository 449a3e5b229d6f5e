"""Stores for the tests of reports: made by hand, with every outcome, or of hostile strings."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

import reorder_solver as rs
from reorder_solver.bench.record import Configuration, Outcome, Record
from reorder_solver.bench.store import Store
from reorder_solver.report.content import make_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reorder_solver.report.content import Report

DIGESTS = {name: letter * 64 for name, letter in zip("abcdef", "abcdef", strict=True)}


def run(
    instance: str = "a",
    backend: str = "auto",
    *,
    cost: int | None = 10,
    bound: int | None = None,
    outcome: Outcome | None = None,
    time: float = 1.0,
    **other: Any,
) -> Record:
    """A record; `other` sets fields of it and of its configuration."""
    configuration = Configuration(
        instance=other.pop("digest", None) or DIGESTS[instance],
        backend=backend,
        objective=other.pop("objective", "bytes"),
        seed=other.pop("seed", 0),
        time_limit=other.pop("time_limit", 10.0),
        threads=other.pop("threads", 1),
        memory_limit=other.pop("memory_limit", None),
        version=other.pop("version", "1.0"),
    )
    if outcome is None:
        outcome = Outcome.NO_SOLUTION if cost is None else Outcome.SOLVED
    status = None
    if outcome is Outcome.SOLVED:
        status = "optimal" if cost == bound else "feasible"
    elif outcome in (Outcome.INFEASIBLE, Outcome.NO_SOLUTION):
        status = outcome.value
    fields: dict[str, Any] = {
        "name": f"instance-{instance}",
        "family": "family",
        "source": f"{instance}.json",
        "sizes": {"tensors": 1, "channels": 8, "accesses": 3, "wanted": 12},
        "status": status,
        "stop_reason": "proven" if status == "optimal" else None,
        "times": {"presolve": 0.01, "solve": time, "total": time, "wall": time, "cpu": time},
        "started": "2026-01-02T03:04:05+00:00",
        "machine": {"cpu": "a processor", "cores": 2, "memory": 2**33, "python": "3.11.7"},
        "versions": {"reorder-solver": "0.1.0", "numpy": "2.0"},
        "peak_memory": 2**27,
        **other,
    }
    return Record(configuration, outcome=outcome, cost=cost, lower_bound=bound, **fields)


def random_instance(
    name: str, channels: int, accesses: int, seed: int = 0, tensors: int = 1
) -> rs.Instance:
    """An instance whose accesses want half of the channels of a tensor."""
    rng = np.random.default_rng(seed)
    ids = [f"t{number}" for number in range(tensors)]
    return rs.Instance(
        name,
        [rs.Tensor(each, channels) for each in ids],
        [
            rs.Access(
                f"{name}/conv{number}",
                [rs.Part(ids[number % tensors], np.flatnonzero(rng.random(channels) < 0.5))],
                bytes=4,
            )
            for number in range(accesses)
        ],
    )


def solved_store(
    path: Path,
    instances: list[tuple[rs.Instance, str]],
    backends: tuple[str, ...] = ("identity", "greedy", "auto"),
    objectives: tuple[str, ...] = ("bytes",),
    seeds: tuple[int, ...] = (0,),
) -> Path:
    """A store of real runs, made without the runner."""
    with Store.open(path) as store:
        for instance, family in instances:
            store.add_instance(instance, instance.name, family)
            for backend in backends:
                for objective in objectives:
                    for seed in seeds:
                        _solve_into(store, instance, family, backend, objective, seed)
    return path


def _solve_into(
    store: Store, instance: rs.Instance, family: str, backend: str, objective: str, seed: int
) -> None:
    trace: list[tuple[float, int | None, int | None]] = []
    common = {
        "backend": backend,
        "digest": rs.digest(instance),
        "objective": objective,
        "seed": seed,
        "time_limit": 1.0,
        "name": instance.name,
        "family": family,
        "source": f"{instance.name}.json",
        "sizes": {
            "tensors": len(instance.tensors),
            "channels": sum(tensor.channels for tensor in instance.tensors),
            "accesses": len(instance.accesses),
            "wanted": sum(access.size for access in instance.accesses),
        },
    }
    try:
        result = rs.solve(
            instance,
            objective=objective,
            backend=backend,
            seed=seed,
            time_limit=1.0,
            callback=lambda now: trace.append((now.elapsed, now.cost, now.lower_bound)),
        )
    except rs.UnsupportedError as error:
        refused = Outcome.UNSUPPORTED
        store.add(run(cost=None, outcome=refused, message=str(error), time=0.0, **common))
        return
    record = run(
        cost=result.cost,
        bound=result.lower_bound,
        time=result.times["total"],
        trace=tuple(trace),
        tie_break=result.tie_break,
        views=result.views,
        runs=result.runs,
        stop_reason=result.stop_reason.value,
        **common,
    )
    store.add(record, result.layout)


def mixed_records() -> list[Record]:
    """Every outcome, several seeds, two families, two objectives, two limits of one backend."""
    found: list[Record] = []
    for seed in range(3):
        for number, name in enumerate("abcd"):
            family = "even" if number % 2 else "odd"
            labels = {"family": family, "seed": seed}
            cost = 10 * (number + 1)
            trace = ((0.1, 3 * cost, None), (0.4, cost, cost))
            found.append(run(name, "exact", cost=cost, bound=cost, time=0.5, trace=trace, **labels))
            found.append(
                run(name, "greedy", cost=cost + 5 + seed, time=0.01, **labels, bound=cost - 1)
            )
            found.append(run(name, "auto", cost=cost, bound=cost - 2, time=10.0, **labels))
            found.append(run(name, "auto", cost=cost + 1, time=2.0, time_limit=2.0, **labels))
        for outcome in Outcome:
            if outcome in (Outcome.SOLVED, Outcome.INFEASIBLE):
                continue
            message = "" if outcome is Outcome.TIMEOUT else f"because of {outcome.value}"
            found.append(
                run(
                    "e",
                    f"bad-{outcome.value}",
                    cost=None,
                    outcome=outcome,
                    message=message,
                    seed=seed,
                )
            )
        found.append(run("e", "exact", cost=5, bound=5, seed=seed))
        found.append(run("f", "exact", cost=None, outcome=Outcome.INFEASIBLE, seed=seed))
        found.append(run("a", "exact", cost=3, bound=3, objective="copies", seed=seed))
    return found


#: Strings that must show as text, each with a mark of its own to be found by.
HOSTILE = (
    "<script>alert('P{0}')</script>",
    "\"><img src=x onerror=alert('P{0}')>",
    "</script><b id=injected>P{0}</b>",
    "]]>--><svg/onload=alert('P{0}')>",
    "'; </style></title></textarea><i>P{0}</i>",
    "{{{{ 7*7 }}}}{{% raw %}}P{0}`|$x$",
    "שלום <u>P{0}</u>",
)


def hostile(number: int) -> str:
    """A string with markup, and ``P{number}`` in it."""
    return HOSTILE[number % len(HOSTILE)].format(number)


def hostile_store(path: Path) -> tuple[Path, list[str]]:
    """A store with markup in every string field, and those strings."""
    used: list[str] = []
    numbers = itertools.count()

    def next_string() -> str:
        used.append(hostile(next(numbers)))
        return used[-1]

    backends = [(next_string(), next_string()) for _ in range(2)]
    # A version alone is shown only where it tells two solvers apart.
    used[:] = [backend for backend, _ in backends]
    with Store.open(path) as store:
        for family in range(2):
            family_name = next_string()
            tensor = next_string()
            instance = rs.Instance(
                next_string(),
                [rs.Tensor(tensor, 6), rs.Tensor(f"{tensor}2", 2)],
                [
                    rs.Access(next_string(), [rs.Part(tensor, [0, 2, 4 + family])], bytes=2),
                    rs.Access(next_string(), [rs.Part(tensor, [1, 2, 3])], bytes=2),
                    rs.Access(next_string(), [rs.Part(f"{tensor}2", [0, 1])], bytes=2),
                ],
                {next_string(): next_string()},
            )
            used[-2:] = []  # The metadata are shown nowhere.
            store.add_instance(instance, instance.name, family_name)
            _hostile_runs(store, instance, family_name, backends, next_string)
    return path, used


def _hostile_runs(
    store: Store,
    instance: rs.Instance,
    family: str,
    backends: list[tuple[str, str]],
    next_string: Callable[[], str],
) -> None:
    layout = rs.Layout.identity(instance)
    common = {
        "digest": rs.digest(instance),
        "name": instance.name,
        "family": family,
        "machine": {"cpu": next_string(), "platform": next_string(), "python": next_string()},
        "versions": {next_string(): next_string()},
        "sizes": {"channels": 8, "accesses": 3, "<i>": 3},
    }
    cost = rs.evaluate(instance, layout, "bytes").total
    for backend, version in backends:
        labels = {"backend": backend, "version": version, **common}
        store.add(run(cost=cost, source="<hr>", **labels), layout)
        # An exception may say anything, marks that turn text around among it.
        message = f"{next_string()}\u202e\u2066\x07"
        store.add(run(cost=None, outcome=Outcome.ERROR, message=message, seed=1, **labels), None)


def report_of(path: Path, **settings: object) -> Report:
    """The report of a store."""
    with Store.open(path, readonly=True) as store:
        return make_report(store, path.name, **settings)  # type: ignore[arg-type]
