"""The pictures of reports: taken of a real page, and errors on one line."""

from __future__ import annotations

import importlib
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from report_samples import random_instance, solved_store

from reorder_solver.bench.store import Store
from reorder_solver.report.content import make_report
from reorder_solver.report.page import html_page

FOLDER = Path(__file__).resolve().parents[2] / "bench_instances" / "studies"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import it as its script does."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("report_screenshots")


@pytest.mark.browser
@pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed")
@pytest.mark.skipif(
    not any(map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))),
    reason="no Chromium or Chrome is on the path",
)
def test_pictures_are_taken(study: Any, tmp_path: Path) -> None:
    instance = random_instance("x", 12, 4, seed=1)
    store = solved_store(tmp_path / "s.store", [(instance, "f")], ("identity", "upscale"))
    page = tmp_path / "page.html"
    with Store.open(store, readonly=True) as opened:
        page.write_text(html_page(make_report(opened, "s")), encoding="utf-8")
    assert study.main([str(page), "--output", str(tmp_path / "out"), "--instance", "x"]) == 0
    pictures = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert pictures == [
        "report-charts-phone.png",
        "report-charts.png",
        "report-desktop.png",
        "report-explorer-phone.png",
        "report-explorer.png",
        "report-phone.png",
    ]


def test_missing_things(study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study.shutil, "which", lambda name: f"/bin/{name}")
    with pytest.raises(SystemExit, match="no such file"):
        study.main([str(tmp_path / "none.html")])
    monkeypatch.setattr(study.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="is on the path"):
        study.main([str(tmp_path / "none.html")])
