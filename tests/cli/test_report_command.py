"""``report``: what is written and printed, and every way in which it must refuse."""

from __future__ import annotations

import csv
import json

import pytest
from report_samples import mixed_records, random_instance, solved_store
from report_samples import run as a_run

import reorder_solver as rs
from reorder_solver.bench.best_known import BestKnown, best_known_text
from reorder_solver.bench.store import Store
from reorder_solver.core.prices import Objective


@pytest.fixture
def instance():
    return random_instance("small", 24, 8, seed=1)


@pytest.fixture
def store(tmp_path, instance):
    """Real runs of two backends on one small instance."""
    return solved_store(tmp_path / "bench.store", [(instance, "random")], ("identity", "greedy"))


@pytest.fixture
def mixed(tmp_path):
    """Every outcome, no instances and no layouts."""
    path = tmp_path / "mixed.store"
    with Store.open(path) as opened:
        for record in mixed_records():
            opened.add(record)
    return path


def test_writes_all_three(run, store, tmp_path):
    page, text, folder = tmp_path / "p.html", tmp_path / "p.md", tmp_path / "csv"
    folder.mkdir()
    found = run("report", store, "-o", page, "--markdown", text, "--csv", folder)
    assert found.exit_code == 0, found.output
    assert "greedy" in found.stdout
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert text.read_text("utf-8").startswith("# Benchmark results\n")
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["instances.csv", "pairs.csv", "runs.csv", "solvers.csv"]
    rows = list(csv.DictReader((folder / "runs.csv").open(encoding="utf-8")))
    assert [row["backend"] for row in rows] == ["greedy", "identity"]
    assert rows[0]["size_channels"] == "24"
    assert not list(tmp_path.glob(".tmp*"))


def test_csv_in_one_file(run, store, tmp_path):
    path = tmp_path / "runs.csv"
    assert run("report", store, "--csv", path).exit_code == 0
    assert len(path.read_text("utf-8").splitlines()) == 3
    assert not (tmp_path / "report.html").exists()


def test_page_is_the_default(run, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("report", store, "--title", "My <b>own</b> title").exit_code == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<title>My &lt;b&gt;own&lt;/b&gt; title</title>" in page


def test_prints_json(run, mixed, tmp_path):
    """JSON knows no infinity: such figures are null."""
    found = run("report", mixed, "--csv", tmp_path / "r.csv", "--format", "json")
    rows = json.loads(found.stdout)
    best = rows[0]
    assert (best["objective"], best["solver"], best["proven"]) == ("bytes", "exact", 6)
    assert any(row["median_gap"] is None for row in rows)


def test_best_known_file(run, store, instance, tmp_path):
    """Values from outside count: the best of the store is then no longer the best known."""
    digest = rs.digest(instance)
    row = BestKnown("f", digest, Objective.BYTES, 1, 1, True, "a miracle", "2026-01-01")
    table = tmp_path / "best.csv"
    table.write_text(best_known_text([row]), encoding="utf-8")
    plain = run("report", store, "--csv", tmp_path / "r.csv", "--format", "json")
    known = run(
        "report", store, "--csv", tmp_path / "r.csv", "--format", "json", "--best-known", table
    )
    assert json.loads(plain.stdout)[0]["best"] == 1
    assert json.loads(known.stdout)[0]["best"] == 0


def test_store_without_layouts(run, mixed, tmp_path):
    """There is a page all the same, and it says which instances have no pictures."""
    page = tmp_path / "p.html"
    assert run("report", mixed, "-o", page).exit_code == 0
    text = page.read_text("utf-8")
    assert "Instances without pictures" in text
    assert 'id="layouts"' not in text


def test_wrong_layout_is_an_alarm(run, tmp_path, instance):
    """A stored layout that does not cost what its run claims ends with code 1 and a line."""
    path = tmp_path / "wrong.store"
    claim = a_run(cost=1, bound=1, digest=rs.digest(instance), name="small")
    with Store.open(path) as opened:
        opened.add_instance(instance, "small", "random")
        opened.add(claim, rs.Layout.identity(instance))
    page = tmp_path / "p.html"
    found = run("report", path, "-o", page)
    assert found.exit_code == 1
    assert "claimed to cost 1, but costs" in found.stderr
    assert "Claims that cannot all be true" in page.read_text("utf-8")


def test_no_room_for_layouts(run, store, tmp_path):
    page = tmp_path / "p.html"
    assert run("report", store, "-o", page, "--layouts", "0").exit_code == 0
    assert "no room left" in page.read_text("utf-8")


def test_missing_store(refused, tmp_path):
    assert "no such file" in refused("report", tmp_path / "none.store")


def test_no_store(refused, tmp_path):
    path = tmp_path / "text.store"
    path.write_text("hello, this is no database at all" * 50, encoding="utf-8")
    assert "is no benchmark store" in refused("report", path)
    assert "folder" in refused("report", tmp_path)


def test_empty_store(refused, tmp_path):
    path = tmp_path / "empty.store"
    Store.open(path).close()
    assert "has no finished run" in refused("report", path)


def test_targets_are_checked_first(refused, store, tmp_path):
    nowhere = tmp_path / "no" / "r.html"
    assert "no such folder" in refused("report", store, "-o", nowhere)
    assert "no such folder" in refused("report", store, "--csv", tmp_path / "no" / "r.csv")
    assert "is a folder" in refused("report", store, "--markdown", tmp_path)
    same = tmp_path / "same"
    line = refused("report", store, "-o", same, "--markdown", same)
    assert "another file to be written" in line


def test_store_is_never_overwritten(refused, store):
    before = store.read_bytes()
    assert "is the store" in refused("report", store, "-o", store)
    assert store.read_bytes() == before


def test_bad_best_known_file(refused, store, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("a,b\n", encoding="utf-8")
    assert "bad.csv" in refused("report", store, "--best-known", path, "--csv", tmp_path / "r.csv")


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_missing_packages(refused, store, tmp_path, monkeypatch, package):
    """Exit code 3, and the line says what to install."""
    from reorder_solver.report import charts, page

    for module in (charts, page):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == package else name)
    line = refused("report", store, "-o", tmp_path / "p.html", code=3)
    assert "pip install 'reorder-solver[report]'" in line


def test_csv_needs_no_extra(run, store, tmp_path, monkeypatch):
    from reorder_solver.report import charts, page

    for module in (charts, page):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert run("report", store, "--csv", tmp_path / "r.csv").exit_code == 0
