"""CSV: a 0/1 matrix, one row a line, cells separated by commas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import InputError
from reorder_solver.core.instance import MAX_CHANNELS
from reorder_solver.formats.limits import (
    MAX_ACCESSES,
    MAX_FILE_BYTES,
    MAX_WANTED,
    check_count,
    check_matrix_size,
)
from reorder_solver.formats.matrix import instance_from_rows, rows_of
from reorder_solver.formats.text import excerpt, line_place, plain

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance

ByteArray = npt.NDArray[np.uint8]


def read_csv(data: bytes, name: str) -> Instance:
    """Build an instance from a 0/1 matrix; blanks around cells and at the end are ignored.

    Raises
    ------
    InputError
        On any cell but 0 and 1, or rows of different lengths.
    """
    bare = plain(data).translate(None, delete=b" \t").rstrip(b"\n") + b"\n"
    check_count(bare.count(b"\n"), MAX_ACCESSES, "rows")
    length = bare.index(b"\n") + 1
    table = np.frombuffer(bare, dtype=np.uint8)
    if len(bare) % length or not _is_matrix(table.reshape(-1, length)):
        _raise_first_mistake(bare)
    table = table.reshape(-1, length)
    rows, columns = table.shape[0], length // 2
    check_matrix_size(rows, columns, "line 1")
    ones = table[:, ::2] == ord("1")
    per_row = np.count_nonzero(ones, axis=1)
    check_count(int(per_row.sum()), MAX_WANTED, "ones")
    return instance_from_rows(
        name,
        columns,
        np.cumsum(per_row),
        np.nonzero(ones)[1],
        lambda index: "line 1",
    )


def write_csv(instance: Instance) -> bytes:
    """The matrix of `instance` (see :func:`reorder_solver.formats.matrix.rows_of`)."""
    columns, rows = rows_of(instance)
    if not rows:
        raise InputError("csv cannot say how many columns a matrix without rows has; use .json")
    if len(rows) * columns * 2 > MAX_FILE_BYTES:
        raise InputError(f"would be larger than {MAX_FILE_BYTES} bytes; use .mtx")
    table = np.full((len(rows), 2 * columns), ord(","), dtype=np.uint8)
    table[:, ::2] = ord("0")
    table[:, -1] = ord("\n")
    for row, channels in enumerate(rows):
        table[row, 2 * channels] = ord("1")
    return table.tobytes()


def _is_matrix(table: ByteArray) -> bool:
    cells, commas, ends = table[:, :-1:2], table[:, 1:-1:2], table[:, -1]
    return (
        table.shape[1] % 2 == 0
        and bool((ends == ord("\n")).all())
        and bool((commas == ord(",")).all())
        and bool(((cells == ord("0")) | (cells == ord("1"))).all())
    )


def _raise_first_mistake(bare: bytes) -> None:
    """Find what is wrong, row by row; only for a file that is wrong."""
    offset, columns = 0, 0
    while offset < len(bare):
        end = bare.index(b"\n", offset)
        line = bare[offset:end]
        place = line_place(bare, offset)
        if not line:
            raise InputError("is blank; every row needs its cells", place=place)
        check_count(len(line) // 2, MAX_CHANNELS, "cells", place)
        # Most rows are right, and this sees so without a list of their cells.
        if len(line) % 2 == 0 or line[1::2].strip(b",") or line[::2].strip(b"01"):
            _raise_bad_cell(line, place)
        columns = columns or len(line) // 2 + 1
        if len(line) // 2 + 1 != columns:
            raise InputError(
                f"has {len(line) // 2 + 1} cells, but the first row has {columns}", place=place
            )
        offset = end + 1


def _raise_bad_cell(line: bytes, place: str) -> None:
    for index, cell in enumerate(line.split(b",")):
        if cell not in (b"0", b"1"):
            raise InputError(
                f"cell {index + 1} is {excerpt(cell)}; must be 0 or 1, separated by commas",
                place=place,
            )
