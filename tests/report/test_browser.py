"""The page in a real browser: it renders, responds, complains of nothing and fits a phone."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pytest
from report_samples import random_instance, report_of, run

import reorder_solver as rs
from reorder_solver.bench.store import Store
from reorder_solver.report.page import html_page

if TYPE_CHECKING:
    from collections.abc import Iterator

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
FOUND = next((path for name in BROWSERS if (path := shutil.which(name))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(FOUND is None, reason=f"none of {', '.join(BROWSERS)} is on the path"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=FOUND, args=ARGUMENTS)
        yield opened
        opened.close()


class Watched:
    """A page, and everything that it complained of or asked for."""

    def __init__(self, browser, path, size, **settings):
        wide, high = SIZES[size]
        self.context = browser.new_context(viewport={"width": wide, "height": high}, **settings)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda e: self.complaints.append(f"error: {e}"))
        self.page.on("requestfailed", lambda r: self.complaints.append(f"failed: {r.url[:90]}"))
        self.page.on("dialog", self.dialog)
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(path.as_uri())

    def dialog(self, dialog):
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def ready(self):
        self.page.wait_for_selector('#explorer-tool[aria-busy="false"]')
        return self.page

    def part(self, name):
        return self.page.locator(f'[data-part="{name}"]')

    def wait(self, condition, argument=None):
        self.page.wait_for_function(condition, arg=argument)


@pytest.fixture
def show(browser, tmp_path) -> Iterator[object]:
    """Open a page from a file; at the end nothing may have been complained of or loaded."""
    shown: list[Watched] = []

    def opened(text: str, size: str = "desktop", **settings) -> Watched:
        path = tmp_path / "page.html"
        path.write_text(text, "utf-8")
        shown.append(Watched(browser, path, size, **settings))
        return shown[-1]

    yield opened
    for each in shown:
        assert each.complaints == []
        assert [url for url in each.requests if not url.startswith(("file:", "data:"))] == []
        assert sum(url.startswith("file:") for url in each.requests) == 1
        each.context.close()


WIDER = """() => {
    const wide = document.documentElement.clientWidth;
    const inBox = (one) => one.closest(".scroll") !== null || one.closest("svg") !== null;
    return [...document.querySelectorAll("body *")]
        .filter((one) => !inBox(one) && one.getBoundingClientRect().right > wide + 1)
        .map((one) => one.outerHTML.slice(0, 120));
}"""
#: Whether a canvas has pixels of a colour that the style sheet names.
HAS_COLOUR = """([part, name]) => {
    const canvas = document.querySelector(`[data-part="${part}"]`);
    const hex = getComputedStyle(canvas).getPropertyValue(name).trim();
    const wanted = [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4) {
        if (wanted.every((value, each) => Math.abs(data[at + each] - value) < 3)) {
            return true;
        }
    }
    return false;
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_show_runs(show, solved_page, scheme):
    """Views, first and further runs have their colours, in both schemes."""
    watched = show(solved_page, color_scheme=scheme)
    page = watched.ready()
    for part, name in (("before", "--first"), ("before", "--further"), ("after", "--view")):
        watched.wait(HAS_COLOUR, [part, name])
    assert "of 6 views" in page.locator('[data-part="after-title"]').inner_text()


def test_hover_names_what_is_there(show, solved_page):
    watched = show(solved_page)
    page = watched.ready()
    canvas = watched.part("before")
    canvas.scroll_into_view_if_needed()
    hint = watched.part("readout").inner_text()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
    text = watched.part("readout").inner_text()
    assert text != hint
    for piece in ("one-24/conv", "runs of", "gather", "cost", "Position", "channel", "of t0"):
        assert piece in text
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] - 60)
    assert watched.part("readout").inner_text() == hint


def test_hover_agrees_with_the_instance(show, tmp_path):
    """At a known cell of a known layout: the very channel, runs and cost."""
    instance = rs.Instance(
        "known", [rs.Tensor("t", 4)], [rs.Access("r", [rs.Part("t", [0, 2])], bytes=8)]
    )
    path = tmp_path / "known.store"
    with Store.open(path) as store:
        store.add_instance(instance, "known", "f")
        layout = rs.Layout({"t": [2, 0, 1, 3]})
        store.add(run(cost=0, digest=rs.digest(instance), name="known"), layout)
    watched = show(html_page(report_of(path)))
    page = watched.ready()
    # Channels that nobody wants have no position: two are left, a view in either order.
    watched.part("after").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    text = watched.part("readout").inner_text()
    assert "r (read): 1 run of 2 channels, view, cost 0. Position 1: channel 0 of t" in text


def test_zoom_and_pan(show, solved_page):
    """Buttons, keys, wheel and dragging change what is shown; fitting shows everything again."""
    watched = show(solved_page)
    page = watched.ready()
    tool = page.locator("#explorer-tool")

    def shown():
        page.wait_for_timeout(60)
        return [float(each) for each in tool.get_attribute("data-window").split()]

    whole = shown()
    watched.part("in").click()
    closer = shown()
    assert closer[2] < whole[2]
    watched.part("fit").click()
    assert shown() == whole
    canvas = watched.part("after")
    canvas.focus()
    page.keyboard.press("+")
    assert shown()[2] < whole[2]
    page.keyboard.press("0")
    assert shown() == whole
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 40)
    page.mouse.wheel(0, -400)
    wheeled = shown()
    assert wheeled[2] < whole[2]
    assert wheeled[0] > 0
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7 + 80, box["y"] + 40, steps=4)
    page.mouse.up()
    assert shown()[0] < wheeled[0]


def test_pinch(show, solved_page):
    """Two fingers apart: closer; one finger then drags."""
    watched = show(solved_page, "phone", has_touch=True)
    page = watched.ready()
    canvas = watched.part("before")
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    box = canvas.bounding_box()
    fingers = watched.context.new_cdp_session(page)

    def touch(kind, *places):
        y = box["y"] + box["height"] / 2
        points = [{"x": box["x"] + x, "y": y, "id": n} for n, x in enumerate(places)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def window():
        page.wait_for_timeout(100)
        return [float(each) for each in page.get_attribute("#explorer-tool", "data-window").split()]

    whole = window()
    touch("touchStart", 190, 230)
    for step in range(1, 6):
        touch("touchMove", 190 - 10 * step, 230 + 10 * step)
    touch("touchEnd")
    pinched = window()
    assert pinched[2] < whole[2] / 1.5
    touch("touchStart", 220)
    for step in range(1, 6):
        touch("touchMove", 220 + 10 * step)
    touch("touchEnd")
    assert window()[0] < pinched[0]
    assert page.evaluate("visualViewport.scale") == 1


def test_wheel_leaves_the_page_alone_unless_chosen(show, solved_page):
    watched = show(solved_page)
    page = watched.ready()
    tool = page.locator("#explorer-tool")
    canvas = watched.part("before")
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    before, scrolled = tool.get_attribute("data-window"), page.evaluate("scrollY")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 40)
    page.mouse.wheel(0, -200)
    page.wait_for_function("(old) => scrollY < old", arg=scrolled)
    assert tool.get_attribute("data-window") == before


def test_choices(show, solved_page):
    """Instance, objective, layouts and tensors can be chosen, and the titles follow."""
    watched = show(solved_page)
    page = watched.ready()
    title = watched.part("after-title")
    options = watched.part("right").locator("option").all_inner_texts()
    assert [each.split(":")[0] for each in options] == [
        "original order",
        "greedy",
        "identity",
        "upscale",
    ]
    watched.part("right").select_option(index=3)
    watched.ready()
    assert "upscale" in title.inner_text()
    watched.part("objective").select_option("runs")
    watched.ready()
    costs = watched.part("left").locator("option").all_inner_texts()
    assert costs[0] != options[0]
    watched.part("instance").select_option(label="three-20")
    watched.ready()
    tensors = watched.part("panel").locator("option").all_inner_texts()
    assert tensors[0] == "all 3 side by side"
    assert "of 9 views" in title.inner_text()
    watched.part("panel").select_option(index=1)
    watched.ready()
    assert "of 3 views" in title.inner_text()
    assert page.locator("optgroup").count() == 2


def test_keyboard_and_table_of_facts(show, solved_page):
    """Without a pointer: a cell is marked and read out, and the facts are a table."""
    watched = show(solved_page)
    page = watched.ready()
    watched.part("before").focus()
    page.keyboard.press("ArrowRight")
    first = watched.part("readout").inner_text()
    page.keyboard.press("ArrowDown")
    second = watched.part("readout").inner_text()
    assert "Position 0" in first
    assert first != second
    page.keyboard.press("Escape")
    assert "arrow keys" in watched.part("readout").inner_text()
    watched.part("facts").locator("summary").click()
    page.wait_for_selector('[data-part="facts-rows"] tr')
    assert watched.part("facts-rows").locator("tr").count() == 6
    assert "views" in watched.part("after").get_attribute("aria-label")


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


def test_large_layout(show, tmp_path):
    """4096 channels by 256 accesses: drawn, zoomed and read on a phone's width too."""
    instance = random_instance("large", 4096, 256, seed=4)
    path = tmp_path / "large.store"
    with Store.open(path) as store:
        store.add_instance(instance, "large", "f")
        layout = rs.Layout({"t0": np.random.default_rng(0).permutation(4096)})
        cost = rs.evaluate(instance, layout).total
        store.add(run(cost=cost, digest=rs.digest(instance), name="large"), layout)
    text = html_page(report_of(path))
    for size in SIZES:
        watched = show(text, size)
        page = watched.ready()
        canvas = watched.part("after")
        canvas.focus()
        for _ in range(12):
            page.keyboard.press("+")
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(100)
        window = page.get_attribute("#explorer-tool", "data-window").split()
        wide, high = map(float, window[2:])
        assert 8 <= wide < 64
        assert high < 20
        assert "large/conv" in watched.part("readout").inner_text()
        watched.wait(HAS_COLOUR, ["after", "--further"])


def test_without_script(show, solved_page):
    """Tables and charts need no script; the explorer says that it does."""
    watched = show(solved_page, java_script_enabled=False)
    assert watched.page.locator("table").first.is_visible()
    assert watched.page.locator("#explorer-tool").is_hidden()
    assert watched.page.locator("noscript p").is_visible()
