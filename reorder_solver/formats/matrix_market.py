"""Matrix Market: coordinate files of 0/1 matrices, pattern or integer, general."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.formats.integers import IntArray, IntegerText
from reorder_solver.formats.limits import MAX_WANTED, check_count, check_matrix_size
from reorder_solver.formats.matrix import check_columns, instance_from_rows, rows_of
from reorder_solver.formats.text import excerpt, plain

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance

_HEADER = (
    ("%%matrixmarket",),
    ("matrix",),
    ("coordinate",),
    ("pattern", "integer"),
    ("general",),
)
_FIRST_ENTRY = re.compile(rb"^[ \t]*+[^% \t\n]", re.MULTILINE)


def read_mtx(data: bytes, name: str) -> Instance:
    """Build an instance from a coordinate matrix whose values are 0 and 1.

    Raises
    ------
    InputError
        On another kind of matrix, or entries that do not match the declared size.
    """
    data = plain(data)
    first, _, _ = data.partition(b"\n")
    width = 3 if _field(first) == "integer" else 2
    begin = _FIRST_ENTRY.search(data, len(first))
    if begin is None:
        raise InputError("ends before the line with rows, columns and entries")
    text = IntegerText(data[begin.start() :], 1 + data.count(b"\n", 0, begin.start()))
    counts, lines = text.lines()
    if counts[0] != 3:
        raise InputError(
            f"must hold rows, columns and entries, but has {counts[0]} numbers",
            place=f"line {lines[0]}",
        )
    rows, columns, size = text.values[:3].tolist()
    check_matrix_size(rows, columns, f"line {lines[0]}")
    check_count(size, MAX_WANTED, "entries", f"line {lines[0]}")
    wrong = np.flatnonzero(counts[1:] != width)
    if wrong.size:
        raise InputError(
            f"must hold {width} numbers, but has {counts[1:][wrong[0]]}",
            place=f"line {lines[1:][wrong[0]]}",
        )
    if counts.size - 1 != size:
        raise InputError(
            f"declares {size} entries, but {counts.size - 1} follow", place=f"line {lines[0]}"
        )
    return _from_entries(text.values[3:].reshape(size, width), lines[1:], name, rows, columns)


def write_mtx(instance: Instance) -> bytes:
    """The matrix of `instance` (see :func:`reorder_solver.formats.matrix.rows_of`), as pattern."""
    columns, rows = rows_of(instance)
    lines = [
        "%%MatrixMarket matrix coordinate pattern general",
        f"{len(rows)} {columns} {sum(row.size for row in rows)}",
    ]
    for number, row in enumerate(rows, start=1):
        lines.extend(f"{number} {column}" for column in (row + 1).tolist())
    return "\n".join([*lines, ""]).encode("ascii")


def _field(first: bytes) -> str:
    words = first[:200].decode("utf-8", errors="replace").lower().split()
    if not words or words[0] not in _HEADER[0]:
        raise InputError(f"must begin with %%MatrixMarket, got {excerpt(first)}", place="line 1")
    if len(words) != len(_HEADER):
        raise InputError(
            "must be '%%MatrixMarket matrix coordinate pattern general' (or integer)",
            place="line 1",
        )
    for word, allowed in zip(words, _HEADER, strict=True):
        if word not in allowed:
            raise InputError(
                f"{word[:40]!r} is not supported; must be {' or '.join(allowed)}", place="line 1"
            )
    return words[3]


def _from_entries(
    entries: IntArray, lines: IntArray, name: str, rows: int, columns: int
) -> Instance:
    row, column = entries[:, 0], entries[:, 1]
    outside = np.flatnonzero((row < 1) | (row > rows))
    if outside.size:
        raise InputError(
            f"row {row[outside[0]]} is outside 1..{rows}", place=f"line {lines[outside[0]]}"
        )
    check_columns(column, columns, lambda index: f"line {lines[index]}")
    if entries.shape[1] == 3:
        wrong = np.flatnonzero(entries[:, 2] > 1)
        if wrong.size:
            raise InputError(
                f"value {entries[wrong[0], 2]} must be 0 or 1", place=f"line {lines[wrong[0]]}"
            )
        one = entries[:, 2] == 1
        row, column, lines = row[one], column[one], lines[one]
    by_row = np.argsort(row, kind="stable")
    ends = np.cumsum(np.bincount(row, minlength=rows + 1)[1:])
    return instance_from_rows(
        name,
        columns,
        ends,
        column[by_row] - 1,
        lambda index: f"line {lines[by_row[index]]}",
    )
