"""The page as text: well formed, self-contained, escaped; Markdown and CSV beside it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import pytest

from reorder_solver.report.markdown import escaped, markdown
from reorder_solver.report.page import html_page, script_json
from reorder_solver.report.rows import KINDS, csv_text
from reorder_solver.report.words import visible

VOID = {"meta", "link", "img", "br", "hr", "input"}
TAGS = re.findall(
    r"\w+",
    """
    html head meta link title style body header h1 h2 h3 p nav ul li a main section dl div dt dd
    strong bdi table caption thead tbody tr th td button details summary span figure figcaption
    label select canvas noscript footer script
    """,
)
SVG_TAGS = ("svg", "line", "g", "path", "text", "use", "defs", "clippath", "rect", "title")


class Page(HTMLParser):
    """What a page holds: elements, texts, attributes; complains of elements left open."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.foreign: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside = "svg" in self.open or tag == "svg"
        known = SVG_TAGS if inside else TAGS
        if tag not in known:
            self.foreign.add(tag)
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> inside {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append((self.elements[-1][1], data))
        else:
            self.texts.append(data)


@pytest.fixture(scope="module")
def pages(solved_page, hostile_page, mixed_page):
    return [Page(each) for each in (solved_page, hostile_page, mixed_page)]


def test_well_formed(pages):
    """Every element is closed in its place, none is unknown, identifiers are unique."""
    for page in pages:
        assert page.open == []
        assert page.foreign == set()
        names = [found["id"] for _, found in page.elements if "id" in found]
        assert len(names) == len(set(names))
        aims = [found["href"] for tag, found in page.elements if tag == "a"]
        assert {aim[1:] for aim in aims} <= set(names)


def test_loads_nothing(pages):
    """No address of anything outside the page; no handlers in attributes."""
    for page in pages:
        for tag, found in page.elements:
            assert not [name for name in found if name.startswith("on")], tag
            for name in ("src", "href", "action", "data", "poster", "srcset"):
                value = found.get(name)
                assert value is None or value.startswith(("#", "data:,")), (tag, name, value)
            style = found.get("style") or ""
            assert not re.search(r"url\((?!#)", style)


def test_style_and_script_load_nothing(solved_page):
    text = solved_page
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\b *\(", text)


def test_policy_allows_its_own_script_only(pages):
    """The hash in the policy is that of the one script that runs."""
    for page in pages:
        policies = [f["content"] for _, f in page.elements if f.get("http-equiv")]
        (policy,) = policies
        assert policy.startswith("default-src 'none';")
        assert "unsafe-inline" not in policy.split("script-src")[1]
        running = [text for found, text in page.scripts if "type" not in found]
        (script,) = running
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}';" in policy


def test_every_hostile_string_is_text(hostile, hostile_report, pages):
    """Each shows as it is: in the text of the page, or in the data of the explorer."""
    page = pages[1]
    (data,) = [json.loads(text) for found, text in page.scripts if found.get("type")]
    shown = "\n".join([*page.texts, *_strings(data)])
    missing = [each for each in hostile[1] if each not in shown]
    assert missing == []


def _strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def test_marks_that_turn_text_are_shown(hostile_report, hostile_page):
    """Bidirectional overrides and controls appear as escapes, never as themselves."""
    for text in (hostile_page, markdown(hostile_report)):
        assert "\u202e" not in text
        assert "\x07" not in text
        assert re.search(r"(\\|&#92;)u202e", text)


def test_visible_is_idempotent_on_text():
    assert visible("a\u202eb\n") == "a\\u202eb\\n"
    assert visible("ab <i>") == "ab <i>"
    assert visible("\ud800") == "\\ud800"


def test_script_json_cannot_end_its_element():
    text = script_json(["</script><!--", "&amp;", "]]>"])
    assert not set("<>&") & set(text)
    assert json.loads(text) == ["</script><!--", "&amp;", "]]>"]


def test_summary_and_tables(pages):
    text = " ".join(pages[2].texts)
    assert "6 of 6 instances settled" in text
    assert "crashed" in text
    assert "because of crash" in text
    assert "killed at the limit" in text
    assert "auto, 2 s" in text


def test_same_report_same_page(hostile_report, hostile_page):
    """Nothing in a page depends on when it was made."""
    assert html_page(hostile_report) == hostile_page


def test_page_of_one_run(tmp_path):
    """A single failed run is worth a page, too."""
    from report_samples import report_of, run

    from reorder_solver.bench.record import Outcome
    from reorder_solver.bench.store import Store

    path = tmp_path / "one.store"
    with Store.open(path) as store:
        store.add(run(cost=None, outcome=Outcome.CRASH, time=0.0, time_limit=None))
    page = Page(html_page(report_of(path)))
    assert page.foreign == set()
    assert "nobody has a layout of 1." in " ".join(page.texts)


def test_costs_beyond_any_float(tmp_path):
    """Integers of four hundred digits are numbers like others."""
    from report_samples import report_of, run

    from reorder_solver.bench.store import Store

    path = tmp_path / "huge.store"
    trace = ((0.1, 10**401, None),)
    with Store.open(path) as store:
        store.add(run(cost=10**400, bound=10**399, trace=trace))
        store.add(run(backend="other", cost=7 * 10**400))
    report = report_of(path)
    text = html_page(report)
    assert "90.0 %" in text
    assert csv_text(KINDS["runs.csv"](report)).count("1" + 400 * "0") >= 2


def test_markdown_tables_are_whole(solved_report, hostile_report, mixed_report):
    """In every table each row has as many cells as its head, whatever the names hold."""
    for report in (solved_report, hostile_report, mixed_report):
        width = None
        for line in markdown(report).splitlines():
            if not line.startswith("|"):
                width = None
                continue
            cells = line.count("|")
            width = cells if width is None else width
            assert cells == width, line


def test_markdown_holds_no_markup(hostile_report):
    """No angle bracket of a name stays one, no template or code is left to be read."""
    text = markdown(hostile_report)
    assert "<" not in text
    assert "`" not in text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("resnet18-l2-0.50", "resnet18-l2-0.50"),
        ("local_search", "local_search"),
        ("0 % [0 %, 3 %]", "0 % [0 %, 3 %]"),
        ("_x_ *b*", "&#95;x&#95; &#42;b&#42;"),
        ("a|b", "a&#124;b"),
        ("<b>&amp;", "&#60;b&#62;&#38;amp;"),
        ("[x](y)", "[x&#93;(y)"),
        ("[^1]", "&#91;^1]"),
        ("- item", "&#45; item"),
        ("-0.25", "-0.25"),
        ("a\nb", "a&#92;nb"),
    ],
)
def test_markdown_escapes(text, written):
    assert escaped(text) == written


def test_csv_reads_back(hostile, hostile_report, mixed_report):
    """Every field comes back as it was, markup, quotes and line breaks included."""
    for report in (hostile_report, mixed_report):
        for rows in KINDS.values():
            made = rows(report)
            read = list(csv.DictReader(io.StringIO(csv_text(made))))
            assert len(read) == len(made)
            for one, other in zip(made, read, strict=True):
                for key, value in one.items():
                    if isinstance(value, str):
                        assert other[key] == value
    rows = KINDS["runs.csv"](hostile_report)
    assert any("\u202e" in row["message"] for row in rows)


def test_csv_has_a_row_per_run(mixed_report):
    from report_samples import mixed_records

    rows = KINDS["runs.csv"](mixed_report)
    assert len(rows) == len(mixed_records())
    assert len({row["key"] for row in rows}) == len(rows)
