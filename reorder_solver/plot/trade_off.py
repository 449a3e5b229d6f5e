"""The trade-off of zero-copy pruning as a figure: importance and its bound over the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.core.prices import Mode
from reorder_solver.plot.figure import COLOURS, own_style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure


def draw_trade_off(
    spent: Sequence[int],
    importance: Sequence[int],
    bounds: Sequence[int | None],
    total: int,
    *,
    title: str = "",
    unit: str = "units spent",
) -> Figure:
    """Draw the points of a sweep, and what is proven that no windows exceed.

    Parameters
    ----------
    spent, importance : sequence of int
        Of the points, by units spent.
    bounds : sequence of int or None
        Upper bounds on the importance under each point's limits.
    total : int
        The importance of all channels; shares are of it.
    title, unit : str

    Raises
    ------
    MissingPackageError
        Without matplotlib.
    """
    with own_style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.0, 3.4), layout="constrained")
        axes = figure.add_subplot()
        scale = 100 / max(1, total)
        proven = [
            (units, scale * bound)
            for units, bound in zip(spent, bounds, strict=True)
            if bound is not None
        ]
        if proven:
            axes.plot(
                *zip(*proven, strict=True), "--", color="#777777", linewidth=1, label="upper bound"
            )
        axes.plot(
            spent,
            [scale * value for value in importance],
            "o-",
            color=COLOURS[Mode.VIEW],
            linewidth=1,
            markersize=4,
            label="windows",
        )
        axes.set_xlabel(unit)
        axes.set_ylabel("importance retained (%)")
        axes.set_title(title, loc="left")
        axes.grid(visible=True, linewidth=0.3)
        axes.legend(loc="lower right", frameon=False)
        return figure
