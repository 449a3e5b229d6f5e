"""Strict JSON: the standard parser, behind checks that bound its work and close its leniencies."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.formats.limits import (
    MAX_DIGITS,
    MAX_JSON_DEPTH,
    MAX_JSON_VALUES,
    check_digits,
)
from reorder_solver.formats.text import decoded, find_long_number, line_place, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STRING = re.compile(rb'"[^"]*+"?')
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class _Flaw:
    """Stands in the parsed tree where the text was wrong, so that its path can be told."""

    rule: str


def loads(data: bytes) -> Any:
    """The value of a JSON text.

    Beyond what :func:`json.loads` does, this refuses a key given twice, ``NaN`` and infinite
    numbers, half a surrogate pair, and texts too deep, too large or with too long numbers.

    Raises
    ------
    InputError
        With the line, or the path of the value, as its place.
    """
    data = plain(data)
    text = decoded(data)
    _check_outline(data)
    flaws: list[_Flaw] = []

    def flawed(rule: str) -> _Flaw:
        flaws.append(_Flaw(rule))
        return flaws[-1]

    try:
        tree = json.loads(
            text,
            object_pairs_hook=_object_hook(flawed),
            parse_float=_float_hook(flawed),
            parse_constant=lambda name: flawed(f"{name} is no JSON number"),
        )
    except json.JSONDecodeError as error:
        raise InputError(
            f"is not JSON: {_reason(error)}", place=f"line {error.lineno} column {error.colno}"
        ) from None
    if flaws or b"\\ud" in data or b"\\uD" in data:
        _raise_first_flaw(tree)
    return tree


def check_value(value: Any, path: str, depth: int = 1) -> None:
    """Raise :class:`InputError` unless `value` survives being written and read back.

    Parameters
    ----------
    value : object
        Meant to be JSON: dict with string keys, list, tuple, str, int, finite float, bool, None.
    path : str
        Its place, for the message.
    depth : int
        How many lists and objects are around it.
    """
    if isinstance(value, dict | list | tuple):
        if depth >= MAX_JSON_DEPTH:
            raise InputError(f"nested deeper than {MAX_JSON_DEPTH} levels", place=path)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            if isinstance(value, dict):
                _check_scalar(key, path, kinds=str, what="a key")
            check_value(inner, child_path(path, key), depth + 1)
    else:
        _check_scalar(value, path, kinds=str | int | float | None, what="a value")


def child_path(path: str, key: str | int) -> str:
    """The path of an item of the list, or of a field of the object, at `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if _PLAIN_KEY.match(key) and len(key) <= 40:
        return f"{path}.{key}" if path else key
    shown = key if len(key) <= 40 else f"{key[:40]}..."
    return f"{path}[{json.dumps(shown)}]"


def _check_scalar(value: Any, path: str, *, kinds: Any, what: str) -> None:
    if not isinstance(value, kinds):
        raise InputError(f"{what} of type {type(value).__name__} cannot be JSON", place=path)
    if isinstance(value, str) and _is_broken(value):
        raise InputError("holds half a surrogate pair", place=path)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{value} is no JSON number", place=path)
    if isinstance(value, int):
        check_digits(value, "a number", path)


def _check_outline(data: bytes) -> None:
    """Bound depth, number of values and digits before the parser spends memory on them."""
    bare = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    too_many = InputError(f"holds more than {MAX_JSON_VALUES} values")
    # A value has two quotes, and a key of two more.
    if bare.count(b'"') > 4 * MAX_JSON_VALUES:
        raise too_many
    bare = _STRING.sub(b'""', bare)
    if bare.count(b",") + bare.count(b"[") + bare.count(b"{") > MAX_JSON_VALUES:
        raise too_many
    brackets = np.frombuffer(bare.translate(None, delete=_NOT_BRACKETS), dtype=np.uint8)
    if brackets.size > 2 * MAX_JSON_VALUES:
        raise too_many
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    if brackets.size and int(np.cumsum(steps).max()) > MAX_JSON_DEPTH:
        raise InputError(f"is nested deeper than {MAX_JSON_DEPTH} levels")
    offset = find_long_number(bare, MAX_DIGITS)
    if offset >= 0:
        # Strings cannot span lines, so dropping them has kept the line numbers.
        place = line_place(bare, offset)
        raise InputError(f"a number has more than {MAX_DIGITS} digits", place=place)


def _object_hook(flawed: Callable[[str], _Flaw]) -> Callable[[list[tuple[str, Any]]], Any]:
    def build(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                return flawed(f"field {child_path('', key)} is given twice")
            seen.add(key)
        return found

    return build


def _float_hook(flawed: Callable[[str], _Flaw]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value = float(text)
        return value if math.isfinite(value) else flawed("number is too large")

    return parse


def _reason(error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data":
        return "text after the end of the value"
    return error.msg[0].lower() + error.msg[1:]


def _raise_first_flaw(tree: Any) -> None:
    for path, value in _walk(tree, ""):
        if isinstance(value, _Flaw):
            raise InputError(value.rule, place=path or None)
        if isinstance(value, str) and _is_broken(value):
            raise InputError("holds half a surrogate pair", place=path or None)


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield path, key
            yield from _walk(inner, child_path(path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(inner, child_path(path, index))


def _is_broken(text: str) -> bool:
    return not text.isascii() and _SURROGATE.search(text) is not None
