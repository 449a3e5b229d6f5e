"""Texts made of whole numbers: all numbers at once, and where each one stands."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import InputError
from reorder_solver.formats.limits import MAX_LINES, MAX_NUMBERS, check_count
from reorder_solver.formats.text import excerpt, find_long_number, line_place

IntArray = npt.NDArray[np.int64]

_ALLOWED = b"0123456789 \t\n"
_FOREIGN = re.compile(rb"[^0-9 \t\n]")
_WORD = re.compile(rb"[^ \t\n]{0,50}")
# int64 holds every number of so many.
_MAX_DIGITS = 18


class IntegerText:
    """Non-negative integers separated by blanks and line ends.

    Parameters
    ----------
    data : bytes
        Line ends must be single newline characters.
    first_line : int
        Number of its first line in the file.

    Raises
    ------
    InputError
        If anything else is in it, or more than can be an instance.
    """

    def __init__(self, data: bytes, first_line: int = 1) -> None:
        self._data = data
        self._first_line = first_line
        check_count(data.count(b"\n"), MAX_LINES, "lines")
        self._check_characters()
        digits = np.frombuffer(data, dtype=np.uint8) > ord(" ")
        self._starts = digits.copy()
        self._starts[1:] &= ~digits[:-1]
        check_count(int(np.count_nonzero(self._starts)), MAX_NUMBERS, "numbers")
        self.values: IntArray = np.empty(0, dtype=np.int64)
        if digits.any():
            self.values = np.fromstring(data.decode("ascii"), dtype=np.int64, sep=" ")

    def lines(self) -> tuple[IntArray, IntArray]:
        """How many numbers stand on each line that has any, and the numbers of these lines."""
        ends = np.flatnonzero(np.frombuffer(self._data, dtype=np.uint8) == ord("\n"))
        begins = np.concatenate(([0], ends + 1))
        begins = begins[begins < len(self._data)]
        if begins.size == 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        counts = np.add.reduceat(self._starts.view(np.uint8), begins, dtype=np.int64)
        filled = np.flatnonzero(counts)
        return counts[filled], filled + self._first_line

    def place(self, index: int) -> str:
        """``line N`` of the number at `index`; of the last one if there are not so many."""
        offsets = np.flatnonzero(self._starts)
        if offsets.size == 0:
            return f"line {self._first_line}"
        offset = int(offsets[min(index, offsets.size - 1)])
        return line_place(self._data, offset, self._first_line)

    def _check_characters(self) -> None:
        if self._data.translate(None, delete=_ALLOWED):
            foreign = _FOREIGN.search(self._data)
            assert foreign is not None
            place = line_place(self._data, foreign.start(), self._first_line)
            raise InputError(
                f"{self._word(foreign.start())} is no whole number, 0 or more", place=place
            )
        offset = find_long_number(self._data, _MAX_DIGITS)
        if offset >= 0:
            place = line_place(self._data, offset, self._first_line)
            raise InputError(f"a number has more than {_MAX_DIGITS} digits", place=place)

    def _word(self, offset: int) -> str:
        before = self._data[max(0, offset - 20) : offset]
        begin = offset - len(before.translate(bytes.maketrans(b"\t\n", b"  ")).split(b" ")[-1])
        word = _WORD.match(self._data, begin)
        return excerpt(word[0] if word else b"")
