"""``demo``: the main job end to end, once on a real architecture."""

from __future__ import annotations

import json

import reorder_solver as rs
from reorder_solver.formats import read_instance, read_result


def test_real_network_end_to_end(run, tmp_path):
    """ResNet-18: fewer bytes than both rivals, exact outputs, and files that fit each other."""
    folder = tmp_path / "new" / "demo"
    result = run("demo", "--input-size", "64", "--output-dir", folder, "--format", "json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    rows = {row["export"]: row for row in document["exports"]}
    assert rows["optimal"]["bytes"] < rows["naive"]["bytes"]
    assert rows["optimal"]["bytes"] <= rows["upscale"]["bytes"]
    assert all(row["error"] < 1e-10 for row in rows.values())
    kinds = ("json", "layout.json", "report.json", "svg")
    written = {f"resnet18.{export}.{kind}" for export in rows for kind in kinds}
    assert {path.name for path in folder.iterdir()} == written | {"resnet18.png"}
    for name, row in rows.items():
        instance = read_instance(folder / f"resnet18.{name}.json")
        found = read_result(folder / f"resnet18.{name}.layout.json", instance)
        rs.verify(instance, found)
        assert found.cost == row["bytes"]
        report = json.loads((folder / f"resnet18.{name}.report.json").read_text(encoding="utf-8"))
        assert report["copied"]["this"] == row["bytes"]
        assert report["error"] == row["error"]
        assert "layer4.1.conv2" in (folder / f"resnet18.{name}.svg").read_text(encoding="utf-8")
    assert (folder / "resnet18.png").read_bytes().startswith(b"\x89PNG")


def test_other_model_as_a_table(run):
    """Any model can be shown; the table says that the exports are equal."""
    text = run("demo", "--model", "cli_models:residual", "--input-size", "8").stdout
    assert "Every export equals the masked model" in text
    assert [line.split()[0] for line in text.splitlines()[3:6]] == ["naive", "upscale", "optimal"]


def test_output_folder_that_is_a_file_is_bad_input(refused, tmp_path):
    """The folder is checked before any work is done."""
    path = tmp_path / "file"
    path.write_text("", encoding="utf-8")
    assert "must be a folder" in refused("demo", "--output-dir", path)


def test_without_matplotlib_ends_with_3(refused, tmp_path, monkeypatch):
    """The picture's package is looked for before any work is done."""
    monkeypatch.setattr("reorder_solver.plot.figure.find_spec", lambda name: None)
    line = refused("demo", "--output-dir", tmp_path / "out", code=3)
    assert "pip install 'reorder-solver[plot]'" in line
    assert not (tmp_path / "out").exists()
