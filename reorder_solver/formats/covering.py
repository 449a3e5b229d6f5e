"""Row lists: the formats ``orlib`` (OR-Library set covering) and ``cbm``, both 1-based."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.formats.integers import IntArray, IntegerText
from reorder_solver.formats.limits import check_matrix_size
from reorder_solver.formats.matrix import check_columns, instance_from_rows, rows_of
from reorder_solver.formats.text import plain

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance


def read_orlib(data: bytes, name: str) -> Instance:
    """Build an instance from ``rows columns``, the column costs, then a count and columns a row.

    Line breaks mean nothing in this format. The costs are ignored.

    Raises
    ------
    InputError
        If the numbers are too few, too many or out of range.
    """
    text = IntegerText(plain(data))
    values = text.values
    if values.size < 2:
        raise InputError("must begin with the numbers of rows and columns", place=text.place(0))
    rows, columns = int(values[0]), int(values[1])
    check_matrix_size(rows, columns, text.place(0))
    if values.size < 2 + columns:
        raise InputError(
            f"ends within the costs: {values.size - 2} of {columns}", place=text.place(values.size)
        )
    heads = _row_heads(text, rows, 2 + columns)
    return _from_heads(text, name, columns, heads)


def read_cbm(data: bytes, name: str) -> Instance:
    """Build an instance from a line ``rows columns``, then a line ``k c1 .. ck`` a row.

    Raises
    ------
    InputError
        If a line does not hold what its count says, or a number is out of range.
    """
    text = IntegerText(plain(data))
    counts, lines = text.lines()
    if counts.size == 0 or counts[0] != 2:
        raise InputError(
            "must hold two numbers, rows and columns", place=text.place(0) if counts.size else None
        )
    rows, columns = int(text.values[0]), int(text.values[1])
    check_matrix_size(rows, columns, text.place(0))
    heads = 2 + np.cumsum(counts[1:]) - counts[1:]
    found, listed = text.values[heads], counts[1:] - 1
    wrong = np.flatnonzero(found != listed)
    if wrong.size:
        row = int(wrong[0])
        raise InputError(
            f"declares {found[row]} columns, but lists {listed[row]}",
            place=f"line {lines[row + 1]}",
        )
    if heads.size != rows:
        last = min(rows, int(heads.size) - 1) + 1
        raise InputError(
            f"there are {heads.size} rows, but line {lines[0]} declares {rows}",
            place=f"line {lines[last]}",
        )
    return _from_heads(text, name, columns, heads)


def write_orlib(instance: Instance) -> bytes:
    """The matrix of `instance` (see :func:`reorder_solver.formats.matrix.rows_of`), all costs 1."""
    columns, rows = rows_of(instance)
    ones = " ".join(["1"] * columns)
    return "\n".join([f"{len(rows)} {columns}", ones, *map(_row, rows), ""]).encode("ascii")


def write_cbm(instance: Instance) -> bytes:
    """The matrix of `instance` (see :func:`reorder_solver.formats.matrix.rows_of`)."""
    columns, rows = rows_of(instance)
    return "\n".join([f"{len(rows)} {columns}", *map(_row, rows), ""]).encode("ascii")


def _row(channels: IntArray) -> str:
    return " ".join(map(str, [channels.size, *(channels + 1).tolist()]))


def _row_heads(text: IntegerText, rows: int, position: int) -> IntArray:
    """Where each row's count stands, following the counts from `position` on."""
    values = text.values
    heads = np.empty(min(rows, values.size), dtype=np.int64)
    for row in range(rows):
        if position >= values.size:
            raise InputError(
                f"ends after {row} rows, but {rows} are declared", place=text.place(values.size)
            )
        heads[row] = position
        position += 1 + int(values[position])
        if position > values.size:
            raise InputError(
                f"row {row + 1} declares {values[heads[row]]} columns, "
                f"but {values.size - heads[row] - 1} numbers follow",
                place=text.place(int(heads[row])),
            )
    if position < values.size:
        raise InputError("there is more after the last row", place=text.place(position))
    return heads


def _from_heads(text: IntegerText, name: str, columns: int, heads: IntArray) -> Instance:
    is_column = np.ones(text.values.size, dtype=np.bool_)
    is_column[: int(heads[0]) if heads.size else None] = False
    is_column[heads] = False
    listed = text.values[is_column]

    def place(index: int) -> str:
        return text.place(int(np.flatnonzero(is_column)[index]))

    check_columns(listed, columns, place)
    return instance_from_rows(name, columns, np.cumsum(text.values[heads]), listed - 1, place)
