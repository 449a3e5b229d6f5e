"""The picture of a network and its copies, by matplotlib."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import InputError
from reorder_solver.plot.figure import PICTURE_FORMATS, require_matplotlib
from reorder_solver.plot.network import BAND_LEVELS, COPY_OF, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reorder_solver.plot.network import Box, Line, Network, Placed

#: Colours of lines (Okabe and Ito, safe for colour-blind eyes, copies apart by their labels too).
VIEW, COPY, FUSED = "#009E73", "#D62728", "#8C8C8C"
#: Fill of boxes by kind.
FILLS = {
    "layer": "#DCEBF7",
    "concatenation": "#D9D9D9",
    "copy": "#F9D5D3",
    "operator": "#FFFFFF",
    "input": "#FFF3CD",
    "output": "#FFF3CD",
}
#: Inches: the pitch of levels and of heights, half a box, and what is around a band.
_PITCH_X, _PITCH_Y = 1.5, 0.72
_HALF_X, _HALF_Y = 0.47, 0.24
_MARGIN, _STUB, _LEGEND = 0.3, 0.55, 0.75
#: Points: the width of a line that reads every channel, and of the thinnest.
_WIDEST, _THINNEST = 6.0, 0.8
_FONT = 6.0
_LABEL = 15


def network_picture(network: Network, form: str) -> bytes:
    """The picture of a network as a file of the format `form`; see :func:`draw_network`.

    Raises
    ------
    InputError
        If the format is none of :data:`~reorder_solver.plot.PICTURE_FORMATS`.
    MissingPackageError
        If matplotlib is missing.
    """
    if form not in PICTURE_FORMATS:
        known = ", ".join(f".{each}" for each in PICTURE_FORMATS)
        raise InputError(f"a picture's name must end in one of {known}, not {form!r}")
    require_matplotlib()
    import matplotlib as mpl

    data = io.BytesIO()
    # Text stays text in SVG, and nothing in the file tells when it was made.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "reorder-solver"}):
        metadata = {"Date": None} if form == "svg" else None
        draw_network(network).savefig(data, format=form, dpi=110, metadata=metadata)
    return data.getvalue()


def draw_network(network: Network) -> Figure:
    """Draw a network from left to right, band below band.

    A line is as wide as the share of channels that is read; copies are red with their bytes,
    views green, what goes into a concatenation grey; boxes whose order is pinned are hatched.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    return _Sheet(network, place(network)).draw(Figure())


class _Sheet:
    """Coordinates in inches, from the lower left corner."""

    def __init__(self, network: Network, placed: Placed) -> None:
        self.network = network
        self.placed = placed
        bands = placed.bands
        self.first = {band: bands.index(band) for band in dict.fromkeys(bands)}
        extents: dict[int, tuple[float, float]] = dict.fromkeys(self.first, (-0.5, 0.5))
        for level, height in [
            *zip(placed.levels, placed.heights, strict=True),
            *(point for path in placed.paths for point in path),
        ]:
            low, high = extents[bands[level]]
            extents[bands[level]] = min(low, height - 0.4), max(high, height + 0.4)
        longest = max((bands.count(band) for band in self.first), default=1)
        self.width = 2 * _MARGIN + 2 * _STUB + max(longest, BAND_LEVELS // 2) * _PITCH_X
        self.height = (
            sum((high - low) * _PITCH_Y + _MARGIN for low, high in extents.values()) + _LEGEND
        )
        self.middle: dict[int, float] = {}
        top = self.height - _LEGEND
        for band, (low, high) in extents.items():
            self.middle[band] = top - high * _PITCH_Y
            top -= (high - low) * _PITCH_Y + _MARGIN

    def point(self, level: int, height: float) -> tuple[float, float]:
        """Where a height of a level is."""
        band = self.placed.bands[level]
        across = _MARGIN + _STUB + (level - self.first[band] + 0.5) * _PITCH_X
        return across, self.middle[band] - height * _PITCH_Y

    def draw(self, figure: Figure) -> Figure:
        """Everything, lines first."""
        figure.set_size_inches(self.width, self.height)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, self.width)
        axes.set_ylim(0, self.height)
        axes.axis("off")
        for line, path in zip(self.network.lines, self.placed.paths, strict=True):
            self._line(axes, line, [self.point(*step) for step in path], path)
        for box, level, height in zip(
            self.network.boxes, self.placed.levels, self.placed.heights, strict=True
        ):
            _box(axes, box, *self.point(level, height))
        self._legend(axes)
        return figure

    def _line(
        self,
        axes: Axes,
        line: Line,
        points: list[tuple[float, float]],
        path: list[tuple[int, float]],
    ) -> None:
        bands = [self.placed.bands[level] for level, _ in path]
        style = _style(line)
        end = len(points) - 1
        for number in range(end):
            (left, low), (right, high) = points[number], points[number + 1]
            left += _HALF_X
            right -= _HALF_X
            if number:
                # Past the boxes of a level, lines are straight: they bend in the gaps.
                axes.plot([left - 2 * _HALF_X, left], [low, low], **style)
            if bands[number] == bands[number + 1]:
                _curve(axes, (left, low), (right, high), style)
            else:
                edge = left + _STUB
                axes.plot([left, edge], [low, low], **style)
                axes.plot([_MARGIN, right], [high, high], **style)
                axes.text(edge, low, " ›", fontsize=9, va="center", color=style["color"])
                axes.text(_MARGIN, high, "› ", fontsize=9, va="center", ha="right")
        if line.bytes:
            across, height = points[-1]
            axes.text(
                across - _HALF_X - 0.04,
                height + 0.07 + 0.02 * style["linewidth"],
                size_text(line.bytes),
                fontsize=_FONT,
                color=COPY,
                fontweight="bold",
                ha="right",
                zorder=6,
                bbox={"facecolor": "white", "alpha": 0.8, "pad": 0.5, "linewidth": 0},
            )

    def _legend(self, axes: Axes) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        axes.text(_MARGIN, self.height - 0.25, self.network.title, fontsize=9, fontweight="bold")
        handles: list[Any] = [
            Line2D([], [], color=VIEW, linewidth=3, label="view: no copy"),
            Line2D([], [], color=COPY, linewidth=3, label="copy, bytes per sample"),
            Line2D([], [], color=FUSED, linewidth=3, label="taken by a concatenation"),
            Line2D([], [], color="none", label="width: share of channels read"),
            Patch(facecolor=FILLS["layer"], edgecolor="#333333", label="layer: made/of channels"),
            Patch(facecolor=FILLS["concatenation"], edgecolor="#333333", label="concatenation"),
            Patch(facecolor=FILLS["copy"], edgecolor=COPY, label="copy for several readers"),
            Patch(facecolor="white", edgecolor="#333333", hatch="////", label="order pinned"),
        ]
        axes.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(_MARGIN, self.height - 0.28),
            bbox_transform=axes.transData,
            ncols=len(handles) if self.width > 11 else 4,
            fontsize=_FONT,
            frameon=False,
            borderaxespad=0,
        )


def _style(line: Line) -> dict[str, Any]:
    colour = {"view": VIEW, "fused": FUSED}.get(line.mode, COPY)
    share = line.read / line.channels if line.channels else 1.0
    return {
        "color": colour,
        "linewidth": max(_THINNEST, _WIDEST * share),
        "solid_capstyle": "butt",
        "linestyle": "--" if line.mode == "free" else "-",
        "zorder": 3 if colour == COPY else 1,
    }


def _curve(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], style: dict[str, Any]
) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    bend = (end[0] - start[0]) / 2
    points = [start, (start[0] + bend, start[1]), (end[0] - bend, end[1]), end]
    codes = [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4]
    look = {
        "edgecolor" if key == "color" else key: value
        for key, value in style.items()
        if key != "solid_capstyle"
    }
    axes.add_patch(PathPatch(Curve(points, codes), facecolor="none", capstyle="butt", **look))


def _box(axes: Axes, box: Box, across: float, height: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (across - _HALF_X, height - _HALF_Y),
            2 * _HALF_X,
            2 * _HALF_Y,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=FILLS[box.kind],
            edgecolor=COPY if box.kind == "copy" else "#333333",
            hatch="////" if box.pinned else None,
            linewidth=0.8,
            zorder=4,
        )
    )
    counts = f"{box.made}/{box.channels}" if box.channels else ""
    if box.bytes:
        counts += f", {size_text(box.bytes)}"
    text = "\n".join([*_wrapped(box.label), *([counts] if counts else [])])
    axes.text(
        across,
        height,
        text,
        fontsize=_FONT,
        ha="center",
        va="center",
        zorder=5,
        linespacing=1.05,
        bbox={"facecolor": FILLS[box.kind], "pad": 1.2, "linewidth": 0} if box.pinned else None,
    )


def _wrapped(label: str) -> list[str]:
    """A dotted name on at most two lines; what does not fit is left out in front."""
    if label.startswith(COPY_OF):
        return [COPY_OF, *_wrapped(label.removeprefix(COPY_OF).strip())[-1:]]
    if len(label) <= _LABEL:
        return [label]
    parts = label.split(".")
    lines = [parts.pop()]
    while parts and len(lines[0]) + len(parts[-1]) < _LABEL:
        lines[0] = f"{parts.pop()}.{lines[0]}"
    rest = ".".join(parts)
    if rest:
        lines.insert(0, rest if len(rest) <= _LABEL else f"…{rest[1 - _LABEL :]}")
    return [line if len(line) <= _LABEL else f"…{line[1 - _LABEL :]}" for line in lines]


def size_text(count: int) -> str:
    """Bytes in the largest unit that leaves at least one: ``12.5 kB``."""
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"
