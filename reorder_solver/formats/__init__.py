"""Files: instances and results as JSON, and the public matrix formats. Needs core and numpy."""

from __future__ import annotations

from reorder_solver.formats.api import (
    FORMATS,
    Format,
    read_instance,
    read_result,
    read_windows_instance,
    read_windows_result,
    write_instance,
    write_result,
    write_windows_instance,
    write_windows_result,
)
from reorder_solver.formats.instance_json import instance_from_json, instance_to_json
from reorder_solver.formats.result_json import result_from_json, result_to_json
from reorder_solver.formats.windows_json import windows_from_json, windows_to_json
from reorder_solver.formats.windows_result_json import (
    windows_result_from_json,
    windows_result_to_json,
)

__all__ = [
    "FORMATS",
    "Format",
    "instance_from_json",
    "instance_to_json",
    "read_instance",
    "read_result",
    "read_windows_instance",
    "read_windows_result",
    "result_from_json",
    "result_to_json",
    "windows_from_json",
    "windows_result_from_json",
    "windows_result_to_json",
    "windows_to_json",
    "write_instance",
    "write_result",
    "write_windows_instance",
    "write_windows_result",
]
