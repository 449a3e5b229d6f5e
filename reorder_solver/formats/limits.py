"""Limits of files: what a reader accepts and a writer therefore refuses to produce.

They keep a hostile file from taking the machine: reading is quick and its memory bounded,
whatever the bytes say. All of them are far above what networks and public instances need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.core.errors import InputError
from reorder_solver.core.instance import MAX_CHANNELS

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance

#: Most bytes of a file, and of what a compressed file unpacks to.
MAX_FILE_BYTES = 1 << 28
#: Most values (numbers, strings, lists, objects) of a JSON file.
MAX_JSON_VALUES = 1 << 23
#: Deepest nesting of lists and objects in a JSON file.
MAX_JSON_DEPTH = 32
#: Most digits of a number.
MAX_DIGITS = 1000
#: Most members (gzip files laid end to end) of a packed file.
MAX_GZIP_MEMBERS = 1 << 16
#: Most lines of a file of a matrix format.
MAX_LINES = 1 << 25
#: Most numbers in a file of a matrix format.
MAX_NUMBERS = 1 << 25
#: Most tensors of an instance.
MAX_TENSORS = 1 << 17
#: Most accesses of an instance.
MAX_ACCESSES = 1 << 17
#: Most parts over all accesses of an instance.
MAX_PARTS = 1 << 19
#: Most channels over all tensors of an instance.
MAX_TOTAL_CHANNELS = 1 << 22
#: Most wanted channels over all accesses of an instance.
MAX_WANTED = 1 << 24
#: Most members over all sets of a proof.
MAX_PROOF_MEMBERS = 1 << 24
#: Deepest tree of cases of a proof.
MAX_TREE_DEPTH = 1 << 12
#: Numbers of a proof are over two to the power of this at most.
MAX_EXPONENT = 256

_DIGIT_BOUND = 10**MAX_DIGITS


def check_count(value: int, limit: int, what: str, place: str | None = None) -> None:
    """Raise :class:`InputError` if there are more than `limit` of `what`."""
    if value > limit:
        raise InputError(
            f"{shown_integer(value)} {what} are past the limit of {limit}", place=place
        )


def check_digits(value: int, what: str, place: str | None = None) -> None:
    """Raise :class:`InputError` if `value` has too many digits to be read back."""
    if not -_DIGIT_BOUND < value < _DIGIT_BOUND:
        raise InputError(f"{what} must have at most {MAX_DIGITS} digits", place=place)


def check_matrix_size(rows: int, columns: int, place: str) -> None:
    """Raise :class:`InputError` unless a matrix of this size can be an instance."""
    check_count(rows, MAX_ACCESSES, "rows", place)
    check_count(columns, MAX_CHANNELS, "columns", place)
    if columns < 1:
        raise InputError("there must be at least 1 column", place=place)


def check_instance(instance: Instance) -> None:
    """Raise :class:`InputError` if a file of `instance` could not be read back."""
    check_count(len(instance.tensors), MAX_TENSORS, "tensors", "tensors")
    check_count(len(instance.accesses), MAX_ACCESSES, "accesses", "accesses")
    channels = sum(tensor.channels for tensor in instance.tensors)
    check_count(channels, MAX_TOTAL_CHANNELS, "channels over all tensors", "tensors")
    parts = sum(len(access.parts) for access in instance.accesses)
    check_count(parts, MAX_PARTS, "parts over all accesses", "accesses")
    wanted = sum(access.size for access in instance.accesses)
    check_count(wanted, MAX_WANTED, "wanted channels over all accesses", "accesses")


def shown_integer(value: int) -> str:
    """`value` for a message, cut where it is too long to help."""
    if value.bit_length() > 3000:
        return f"a number of some {value.bit_length() * 3 // 10} digits"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:20]}... ({len(text)} digits)"
