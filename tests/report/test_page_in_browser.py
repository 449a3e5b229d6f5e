"""The page in a real browser: it renders, sorts, complains of nothing and fits a phone."""

from __future__ import annotations

import pytest
from watched_pages import NEEDS_A_BROWSER, SIZES

pytestmark = NEEDS_A_BROWSER

#: What reaches beyond the right edge, boxes that scroll by themselves and pictures aside.
WIDER = """() => {
    const wide = document.documentElement.clientWidth;
    const inBox = (one) => one.closest(".scroll") !== null || one.closest("svg") !== null;
    return [...document.querySelectorAll("body *")]
        .filter((one) => !inBox(one) && one.getBoundingClientRect().right > wide + 1)
        .map((one) => one.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("which", ["solved_page", "hostile_page", "mixed_page"])
def test_renders_and_fits(show, request, size, which):
    """All tables and charts are there, and nothing makes the page scroll sideways."""
    watched = show(request.getfixturevalue(which), size)
    page = watched.page
    if which != "mixed_page":
        watched.ready()
    assert page.locator("h1").is_visible()
    assert page.locator("table.sortable").first.is_visible()
    assert page.locator("svg.chart-svg").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(WIDER) == []


def test_tables_sort(show, solved_page):
    watched = show(solved_page)
    table = watched.page.locator("table.sortable").first
    names = table.locator("tbody th")
    heads = table.locator("thead th")
    first = names.all_inner_texts()
    heads.nth(0).locator("button").click()
    assert names.all_inner_texts() == sorted(first)
    assert heads.nth(0).get_attribute("aria-sort") == "ascending"
    heads.nth(0).locator("button").click()
    assert names.all_inner_texts() == sorted(first, reverse=True)
    heads.nth(4).locator("button").click()
    best = [int(text) for text in table.locator("tbody tr > :nth-child(5)").all_inner_texts()]
    assert best == sorted(best)
    assert heads.nth(0).get_attribute("aria-sort") is None


def test_failures_sort_after_numbers(show, mixed_page):
    """A failure is worse than any gap, an empty cell comes last in either order."""
    watched = show(mixed_page)
    table = watched.page.locator("table.sortable", has_text="killed at the limit").first
    heads = table.locator("thead th").all_inner_texts()
    column = next(n for n, text in enumerate(heads) if text.startswith("bad-timeout"))
    for _ in range(2):
        table.locator("thead button").nth(column).click()
        cells = table.locator(f"tbody tr > :nth-child({column + 1})").all_inner_texts()
        assert cells[0] == "killed at the limit"
        assert set(cells[1:]) <= {"–"}


def test_cells_tell_more(show, solved_page):
    """A click shows the cost behind a gap, a second one hides it."""
    watched = show(solved_page)
    cell = watched.page.locator("#objective-1 details td[title]").last
    cell.click()
    assert cell.locator("small").inner_text() == cell.get_attribute("title")
    cell.click()
    assert cell.locator("small").count() == 0


def test_legend_points_out_a_solver(show, solved_page):
    watched = show(solved_page)
    legend = watched.page.locator(".legend").first
    button = legend.locator("button").first
    button.click()
    section = watched.page.locator("#objective-1")
    assert section.locator("g.faded").count() > 0
    assert section.locator('g.faded[data-solver="0"]').count() == 0
    button.click()
    assert section.locator("g.faded").count() == 0


@pytest.mark.parametrize("size", list(SIZES))
def test_markup_is_text(show, hostile, hostile_page, size):
    """No dialog opens, no element of a string's making is there, in whatever is clicked."""
    watched = show(hostile_page, size)
    page = watched.ready()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for name in ("instance", "right", "panel"):
        count = watched.part(name).locator("option").count()
        watched.part(name).select_option(index=count - 1)
        watched.ready()
    for canvas in (watched.part("before"), watched.part("after")):
        canvas.focus()
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(100)
    assert page.locator("img, iframe, object, embed, #injected, i, u, b, hr").count() == 0
    assert page.locator("script").count() == 2
    text = page.evaluate("document.documentElement.textContent")
    assert sum(each in text for each in hostile[1]) > len(hostile[1]) / 2


def test_without_script(show, solved_page):
    """Tables and charts need no script; the explorer says that it does."""
    watched = show(solved_page, java_script_enabled=False)
    assert watched.page.locator("table").first.is_visible()
    assert watched.page.locator("#explorer-tool").is_hidden()
    assert watched.page.locator("noscript p").is_visible()
