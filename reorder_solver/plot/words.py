"""Short texts that both kinds of picture use."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reorder_solver.core.evaluate import AccessFacts
    from reorder_solver.plot.panels import Panel, Row, View


def breadth(text: str) -> int:
    """How many ordinary characters `text` is as broad as."""
    return sum(2 if unicodedata.east_asian_width(one) in "FW" else 1 for one in text)


def shortened(text: str, length: int) -> str:
    """`text` no broader than `length`; the end, which tells names apart, stays longest."""
    if breadth(text) <= length:
        return text
    tail = (length - 1) * 2 // 3
    return f"{_first(text, length - 1 - tail)}…{_first(text[::-1], tail)[::-1]}"


def _first(text: str, length: int) -> str:
    """As much of the beginning of `text` as is no broader than `length`."""
    end = min(len(text), max(length, 0))
    while breadth(text[:end]) > length:
        end -= 1
    return text[:end]


def row_name(row: Row) -> str:
    """The access of a row, marked where only a view will do."""
    return shortened(row.access.id, 34) + (" !" if row.access.required else "")


def facts_text(facts: AccessFacts) -> str:
    """How an access is served, in how many runs, and for what."""
    runs = "1 run" if facts.runs == 1 else f"{facts.runs:,} runs"
    if facts.mode is None:
        return f"must be a view: {runs}"
    if facts.runs <= 1:
        return facts.mode.value
    return f"{facts.mode.value}, {runs}, {facts.cost:,}"


def panel_names(panel: Panel, fixed: frozenset[str], length: int) -> str:
    """The tensors of a panel, in about `length` characters."""
    names = [f"{name} (fixed)" if name in fixed else name for name in panel.tensors]
    if len(names) > 4:
        names = [*names[:2], f"{len(names) - 3} more", names[-1]]
    each = max(12, length // len(names) - 3)
    return " + ".join(shortened(name, each) for name in names)


def sizes_text(view: View) -> str:
    """How large a panel is."""
    accesses = _count(len(view.rows), "access", "accesses")
    return f"{_count(view.width, 'channel', 'channels')}, {accesses}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
