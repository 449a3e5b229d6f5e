"""Pictures of who reads which channels, before and after: matplotlib figures and characters.

Only :mod:`reorder_solver.plot.figure` and :mod:`reorder_solver.plot.network_figure` (networks and
their copies) need matplotlib, and import it when they draw.
"""

from __future__ import annotations

from reorder_solver.plot.characters import Segment, character_picture
from reorder_solver.plot.figure import COLOURS, PICTURE_FORMATS, draw, picture, require_matplotlib
from reorder_solver.plot.panels import Panel, Row, View, choose, compare, note_on_choice, panels

__all__ = [
    "COLOURS",
    "PICTURE_FORMATS",
    "Panel",
    "Row",
    "Segment",
    "View",
    "character_picture",
    "choose",
    "compare",
    "draw",
    "note_on_choice",
    "panels",
    "picture",
    "require_matplotlib",
]
