"""Where everything goes on the figure: one height for all rows, room for the longest texts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reorder_solver.plot.words import breadth, facts_text, row_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.plot.panels import View

#: Up to this many accesses a row has its name and facts beside it.
NAMED_ROWS = 48

# Inches.
_ROW = 0.2
_SIDE = 5.2
ABOVE = 0.48
BELOW = 0.26
_HEAD_LINE = 0.2
_FOOT = 0.62
# Points.
FACTS_SIZE = 6.5


@dataclass(frozen=True, slots=True)
class Page:
    """Sizes in inches of what every panel shares."""

    names: float
    facts: tuple[float, float]
    head: float
    height: float

    @classmethod
    def of(cls, pairs: Sequence[tuple[View, View]], head_lines: int) -> Page:
        """The page for these panels under a heading of so many lines."""
        named = [pair for pair in pairs if len(pair[0].rows) <= NAMED_ROWS]
        names = [row_name(row) for left, _ in named for row in left.rows]
        facts = [
            [facts_text(row.facts) for pair in named for row in pair[side].rows] for side in (0, 1)
        ]
        head = 0.15 + head_lines * _HEAD_LINE
        panels = sum(panel_inches(left) + ABOVE + BELOW for left, _ in pairs)
        return cls(
            names=0.2 + _longest(names, 8),
            facts=(
                0.15 + _longest(facts[0], FACTS_SIZE),
                0.15 + _longest(facts[1], FACTS_SIZE),
            ),
            head=head,
            height=head + panels + _FOOT,
        )

    @property
    def width(self) -> float:
        """Of the whole picture."""
        return self.names + 2 * _SIDE + sum(self.facts) + 0.2

    def box(self, side: int, bottom: float, height: float) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of axes, as shares of the picture."""
        left = self.names + side * (_SIDE + self.facts[0] + 0.2)
        return (
            left / self.width,
            bottom / self.height,
            _SIDE / self.width,
            height / self.height,
        )


def _longest(texts: list[str], size: float) -> float:
    return max((inches(text, size) for text in texts), default=0.1)


def inches(text: str, size: float) -> float:
    """How long `text` is when drawn; letters that the font lacks count as another font's."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    with warnings.catch_warnings(action="ignore"):
        measured = TextToPath().get_text_width_height_descent(
            text, FontProperties(size=size), ismath=False
        )[0]
    return float(max(measured, breadth(text) * size / 2)) / 72


def panel_inches(view: View) -> float:
    """How high the axes of a panel are."""
    rows = len(view.rows)
    return rows * _ROW if rows <= NAMED_ROWS else min(6.0, 2.5 + rows / 400)
