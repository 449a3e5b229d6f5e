"""The report as Markdown, fit to be a page of the documentation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reorder_solver.report.page import environment, require_jinja
from reorder_solver.report.words import visible

if TYPE_CHECKING:
    from reorder_solver.report.content import Report

#: What Markdown, its usual extensions, or the HTML inside it would take for markup.
_SPECIAL = re.compile(
    r"""[\\`*{}<>#|~&$]            # anywhere
    |(?<![0-9A-Za-z])[_:]        # not inside a word
    |_(?![0-9A-Za-z])
    |\](?=[(\[:])|\[(?=\^)        # brackets of links, references and footnotes
    |^[-+](?![0-9])              # the beginning of a list
    """,
    re.VERBOSE,
)


def markdown(report: Report, *, title: str = "Benchmark results") -> str:
    """The tables of `report` as GitHub-flavoured Markdown, without charts and layouts.

    Raises
    ------
    MissingPackageError
        Without jinja2.
    """
    require_jinja()
    templates = environment(autoescape=False)
    templates.filters["md"] = escaped
    text = templates.get_template("report.md.jinja").render(report=report, title=title)
    lines = [line.rstrip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def escaped(text: str) -> str:
    """`text` on one line, such that every dialect of Markdown shows it as it is.

    Entities instead of backslashes: dialects differ in what a backslash may stand before.
    """
    line = " ".join(visible(text).split())
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", line)
