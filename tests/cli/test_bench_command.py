"""``reorder-solver bench``: what it prints, keeps and refuses."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

import reorder_solver as rs
from reorder_solver.bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def kept(run: Callable[..., Any], small: Path, tmp_path: Path) -> Path:
    """A store of four runs."""
    path = tmp_path / "runs.db"
    done = run(
        "bench",
        small,
        "--backend",
        "greedy",
        "--backend",
        "identity",
        "--seeds",
        "0-1",
        "--store",
        path,
    )
    assert done.exit_code == 0
    assert "4 runs in" in done.output
    return path


def test_list_runs_nothing(run: Callable[..., Any], small: Path, tmp_path: Path) -> None:
    """The plan is printed in every format, and no store is made."""
    arguments = ("bench", small, "--list", "--seeds", "0-2", "--store", tmp_path / "runs.db")
    rows = json.loads(run(*arguments, "--format", "json").stdout)
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert {row["backend"] for row in rows} == {"auto"}
    assert len(list(csv.DictReader(io.StringIO(run(*arguments, "--format", "csv").stdout)))) == 3
    assert "auto" in run(*arguments).stdout
    assert not (tmp_path / "runs.db").exists()


def test_results(run: Callable[..., Any], small: Path, kept: Path) -> None:
    """A second call repeats nothing and prints the same; costs are those of a plain solve."""
    before = kept.read_bytes()
    arguments = (
        "bench",
        small,
        "--backend",
        "greedy",
        "--backend",
        "identity",
        "--seeds",
        "0-1",
        "--store",
        kept,
    )
    rows = json.loads(run(*arguments, "--format", "json").stdout)
    assert kept.read_bytes() == before
    instance = rs.read_instance(small)
    for row in rows:
        assert row["outcome"] == "solved"
        assert row["cost"] == rs.solve(instance, backend=row["backend"]).cost
        assert row["sha256"] == rs.digest(instance)
    assert len(list(csv.DictReader(io.StringIO(run(*arguments, "--format", "csv").stdout)))) == 4


def test_compare(run: Callable[..., Any], small: Path, kept: Path, tmp_path: Path) -> None:
    """Equal stores give 0, others 1 with a line that says so."""
    same = run("bench", "--compare", kept, kept)
    assert same.exit_code == 0
    assert "4 runs the same, 0 differences" in same.stdout
    other = tmp_path / "other.db"
    run("bench", small, "--backend", "greedy", "--store", other)
    differ = run("bench", "--compare", kept, other)
    assert differ.exit_code == 1
    assert "the stores are not identical" in differ.stderr
    found = json.loads(run("bench", "--compare", kept, other, "--format", "json").stdout)
    assert found["identical"] is False
    assert (found["same"], found["only_first"], found["only_second"]) == (1, 3, 0)


def test_failures_are_results(
    run: Callable[..., Any], small: Path, odd_backends: Path, tmp_path: Path
) -> None:
    """A backend that lies is an error in the table; the command still succeeds."""
    store = tmp_path / "runs.db"
    done = run("bench", small, "--backend", "liar", "--backend", "greedy", "--store", store)
    assert done.exit_code == 0
    assert "liar seed 0: error: BackendContractError" in done.output
    with Store.open(store, readonly=True) as kept:
        assert [record.outcome.value for record in kept.records()] == ["error", "solved"]


def test_bad_inputs(refused: Callable[..., str], small: Path, tmp_path: Path) -> None:
    """Each gives one line that names what is wrong."""
    text = tmp_path / "text.db"
    text.write_text("no database", encoding="utf-8")
    cases = [
        (("--store", text, small), "is no benchmark store"),
        (("--compare", text, text), "is no benchmark store"),
        (("--compare", tmp_path / "no.db", text), "no such file"),
        (("--suite", text, small), "give either INSTANCE or a suite"),
        (("--suite", text), "is not TOML"),
        (("--suite", tmp_path / "no.toml"), "no such file"),
        ((tmp_path / "no.json",), "no such file"),
        (("--backend", "nobody", small), "unknown backend 'nobody'"),
        (("--seeds", "x", small), "seeds must be written as"),
        (("--store", tmp_path / "no" / "runs.db", small), "no such folder"),
    ]
    for arguments, words in cases:
        assert words in refused("bench", *arguments)


def test_no_suite(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without instances, and away from a checkout, there is nothing to run."""
    monkeypatch.chdir(tmp_path)
    assert "give INSTANCE or --suite" in refused("bench")
