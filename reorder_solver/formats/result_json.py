"""The result format, version 1: text to result and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.digest import digest
from reorder_solver.core.errors import InputError
from reorder_solver.core.evaluate import AccessFacts
from reorder_solver.core.instance import MAX_CHANNELS
from reorder_solver.core.layout import Layout
from reorder_solver.core.prices import Mode, Objective
from reorder_solver.core.result import Result, Status, StopReason
from reorder_solver.formats.instance_json import as_bytes, check_header, dumps, json_block
from reorder_solver.formats.json_text import check_value, loads
from reorder_solver.formats.limits import (
    MAX_ACCESSES,
    MAX_TENSORS,
    MAX_TOTAL_CHANNELS,
    check_count,
)
from reorder_solver.formats.nodes import Node, shown
from reorder_solver.formats.proof_json import proof_of, proof_text

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance
    from reorder_solver.core.windows import WindowsInstance

FORMAT = "channel-layout"
VERSION = 1

_REQUIRED = (
    "format",
    "version",
    "objective",
    "status",
    "stop_reason",
    "cost",
    "lower_bound",
    "layout",
    "backend",
)
_OPTIONAL = (
    "instance",
    "tie_break",
    "accesses",
    "seed",
    "threads",
    "time_limit",
    "versions",
    "times",
    "proof",
)
_FACTS = ("runs", "span", "mode", "cost")
SHA256_TEXT = re.compile(r"[0-9a-f]{64}\Z")


def result_from_json(text: str | bytes, instance: Instance | None = None) -> Result:
    """Build a result from a JSON text.

    Parameters
    ----------
    text : str or bytes
        Bytes must be UTF-8.
    instance : Instance, optional
        What was solved; if given, the result must belong to it (digest and layout).

    Raises
    ------
    InputError
        If the text breaks a rule of the format, or belongs to another instance. Whether costs
        and bounds are true is for :func:`reorder_solver.verify` to say.
    """
    root = Node(loads(as_bytes(text)))
    check_header(root, FORMAT, VERSION)
    fields = root.fields(_REQUIRED, _OPTIONAL)
    expected = None if instance is None else digest(instance)
    name, sha256 = instance_fields(fields.get("instance"), expected)
    sizes = {access.id: access.size for access in instance.accesses} if instance else {}
    extra: dict[str, Any] = {}
    for key, minimum in (("tie_break", 0), ("threads", 1)):
        if key in fields:
            extra[key] = fields[key].integer(minimum)
    if "seed" in fields:
        extra["seed"] = fields["seed"].integer()
    if "time_limit" in fields and fields["time_limit"].value is not None:
        extra["time_limit"] = fields["time_limit"].seconds()
    return Result(
        status=fields["status"].choice(Status),
        stop_reason=fields["stop_reason"].choice(StopReason),
        cost=integer_or_none(fields["cost"]),
        lower_bound=integer_or_none(fields["lower_bound"]),
        layout=layout_of(fields["layout"], instance),
        objective=fields["objective"].choice(Objective),
        backend=fields["backend"].identifier(),
        accesses=_facts(fields["accesses"], sizes) if "accesses" in fields else {},
        instance_name=name,
        instance_sha256=sha256,
        versions={key: one.text() for key, one in mapping_of(fields.get("versions")).items()},
        times={key: one.seconds() for key, one in mapping_of(fields.get("times")).items()},
        proof=proof_of(fields["proof"]) if "proof" in fields else None,
        **extra,
    )


def result_to_json(result: Result) -> str:
    """The JSON text of `result`: one tensor and one access a line, always the same.

    A proof that the result carries is written too.

    Raises
    ------
    InputError
        If it could not be read back.
    """
    head = {
        "format": FORMAT,
        "version": VERSION,
        "instance": {"name": result.instance_name, "sha256": result.instance_sha256},
        "objective": result.objective.value,
        "status": result.status.value,
        "stop_reason": result.stop_reason.value,
        "cost": result.cost,
        "lower_bound": result.lower_bound,
        "tie_break": result.tie_break,
    }
    tail = {
        "backend": result.backend,
        "seed": result.seed,
        "threads": result.threads,
        "time_limit": result.time_limit,
        "versions": dict(result.versions),
        "times": dict(result.times),
    }
    check_value(head, "result")
    check_value(tail, "result")
    proof = "" if result.proof is None else f' "proof": {proof_text(result.proof)},\n'
    return (
        f'{dumps(head)[:-1]},\n "layout": {layout_text(result.layout)},\n'
        f' "accesses": {_facts_text(result)},\n{proof} {dumps(tail)[1:]}\n'
    )


def instance_fields(node: Node | None, expected: str | None) -> tuple[str, str]:
    """Name and digest of the instance of a result, which must be `expected` if that is given."""
    if node is None:
        return "", ""
    fields = node.fields((), ("name", "sha256"))
    name = fields["name"].text() if "name" in fields else ""
    sha256 = fields["sha256"].text() if "sha256" in fields else ""
    if sha256:
        if not SHA256_TEXT.match(sha256):
            fields["sha256"].fail("must be 64 hexadecimal digits in lower case")
        if expected is not None and sha256 != expected:
            fields["sha256"].fail(f"the result is of another instance ({name!r})")
    return name, sha256


def integer_or_none(node: Node) -> int | None:
    """A whole number, 0 or more, or null."""
    return None if node.value is None else node.integer()


def mapping_of(node: Node | None) -> dict[str, Node]:
    """The fields of an object; none of nothing."""
    return {} if node is None else node.mapping()


def layout_of(node: Node, instance: Instance | WindowsInstance | None) -> Layout | None:
    """The layout written at `node`, of `instance` where one is given; None for null."""
    if node.value is None:
        return None
    fields = node.mapping()
    node.at_most(len(fields), MAX_TENSORS, "tensors")
    total = 0
    orders = {}
    for key, one in fields.items():
        channels = one.integers()
        one.at_most(len(channels), MAX_CHANNELS, "channels")
        total += len(channels)
        node.at_most(total, MAX_TOTAL_CHANNELS, "channels over all tensors")
        for item in one.items() if channels and max(channels) >= len(channels) else ():
            if item.value >= len(channels):
                item.fail(f"channel {shown(item.value)} is outside 0..{len(channels) - 1}")
        orders[key] = np.array(channels, dtype=np.int64)
    layout = Layout(orders)
    if instance is not None:
        layout.check(instance)
    return layout


def _facts(node: Node, sizes: dict[str, int]) -> dict[str, AccessFacts]:
    nodes = node.mapping()
    node.at_most(len(nodes), MAX_ACCESSES, "accesses")
    found: dict[str, AccessFacts] = {}
    for key, one in nodes.items():
        fields = one.fields(_FACTS, ("channels",))
        if "channels" in fields:
            channels = fields["channels"].integer()
        elif key in sizes:
            channels = sizes[key]
        else:
            one.fail("field 'channels' is missing, and no instance with this access is given")
        mode = None if fields["mode"].value is None else fields["mode"].choice(Mode)
        runs, span = fields["runs"].integer(), fields["span"].integer()
        found[key] = AccessFacts(channels, runs, span, mode, fields["cost"].integer())
    return found


def layout_text(layout: Layout | None) -> str:
    """The JSON text of a layout, one tensor a line."""
    if layout is None:
        return "null"
    check_count(len(layout), MAX_TENSORS, "tensors", "layout")
    total = sum(order.size for order in layout.values())
    check_count(total, MAX_TOTAL_CHANNELS, "channels over all tensors", "layout")
    for key in layout:
        check_key(key, "layout")
    lines = [f"{dumps(key)}: {dumps(order.tolist())}" for key, order in layout.items()]
    return json_block(lines, "{}")


def _facts_text(result: Result) -> str:
    check_count(len(result.accesses), MAX_ACCESSES, "accesses", "accesses")
    lines: list[str] = []
    for key, facts in result.accesses.items():
        fields = {
            "channels": facts.channels,
            "runs": facts.runs,
            "span": facts.span,
            "mode": None if facts.mode is None else facts.mode.value,
            "cost": facts.cost,
        }
        check_value({key: fields}, "accesses")
        lines.append(f"{dumps(key)}: {dumps(fields)}")
    return json_block(lines, "{}")


def check_key(key: object, place: str) -> None:
    """Raise :class:`InputError` unless `key` may be the name of a field."""
    if not isinstance(key, str):
        raise InputError(f"key {key!r} must be a string", place=place)
    check_value({key: None}, place)
