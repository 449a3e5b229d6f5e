"""The native instance format, version 1: text to instance and back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.core.instance import MAX_CHANNELS, Access, Instance, Part, Role, Tensor
from reorder_solver.core.prices import PRICE_ARITY, PriceList
from reorder_solver.formats.json_text import check_value, child_path, loads
from reorder_solver.formats.limits import (
    MAX_ACCESSES,
    MAX_PARTS,
    MAX_TENSORS,
    MAX_TOTAL_CHANNELS,
    MAX_WANTED,
    check_digits,
    check_instance,
)
from reorder_solver.formats.nodes import Node, shown, suggestion
from reorder_solver.formats.ranges import ChannelArray, format_ranges, parse_ranges

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = "channel-ordering"
VERSION = 1

#: How to read the files that are taken for one another.
_READERS = {
    "channel-ordering": " (for read_instance and 'reorder-solver solve')",
    "channel-windows": " (for read_windows_instance and 'reorder-solver windows')",
    "channel-layout": " (for read_result and 'reorder-solver verify')",
    "channel-windows-layout": " (for read_windows_result and 'reorder-solver windows verify')",
}

_ACCESS_FIELDS: dict[str, Callable[[Node], Any]] = {
    "role": lambda node: node.choice(Role),
    "bytes": Node.integer,
    "weight": Node.integer,
    "required": Node.flag,
    "prices": lambda node: _prices(node),
}


def instance_from_json(text: str | bytes, *, name: str = "") -> Instance:
    """Build an instance from a native JSON text.

    Parameters
    ----------
    text : str or bytes
        Bytes must be UTF-8.
    name : str
        For a text that gives no name.

    Raises
    ------
    InputError
        If the text breaks a rule of the format; the place is a line or a path such as
        ``accesses[3].parts[0].channels``.
    """
    root = Node(loads(as_bytes(text)))
    check_header(root, FORMAT, VERSION)
    fields = root.fields(("format", "version", "tensors", "accesses"), ("name", "meta"))
    meta = fields["meta"].mapping() if "meta" in fields else {}
    tensors = _tensors(fields["tensors"])
    reader = _AccessReader({tensor.id: tensor.channels for tensor in tensors})
    return Instance(
        name=fields["name"].text() if "name" in fields else name,
        tensors=tuple(tensors),
        accesses=tuple(reader.read_all(fields["accesses"])),
        meta={key: node.value for key, node in meta.items()},
    )


def instance_to_json(instance: Instance) -> str:
    """The native JSON text of `instance`: one tensor and one access a line, always the same.

    Raises
    ------
    InputError
        If it could not be read back: past a limit of the format, or metadata that are no JSON.
    """
    check_instance(instance)
    meta = dict(instance.meta)
    check_value(meta, "meta")
    head = {"format": FORMAT, "version": VERSION, "name": instance.name, "meta": meta}
    tensors = [dumps(_tensor_fields(tensor)) for tensor in instance.tensors]
    accesses = [dumps(_access_fields(access)) for access in instance.accesses]
    return (
        f'{dumps(head)[:-1]},\n "tensors": {json_block(tensors)},\n'
        f' "accesses": {json_block(accesses)}}}\n'
    )


def check_header(root: Node, name: str, version: int) -> None:
    """Raise :class:`InputError` unless `root` is an object of this format and version.

    Checked before any other field, because a newer version may have fields of its own.
    """
    fields = root.mapping()
    for key in ("format", "version"):
        if key not in fields:
            root.fail(f"field {key!r} is missing; this must be a {name} file, version {version}")
    if fields["format"].value != name:
        given = fields["format"].value
        hint = _READERS.get(given, "") if isinstance(given, str) else ""
        fields["format"].fail(f"must be {name!r}, got {shown(given)}{hint}")
    number = fields["version"].integer()
    if number != version:
        fields["version"].fail(f"version {shown(number)} is not supported; known: {version}")


def as_bytes(text: str | bytes) -> bytes:
    """`text` as UTF-8 bytes."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("holds half a surrogate pair") from None


def dumps(value: Any) -> str:
    """JSON on one line, non-ASCII characters as they are."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def json_block(lines: list[str], brackets: str = "[]") -> str:
    """A JSON list or object of ready-made items, one a line."""
    if not lines:
        return brackets
    body = ",\n  ".join(lines)
    return f"{brackets[0]}\n  {body}{brackets[1]}"


def _tensors(node: Node) -> list[Tensor]:
    nodes = node.items()
    node.at_most(len(nodes), MAX_TENSORS, "tensors")
    tensors: list[Tensor] = []
    seen: dict[str, int] = {}
    total = 0
    for index, one in enumerate(nodes):
        fields = one.fields(("id", "channels"), ("fixed",))
        key = unique_id(fields["id"], seen, index, "tensor")
        width = fields["channels"].integer(1, MAX_CHANNELS)
        total += width
        one.at_most(total, MAX_TOTAL_CHANNELS, "channels over all tensors")
        fixed = fields["fixed"].flag() if "fixed" in fields else False
        tensors.append(Tensor(key, width, fixed))
    return tensors


def unique_id(node: Node, seen: dict[str, int], index: int, what: str) -> str:
    """The id at `node`, which no earlier one of `seen` may have."""
    key = node.identifier()
    if key in seen:
        node.fail(f"{what} id {key!r} is used twice (before by number {seen[key]} of the list)")
    seen[key] = index
    return key


@dataclass(slots=True)
class _AccessReader:
    """Reads the accesses, counting what all of them want together."""

    widths: dict[str, int]
    parts: int = 0
    wanted: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    def read_all(self, node: Node) -> list[Access]:
        nodes = node.items()
        node.at_most(len(nodes), MAX_ACCESSES, "accesses")
        return [self._access(one, index) for index, one in enumerate(nodes)]

    def _access(self, node: Node, index: int) -> Access:
        fields = node.fields(("id", "parts"), tuple(_ACCESS_FIELDS))
        key = unique_id(fields["id"], self.seen, index, "access")
        parts = fields["parts"].items()
        if not parts:
            fields["parts"].fail("must list at least one part")
        self.parts += len(parts)
        node.at_most(self.parts, MAX_PARTS, "parts over all accesses")
        given = {
            name: read(fields[name]) for name, read in _ACCESS_FIELDS.items() if name in fields
        }
        return Access(key, tuple(self._part(part) for part in parts), **given)

    def _part(self, node: Node) -> Part:
        fields = node.fields(("tensor", "channels"))
        tensor = fields["tensor"].identifier()
        width = self.widths.get(tensor)
        if width is None:
            fields["tensor"].fail(f"unknown tensor {tensor!r}; {tensor_hint(tensor, self.widths)}")
        try:
            part = Part(tensor, _channels(fields["channels"], width))
        except InputError as error:
            raise InputError(error.rule, place=error.place or fields["channels"].path) from None
        self.wanted += part.channels.size
        node.at_most(self.wanted, MAX_WANTED, "wanted channels over all accesses")
        return part


def tensor_hint(word: str, widths: dict[str, int]) -> str:
    """What to write instead of the unknown tensor `word`."""
    # Comparing with, or listing, thousands of names helps nobody.
    if 0 < len(widths) <= 50:
        return suggestion(word, [name[:80] for name in widths])
    return "it must be listed in tensors"


def _channels(node: Node, width: int) -> ChannelArray:
    if isinstance(node.value, str):
        return parse_ranges(node.value, width)
    if not isinstance(node.value, list):
        node.fail(f"must be a range string or a list of integers, got {shown(node.value)}")
    channels = node.integers()
    if channels and max(channels) >= width:
        for item in node.items():
            if item.value >= width:
                item.fail(f"channel {shown(item.value)} is outside 0..{width - 1}")
    return np.array(channels, dtype=np.int64)


def _prices(node: Node) -> PriceList:
    fields = node.fields((), tuple(PRICE_ARITY))
    for mode, arity in PRICE_ARITY.items():
        if mode in fields:
            count = len(fields[mode].integers())
            if count != arity:
                fields[mode].fail(f"must list {arity} integers, got {count}")
            for item in fields[mode].items():
                check_digits(item.value, "number", item.path)
    return PriceList.from_mapping({mode: one.value for mode, one in fields.items()})


def _tensor_fields(tensor: Tensor) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": tensor.id, "channels": tensor.channels}
    if tensor.fixed:
        fields["fixed"] = True
    return fields


def _access_fields(access: Access) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": access.id,
        "role": access.role.value,
        "parts": [
            {"tensor": part.tensor, "channels": format_ranges(part.channels)}
            for part in access.parts
        ],
        "bytes": access.bytes,
        "weight": access.weight,
    }
    if access.required:
        fields["required"] = True
    if access.prices is not None:
        fields["prices"] = access.prices.to_mapping()
    check_value(fields, child_path("accesses", access.id), depth=2)
    return fields
