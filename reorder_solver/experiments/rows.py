"""Rows: finished results in a file of one JSON object per line, which only ever grows."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def key_of(configuration: Mapping[str, Any]) -> str:
    """Equal for equal configurations."""
    return json.dumps(dict(configuration), sort_keys=True)


class RowFile:
    """Results by configuration.

    Parameters
    ----------
    path : Path
        Made, with its folder, where missing. A last line that was cut short, by a kill for
        instance, is taken off; every line before it was written whole.

    Raises
    ------
    InputError
        If another line is not a row.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path) as handle:
            data = path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                os.ftruncate(handle, len(whole))
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                row = json.loads(line)
                self._rows[key_of(row["configuration"])] = row
            except (ValueError, KeyError, TypeError):
                raise InputError(
                    "must be a JSON object with a 'configuration'",
                    source=str(path),
                    place=f"line {number}",
                ) from None

    def __contains__(self, configuration: Mapping[str, Any]) -> bool:
        return key_of(configuration) in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, configuration: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Append a row and wait until the disk has it."""
        row = {"configuration": dict(configuration), "result": dict(result)}
        line = (json.dumps(row, sort_keys=True) + "\n").encode()
        with _alone(self.path) as handle:
            os.write(handle, line)
            os.fsync(handle)
        self._rows[key_of(configuration)] = row

    def flat(self) -> list[dict[str, Any]]:
        """Every row, configuration and result in one mapping."""
        return [{**row["configuration"], **row["result"]} for row in self._rows.values()]


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """The file, open at its end, while no other process is here (where the system has locks)."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        if os.name == "posix":
            locks = import_module("fcntl")
            locks.flock(handle, locks.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
