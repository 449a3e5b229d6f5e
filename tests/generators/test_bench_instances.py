"""The benchmark folder: files that match their calls, figures and optima that are true."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from brute_force import brute_force

import reorder_solver as rs
from reorder_solver.formats import read_instance

FOLDER = Path(__file__).resolve().parents[2] / "bench_instances"
FILES: list[dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text("utf-8"))["files"]
OPTIMA = [
    (entry["file"], objective, cost)
    for entry in FILES
    for objective, cost in entry.get("optimum", {}).items()
]


def _regenerate() -> Any:
    spec = importlib.util.spec_from_file_location("regenerate", FOLDER / "regenerate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_files_are_rebuilt_bit_for_bit() -> None:
    """Each generated file equals what its call gives, and the manifest's figures are right."""
    assert _regenerate().differences() == []


def test_rebuilding_notices_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is no formality: a changed file and a stale manifest are both reported."""
    module = _regenerate()
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(module, "MANIFEST", tmp_path / "manifest.json")
    entry = next(one for one in FILES if one["origin"] == "generated")
    path = tmp_path / entry["file"]
    path.parent.mkdir()
    module.MANIFEST.write_text(module.manifest_text([entry]), encoding="utf-8")
    module_text = module.rebuilt(entry)
    path.write_text(module_text.replace('"weight": 1', '"weight": 2', 1), encoding="utf-8")
    assert len(module.differences()) == 2
    module.regenerate()
    assert module.differences() == []
    assert path.read_text(encoding="utf-8") == module_text


def test_manifest_and_folder_list_the_same_files() -> None:
    """Every instance in the folder is in the manifest once, and complete."""
    listed = [entry["file"] for entry in FILES]
    present = [
        path.relative_to(FOLDER).as_posix()
        for path in FOLDER.rglob("*")
        if path.name.endswith((".json", ".json.gz")) and path.name != "manifest.json"
    ]
    assert sorted(listed) == sorted(present)
    for entry in FILES:
        assert entry["description"]
        assert entry["licence"]
        assert entry["origin"] in ("hand-written", "generated", "exported")


@pytest.mark.parametrize(("file", "objective", "cost"), OPTIMA)
def test_known_optima_are_true(file: str, objective: str, cost: int | None) -> None:
    """The optima in the manifest are those of brute force, or of the planted layout."""
    instance = read_instance(FOLDER / file)
    secret = instance.meta.get("planted")
    if secret is None:
        best = brute_force(instance, objective)
        assert (None if best is None else best[0]) == cost
    else:
        # No layout costs less than nothing, and the hidden one costs that.
        assert cost == 0
        assert rs.evaluate(instance, rs.Layout(secret["layout"]), objective).total == 0
