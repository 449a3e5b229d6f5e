"""The charts of a contest as SVG, drawn by matplotlib; colours are left to the page.

Every line of a solver has a colour and a dash pattern of its own, the same in all charts. Text
stays text. A chart holds no names from the store, apart from the titles that a browser shows when
the pointer rests on a line.
"""

from __future__ import annotations

import io
import warnings
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import MissingPackageError
from reorder_solver.report.curves import figures
from reorder_solver.report.words import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator

    from reorder_solver.report.curves import Curve, Figure
    from reorder_solver.report.scores import Scores

#: Dash patterns, for more solvers than colours: in points, as SVG and matplotlib write them.
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1.5, 1.5), (6, 1.5, 1.5, 1.5))
#: How many colours the style sheet has (``--s0`` and so on), Okabe and Ito's without black.
COLOURS = 7
_INK, _FAINT = "#010203", "#040506"
#: Inches; a chart is never shown much larger than its 400 pixels.
_SIZE = (4.2, 3.0)
#: Left, bottom, width and height of the axes, as shares: the labels have room beside them.
_FRAME = (0.17, 0.16, 0.81, 0.81)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart for a page.

    Attributes
    ----------
    title, note : str
        What is shown, and how to read it.
    svg : str
        An ``svg`` element, its identifiers beginning with the chart's own.
    table : list of list of str
        Figures for those who do not see it; the first row holds titles.
    """

    title: str
    note: str
    svg: str
    table: list[list[str]]


def style_of(place: int) -> tuple[int, tuple[float, ...]]:
    """Number of the colour and dash pattern of the solver at a place."""
    return place % COLOURS, DASHES[place // COLOURS % len(DASHES)]


def charts(scores: Scores, prefix: str) -> list[Chart]:
    """The charts of a contest that its runs give something to draw for.

    Parameters
    ----------
    scores : Scores
    prefix : str
        Begins the identifiers in the SVG; a word, unique on the page.

    Raises
    ------
    MissingPackageError
        Without matplotlib.
    """
    require_matplotlib()
    names = [scores.contest.names[solver] for solver in scores.contest.solvers]
    return [
        Chart(
            figure.title,
            figure.note,
            _svg(figure, f"{prefix}-{number}", names),
            figure.table([visible(name) for name in names]),
        )
        for number, figure in enumerate(figures(scores))
    ]


def require_matplotlib() -> None:
    """Raise :class:`MissingPackageError` if there is no matplotlib, without importing it."""
    if find_spec("matplotlib") is None:
        raise MissingPackageError("reports need matplotlib: pip install 'reorder-solver[report]'")


@contextmanager
def _own_style() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "text.parse_math": False,
                "svg.fonttype": "none",
                "svg.hashsalt": "reorder-solver",
                "font.size": 9,
                "text.color": _INK,
                "axes.labelcolor": _INK,
                "axes.edgecolor": _FAINT,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "axes.linewidth": 0.8,
                "grid.color": _FAINT,
                "grid.linewidth": 0.5,
                "xtick.color": _INK,
                "ytick.color": _INK,
                "lines.linewidth": 1.8,
            }
        )
        yield


def _svg(figure: Figure, prefix: str, names: list[str]) -> str:
    from matplotlib.figure import Figure as Canvas

    stream = io.BytesIO()
    with _own_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        canvas = Canvas(figsize=_SIZE)
        axes = canvas.add_axes(_FRAME)
        for curve in figure.curves:
            _draw(axes, curve, len(names))
        _finish(axes, figure)
        canvas.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return _inline(stream.getvalue(), prefix, names, f"{figure.title}. {figure.note}")


def _finish(axes: Axes, figure: Figure) -> None:
    """Scales, limits and labels, once it is known what the axes cover."""
    from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

    axes.margins(x=0.03)
    for axis, scale, limits in (("x", figure.x, figure.x_limits), ("y", figure.y, figure.y_limits)):
        if scale.logarithmic:
            getattr(axes, f"set_{axis}scale")("log")
        if limits is not None:
            getattr(axes, f"set_{axis}lim")(*limits)
        getattr(axes, f"set_{axis}label")(scale.label)
        which = getattr(axes, f"{axis}axis")
        if scale.share:
            which.set_major_formatter(PercentFormatter(1.0))
        elif scale.logarithmic:
            which.set_major_locator(_ticks(*getattr(axes, f"get_{axis}lim")()))
            which.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            which.set_minor_locator(NullLocator())


def _ticks(low: float, high: float) -> Locator:
    """Four to eight ticks of a logarithmic axis, however little or much it covers."""
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator

    if high < 5 * low:
        return FixedLocator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    return LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,), numticks=9)


def _draw(axes: Axes, curve: Curve, solvers: int) -> None:
    colour, dashes = style_of(curve.solver)
    settings: dict[str, Any] = {"color": _placeholder(colour), "gid": f"solver-{curve.solver}"}
    if curve.marker:
        settings |= {"linestyle": "none", "marker": curve.marker, "markersize": 4}
        axes.plot(curve.x, curve.y, alpha=0.6, markeredgewidth=0, **settings)
        return
    stepped = curve.x.size > 2
    # Thinner on top of broader: lines that coincide are all seen.
    settings["linewidth"] = 1.4 + 2.2 * (1 - curve.solver / solvers)
    (line,) = axes.plot(
        curve.x, curve.y, drawstyle="steps-post" if stepped else "default", **settings
    )
    if dashes:
        line.set_linestyle((0, dashes))


def _placeholder(colour: int) -> str:
    """A colour that only says which one the page is to use."""
    return f"#0a0b{colour:02x}"


def _inline(data: bytes, prefix: str, names: list[str], description: str) -> str:
    """The SVG as an element of a page: no name spaces, styles of its own, or shared identifiers."""
    root = ElementTree.fromstring(data)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key in list(element.attrib):
            value = _recoloured(element.attrib.pop(key))
            if key == "id":
                element.attrib["class"] = value
                value = f"{prefix}-{value}"
            value = value.replace("url(#", f"url(#{prefix}-")
            if key.endswith("href") and value.startswith("#"):
                value = f"#{prefix}-{value[1:]}"
            element.attrib[key.rpartition("}")[2]] = value
        _name_solver(element, names)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib.update({"role": "img", "aria-label": description, "class": "chart-svg"})
    return ElementTree.tostring(root, encoding="unicode")


def _recoloured(text: str) -> str:
    text = text.replace(_INK, "var(--ink)").replace(_FAINT, "var(--line)")
    for colour in range(COLOURS):
        text = text.replace(_placeholder(colour), f"var(--s{colour})")
    return text


def _name_solver(element: ElementTree.Element, names: list[str]) -> None:
    kind, _, number = element.attrib.get("class", "").partition("-")
    if kind == "solver" and number.isdecimal():
        element.attrib["data-solver"] = number
        title = ElementTree.Element("title")
        title.text = visible(names[int(number)])
        element.insert(0, title)
