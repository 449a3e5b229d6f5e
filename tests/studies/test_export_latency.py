"""The study of exports: rows, resuming, and means; no ratio is asserted."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
NETS = ROOT / "tests" / "torch_adapter"
SMALL = ["adapter_nets:Residual", "--input-size", "8", "--amount", "0.5", "--threads", "1"]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The study's module, with small networks in reach of it and of its workers."""
    for folder in (ROOT / "bench_instances" / "studies", NETS):
        monkeypatch.syspath_prepend(str(folder))
    path = [str(NETS), str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    return importlib.import_module("export_latency")


def in_process(study: Any, capsys: pytest.CaptureFixture[str], jobs: list[Any]) -> Any:
    """A stand-in for the worker process."""

    def rows(job: Any) -> Iterator[Any]:
        jobs.append(job)
        shown = capsys.readouterr().out
        study.work(job)
        lines = capsys.readouterr().out.splitlines()
        print(shown, end="")
        yield from map(json.loads, lines)

    return rows


def test_rows_and_resuming(
    study: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    """A row per batch size; only what is missing is measured, a line cut short included."""
    jobs: list[Any] = []
    monkeypatch.setattr(study, "rows_from_worker", in_process(study, capsys, jobs))
    results = tmp_path / "rows.jsonl"
    exports = ["--export", "naive", "--export", "optimal"]
    arguments = [*SMALL, *exports, "--rounds", "5", "--results", str(results)]
    assert study.main([*arguments, "--batch", "1"]) == 0
    (line,) = results.read_text(encoding="utf-8").splitlines()
    row = json.loads(line)
    assert set(row["quartiles_ms"]) == {"original", "naive", "optimal"}
    assert set(row["copied"]) == set(row["quartiles_ms"])
    assert row["copied"]["optimal"] <= row["copied"]["naive"]
    low, high = row["ratios"]["optimal/naive"][1:]
    assert 0 < low <= row["ratios"]["optimal/naive"][0] <= high
    results.write_text(line + "\n" + line[:40], encoding="utf-8")
    assert study.main([*arguments, "--batch", "1", "--batch", "2"]) == 0
    assert [job["pairs"] for job in jobs] == [[(1, 1)], [(2, 1)]]
    kept = study.read_rows(results)
    assert sorted(each["batch"] for each in kept.values()) == [1, 2]
    assert study.main([*arguments, "--batch", "1", "--batch", "2"]) == 0
    assert len(jobs) == 2
    assert "geometric means" in capsys.readouterr().out
    # Other settings are other rows.
    settings = row["settings"] | {"objective": "copies"}
    assert study.key_of(row | {"settings": settings}) not in kept


def test_geometric_means(study: Any, capsys: Any) -> None:
    """Means are over the rows that have the ratio, by setting and over all."""
    report = importlib.import_module("latency_report")
    assert report.geometric_mean([]) is None
    assert report.geometric_mean([0.5, 2.0, 8.0]) == pytest.approx(2.0)
    rows = [
        {
            "model": "m",
            "amount": 0.25,
            "batch": batch,
            "threads": 1,
            "rounds": 3,
            "quartiles_ms": {"optimal": [1, 2, 3], "naive": [2, 4, 6]},
            "ratios": {"optimal/naive": [value, value, value]},
            "copied": {"optimal": 10, "naive": 20},
        }
        for batch, value in ((1, 0.25), (2, 1.0))
    ]
    study.report(rows)
    lines = capsys.readouterr().out.splitlines()
    (overall,) = [line for line in lines if line.startswith("│ all")]
    assert "0.500" in overall
    assert [line for line in lines if "bytes that copies write" in line]
    assert sum("0.500" in line for line in lines if line.startswith("│ m ")) == 2


def test_the_faster_rival_counts(study: Any, capsys: Any) -> None:
    """Network by network, the slower of two rivals is left out."""
    rows = [
        {
            "model": "m",
            "amount": 0.5,
            "batch": 1,
            "threads": 1,
            "rounds": 3,
            "quartiles_ms": {"optimal": [1, 2, 3]},
            "ratios": {"optimal/upscale": [called] * 3, "optimal/converted": [converted] * 3},
            "copied": {"optimal": 10},
        }
        for called, converted in ((0.5, 0.9), (0.4, 0.3))
    ]
    study.report(rows)
    output = capsys.readouterr().out.splitlines()
    (means,) = [line for line in output if line.startswith("│ amount")]
    assert means.split("│")[-2].strip() == "0.600"


def test_budget_ends_a_worker(study: Any, capsys: Any) -> None:
    """A network that takes too long is named, and the program ends with 1."""
    assert study.main([*SMALL, "--batch", "1", "--budget", "0.1"]) == 1
    assert "failed or out of time: adapter_nets:Residual at 0.5" in capsys.readouterr().out


@pytest.mark.slow
def test_worker_of_its_own(study: Any, tmp_path: Path) -> None:
    """The process writes the rows that the stand-in writes above."""
    out = tmp_path / "out.json"
    arguments = [*SMALL, "--batch", "1", "--rounds", "3", "--output", str(out)]
    assert study.main(arguments) == 0
    (row,) = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert (row["model"], row["batch"], row["rounds"]) == ("adapter_nets:Residual", 1, 3)


def test_profile_adds_up(study: Any, capsys: Any) -> None:
    """A row per export; what copies take is no more than everything."""
    profile = importlib.import_module("export_profile")
    small = ["adapter_nets:Residual", "--input-size", "8", "--rounds", "2", "--objective", "bytes"]
    assert profile.main([*small, "--batch", "2", "--channels-last"]) == 0
    assert capsys.readouterr().out.count("without copies") >= 3
    arguments = profile.argparse.Namespace(batch=2, rounds=2)
    settings = {"objective": "bytes", "score": "l2", "side": "input", "seed": 0, "time_limit": 5.0}
    settings |= {"input_size": 8, "channels_last": False, "exports": list(profile.EXPORTS)}
    job = {"model": "adapter_nets:Residual", "amount": 0.5, "settings": settings}
    rows = profile.rows_of(job, arguments)
    assert [row["export"] for row in rows] == list(profile.EXPORTS)
    for row in rows:
        assert row["ms"] == pytest.approx(sum(row[kind] for kind in (*profile.KINDS, profile.REST)))
        assert 0 < row["floor"] <= 1
        assert row["layers"] > 0
