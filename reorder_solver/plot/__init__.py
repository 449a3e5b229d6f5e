"""Pictures of who reads which channels, before and after: matplotlib figures and characters.

Only :mod:`reorder_solver.plot.figure`, :mod:`reorder_solver.plot.network_figure` (networks and
their copies) and :mod:`reorder_solver.plot.trade_off` need matplotlib, and import it when they
draw.
"""

from __future__ import annotations

from reorder_solver.plot.characters import Segment, character_picture
from reorder_solver.plot.figure import COLOURS, PICTURE_FORMATS, draw, picture, require_matplotlib
from reorder_solver.plot.panels import Panel, Row, View, choose, compare, note_on_choice, panels
from reorder_solver.plot.trade_off import draw_trade_off

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
    "draw_trade_off",
    "note_on_choice",
    "panels",
    "picture",
    "require_matplotlib",
]
