"""The studies of the instance library, and the command that keeps the best known values."""

from __future__ import annotations

import importlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import reorder_solver as rs
from reorder_solver import Objective
from reorder_solver.backends import backend_names
from reorder_solver.bench.best_known import read_best_known, write_best_known
from reorder_solver.bench.plan import read_suite

FOLDER = Path(__file__).resolve().parents[2] / "bench_instances"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a script by name, as running it does."""
    monkeypatch.syspath_prepend(str(FOLDER / "studies"))
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """A folder with one public-format instance; its best order has 4 runs, one beyond the first."""
    folder = tmp_path / "public"
    folder.mkdir()
    (folder / "q1.cbm").write_text("3 4\n2 1 3\n2 2 3\n2 3 4\n", encoding="utf-8")
    return folder


def test_best_known_command_finds_and_keeps(load: Any, tmp_path: Path) -> None:
    """A table is made, a second run changes nothing, a worse value in it is bettered."""
    module = load("best_known")
    table = tmp_path / "table.csv"
    arguments = ["--only", "tiny/v*", "--time-limit", "5", "--output", str(table)]
    assert module.main(arguments) == 0
    first = table.read_text(encoding="utf-8")
    rows = read_best_known(table)
    assert {(row.objective.value, row.cost, row.proven) for row in rows.values()} == {
        ("copies", 1, True),
        ("bytes", 40, True),
        ("runs", 1, True),
    }
    assert module.main(arguments) == 0
    assert table.read_text(encoding="utf-8") == first
    (key,) = (key for key in rows if key[1] is Objective.BYTES)
    worse = {"cost": 56, "lower_bound": None, "proven": False, "found_by": "guess"}
    changed = [
        row.__class__(**{name: getattr(row, name) for name in row.__slots__} | worse)
        if row.key == key
        else row
        for row in rows.values()
    ]
    write_best_known(table, changed)
    assert module.main(arguments) == 0
    assert read_best_known(table)[key].cost == 40


def test_best_known_command_stops_at_a_contradiction(load: Any, tmp_path: Path) -> None:
    """A false proof in the table is found out, and the table left as it was."""
    module = load("best_known")
    table = tmp_path / "table.csv"
    assert module.main(["--only", "tiny/venn.json", "--output", str(table)]) == 0
    false = table.read_text(encoding="utf-8").replace(",40,40,", ",56,56,")
    table.write_text(false, encoding="utf-8")
    with pytest.raises(rs.InputError, match="below bound 56"):
        module.main(["--only", "tiny/venn.json", "--again", "--output", str(table)])
    assert ",56,56," in table.read_text(encoding="utf-8")


def test_published_values_count_first_runs(load: Any, matrix: Path, tmp_path: Path) -> None:
    """Names come from files, costs are runs beyond the first, proofs close what was open."""
    module = load("best_known")
    published, table = tmp_path / "published.tsv", tmp_path / "table.csv"
    published.write_text("# comment\ninstance\tconcorde_runs\tproven\nq1\t4\t0\n", encoding="utf-8")
    arguments = ["--public", str(matrix), "--published", str(published), "--output", str(table)]
    assert module.main(arguments) == 0
    (row,) = read_best_known(table).values()
    assert (row.file, row.objective, row.cost, row.proven) == ("q1", Objective.RUNS, 1, True)
    assert row.found_by.startswith("published")


def test_upscale_study_without_the_package(
    load: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what to install."""
    pytest.importorskip("torch")
    study = load("apple_upscale")
    monkeypatch.setattr(study, "find_spec", lambda name: None)
    assert study.main([]) == 3
    assert "pip install --no-deps apple-upscale" in capsys.readouterr().out


@pytest.mark.slow
def test_upscale_study_tells_failures_and_differences(
    load: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An exporter that crashes and one that is wrong are rows, and no row hides another."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    study = load("apple_upscale")

    def other(model: Any, images: Any, baseline: bool) -> Any:
        if baseline:
            raise IndexError("no such channel")
        module = torch.nn.Sequential(model, torch.nn.Threshold(0.0, 1.0))
        return module, {"order_seconds": 0.0, "export_seconds": 0.0}

    monkeypatch.setattr(study, "theirs", other)
    monkeypatch.setattr(study, "find_spec", lambda name: object())
    out = tmp_path / "rows.json"
    assert study.main(["squeezenet1_1", "--image", "64", "--output", str(out)]) == 0
    rows = {row["export"]: row for row in json.loads(out.read_text(encoding="utf-8"))["rows"]}
    assert rows["theirs, no order"]["failure"] == "IndexError: no such channel"
    assert rows["theirs, no order"]["equal"] == "failed"
    assert rows["theirs"]["equal"] == "NO"
    assert [rows[name]["equal"] for name in ("ours", "ours, their order")] == ["yes", "yes"]
    assert rows["ours"]["copied"] <= rows["ours, no order"]["copied"]


def test_adversarial_study_shows_ratios(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs are over the best known one; where that is nothing, as they are."""
    study = load("adversarial")
    assert (study.shown(6, 4), study.shown(3, 0), study.shown(None, 3)) == ("1.50", "+3", "-")
    seen: list[Any] = []
    monkeypatch.setattr(study, "show", lambda title, columns, rows: seen.extend(rows))
    files = [FOLDER / "adversarial" / name for name in ("hub-8.json", "clash-6.json")]
    monkeypatch.setattr(study, "instance_files", lambda paths: files)
    assert study.main(["--time-limit", "0.5"]) == 0
    by_key = {(row["instance"], row["objective"]): row for row in seen}
    assert float(by_key["hub-8", "copies"]["upscale"]) > 2
    assert by_key["clash-6", "copies"]["best"] == 4
    assert len(seen) == 6


def test_scoreboard_can_be_planned() -> None:
    """Its files are bundled, its backends registered, and at least four peers are among them."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text("utf-8"))["project"]
    peers = set(project["entry-points"]["reorder_solver.backends"])
    first, *others = read_suite(FOLDER / "scoreboard.toml")
    assert len(peers & set(first.backends)) >= 4
    known = read_best_known(FOLDER / "best_known.csv")
    for grid in (first, *others):
        assert set(grid.backends) <= peers | set(backend_names())
        for path in grid.instances:
            digest = rs.digest(rs.read_instance(path))
            assert all((digest, Objective.parse(one)) in known for one in grid.objectives)


def test_public_table_is_readable() -> None:
    """Every row is about runs and says where it is from."""
    rows = read_best_known(FOLDER / "public_best_known.csv").values()
    assert rows
    assert all(row.objective is Objective.RUNS and row.found_by for row in rows)
