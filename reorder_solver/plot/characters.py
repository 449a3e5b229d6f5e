"""The picture as lines of characters, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reorder_solver.plot.words import breadth, facts_text, panel_names, shortened, sizes_text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reorder_solver.core.prices import Mode
    from reorder_solver.plot.panels import Row, View

_SHADES = "·░▒▓█"
_PLAIN_SHADES = ".:+*#"
_MOST_ROWS = 40


class Segment(NamedTuple):
    """A piece of a line; `mode` says how the access it shows is served.

    Attributes
    ----------
    text : str
    kind : str
        ``title``, ``head``, ``text``, ``served`` (of `mode`) or ``empty``.
    mode : Mode or None
    """

    text: str
    kind: str = "text"
    mode: Mode | None = None


def character_picture(
    pairs: Sequence[tuple[View, View]],
    *,
    width: int = 100,
    fixed: Collection[str] = (),
    plain: bool = False,
) -> list[list[Segment]]:
    """Lines of a picture at most `width` wide: every panel before, then after.

    A cell is full where every channel it stands for is wanted, and lighter where fewer are.

    Parameters
    ----------
    pairs : sequence of (View, View)
        See :func:`reorder_solver.plot.compare`.
    width : int
        At least 40 are used.
    fixed : collection of str
        Tensors that are marked as fixed.
    plain : bool
        ASCII only.
    """
    lines: list[list[Segment]] = []
    marked = frozenset(fixed)
    for left, right in pairs:
        if lines:
            lines.append([])
        title = f"{panel_names(left.panel, marked, max(width - 32, 24))}: {sizes_text(left)}"
        lines.append([Segment(_ascii(title) if plain else title, "title")])
        room = _Room.of(left, right, max(width, 40))
        for name, view in (("before", left), ("after", right)):
            lines.append([Segment(f"{name}: cost {view.cost:,}", "head")])
            lines += [_line(row, view.width, room, plain) for row in view.rows[:_MOST_ROWS]]
            if len(view.rows) > _MOST_ROWS:
                lines.append([Segment(f"  ({len(view.rows) - _MOST_ROWS:,} more)", "head")])
    return lines


class _Room(NamedTuple):
    """Widths of the three columns of a line."""

    name: int
    cells: int

    @classmethod
    def of(cls, left: View, right: View, width: int) -> _Room:
        rows = [*left.rows[:_MOST_ROWS], *right.rows[:_MOST_ROWS]]
        facts = max(len(facts_text(row.facts)) for row in rows)
        name = min(max(breadth(row.access.id) for row in rows), max(8, width // 4))
        return cls(name, max(8, min(left.width, width - name - facts - 6)))


def _line(row: Row, positions: int, room: _Room, plain: bool) -> list[Segment]:
    name = shortened(_ascii(row.access.id) if plain else row.access.id, room.name)
    line = [Segment(f"  {_ascii(name) if plain else name}{' ' * (room.name - breadth(name))}  ")]
    shades = _PLAIN_SHADES if plain else _SHADES
    for shade in _shades(row, positions, room.cells):
        served = shade > 0
        kind, mode = ("served", row.facts.mode) if served else ("empty", None)
        if len(line) > 1 and (line[-1].kind, line[-1].mode) == (kind, mode):
            line[-1] = line[-1]._replace(text=line[-1].text + shades[shade])
        else:
            line.append(Segment(shades[shade], kind, mode))
    line.append(Segment(f"  {facts_text(row.facts)}"))
    return line


def _shades(row: Row, positions: int, cells: int) -> list[int]:
    """Per cell 0 (nothing wanted) to 4 (everything wanted)."""
    cells = min(cells, positions)
    wanted, there = [0] * cells, [0] * cells
    for position in row.positions.tolist():
        wanted[position * cells // positions] += 1
    for position in range(positions):
        there[position * cells // positions] += 1
    return [
        0 if want == 0 else 4 if want == have else 1 + want * 3 // have
        for want, have in zip(wanted, there, strict=True)
    ]


def _ascii(text: str) -> str:
    return text.replace("…", "~").encode("ascii", "backslashreplace").decode("ascii")
