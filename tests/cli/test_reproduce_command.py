"""``train`` and ``reproduce`` from the command line: resumable, tabulated, one line for errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

pytest.importorskip("safetensors")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

NETWORK = ("--data", "digits", "--architectures", "shuffle", "--seeds", "0")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One network after one epoch."""
    from click.testing import CliRunner

    from reorder_solver.cli.main import main

    folder = tmp_path_factory.mktemp("checkpoints")
    arguments = ["train", *NETWORK, "--checkpoints", str(folder), "--epochs", "1"]
    done = CliRunner().invoke(main, [*arguments, "--format", "json"], prog_name="reorder-solver")
    (row,) = json.loads(done.stdout)["networks"]
    assert row["state"] == "trained"
    assert (row["architecture"], row["epochs"], row["classes"]) == ("shuffle", 1, 10)
    return folder


def test_training_again_does_nothing(run: Callable[..., Result], checkpoints: Path) -> None:
    """What is there is told, not trained."""
    (path,) = checkpoints.iterdir()
    before = path.stat()
    done = run("train", *NETWORK, "--checkpoints", checkpoints)
    assert "was there" in done.stdout
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    table = run("train", *NETWORK, "--checkpoints", checkpoints, "--format", "csv").stdout
    header, line = table.splitlines()
    assert header.startswith("architecture,data,seed,epochs")
    assert line.startswith("shuffle,digits,0,1")


def test_reproduce_goes_on_and_tabulates(
    run: Callable[..., Result], checkpoints: Path, tmp_path: Path
) -> None:
    """A larger grid adds rows to those that are there."""
    options = ("reproduce", *NETWORK, "--checkpoints", checkpoints, "--output", tmp_path / "out")
    options = (*options, "--scores", "l2", "--budgets", "local", "--statistics", "kept")
    done = run(*options, "--amounts", "0.5", "--stage", "accuracy", "--format", "json")
    assert json.loads(done.stdout) == [{"file": str(tmp_path / "out" / "rows.jsonl"), "rows": 2}]
    first = (tmp_path / "out" / "rows.jsonl").read_text(encoding="utf-8")
    done = run(*options, "--amounts", "0.2,0.5", "--stage", "accuracy,tables", "--format", "csv")
    header, line, *written = done.stdout.splitlines()
    assert (header, line.rpartition(",")[2]) == ("file,rows", "4")
    assert f"{tmp_path / 'out' / 'report.md'}," in written
    assert (tmp_path / "out" / "rows.jsonl").read_text(encoding="utf-8").startswith(first)
    assert "unconstrained minus constrained" in (tmp_path / "out" / "report.md").read_text(
        encoding="utf-8"
    )
    assert (tmp_path / "out" / "accuracy-input-local-kept.png").exists()


@pytest.mark.slow
def test_latency_stage(run: Callable[..., Result], checkpoints: Path, tmp_path: Path) -> None:
    """Exports are timed and tabulated."""
    options = ("reproduce", *NETWORK, "--checkpoints", checkpoints, "--output", tmp_path)
    options = (*options, "--scores", "l2", "--budgets", "local", "--amounts", "0.5")
    run(*options, "--stage", "latency,tables", "--rounds", "5", "--time-limit", "1", "--no-compile")
    assert "Latency over that of the naive export, eager" in (tmp_path / "report.md").read_text(
        encoding="utf-8"
    )
    assert (tmp_path / "latency.csv").read_text(encoding="utf-8").count("\n") == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--stage", "cook"), "unknown stage 'cook'; known: train, accuracy, latency, tables"),
        (("--scores", "l3"), "unknown score 'l3'; known: l1, l2, lamp"),
        (("--methods", "magic"), "unknown method 'magic'; known: unconstrained, constrained"),
        (("--budgets", "all"), "unknown budget 'all'; known: local, global"),
        (("--sides", "top"), "unknown side 'top'; known: input, output"),
        (("--amounts", "0.5,2"), "must be numbers from 0 to 1"),
        (("--seeds", "x"), "must be whole numbers"),
        (("--architectures", "vgg", "--stage", "accuracy"), "unknown architecture 'vgg'"),
        (("--seeds", "7", "--stage", "accuracy"), "no such checkpoint; make it with"),
    ],
)
def test_wrong_options_are_one_line(
    refused: Callable[..., str],
    tmp_path: Path,
    options: tuple[str, ...],
    message: str,
) -> None:
    """Before anything is trained."""
    folders = ("--checkpoints", tmp_path / "c", "--output", tmp_path / "out")
    assert message in refused("reproduce", "--data", "digits", *folders, *options)


def test_available_leaves_out_what_is_not_trained(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    """No network, no rows."""
    folders = ("--checkpoints", tmp_path / "c", "--output", tmp_path / "out")
    options = ("--available", "--stage", "accuracy", "--format", "csv")
    done = run("reproduce", "--data", "digits", *folders, *options)
    assert done.stdout.endswith(",0\n")


def test_missing_packages_are_named(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 3 and what to install."""
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    line = refused("train", *NETWORK, "--checkpoints", tmp_path, code=3)
    assert "pip install 'reorder-solver[experiments]'" in line
