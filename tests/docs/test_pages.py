"""Every code block of every page runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from page_blocks import LANGUAGES, ROOT, blocks, commands, pages
from page_exceptions import EXCEPTIONS, OWN_TESTS
from page_runner import check_options, run_page

if TYPE_CHECKING:
    from pathlib import Path

WITH_BLOCKS = [page for page in pages() if blocks(page) and page not in OWN_TESTS]


@pytest.mark.parametrize("page", WITH_BLOCKS)
def test_page_runs(page: str, tmp_path: Path) -> None:
    """Its blocks run in order, and print what the page says that they print."""
    run_page(page, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({each.page for each in EXCEPTIONS if each.slow}))
def test_page_with_long_commands_runs(page: str, tmp_path: Path) -> None:
    """The same with the commands that take long."""
    run_page(page, tmp_path, slow=True)


@pytest.mark.parametrize("page", pages())
def test_languages_are_known(page: str) -> None:
    """No block is passed over because its language is misspelt."""
    assert {block.language for block in blocks(page)} <= LANGUAGES


def test_exceptions_are_needed() -> None:
    """Each one names a command that its page has."""
    for each in EXCEPTIONS:
        shown = [
            command.text
            for block in blocks(each.page)
            if block.language in ("sh", "console")
            for command in commands(block)
        ]
        assert any(each.text in text for text in shown), each


@pytest.mark.parametrize(("page", "test"), OWN_TESTS.items())
def test_pages_with_tests_of_their_own_have_them(page: str, test: str) -> None:
    """The tests named run the page."""
    assert f'run_page("{page}"' in (ROOT / test).read_text("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "reorder-solver solve x.json --no-such-option",
        "reorder-solver no-such-command",
        "python bench_instances/studies/proofs.py --no-such-option",
        "no-such-program",
    ],
)
def test_wrong_options_are_found(text: str) -> None:
    """Also of commands that are not run."""
    with pytest.raises(BaseException, match=r"[Nn]o.such"):
        check_options(text)
