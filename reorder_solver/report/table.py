"""Tables as values: what HTML, Markdown and CSV are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes
    ----------
    text : str
        As it is read.
    sort : float or str or None
        What it is sorted by, where that is not the text; None sorts last.
    mark : str
        Kind of the cell, a word for style sheets: ``best``, ``fail``, ``none`` or empty.
    note : str
        More about it, for those who ask.
    """

    text: str
    sort: float | str | None = None
    mark: str = ""
    note: str = ""

    def sort_key(self) -> str:
        """`sort` as the scripts of the page read it: a number of JavaScript, or text."""
        if self.sort is None or (isinstance(self.sort, float) and math.isnan(self.sort)):
            return ""
        return "Infinity" if self.sort == math.inf else str(self.sort)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, what that means, and whether it is set to the right."""

    title: str
    note: str = ""
    right: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column names the rows.

    Attributes
    ----------
    caption : str
    columns : tuple of Column
    rows : tuple of tuple of Cell
        As many cells as columns.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("every row must have a cell per column")


def words(text: str, *, mark: str = "", note: str = "") -> Cell:
    """A cell that is sorted as text."""
    return Cell(text, text.casefold(), mark, note)
