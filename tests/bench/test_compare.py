"""Comparing stores: times do not count, everything else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench_records import plain_record

import reorder_solver as rs
from reorder_solver.bench.compare import Comparison, compare_stores
from reorder_solver.bench.record import Outcome, Record
from reorder_solver.bench.store import Store

if TYPE_CHECKING:
    from pathlib import Path

_LAYOUT = rs.Layout({"t": [0, 1, 2, 3, 4, 5]})
_OTHER = rs.Layout({"t": [1, 0, 2, 3, 4, 5]})


def _compared(folder: Path, *sides: list[tuple[Record, rs.Layout | None]]) -> Comparison:
    paths = [folder / "one.db", folder / "two.db"]
    for path, side in zip(paths, sides, strict=True):
        with Store.open(path) as store:
            for record, layout in side:
                store.add(record, layout)
    with Store.open(paths[0], readonly=True) as one, Store.open(paths[1], readonly=True) as two:
        return compare_stores(one, two)


def test_times_do_not_count(tmp_path: Path) -> None:
    """Neither order, times, curve, memory, message nor machine makes a difference."""
    one = [(plain_record(seed, cost=3), _LAYOUT) for seed in range(3)]
    changes = {
        "times": {"wall": 9.0},
        "trace": ((0.5, 3, None),),
        "peak_memory": 5,
        "message": "other",
        "machine": {"cpu": "other"},
    }
    two = [(plain_record(seed, cost=3, **changes), _LAYOUT) for seed in (2, 0, 1)]
    found = _compared(tmp_path, one, two)
    assert found.identical
    assert (found.same, found.cut_same, found.cut_differ) == (3, 0, 0)


@pytest.mark.parametrize(
    ("change", "layout"),
    [
        ({"cost": 4}, _LAYOUT),
        ({"lower_bound": 1}, _LAYOUT),
        ({"status": "optimal"}, _LAYOUT),
        ({"outcome": Outcome.CRASH}, _LAYOUT),
        ({}, _OTHER),
        ({}, None),
    ],
)
def test_results_count(tmp_path: Path, change: dict[str, object], layout: rs.Layout | None) -> None:
    """A difference in any result is found, unless a clock ended one of the runs."""
    found = _compared(
        tmp_path,
        [(plain_record(cost=3), _LAYOUT)],
        [(plain_record(**{"cost": 3, **change}), layout)],
    )
    assert not found.identical
    assert found.same == 0
    folder = tmp_path / "cut"
    folder.mkdir()
    cut = {"cost": 3, "stop_reason": "time_limit", **change}
    found = _compared(folder, [(plain_record(cost=3), _LAYOUT)], [(plain_record(**cut), layout)])
    assert found.identical
    assert (found.same, found.cut_same, found.cut_differ) == (0, 0, 1)


def test_missing_runs_count(tmp_path: Path) -> None:
    """Runs that only one store has are named."""
    one, two = plain_record(0), plain_record(1)
    found = _compared(tmp_path, [(one, None)], [(two, None)])
    assert (found.only_first, found.only_second) == ((one.key,), (two.key,))
    assert not found.identical
