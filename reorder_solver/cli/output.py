"""What commands print: rows as a table, as JSON or as CSV, on standard output."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import click

from reorder_solver.cli.exits import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

#: Wide enough for any table: a pipe has no edge to wrap at.
_PIPE_WIDTH = 1 << 14

Row = dict[str, Any]


def plain(value: object) -> str:
    """A value as a table cell; a dash for nothing."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return printable(str(value))


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number and what it counts: ``1 tensor``, ``2 tensors``."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def milliseconds(value: object) -> str:
    """To the microsecond."""
    return f"{value:.3f}" if isinstance(value, int | float) else "-"


def percent(value: object) -> str:
    """A ratio as a percentage."""
    return f"{value:.1%}" if isinstance(value, int | float) else "-"


def seconds(value: object) -> str:
    """A duration."""
    return f"{value:.2f} s" if isinstance(value, int | float) else "-"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: the key in the rows, the title, and how a value is written."""

    key: str
    title: str
    show: Callable[[object], str] = plain
    right: bool = False
    style: str = ""


def number(key: str, title: str, show: Callable[[object], str] = plain) -> Column:
    """A column of numbers, set to the right."""
    return Column(key, title, show, right=True)


def print_rows(rows: Sequence[Row], columns: Sequence[Column], form: str) -> None:
    """Print `rows` in the form asked for; JSON and CSV carry every key, a table its columns."""
    if form == "json":
        print_json(list(rows))
    elif form == "csv":
        print_csv(rows)
    else:
        print_table(rows, columns)


def print_json(value: object) -> None:
    """Print `value` as JSON, in ASCII: readable whatever the stream's encoding."""
    click.echo(json.dumps(value, indent=1, allow_nan=False))


def print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print `rows` as CSV with a header line; nothing is an empty field."""
    text = io.StringIO()
    keys = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, keys, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _csv_value(value) for key, value in row.items()})
    click.echo(text.getvalue(), nl=False)


def _csv_value(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    """Print the columns of `rows` as an aligned table; text is text, never markup."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            no_wrap=column.right,
            overflow="fold",
            style=column.style or None,
        )
    for row in rows:
        table.add_row(*(Text(column.show(row.get(column.key))) for column in columns))
    stdout_console().print(table)


def print_line(text: str, style: str = "") -> None:
    """Print one line of text on standard output."""
    from rich.text import Text

    stdout_console().print(Text(printable(text), style=style), soft_wrap=True)


def stdout_console() -> Console:
    """A console on the current standard output."""
    from rich.console import Console

    class _Console(Console):
        def on_broken_pipe(self) -> NoReturn:
            # The default exits with code 1, which here means a failed check.
            raise BrokenPipeError(32, "broken pipe")

    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return _Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)
