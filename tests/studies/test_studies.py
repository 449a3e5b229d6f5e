"""The studies run, count what they say they count, and notice what they should."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import reorder_solver as rs
from reorder_solver.backends import backend_class

FOLDER = Path(__file__).resolve().parents[2] / "bench_instances" / "studies"
TINY = FOLDER.parent / "tiny"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a study by name, as its script does."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """A folder with one public-format instance; its best order has 5 runs."""
    (tmp_path / "a2.cbm").write_text("3 4\n2 1 3\n2 2 3\n2 3 4\n", encoding="utf-8")
    return tmp_path


def rows(path: Path) -> list[dict[str, Any]]:
    """What a study saved."""
    document = json.loads(path.read_text(encoding="utf-8"))
    assert set(document) == {"study", "settings", "versions", "machine", "rows"}
    assert str(path.parent) not in path.read_text(encoding="utf-8")
    return document["rows"]


def test_files_are_found_in_natural_order(load: Any, tmp_path: Path) -> None:
    """Readable suffixes only, a2 before a10; what is not there ends the program."""
    study = load("study")
    for name in ("a10.cbm", "a2.cbm", "b.json.gz", "notes.md"):
        (tmp_path / name).write_text("", encoding="utf-8")
    found = [path.name for path in study.instance_files([tmp_path])]
    assert found == ["a2.cbm", "a10.cbm", "b.json.gz"]
    assert [study.short_name(tmp_path / name) for name in found] == ["a2", "a10", "b"]
    with pytest.raises(SystemExit, match="no such file"):
        study.instance_files([tmp_path / "none"])


def test_quantiles(load: Any) -> None:
    """The value that a share of all does not exceed, from the data themselves."""
    quantile = load("study").quantile
    values = [float(value) for value in range(100, 0, -1)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1.0)) == (50, 99, 100)
    assert quantile([7.0], 0.5) == 7.0


def test_proofs_compares_with_published_values(load: Any, matrix: Path, capsys: Any) -> None:
    """First runs count; proofs are verified; a cost above the best known fails the study."""
    proofs = load("proofs")
    known, out = matrix / "known.tsv", matrix.parent / "out-proofs.json"
    known.write_text("# comment\ninstance\tconcorde_runs\na2\t4\n", encoding="utf-8")
    arguments = [str(matrix), "--best-known", str(known), "--check", "--output", str(out)]
    assert proofs.main([*arguments, "--threads", "1"]) == 0
    (row,) = rows(out)
    assert (row["cost"], row["bound"], row["best_known"]) == (4, 4, 4)
    assert (row["status"], row["proof"]) == ("optimal", "verified")
    assert "1 of 1 proven optimal" in capsys.readouterr().out
    known.write_text("instance\tconcorde_runs\na2\t3\n", encoding="utf-8")
    assert proofs.main([*arguments, "--threads", "1"]) == 1


def test_proofs_notices_a_wrong_result(load: Any, matrix: Path) -> None:
    """What the checker rejects is reported as failed."""
    proofs = load("proofs")
    instance = rs.read_instance(matrix / "a2.cbm")
    result = rs.solve(instance, "runs")
    assert proofs.checked(instance, result) == "verified"
    other = rs.solve(rs.read_instance(TINY / "cycle.json"), "runs")
    assert proofs.checked(instance, other).startswith("FAILED")
    heuristic = rs.solve(instance, "runs", "greedy")
    assert proofs.checked(instance, heuristic) == "none"


def test_networks_counts_parts(load: Any, tmp_path: Path) -> None:
    """Parts are independent: their optima and the constant add up to the model's."""
    networks = load("networks")
    out = tmp_path / "out.json"
    files = [str(TINY / "venn.json"), str(TINY / "concatenation.json")]
    assert networks.main([*files, "--rounds", "1", "--threads", "1", "--output", str(out)]) == 0
    found = rows(out)
    assert len(found) == 6
    assert all(row["proven"] == row["parts"] for row in found)
    assert all(row["cost"] == row["bound"] for row in found)
    rng = np.random.default_rng(2)
    accesses = [
        rs.Access(f"{name}{number}", [rs.Part(name, np.flatnonzero(rng.random(9) < 0.5))])
        for name in "xy"
        for number in range(5)
    ]
    two = rs.Instance("two", [rs.Tensor("x", 9), rs.Tensor("y", 9)], accesses)
    parts = list(networks.parts_of(two, rs.Objective.RUNS))
    assert [[tensor.id for tensor in part.tensors] for part in parts] == [["x"], ["y"]]
    costs = [rs.solve(part, "runs").cost for part in parts]
    assert sum(cost or 0 for cost in costs) == rs.solve(two, "runs").cost


def _nearest(distances: Any, **_: Any) -> list[int]:
    """A poor tour: as it comes."""
    return list(range(len(distances)))


def test_peers_on_the_same_matrix(load: Any, matrix: Path, monkeypatch: Any) -> None:
    """Tours become orders that are counted in the matrix; ours is never above a poor tour."""

    class DistanceMatrix:
        def __init__(self, distances: list[list[int]]) -> None:
            self._nodes = list(range(len(distances)))

        def solve_tsp(self, runs: int) -> list[int]:
            return [*self._nodes, 0]

    monkeypatch.setitem(sys.modules, "fast_tsp", SimpleNamespace(find_tour=_nearest))
    monkeypatch.setitem(sys.modules, "elkai", SimpleNamespace(DistanceMatrix=DistanceMatrix))
    peers = load("peers")
    out = matrix.parent / "out-peers.json"
    arguments = ["--time-limit", "0.5", "--seeds", "1", "--output", str(out)]
    assert peers.main([str(matrix), str(TINY / "concatenation.json"), *arguments]) == 0
    (row,) = rows(out)
    assert row["cost"] == row["bound"] == 4
    # The order as it comes: rows 1010, 0110 and 0011.
    assert row["fast_tsp"] == row["elkai"] == 4
    assert row["ratio"] == 1.0


def test_missing_peers_are_named(load: Any, matrix: Path, monkeypatch: Any) -> None:
    """One line says what to install."""
    monkeypatch.setitem(sys.modules, "fast_tsp", None)
    with pytest.raises(SystemExit, match="pip install fast-tsp"):
        load("peers").main([str(matrix)])


def test_limits_counts_and_interrupts(load: Any, tmp_path: Path) -> None:
    """A pair is solved in time, interrupted, robbed of its child, or refused, and says so."""
    limits = load("limits")
    path = limits.child_labour(tmp_path)
    plain = limits.measured(limits.Pair(path, "runs", "greedy", 60.0, 0, 1))
    assert (plain["wrong"], plain["too_late"], plain["status"]) == ("", False, "feasible")
    assert plain["late"] < 0
    stopped = limits.Pair(path, "runs", "betweenness", 60.0, 0, 1, interrupt_after=4.0)
    row = limits.measured(stopped)
    assert (row["wrong"], row["signalled"], row["stop_reason"]) == ("", True, "interrupted")
    robbed = limits.Pair(path, "runs", "betweenness", 60.0, 0, 1, kill_children=True)
    row = limits.measured(robbed)
    assert row["wrong"] == ""
    assert row["killed"] == 1 or not Path("/proc/self/task").exists()
    refused = limits.measured(limits.Pair(path, "runs", "subset-dp", 1.0, 0, 1))
    refused_too = limits.measured(limits.Pair(TINY / "fixed.json", "runs", "circuit", 1.0, 0, 1))
    both = [refused, refused_too]
    total = limits.summary("all", [plain, row, *both])
    assert total["pairs"] == 4
    assert total["robbed"] == 1
    assert total["refused"] == sum(each["refused"] for each in both)
    crashed = limits.measured(limits.Pair(tmp_path / "none.json", "runs", "auto", 1.0, 0, 1))
    assert "crashed" in crashed["wrong"]


def test_limits_are_drawn_by_the_seed(load: Any, tmp_path: Path) -> None:
    """The same seed gives the same pairs, of limits in the range and objectives that fit."""
    limits = load("limits")
    paths = load("study").instance_files([TINY])
    labour = limits.child_labour(tmp_path)
    pairs = limits.draw(paths, labour, 60, 3)
    assert pairs == limits.draw(paths, labour, 60, 3)
    assert pairs != limits.draw(paths, labour, 60, 4)
    assert all(0.1 <= pair.limit <= 30 for pair in pairs)
    assert {pair.objective for pair in pairs} >= {"copies", "bytes", "runs"}
    assert any(pair.interrupt_after is not None for pair in pairs)
    assert any(pair.kill_children for pair in pairs)
    for pair in pairs:
        assert pair.objective in backend_class(pair.backend).objectives
        assert not pair.kill_children or pair.path == labour


def test_random_networks_tells_failures(
    load: Any, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    """Exit code 0 where all exports are right; else the seeds, the reasons, and a reduced case."""
    monkeypatch.syspath_prepend(str(FOLDER.parents[1] / "tests" / "torch_adapter"))
    study = load("random_networks")
    log, out = tmp_path / "failures.txt", tmp_path / "out.json"
    arguments = ["--start", "0", "--count", "2", "--failures", str(log), "--output", str(out)]
    assert study.main(arguments) == 0
    assert not log.exists()
    assert [row["cases"] for row in rows(out)] == [1, 1, 2]
    assert study.main(["--show", "0"]) == 0
    assert "def forward(self, x0" in capsys.readouterr().out

    def refuses(*_: Any) -> Any:
        raise ZeroDivisionError("spoilt")

    monkeypatch.setattr("reorder_solver.torch_adapter.apply", refuses)
    assert study.main(arguments) == 1
    reason = "apply naive: ZeroDivisionError: spoilt"
    assert log.read_text(encoding="utf-8").splitlines() == [
        f"0 0 plain {reason}",
        f"1 0 mobile {reason}",
    ]
    assert study.main(["--shrink", "1"]) == 1
    text = capsys.readouterr().out
    assert "2 x ZeroDivisionError" in text
    assert text.count("= self.") <= 1


@pytest.mark.parametrize(
    "name",
    [
        "export_latency",
        "export_profile",
        "limits",
        "networks",
        "peers",
        "proofs",
        "random_networks",
        "sharing",
    ],
)
def test_help(name: str) -> None:
    """Each study is a command that explains itself."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--help"]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=True, cwd=FOLDER.parents[1]
    )
    assert "--output" in done.stdout


def test_latency_rows(load: Any) -> None:
    """A drawn instance of five accesses is proven; gaps and counts are what they say."""
    study = load("latency")
    (row,) = study.solved(study.drawn(5, 3, 64, 14, 0), 20.0)
    assert row.is_few
    assert (row.cost, row.gap) == (row.bound, 0.0)
    (larger,) = study.solved(next(study.many(1)), 1.0)
    assert not larger.is_few
    assert 0 <= larger.bound <= larger.cost
    assert larger.gap == pytest.approx((larger.cost - larger.bound) / larger.cost)
