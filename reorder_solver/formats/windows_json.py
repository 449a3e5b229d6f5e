"""The format of windows instances, version 1: text to instance and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.core.instance import MAX_CHANNELS, Role
from reorder_solver.core.windows import (
    MAX_BUDGET,
    Budget,
    ScoredAccess,
    ScoredPart,
    ScoredTensor,
    WindowsInstance,
)
from reorder_solver.formats.instance_json import (
    as_bytes,
    check_header,
    dumps,
    json_block,
    tensor_hint,
    unique_id,
)
from reorder_solver.formats.json_text import check_value, child_path, loads
from reorder_solver.formats.limits import (
    MAX_ACCESSES,
    MAX_PARTS,
    MAX_TENSORS,
    MAX_TOTAL_CHANNELS,
    MAX_WANTED,
    check_count,
)
from reorder_solver.formats.nodes import Node, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = "channel-windows"
VERSION = 1


def windows_from_json(text: str | bytes, *, name: str = "") -> WindowsInstance:
    """Build a windows instance from a JSON text.

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
        ``accesses[3].parts[0].scores``.
    """
    root = Node(loads(as_bytes(text)))
    check_header(root, FORMAT, VERSION)
    required = ("format", "version", "tensors", "accesses", "budgets")
    fields = root.fields(required, ("name", "meta"))
    meta = fields["meta"].mapping() if "meta" in fields else {}
    reader = _Reader()
    budgets = reader.budgets(fields["budgets"])
    tensors = reader.tensors(fields["tensors"])
    return WindowsInstance(
        name=fields["name"].text() if "name" in fields else name,
        tensors=tuple(tensors),
        accesses=tuple(reader.accesses(fields["accesses"])),
        budgets=tuple(budgets),
        meta={key: node.value for key, node in meta.items()},
    )


def windows_to_json(instance: WindowsInstance) -> str:
    """The JSON text of `instance`: a budget, a tensor and an access a line, always the same.

    Raises
    ------
    InputError
        If it could not be read back: past a limit of the format, or metadata that are no JSON.
    """
    _check_size(instance)
    meta = dict(instance.meta)
    check_value(meta, "meta")
    head = {"format": FORMAT, "version": VERSION, "name": instance.name, "meta": meta}
    budgets = [dumps({"id": one.id, "limit": one.limit}) for one in instance.budgets]
    tensors = [dumps(_tensor_fields(one)) for one in instance.tensors]
    accesses = [dumps(_access_fields(one)) for one in instance.accesses]
    return (
        f'{dumps(head)[:-1]},\n "budgets": {json_block(budgets)},\n'
        f' "tensors": {json_block(tensors)},\n "accesses": {json_block(accesses)}}}\n'
    )


def _amount(node: Node) -> int:
    return node.integer(0, MAX_BUDGET)


class _Reader:
    """Reads the lists in order: what one refers to must be known."""

    def __init__(self) -> None:
        self.budget_ids: dict[str, int] = {}
        self.widths: dict[str, int] = {}
        self.parts = 0
        self.scores = 0

    def budgets(self, node: Node) -> list[Budget]:
        nodes = node.items()
        node.at_most(len(nodes), MAX_ACCESSES, "budgets")
        found = []
        for index, one in enumerate(nodes):
            fields = one.fields(("id", "limit"))
            key = unique_id(fields["id"], self.budget_ids, index, "budget")
            found.append(Budget(key, _amount(fields["limit"])))
        return found

    def tensors(self, node: Node) -> list[ScoredTensor]:
        nodes = node.items()
        node.at_most(len(nodes), MAX_TENSORS, "tensors")
        known: dict[str, Callable[[Node], Any]] = {
            "fixed": Node.flag,
            "live_limit": lambda one: None if one.value is None else one.integer(),
            "live_cost": _amount,
            "budget": lambda one: None if one.value is None else self._budget(one),
        }
        seen: dict[str, int] = {}
        found = []
        for index, one in enumerate(nodes):
            fields = one.fields(("id", "channels"), tuple(known))
            key = unique_id(fields["id"], seen, index, "tensor")
            width = fields["channels"].integer(1, MAX_CHANNELS)
            self.widths[key] = width
            one.at_most(sum(self.widths.values()), MAX_TOTAL_CHANNELS, "channels over all tensors")
            given = {name: read(fields[name]) for name, read in known.items() if name in fields}
            found.append(ScoredTensor(key, width, **given))
        return found

    def accesses(self, node: Node) -> list[ScoredAccess]:
        nodes = node.items()
        node.at_most(len(nodes), MAX_ACCESSES, "accesses")
        known: dict[str, Callable[[Node], Any]] = {
            "role": lambda one: one.choice(Role),
            "cost": _amount,
            "minimum": Node.integer,
            "maximum": lambda one: None if one.value is None else one.integer(),
            "gather": _gather,
        }
        seen: dict[str, int] = {}
        found = []
        for index, one in enumerate(nodes):
            fields = one.fields(("id", "parts", "budget"), tuple(known))
            key = unique_id(fields["id"], seen, index, "access")
            parts = fields["parts"].items()
            if not parts:
                fields["parts"].fail("must list at least one part")
            self.parts += len(parts)
            node.at_most(self.parts, MAX_PARTS, "parts over all accesses")
            given = {name: read(fields[name]) for name, read in known.items() if name in fields}
            budget = self._budget(fields["budget"])
            found.append(
                ScoredAccess(key, tuple(self._part(part) for part in parts), budget, **given)
            )
        return found

    def _part(self, node: Node) -> ScoredPart:
        fields = node.fields(("tensor", "scores"))
        tensor = fields["tensor"].identifier()
        width = self.widths.get(tensor)
        if width is None:
            fields["tensor"].fail(f"unknown tensor {tensor!r}; {tensor_hint(tensor, self.widths)}")
        scores = fields["scores"].integers()
        if len(scores) != width:
            fields["scores"].fail(
                f"must list {width} scores, one for each channel of {tensor!r}, got {len(scores)}"
            )
        self.scores += width
        node.at_most(self.scores, MAX_WANTED, "scores over all accesses")
        if max(scores) > MAX_BUDGET:
            for item in fields["scores"].items():
                item.integer(0, MAX_BUDGET)
        try:
            return ScoredPart(tensor, np.array(scores, dtype=np.int64))
        except InputError as error:
            raise InputError(error.rule, place=error.place or fields["scores"].path) from None

    def _budget(self, node: Node) -> str:
        key = node.identifier()
        if key not in self.budget_ids:
            known = self.budget_ids
            hint = suggestion(key, known) if 0 < len(known) <= 50 else "it must be listed"
            node.fail(f"unknown budget {key!r}; {hint}")
        return key


def _gather(node: Node) -> tuple[int, int] | None:
    if node.value is None:
        return None
    prices = node.items()
    if len(prices) != 2:
        node.fail(f"must list two prices, fixed and per channel, got {len(prices)}")
    return _amount(prices[0]), _amount(prices[1])


def _tensor_fields(tensor: ScoredTensor) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": tensor.id, "channels": tensor.channels}
    if tensor.fixed:
        fields["fixed"] = True
    if tensor.live_limit is not None:
        fields["live_limit"] = tensor.live_limit
    if tensor.live_cost:
        fields["live_cost"] = tensor.live_cost
    if tensor.budget is not None:
        fields["budget"] = tensor.budget
    check_value(fields, child_path("tensors", tensor.id), depth=2)
    return fields


def _access_fields(access: ScoredAccess) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": access.id,
        "role": access.role.value,
        "budget": access.budget,
        "cost": access.cost,
    }
    if access.minimum:
        fields["minimum"] = access.minimum
    if access.maximum is not None:
        fields["maximum"] = access.maximum
    if access.gather is not None:
        fields["gather"] = list(access.gather)
    fields["parts"] = [
        {"tensor": part.tensor, "scores": part.scores.tolist()} for part in access.parts
    ]
    check_value(fields, child_path("accesses", access.id), depth=2)
    return fields


def _check_size(instance: WindowsInstance) -> None:
    parts = [part for access in instance.accesses for part in access.parts]
    channels = sum(tensor.channels for tensor in instance.tensors)
    for count, limit, what in (
        (len(instance.budgets), MAX_ACCESSES, "budgets"),
        (len(instance.tensors), MAX_TENSORS, "tensors"),
        (len(instance.accesses), MAX_ACCESSES, "accesses"),
        (channels, MAX_TOTAL_CHANNELS, "channels over all tensors"),
        (len(parts), MAX_PARTS, "parts over all accesses"),
        (sum(part.scores.size for part in parts), MAX_WANTED, "scores over all accesses"),
    ):
        check_count(count, limit, what)
