"""The format of windows results, version 1: text to result and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import InputError
from reorder_solver.core.instance import channel_array
from reorder_solver.core.result import Status, StopReason
from reorder_solver.core.window_result import Window, WindowsResult, windows_digest
from reorder_solver.formats.instance_json import as_bytes, check_header, dumps, json_block
from reorder_solver.formats.json_text import check_value, loads
from reorder_solver.formats.limits import MAX_ACCESSES, check_count
from reorder_solver.formats.nodes import Node
from reorder_solver.formats.ranges import format_ranges, parse_ranges
from reorder_solver.formats.result_json import (
    check_key,
    instance_fields,
    integer_or_none,
    layout_of,
    layout_text,
    mapping_of,
)

if TYPE_CHECKING:
    from reorder_solver.core.instance import ChannelArray
    from reorder_solver.core.layout import Layout
    from reorder_solver.core.windows import WindowsInstance

FORMAT = "channel-windows-layout"
VERSION = 1

_REQUIRED = (
    "format",
    "version",
    "status",
    "stop_reason",
    "importance",
    "upper_bound",
    "layout",
    "accesses",
    "backend",
)
_OPTIONAL = ("instance", "spent", "seed", "threads", "time_limit", "versions", "times")


def windows_result_from_json(
    text: str | bytes, instance: WindowsInstance | None = None
) -> WindowsResult:
    """Build a windows result from a JSON text.

    Parameters
    ----------
    text : str or bytes
        Bytes must be UTF-8.
    instance : WindowsInstance, optional
        What was solved; if given, the result must belong to it (digest and layout).

    Raises
    ------
    InputError
        If the text breaks a rule of the format, or belongs to another instance. Whether it is
        true is for :func:`reorder_solver.verify_windows` to say.
    """
    root = Node(loads(as_bytes(text)))
    check_header(root, FORMAT, VERSION)
    fields = root.fields(_REQUIRED, _OPTIONAL)
    expected = None if instance is None else windows_digest(instance)
    name, sha256 = instance_fields(fields.get("instance"), expected)
    layout = layout_of(fields["layout"], instance)
    selected, gathered, windows = _accesses(fields["accesses"], layout)
    extra: dict[str, Any] = {}
    for key, minimum in (("seed", 0), ("threads", 1)):
        if key in fields:
            extra[key] = fields[key].integer(minimum)
    if "time_limit" in fields and fields["time_limit"].value is not None:
        extra["time_limit"] = fields["time_limit"].seconds()
    return WindowsResult(
        status=fields["status"].choice(Status),
        stop_reason=fields["stop_reason"].choice(StopReason),
        importance=integer_or_none(fields["importance"]),
        upper_bound=integer_or_none(fields["upper_bound"]),
        layout=layout,
        selected=selected,
        gathered=gathered,
        windows=windows,
        spent={key: one.integer() for key, one in mapping_of(fields.get("spent")).items()},
        backend=fields["backend"].identifier(),
        instance_name=name,
        instance_sha256=sha256,
        versions={key: one.text() for key, one in mapping_of(fields.get("versions")).items()},
        times={key: one.seconds() for key, one in mapping_of(fields.get("times")).items()},
        **extra,
    )


def windows_result_to_json(result: WindowsResult) -> str:
    """The JSON text of `result`: a tensor and an access a line, always the same.

    Raises
    ------
    InputError
        If it could not be read back.
    """
    head = {
        "format": FORMAT,
        "version": VERSION,
        "instance": {"name": result.instance_name, "sha256": result.instance_sha256},
        "status": result.status.value,
        "stop_reason": result.stop_reason.value,
        "importance": result.importance,
        "upper_bound": result.upper_bound,
        "spent": dict(result.spent),
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
    return (
        f'{dumps(head)[:-1]},\n "layout": {layout_text(result.layout)},\n'
        f' "accesses": {_accesses_text(result)},\n {dumps(tail)[1:]}\n'
    )


def _accesses(
    node: Node, layout: Layout | None
) -> tuple[dict[str, tuple[ChannelArray, ...]], frozenset[str], dict[str, Window | None]]:
    nodes = node.mapping()
    node.at_most(len(nodes), MAX_ACCESSES, "accesses")
    width = max((order.size for order in layout.values()), default=0) if layout else 0
    selected: dict[str, tuple[ChannelArray, ...]] = {}
    windows: dict[str, Window | None] = {}
    for key, one in nodes.items():
        fields = one.fields(("window", "parts"))
        selected[key] = tuple(_channels(part, width) for part in fields["parts"].items())
        windows[key] = _window(fields["window"])
    gathered = frozenset(key for key, window in windows.items() if window is None)
    return selected, gathered, windows


def _channels(node: Node, width: int) -> ChannelArray:
    if not isinstance(node.value, str):
        node.fail('must be a range string such as "0-3,7"')
    try:
        return channel_array(parse_ranges(node.value, width))
    except InputError as error:
        raise InputError(error.rule, place=error.place or node.path) from None


def _window(node: Node) -> Window | None:
    if node.value is None:
        return None
    ends = node.integers()
    if len(ends) != 2 or ends[0] > ends[1]:
        node.fail("must be [start, stop] with start <= stop, or null for a free selection")
    return Window(ends[0], ends[1])


def _accesses_text(result: WindowsResult) -> str:
    check_count(len(result.selected), MAX_ACCESSES, "accesses", "accesses")
    lines: list[str] = []
    for key, parts in result.selected.items():
        check_key(key, "accesses")
        window = result.windows.get(key)
        fields = {
            "window": None if window is None else [window.start, window.stop],
            "parts": [format_ranges(channels) for channels in parts],
        }
        lines.append(f"{dumps(key)}: {dumps(fields)}")
    return json_block(lines, "{}")
