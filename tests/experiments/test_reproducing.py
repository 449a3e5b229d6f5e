"""Rows, accuracy and latency stages, summaries and tables."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import reorder_solver as rs
from reorder_solver import torch_adapter as ta
from reorder_solver.experiments import methods
from reorder_solver.experiments.accuracy import Grid, configuration, run_accuracy
from reorder_solver.experiments.latency import EXPORTS, run_latency
from reorder_solver.experiments.rows import RowFile
from reorder_solver.experiments.subjects import trained_here
from reorder_solver.experiments.summary import curve, gain, paired
from reorder_solver.experiments.tables import _common, report, write_tables
from reorder_solver.experiments.training import accuracy

if TYPE_CHECKING:
    from pathlib import Path

    from reorder_solver.experiments.data import ArrayData
    from reorder_solver.experiments.subjects import Subject

SMALL = Grid(("l2", "taylor"), (0.25, 0.5), budgets=("local",))


def silent(_: str) -> None:
    pass


def test_rows_survive_a_kill_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """The line cut short is taken off, and written again."""
    path = tmp_path / "deep" / "rows.jsonl"
    store = RowFile(path)
    for number in range(3):
        store.add({"number": number, "b": 1}, {"top1": number / 2})
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[2]) + 1):
        path.write_bytes(whole[:-cut])
        again = RowFile(path)
        assert len(again) == 2
        assert {"b": 1, "number": 1} in again
        assert {"b": 1, "number": 2} not in again
        again.add({"number": 2, "b": 1}, {"top1": 1.0})
        assert path.read_bytes() == whole
    assert RowFile(path).flat()[1] == {"number": 1, "b": 1, "top1": 0.5}


def test_two_processes_may_write_to_one_file(tmp_path: Path) -> None:
    """No line of one is lost to, or mixed with, the other's."""
    code = (
        "import sys; from pathlib import Path\n"
        "from reorder_solver.experiments.rows import RowFile\n"
        "for n in range(60):\n"
        "    RowFile(Path(sys.argv[1])).add({'who': sys.argv[2], 'n': n}, {'text': 'x' * 5000})"
    )
    path = tmp_path / "rows.jsonl"
    both = [subprocess.Popen([sys.executable, "-c", code, str(path), who]) for who in "ab"]
    assert [each.wait() for each in both] == [0, 0]
    assert len(RowFile(path)) == 120


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"result": {}}'])
def test_other_damage_is_an_input_error(tmp_path: Path, line: str) -> None:
    """The file, the line, and what would be right."""
    path = tmp_path / "rows.jsonl"
    RowFile(path).add({"a": 1}, {})
    path.write_bytes(path.read_bytes() + line.encode() + b"\n")
    with pytest.raises(rs.InputError, match=r"rows.jsonl: line 2: must be a JSON object"):
        RowFile(path)


def test_accuracy_rows_are_the_accuracy_of_the_masked_model(
    subject: Subject, tmp_path: Path
) -> None:
    """Against masks made and measured by hand; nothing is done twice."""
    store = RowFile(tmp_path / "rows.jsonl")
    assert run_accuracy(subject, SMALL, store, silent) == 16
    assert run_accuracy(subject, SMALL, RowFile(store.path), silent) == 0
    rows = store.flat()
    for row in rows:
        if row["score"] != "l2":
            continue
        side = "input" if row["method"] == "unconstrained" else "joint"
        masks = ta.prune(subject.model, subject.inputs(2), "l2", row["amount"], side=side)
        model = ta.masked(subject.model, masks)
        if row["statistics"] == "renewed":
            ta.calibrate(model, subject.data.train[0])
        assert row["top1"] == accuracy(model, subject.data)
        assert row["amount"] - 0.05 < row["dropped"] <= row["amount"]
        assert row["unpruned"] == accuracy(subject.model, subject.data)
    assert len({(row["method"], row["amount"], row["score"]) for row in rows}) == 8


def test_an_interrupted_run_goes_on(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was finished is kept; the end result is the same."""
    whole = RowFile(tmp_path / "whole.jsonl")
    run_accuracy(subject, SMALL, whole, silent)
    calls = 0

    def breaking(task: methods.Task) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return methods.constrained(task)

    store = RowFile(tmp_path / "rows.jsonl")
    with monkeypatch.context() as patch:
        patch.setitem(methods.METHODS, "constrained", breaking)
        with pytest.raises(KeyboardInterrupt):
            run_accuracy(subject, SMALL, store, silent)
    assert 0 < len(store) < 16
    again = RowFile(store.path)
    run_accuracy(subject, SMALL, again, silent)
    ends = [{json.dumps(each, sort_keys=True) for each in kept.flat()} for kept in (again, whole)]
    assert ends[0] == ends[1]
    assert len(again) == 16


def test_a_method_of_ones_own(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given all it needs, and its rows stand beside the others."""
    seen: list[methods.Task] = []

    def nothing(task: methods.Task) -> Any:
        seen.append(task)
        return {}

    monkeypatch.setitem(methods.METHODS, "nothing", nothing)
    grid = Grid(("l1",), (0.5,), budgets=("global",), methods=("nothing",), statistics=("kept",))
    store = RowFile(tmp_path / "rows.jsonl")
    run_accuracy(subject, grid, store, silent)
    (row,) = store.flat()
    assert row["top1"] == row["unpruned"]
    assert row["dropped"] == 0
    (task,) = seen
    assert (task.score, task.amount, task.side, task.budget) == ("l1", 0.5, "input", "global")
    assert set(task.scores) == {"down", "up", "head"}


def test_changed_weights_are_run_again(data: ArrayData, subject: Subject, tmp_path: Path) -> None:
    """Rows name the weights they are of; a missing checkpoint says how to make it."""
    point = next(SMALL.points())
    assert configuration(subject, point)["weights"] == subject.digest
    with pytest.raises(rs.InputError, match="make it with 'reorder-solver train'"):
        trained_here(tmp_path, "tiny", 1, data)


def test_latency_rows(subject: Subject, tmp_path: Path) -> None:
    """Every export is timed, with its copies; joint masks need none; nothing is done twice."""
    store = RowFile(tmp_path / "rows.jsonl")
    grid = Grid(("l2",), (0.5,), budgets=("local",))
    options: dict[str, Any] = {"rounds": 5, "time_limit": 1.0, "compiled": False}
    assert run_latency(subject, grid, store, silent, **options) == 1
    assert run_latency(subject, grid, RowFile(store.path), silent, **options) == 0
    (row,) = store.flat()
    assert set(row["eager"]) == {"unpruned", *EXPORTS, "constrained"}
    for times in row["eager"].values():
        assert 0 < times["ms"][0] <= times["ms"][1] <= times["ms"][2]
    assert row["eager"]["naive"]["of_naive"] == [1, 1, 1]
    assert row["copies"]["constrained"]["accesses"] == row["copies"]["constrained"]["bytes"] == 0
    assert row["copies"]["naive"]["bytes"] > 0
    assert row["copies"]["naive"]["measured_bytes"] == row["copies"]["naive"]["bytes"]
    assert row["copies"]["optimal"]["bytes"] <= row["copies"]["upscale"]["bytes"]
    write_tables(store.flat(), tmp_path)
    assert "naive export, eager, batch 1, input side, local budget" in (
        tmp_path / "report.md"
    ).read_text(encoding="utf-8")
    with (tmp_path / "latency.csv").open(encoding="utf-8") as file:
        assert [each["export"] for each in csv.DictReader(file)] == list(row["eager"])


def row(method: str, seed: int, amount: float, top1: float) -> dict[str, Any]:
    return {
        "stage": "accuracy",
        "data": "d",
        "architecture": "a",
        "weights": f"w{seed}",
        "score": "l1",
        "side": "input",
        "budget": "local",
        "statistics": "kept",
        "method": method,
        "seed": seed,
        "amount": amount,
        "top1": top1,
        "unpruned": 0.9,
    }


ROWS = [
    row("unconstrained", 0, 0.1, 0.8),
    row("constrained", 0, 0.1, 0.7),
    row("unconstrained", 0, 0.2, 0.5),
    row("constrained", 0, 0.2, 0.6),
    row("unconstrained", 1, 0.1, 0.9),
    row("constrained", 1, 0.1, 0.6),
    row("unconstrained", 1, 0.2, 0.5),
]


def test_gains_by_hand() -> None:
    """Points between rows that agree in all else; seeds count alike."""
    pairs = paired(ROWS, "unconstrained", "constrained")
    assert sorted(round(pair["gain"], 9) for pair in pairs) == [-10, 10, 30]
    found = gain(pairs)
    assert found.mean == pytest.approx((0 + 30) / 2)
    assert found.deviation == pytest.approx(np.std([0, 30], ddof=1))
    assert (found.low, found.high, found.behind, found.count) == pytest.approx((-10, 30, 1, 3))
    amounts, means, deviations = curve(pairs, "ahead")
    assert amounts == [0.1, 0.2]
    assert means == pytest.approx([85, 50])
    assert deviations == pytest.approx([np.std([80, 90], ddof=1), 0])


def test_tables_and_figures(subject: Subject, tmp_path: Path) -> None:
    """Markdown, CSV and PNG of what there is; written again, they are the same."""
    store = RowFile(tmp_path / "rows.jsonl")
    run_accuracy(subject, SMALL, store, silent)
    written = write_tables(store.flat(), tmp_path / "tables")
    assert [each.name for each in written] == [
        "accuracy.csv",
        "gains.csv",
        "accuracy-input-local-kept.png",
        "accuracy-input-local-renewed.png",
        "report.md",
    ]
    assert written[2].read_bytes()[:4] == b"\x89PNG"
    with written[1].open(encoding="utf-8") as file:
        gains = list(csv.DictReader(file))
    assert len(gains) == 8
    before = written[-1].read_text(encoding="utf-8")
    assert "## Top-1, unconstrained minus constrained, input side, local budget" in before
    write_tables(store.flat(), tmp_path / "tables")
    assert written[-1].read_text(encoding="utf-8") == before


def test_the_report_says_where_it_does_not_hold() -> None:
    """A mean below zero is named; latency ratios are geometric means."""
    losing = [row("unconstrained", 0, 0.1, 0.5), row("constrained", 0, 0.1, 0.75)]
    text = report(losing, [])
    assert "Mean **-25.0** points" in text
    assert "Behind in the mean over amounts and seeds: a, l1 (-25.0)." in text
    # Of a second pair, both are below half of 0.9.
    lost = [row("unconstrained", 0, 0.7, 0.25), row("constrained", 0, 0.7, 0.125)]
    text = report(losing + lost, [])
    assert "Mean **-6.2** points" in text
    assert "half of the unpruned top-1: -25.0 points, behind in 1 of 1." in text
    assert "| a | d | 90.0 ± 0.0 | 1 |" in text
    common = {"kind": "eager", "batch": 1, "export": "optimal", "of_unpruned": 1.0}
    point = {
        key: losing[0][key]
        for key in ("data", "architecture", "seed", "weights", "score", "amount")
    }
    point |= {"side": "input", "budget": "local"}
    latency = [{**common, **point, "of_naive": each} for each in (0.5, 0.125)]
    assert "| a | 0.250 (0.125-0.500) |" in report([], latency)
    assert report([], []).startswith("# Pruning trained networks")


def test_curves_compare_the_same_things(tmp_path: Path) -> None:
    """A point that one method lacks is in no curve; without common points there is no picture."""
    lone = [row("unconstrained", 0, 0.1, 0.5), row("constrained", 0, 0.2, 0.75)]
    assert [each.suffix for each in write_tables(lone, tmp_path)] == [".csv", ".md"]
    found = _common([*ROWS])
    assert found == ROWS[:6]


def test_how_far_zero_copy_goes() -> None:
    """From constrained to unconstrained, over what all three have in common."""
    rows = [row("zero-copy", 0, 0.1, 0.775), row("zero-copy", 1, 0.1, 0.8), *ROWS]
    text = report(rows, [])
    # Constrained 0.65, zero-copy 0.7875, unconstrained 0.85 in the mean.
    assert "| all | 65.0 | 78.8 | 85.0 | 69% |" in text
    assert "zero-copy is at" not in report(ROWS, [])
