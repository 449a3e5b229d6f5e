"""Curves with a band of spread, one panel per subject."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reorder_solver.plot.figure import require_matplotlib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Six of Okabe and Ito, safe for colour-blind eyes, and two that their dashes tell from those.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#8C564B")
_DASHES = ("-", "--", "-.", ":") * 2


@dataclass(frozen=True, slots=True)
class Curve:
    """Points and their spread.

    Attributes
    ----------
    x, y, spread : sequence of float
        The band goes from ``y - spread`` to ``y + spread``.
    """

    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[float]


def curves_picture(
    panels: Mapping[str, Mapping[str, Curve]],
    x_label: str,
    y_label: str,
    levels: Mapping[str, float] | None = None,
) -> bytes:
    """A PNG with one panel per title, and in each one line per name, in the same colour in all.

    Parameters
    ----------
    panels : mapping of title to mapping of name to Curve
    x_label, y_label : str
    levels : mapping of title to float, optional
        A dotted horizontal line in that panel.

    Raises
    ------
    MissingPackageError
        If matplotlib is missing.
    """
    require_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = min(4, max(1, len(panels)))
    height = -(-len(panels) // columns)
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    with mpl.rc_context({"font.size": 8}):
        figure = Figure(figsize=(3.0 * columns, 2.4 * height + 0.4), layout="constrained")
        grid: Any = figure.subplots(height, columns, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(panels):
                axes.set_axis_off()
                continue
            title = list(panels)[place]
            _panel(axes, title, panels[title], names)
            if levels and title in levels:
                axes.axhline(levels[title], color="black", linewidth=0.8, linestyle=":")
            axes.set_xlabel(x_label)
            axes.set_ylabel(y_label if place % columns == 0 else "")
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=max(1, len(names)))
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=130)
    return data.getvalue()


def _panel(axes: Any, title: str, curves: Mapping[str, Curve], names: list[str]) -> None:
    axes.set_title(title)
    axes.grid(alpha=0.3)
    for name, curve in curves.items():
        number = names.index(name) % len(_COLOURS)
        axes.plot(
            curve.x,
            curve.y,
            label=name,
            color=_COLOURS[number],
            linestyle=_DASHES[number],
            marker="o",
            markersize=3,
        )
        low = [y - each for y, each in zip(curve.y, curve.spread, strict=True)]
        high = [y + each for y, each in zip(curve.y, curve.spread, strict=True)]
        axes.fill_between(curve.x, low, high, color=_COLOURS[number], alpha=0.15, linewidth=0)
