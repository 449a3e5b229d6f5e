"""The report as one HTML file that loads nothing: styles, scripts, charts and layouts inside.

Every string of the store is escaped by the template engine, whatever it holds; characters that
cannot be seen are written as escapes. The only script that runs is the one whose hash the page
names.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from reorder_solver import __version__
from reorder_solver.core.errors import MissingPackageError
from reorder_solver.report.charts import charts, require_matplotlib, style_of
from reorder_solver.report.words import visible

if TYPE_CHECKING:
    from jinja2 import Environment

    from reorder_solver.report.content import Report, Section

_SCRIPTS = ("layouts.js", "picture.js", "explorer.js", "hand.js", "page.js")


@dataclass(frozen=True, slots=True)
class Swatch:
    """An entry of a legend: a solver's name, colour and dash pattern."""

    name: str
    colour: int
    dashes: str


def require_packages() -> None:
    """Raise :class:`MissingPackageError` if a page cannot be made, without importing anything."""
    require_jinja()
    require_matplotlib()


def require_jinja() -> None:
    """The same for Markdown."""
    if find_spec("jinja2") is None:
        raise MissingPackageError("reports need jinja2: pip install 'reorder-solver[report]'")


def html_page(report: Report, *, title: str = "Benchmark of channel orders") -> str:
    """The page as text, to be written as UTF-8.

    Parameters
    ----------
    report : Report
    title : str

    Raises
    ------
    MissingPackageError
        Without jinja2 or matplotlib.
    """
    require_packages()
    from markupsafe import Markup

    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    shown = report.explorer.instances
    return (
        environment(autoescape=True)
        .get_template("page.html.jinja")
        .render(
            report=report,
            title=title,
            version=__version__,
            charts=[charts(each.scores, f"o{n}") for n, each in enumerate(report.contests)],
            swatches=[_swatches(each) for each in report.contests],
            layouts=Markup(script_json(shown)) if shown else "",
            style=Markup(_static("page.css")),
            script=Markup(script),
            script_hash=Markup(f"sha256-{digest}"),
        )
    )


def script_json(value: object) -> str:
    """JSON that can stand inside a ``script`` element: nothing in it ends one or begins markup."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def environment(*, autoescape: bool) -> Environment:
    """Templates of this package; with `autoescape`, every string is made visible, too."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("reorder_solver.report"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        finalize=_shown if autoescape else None,
        keep_trailing_newline=True,
    )


def _shown(value: Any) -> Any:
    """What an expression of a template shows; markup made by ourselves is left as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return value


def _script() -> str:
    body = "\n".join(_static(name) for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}\n}})();'


def _static(name: str) -> str:
    return (files("reorder_solver.report") / "static" / name).read_text("utf-8")


def _swatches(section: Section) -> list[Swatch]:
    contest = section.scores.contest
    found: list[Swatch] = []
    for place, solver in enumerate(contest.solvers):
        colour, dashes = style_of(place)
        found.append(Swatch(contest.names[solver], colour, " ".join(f"{d:g}" for d in dashes)))
    return found
