"""The explorer of layouts in a real browser: what it draws, and how it responds."""

from __future__ import annotations

import numpy as np
import pytest
from report_samples import random_instance, report_of, run
from watched_pages import HAS_COLOUR, NEEDS_A_BROWSER, SIZES

import reorder_solver as rs
from reorder_solver.bench.store import Store
from reorder_solver.report.page import html_page

pytestmark = NEEDS_A_BROWSER


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
