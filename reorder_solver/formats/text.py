"""Bytes as text: what every text format refuses before it looks closer."""

from __future__ import annotations

import codecs

from reorder_solver.core.errors import InputError

_FOREIGN_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_DIGITS_AS_ZERO = bytes(ord("0") if byte in b"0123456789" else 0 for byte in range(256))
#: Longest excerpt of a file in a message.
EXCERPT = 40


def plain(data: bytes) -> bytes:
    """`data` without a UTF-8 byte-order mark, every line ending in one newline character.

    Raises
    ------
    InputError
        If it is empty, marked as another encoding, or holds a NUL byte.
    """
    for mark, encoding in _FOREIGN_MARKS:
        if data.startswith(mark):
            raise InputError(f"is {encoding} text; must be UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        raise InputError("is empty")
    nul = data.find(b"\0")
    if nul >= 0:
        raise InputError(
            "holds a NUL byte; must be plain text in UTF-8", place=line_place(data, nul)
        )
    return data.replace(b"\r\n", b"\n")


def decoded(data: bytes) -> str:
    """`data` as UTF-8; raises :class:`InputError` with the line where it is not."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8 text", place=line_place(data, error.start)) from None


def line_place(data: bytes, offset: int, first_line: int = 1) -> str:
    """``line N`` of the byte at `offset`."""
    number = first_line + data.count(b"\n", 0, offset)
    return f"line {number}"


def find_long_number(data: bytes, digits: int) -> int:
    """Offset of a run of more than `digits` digits, -1 if there is none; linear in any case."""
    # A search for a fixed text is some ten times quicker than for a pattern.
    return data.translate(_DIGITS_AS_ZERO).find(b"0" * (digits + 1))


def excerpt(data: bytes) -> str:
    """A quoted, printable, short form of `data` for a message."""
    text = data[: EXCERPT + 1].decode("utf-8", errors="backslashreplace")
    return repr(text if len(text) <= EXCERPT else f"{text[:EXCERPT]}...")
