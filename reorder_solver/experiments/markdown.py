"""Tables as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; all columns but the first are numbers."""
    rule = ["---", *(["---:"] * (len(heads) - 1))]
    return [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]
