"""The documentation site: built with warnings as errors, and complete in itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from page_blocks import ROOT, pages

if TYPE_CHECKING:
    from pathlib import Path

#: What a browser fetches when it shows a page.
FETCHED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings")
    folder = tmp_path_factory.mktemp("site")
    config = ROOT / "docs" / "site" / "mkdocs.yml"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", config, "-d", folder],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


class _Fetched(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        if facts.get("rel") not in ("canonical", "next", "prev"):
            self.found.append(facts.get(FETCHED.get(tag, "")) or "")


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """No font, script or picture of another host, on any page or in any style sheet."""
    shown = list(site.rglob("*.html"))
    assert len(shown) > 20
    for page in shown:
        parser = _Fetched()
        parser.feed(page.read_text("utf-8"))
        assert not [each for each in parser.found if re.match(r"(https?:)?//", each)], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", sheet.read_text("utf-8")), sheet


def test_every_page_is_in_the_site(site: Path) -> None:
    """README aside, whose place the start page takes."""
    for page in pages():
        if page != "README.md":
            shown = site / page.removeprefix("docs/").replace("README.md", "index.html")
            assert shown.with_suffix(".html").is_file(), page


def test_reference_shows_docstrings(site: Path) -> None:
    """The reference has what the docstrings say, parameters and all."""
    text = (site / "reference" / "solve.html").read_text("utf-8")
    for name in ("objective", "time_limit", "warm_start", "BackendContractError"):
        assert name in text
    assert 'id="reorder_solver.solve.solve"' in text


def test_reference_shows_functions_not_modules(site: Path) -> None:
    """Where a function has the name of its module; and no role of a docstring is left over."""
    for page in (site / "reference").glob("*.html"):
        text = page.read_text("utf-8")
        assert "doc-symbol-module" not in text, page
        assert not re.search(r":(func|meth|class|mod|data):", text), page
