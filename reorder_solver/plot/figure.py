"""The picture as a matplotlib figure: colour-blind safe, legible from ten channels to thousands."""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.errors import InputError, MissingPackageError
from reorder_solver.core.prices import Mode, Objective
from reorder_solver.plot.page import ABOVE, BELOW, FACTS_SIZE, NAMED_ROWS, Page, panel_inches
from reorder_solver.plot.panels import choose, compare, note_on_choice
from reorder_solver.plot.words import facts_text, panel_names, row_name, shortened, sizes_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reorder_solver.core.instance import Instance
    from reorder_solver.core.layout import Layout
    from reorder_solver.plot.panels import View

#: File suffixes a picture can have.
PICTURE_FORMATS = ("png", "svg", "pdf")
#: Colour of an access by how it is served (Okabe and Ito, safe for colour-blind eyes).
COLOURS: dict[Mode | None, str] = {
    Mode.VIEW: "#0072B2",
    Mode.GATHER: "#D55E00",
    Mode.CAT: "#E69F00",
    Mode.COVER: "#009E73",
    Mode.SPLIT: "#CC79A7",
    None: "#000000",
}
_EMPTY = "#ECECEC"
_TITLE_SIZE = 9
#: Up to this many positions and runs, every run is a shape of its own; beyond, an image.
_SHAPED_POSITIONS = 700
_SHAPED_RUNS = 2500
#: Positions up to which the outline of a run is drawn.
_OUTLINED = 160
#: Largest image of a panel; a row that has a name is this many pixels high, gaps included.
_IMAGE_SIZE = (400, 1000)
_ROW_PIXELS = 10
#: How much a cell that stands for several positions shows of a share: share ** this.
_FAINT = 0.6


def draw(
    instance: Instance,
    layout: Layout,
    objective: str | Objective = Objective.BYTES,
    *,
    title: str = "",
    tensors: Collection[str] = (),
    most: int | None = 12,
) -> Figure:
    """Draw who reads which channels, in the original order and under `layout`.

    One row of axes per tensor or concatenation; a line per access; a coloured bar per run.

    Parameters
    ----------
    instance : Instance
    layout : Layout
    objective : str or Objective
        Decides how each access is served, and so its colour.
    title : str
        A second line for the title.
    tensors : collection of str
        Draw the panels that touch one of these; if empty, those where not all is a view.
    most : int or None
        Draw at most this many panels, those with the highest cost before.

    Raises
    ------
    MissingPackageError
        Without matplotlib.
    InputError
        For a tensor of `tensors` that no access touches.
    """
    with own_style():
        return _draw(instance, layout, Objective.parse(objective), title, tensors, most)


def picture(figure: Figure, form: str, *, dpi: int = 150) -> bytes:
    """`figure` as the bytes of a file; the same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    form : str
        One of :data:`PICTURE_FORMATS`.
    dpi : int
        Pixels per inch.
    """
    if form not in PICTURE_FORMATS:
        raise InputError(f"unknown picture format {form!r}; known: {', '.join(PICTURE_FORMATS)}")
    dates: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    stream = io.BytesIO()
    with own_style(), warnings.catch_warnings():
        # A name in a script that the font lacks is shown as boxes; no reason to warn.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(stream, format=form, dpi=dpi, metadata=dates.get(form))
    return stream.getvalue()


def require_matplotlib() -> None:
    """Raise :class:`MissingPackageError` if there is no matplotlib, without importing it."""
    if find_spec("matplotlib") is None:
        raise MissingPackageError("pictures need matplotlib: pip install 'reorder-solver[plot]'")


@contextmanager
def own_style() -> Iterator[None]:
    """Matplotlib's defaults, whatever the user's settings; names are never read as formulas."""
    require_matplotlib()
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "text.parse_math": False,
                "svg.fonttype": "none",
                "svg.hashsalt": "reorder-solver",
                "font.size": 8,
                "axes.titlesize": _TITLE_SIZE,
                "axes.linewidth": 0.6,
            }
        )
        yield


def _draw(
    instance: Instance,
    layout: Layout,
    objective: Objective,
    subtitle: str,
    tensors: Collection[str],
    most: int | None,
) -> Figure:
    from matplotlib.figure import Figure

    _, every = compare(instance, layout, objective)
    pairs = choose(every, tensors, most)
    heading = _heading(instance, objective, subtitle, every, pairs, chosen_by_name=bool(tensors))
    page = Page.of(pairs, len(heading))
    figure = Figure(figsize=(page.width, page.height))
    fixed = frozenset(tensor.id for tensor in instance.tensors if tensor.fixed)
    top = page.height - page.head
    for left, right in pairs:
        height = panel_inches(left)
        top -= ABOVE + height
        for side, view in enumerate((left, right)):
            axes = figure.add_axes(page.box(side, top, height))
            _draw_view(axes, view, names=side == 0)
            axes.set_title(_view_title(view, side), loc="left")
            if left is pairs[-1][0]:
                axes.set_xlabel("position (channels that no access wants are dropped)")
            if side == 0:
                # Above the title, as long as both sides together.
                axes.annotate(
                    panel_names(view.panel, fixed, 120),
                    (0, 1),
                    xytext=(0, 18),
                    xycoords="axes fraction",
                    textcoords="offset points",
                    fontsize=_TITLE_SIZE,
                    weight="bold",
                    annotation_clip=False,
                )
        top -= BELOW
    figure.text(
        0.5,
        1 - 0.12 / page.height,
        "\n".join(heading),
        fontsize=10,
        horizontalalignment="center",
        verticalalignment="top",
    )
    _legend(figure, every)
    return figure


def _view_title(view: View, side: int) -> str:
    if side == 1:
        return f"after: cost {view.cost:,}"
    return f"before: cost {view.cost:,}   ({sizes_text(view)})"


def _heading(
    instance: Instance,
    objective: Objective,
    title: str,
    every: Sequence[tuple[View, View]],
    drawn: Sequence[tuple[View, View]],
    *,
    chosen_by_name: bool,
) -> list[str]:
    before, after = (sum(pair[side].cost for pair in every) for side in (0, 1))
    lines = [
        f"{shortened(instance.name, 80) or 'unnamed instance'}   "
        f"{objective.value}: {before:,} → {after:,}"
    ]
    if title:
        lines.append(shortened(title, 120))
    note = "" if chosen_by_name else note_on_choice(drawn, every)
    return [*lines, note] if note else lines


def _draw_view(axes: Axes, view: View, *, names: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, max(view.width, 1))
    axes.set_ylim(len(view.rows), 0)
    named = len(view.rows) <= NAMED_ROWS
    runs = sum(row.facts.runs for row in view.rows)
    if named and view.width <= _SHAPED_POSITIONS and runs <= _SHAPED_RUNS:
        _draw_shapes(axes, view)
    else:
        _draw_image(axes, view, gaps=named)
    for boundary in np.cumsum(view.blocks)[:-1].tolist():
        axes.axvline(boundary, color="black", linewidth=1.0, gid="part-boundary")
    _label_rows(axes, view, names=names)
    axes.tick_params(axis="x", length=2, labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_shapes(axes: Axes, view: View) -> None:
    outline = view.width <= _OUTLINED
    for number, row in enumerate(view.rows):
        axes.broken_barh([(0, view.width)], (number + 0.12, 0.76), facecolor=_EMPTY)
        bars = axes.broken_barh(
            row.runs(),
            (number + 0.12, 0.76),
            facecolor=COLOURS[row.facts.mode],
            edgecolor="black" if outline else "none",
            linewidth=0.5 if outline else 0.0,
        )
        bars.set_gid(f"runs-{number}")


def _draw_image(axes: Axes, view: View, *, gaps: bool) -> None:
    from matplotlib.colors import to_rgb

    empty = np.array(to_rgb(_EMPTY))
    layers = view.coverage(*_IMAGE_SIZE)
    height, width = next(iter(layers.values())).shape if layers else (1, 1)
    image = np.tile(empty, (height, width, 1))
    total = np.sum(list(layers.values()), axis=0) if layers else np.zeros((height, width))
    # Few wanted channels in a cell must still be seen.
    stress = np.where(total > 0, np.maximum(total, 1e-9) ** (_FAINT - 1), 0.0)
    for mode, share in layers.items():
        image += (stress * share)[:, :, None] * (np.array(to_rgb(COLOURS[mode])) - empty)
    if gaps:
        # Rows are made of several pixels, so that smoothing across columns cannot mix them.
        image = np.repeat(image, _ROW_PIXELS, axis=0)
        for edge in (0, _ROW_PIXELS - 1):
            image[edge::_ROW_PIXELS] = 1.0
    axes.imshow(
        np.clip(image, 0.0, 1.0),
        extent=(0, view.width, len(view.rows), 0),
        aspect="auto",
        interpolation="antialiased",
    )


def _label_rows(axes: Axes, view: View, *, names: bool) -> None:
    if len(view.rows) > NAMED_ROWS:
        axes.set_yticks([])
        if names:
            axes.set_ylabel(f"{len(view.rows):,} accesses")
        return
    middles = np.arange(len(view.rows)) + 0.5
    texts = [row_name(row) for row in view.rows]
    axes.set_yticks(middles, texts if names else [""] * len(texts))
    axes.tick_params(axis="y", length=0)
    for middle, row in zip(middles.tolist(), view.rows, strict=True):
        axes.text(
            1.01,
            middle,
            facts_text(row.facts),
            transform=axes.get_yaxis_transform(),
            verticalalignment="center",
            fontsize=FACTS_SIZE,
            color="#333333",
        )


def _legend(figure: Figure, pairs: Sequence[tuple[View, View]]) -> None:
    from matplotlib.patches import Patch

    counts: dict[Mode | None, list[int]] = {}
    for pair in pairs:
        for side, view in enumerate(pair):
            for row in view.rows:
                counts.setdefault(row.facts.mode, [0, 0])[side] += 1
    handles = [
        Patch(color=colour, label=f"{_mode_name(mode)} ({counts[mode][0]} → {counts[mode][1]})")
        for mode, colour in COLOURS.items()
        if mode in counts
    ]
    handles.append(Patch(color=_EMPTY, label="not wanted"))
    if any(row.access.required for left, _ in pairs for row in left.rows):
        handles.append(Patch(color="none", label="! must be a view"))
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False)


def _mode_name(mode: Mode | None) -> str:
    return "not allowed" if mode is None else mode.value
