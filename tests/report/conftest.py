"""Reports that several tests read: of real runs, hostile strings, every outcome; a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from report_samples import hostile_store, mixed_records, random_instance, report_of, solved_store
from watched_pages import ARGUMENTS, FOUND, Watched

from reorder_solver.bench.store import Store
from reorder_solver.report.page import html_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reorder_solver.report.content import Report


@pytest.fixture(scope="session")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of real runs: one tensor, three tensors, two objectives, two seeds."""
    instances = [
        (random_instance("one-24", 24, 6, seed=1), "one tensor"),
        (random_instance("one-48", 48, 8, seed=2), "one tensor"),
        (random_instance("three-20", 20, 9, seed=3, tensors=3), "three tensors"),
    ]
    path = tmp_path_factory.mktemp("solved") / "solved.store"
    return solved_store(
        path, instances, ("identity", "upscale", "greedy"), ("bytes", "runs"), (0, 1)
    )


@pytest.fixture(scope="session")
def solved_report(solved: Path) -> Report:
    """Its report."""
    return report_of(solved)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A store with markup in every string, and the strings."""
    return hostile_store(tmp_path_factory.mktemp("hostile") / "hostile.store")


@pytest.fixture(scope="session")
def hostile_report(hostile: tuple[Path, list[str]]) -> Report:
    """Its report."""
    return report_of(hostile[0])


@pytest.fixture(scope="session")
def mixed_report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of every outcome, without instances and layouts."""
    path = tmp_path_factory.mktemp("mixed") / "mixed.store"
    with Store.open(path) as store:
        for record in mixed_records():
            store.add(record)
    return report_of(path)


@pytest.fixture(scope="session")
def solved_page(solved_report: Report) -> str:
    """Its page."""
    return html_page(solved_report)


@pytest.fixture(scope="session")
def hostile_page(hostile_report: Report) -> str:
    """Its page."""
    return html_page(hostile_report)


@pytest.fixture(scope="session")
def mixed_page(mixed_report: Report) -> str:
    """Its page."""
    return html_page(mixed_report)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Chromium or Chrome, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=FOUND, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def show(browser, tmp_path) -> Iterator[object]:
    """Open a page from a file; at the end nothing may have been complained of or loaded."""
    shown: list[Watched] = []

    def opened(text: str, size: str = "desktop", **settings) -> Watched:
        path = tmp_path / "page.html"
        path.write_text(text, encoding="utf-8")
        shown.append(Watched(browser, path, size, **settings))
        return shown[-1]

    yield opened
    for each in shown:
        assert each.complaints == []
        assert [url for url in each.requests if not url.startswith(("file:", "data:"))] == []
        assert sum(url.startswith("file:") for url in each.requests) == 1
        each.context.close()
