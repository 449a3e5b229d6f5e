"""Nodes: values of a JSON tree that know their path, and check themselves when they are read."""

from __future__ import annotations

import difflib
import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from reorder_solver.core.errors import InputError
from reorder_solver.core.instance import MAX_ID_LENGTH
from reorder_solver.formats.json_text import child_path
from reorder_solver.formats.limits import check_count, check_digits, shown_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


Choice = TypeVar("Choice", bound=StrEnum)


class Node:
    """A JSON value and where it stands.

    Parameters
    ----------
    value : object
        As the JSON parser made it.
    parent : Node, optional
        The list or object around it; None at the top.
    key : str or int
        Its field name or index there.
    """

    __slots__ = ("_key", "_parent", "value")

    def __init__(self, value: Any, parent: Node | None = None, key: str | int = "") -> None:
        self.value = value
        self._parent = parent
        self._key = key

    @property
    def path(self) -> str:
        """Like ``accesses[3].parts[0].channels``; empty at the top."""
        return "" if self._parent is None else child_path(self._parent.path, self._key)

    def fail(self, rule: str) -> NoReturn:
        """Raise :class:`InputError` for this place."""
        raise InputError(rule, place=self.path or None)

    def mapping(self) -> dict[str, Node]:
        """The fields of an object, whatever their names."""
        if not isinstance(self.value, dict):
            self.fail(f"must be an object, got {shown(self.value)}")
        return {key: Node(value, self, key) for key, value in self.value.items()}

    def fields(self, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Node]:
        """The fields of an object with these names and no others."""
        found = self.mapping()
        known = (*required, *optional)
        for key in found:
            if key not in known:
                self.fail(f"unknown field {shown(key)}; {suggestion(key, known)}")
        for key in required:
            if key not in found:
                self.fail(f"field {key!r} is missing")
        return found

    def items(self) -> list[Node]:
        """The values of a list."""
        if not isinstance(self.value, list):
            self.fail(f"must be a list, got {shown(self.value)}")
        return [Node(value, self, index) for index, value in enumerate(self.value)]

    def integer(self, minimum: int | None = 0, maximum: int | None = None) -> int:
        """A whole number within bounds (None: no bound); never a float or a boolean."""
        value = self.value
        if type(value) is not int:
            self.fail(f"must be an integer, got {shown(value)}")
        if minimum is not None and value < minimum:
            self.fail(f"must be at least {minimum}, got {shown(value)}")
        if maximum is not None and value > maximum:
            self.fail(f"must be at most {maximum}, got {shown(value)}")
        if value.bit_length() > 3000:
            check_digits(value, "number", self.path)
        return value

    def at_most(self, count: int, limit: int, what: str) -> None:
        """Refuse more than `limit` of `what`."""
        # Paths are costly, so only a failure makes one.
        if count > limit:
            check_count(count, limit, what, self.path or None)

    def integers(self) -> list[int]:
        """A list of whole numbers, 0 or more; quick for a long one."""
        value = self.value
        if not isinstance(value, list):
            self.fail(f"must be a list, got {shown(value)}")
        if not all(type(one) is int for one in value) or (value and min(value) < 0):
            for item in self.items():
                item.integer()
        return value

    def signed_integers(self) -> list[int]:
        """A list of whole numbers of any sign; quick for a long one."""
        value = self.value
        if not isinstance(value, list):
            self.fail(f"must be a list, got {shown(value)}")
        if not all(type(one) is int for one in value):
            for item in self.items():
                item.integer(minimum=None)
        return value

    def seconds(self) -> float:
        """A finite number, 0 or more."""
        value = self.value
        if type(value) not in (int, float):
            self.fail(f"must be a number, got {shown(value)}")
        if value < 0 or value > 1e15 or not math.isfinite(value):
            self.fail(f"must be a number from 0 to 1e15, got {shown(value)}")
        return float(value)

    def text(self) -> str:
        """A string of moderate length, printable."""
        value = self.value
        if not isinstance(value, str):
            self.fail(f"must be a string, got {shown(value)}")
        if len(value) > MAX_ID_LENGTH or not value.isprintable():
            self.fail(f"must have at most {MAX_ID_LENGTH} characters, all printable")
        return value

    def identifier(self) -> str:
        """A string that may be an id: as :meth:`text`, and not empty."""
        value = self.text()
        if not value:
            self.fail("must not be empty")
        return value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.fail(f"must be true or false, got {shown(self.value)}")
        return self.value

    def choice(self, kind: type[Choice]) -> Choice:
        """A member of an enumeration of strings."""
        known = [member.value for member in kind]
        if not isinstance(self.value, str) or self.value not in known:
            self.fail(f"must be one of {', '.join(known)}; got {shown(self.value)}")
        return kind(self.value)


def suggestion(word: str, known: Iterable[str]) -> str:
    """``did you mean`` the nearest of `known`, or all of them."""
    known = list(known)
    # Similarity is quadratic in the length, and no known name is this long.
    near = difflib.get_close_matches(word[:64], known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def shown(value: Any) -> str:
    """A JSON value for a message: short, on one line."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return shown_integer(value)
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else f"{value[:40]}...")
    return repr(value)
