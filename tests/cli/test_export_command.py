"""``export``: from a model's name to files and numbers."""

from __future__ import annotations

import csv
import io
import json

import pytest
import torch

import reorder_solver as rs
from reorder_solver.formats import read_instance, read_result
from reorder_solver.torch_adapter import checking, optimise

SMALL = ("cli_models:residual", "--input-size", "8")


def test_compares_the_exports(run):
    """A row per export, from bad to good, and an error that is only rounding."""
    document = json.loads(run("export", *SMALL, "--format", "json").stdout)
    rows = {row["export"]: row for row in document["exports"]}
    assert list(rows) == ["naive", "upscale", "optimal"]
    assert rows["optimal"]["bytes"] <= rows["upscale"]["bytes"] <= rows["naive"]["bytes"]
    assert rows["optimal"]["status"] == "optimal"
    assert rows["optimal"]["error"] < 1e-10
    assert rows["naive"]["error"] is None
    assert {pin["reason"] for pin in document["pinned"]} == {"model input", "model output"}


def test_table_and_csv(run):
    """The table names the pinned tensors; the CSV has a row per export."""
    lines = run("export", *SMALL).stdout.splitlines()
    assert lines[0].startswith("cli_models:residual: 4 accesses, ")
    assert [line.split()[0] for line in lines[3:6]] == ["naive", "upscale", "optimal"]
    assert any(line.startswith("pinned ") and "model input" in line for line in lines)
    text = run("export", *SMALL, "--format", "csv").stdout
    assert [row["export"] for row in csv.DictReader(io.StringIO(text))] == [
        "naive",
        "upscale",
        "optimal",
    ]


def test_says_which_export_has_another_memory_format(run, monkeypatch):
    """Its costs cannot be compared with those of the others."""
    monkeypatch.setattr(optimise, "share_of_time", lambda *_: 0.5)
    lines = run("export", *SMALL, "--objective", "latency").stdout.splitlines()
    start = "note: optimal: images are computed in channels_last, in 0.25 of the time measured"
    assert sum(line.startswith(start) for line in lines) == 1
    lines = run("export", *SMALL, "--objective", "latency", "--no-transform").stdout.splitlines()
    assert not any("images are computed" in line for line in lines)


def test_report_of_the_chosen_export(run, tmp_path):
    """A table for every access, the same numbers as JSON, and a picture."""
    path = tmp_path / "p.svg"
    arguments = [*SMALL, "--export", "naive"]
    text = run("export", *arguments, "--report", "--picture", path).stdout
    report = json.loads(run("export", *arguments, "--format", "json").stdout)["report"]
    lines = [line.split() for line in text.splitlines()]
    for row in report["accesses"]:
        shown = [row["id"], row["was"], f"{row['bytes_before']:,}", row["mode"]]
        assert any(line[:4] == shown for line in lines)
    assert f"multiply-adds: {report['before']['macs']:,} before" in text
    assert text.count("model input") == 1
    assert f"{report['after']['selected']:,} bytes per sample copied" in path.read_text(
        encoding="utf-8"
    )
    assert "pinned" not in run("export", *SMALL, "--format", "csv").stdout


def test_writes_instance_result_and_model(run, tmp_path):
    """The three files fit each other, and PyTorch alone runs the model."""
    instance_path, result_path = tmp_path / "i.json", tmp_path / "r.json"
    model_path = tmp_path / "m.pt2"
    files = ["--output", instance_path, "--result", result_path, "--save", model_path]
    assert run("export", *SMALL, *files).exit_code == 0
    instance = read_instance(instance_path)
    rs.verify(instance, read_result(result_path, instance))
    module = torch.export.load(model_path).module()
    for batch in (2, 5):
        assert module(torch.zeros(batch, 3, 8, 8)).shape == (batch, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["i.json", "m.pt2", "r.json"]


@pytest.mark.parametrize("chosen", ["naive", "upscale", "optimal"])
def test_chosen_export_is_the_one_checked(run, chosen, tmp_path):
    """--export says which layout is applied, checked and written."""
    path = tmp_path / "r.json"
    arguments = ["--export", chosen, "--result", path, "--format", "json"]
    document = json.loads(run("export", *SMALL, *arguments).stdout)
    checked = [row["export"] for row in document["exports"] if row["error"] is not None]
    assert checked == [chosen]
    names = {"naive": "identity", "upscale": "upscale", "optimal": "auto"}
    assert read_result(path).backend == names[chosen]


def test_seed_and_score_decide_the_instance(run, tmp_path):
    """The same call writes the same instance; another seed or score another one."""
    digests = []
    for number, (score, seed) in enumerate(
        [("random", 1), ("random", 1), ("random", 2), ("l1", 1)]
    ):
        path = tmp_path / f"{number}.json"
        run("export", *SMALL, "--score", score, "--seed", seed, "--output", path)
        digests.append(rs.digest(read_instance(path)))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_amount_zero_takes_the_zeros(run, tmp_path):
    """Without pruning, the zeros of the weights are the masks."""
    path = tmp_path / "i.json"
    run("export", "cli_models:zeroed", "--input-size", "8", "--amount", "0", "--output", path)
    sizes = {access.id: access.size for access in read_instance(path).accesses}
    assert sizes == {"stem": 3, "first": 6, "second": 8, "head": 12}


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["torchvision:resnet1"], "no model 'resnet1'"),
        (["resnet18"], "must be 'torchvision:name'"),
        (["no_such_module:net"], "cannot import 'no_such_module'"),
        (["cli_models:nothing"], "has no 'nothing'"),
        (["cli_models:text"], "not a torch.nn.Module"),
        (["cli_models:without_parameters"], "has no parameters"),
        (["cli_models:broken"], "RuntimeError: first line"),
        (["cli_models:residual", "--input-size", "5,8,8"], "fails on an input of shape"),
        (["cli_models:residual", "--input-size", "big"], "--input-size"),
        (["cli_models:residual", "--input-size", "0"], "--input-size"),
        (["cli_models:residual", "--amount", "2"], "--amount"),
        (["cli_models:residual", "--score", "l3"], "--score"),
        (["cli_models:residual", "--batch", "0"], "--batch"),
        (["cli_models:residual", "--export", "best"], "--export"),
        (["cli_models:residual", "--save", "/no/such/folder/m.pt2"], "no such folder"),
        (["cli_models:residual", "--save", "m.pth"], "must end in .pt2"),
        (["cli_models:residual", "--output", "a.json", "--result", "a.json"], "two outputs"),
        (["cli_models:residual", "--picture", "a.gif"], "must end in one of .png, .svg, .pdf"),
    ],
)
def test_bad_input_is_one_line(refused, arguments, phrase):
    """Whatever is wrong, the model's own failures included, is said in one line."""
    assert phrase in refused("export", *arguments)


def test_mismatch_ends_with_1(refused, monkeypatch, tmp_path):
    """An export that differs from the masked model is not saved."""
    monkeypatch.setattr(checking, "relative_error_of", lambda *_: 1e-3)
    path = tmp_path / "m.pt2"
    assert "1.0e-03" in refused("export", *SMALL, "--save", path, code=1)
    assert not path.exists()


def test_without_torch_ends_with_3(shell, tmp_path):
    """Without PyTorch the line says what to install."""
    (tmp_path / "torch.py").write_text(
        "raise ModuleNotFoundError(\"no torch\", name='torch')\n", encoding="utf-8"
    )
    done = shell("export", "torchvision:resnet18")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "pip install 'reorder-solver[torch]'" in done.stderr
