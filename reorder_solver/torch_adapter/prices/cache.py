"""Cache: times measured once, kept in a file for the next run on the same machine."""

from __future__ import annotations

import json
import platform
import warnings
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import torch

from reorder_solver.core.errors import InputError
from reorder_solver.core.prices import Mode
from reorder_solver.formats.files import label, read_bytes, write_bytes
from reorder_solver.torch_adapter.prices.measure import Sample
from reorder_solver.torch_adapter.prices.variants import Point

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reorder_solver.torch_adapter.prices.site import AccessSite

FORMAT = "access-timings"
#: Goes up when what is measured, or how, changes: older files are then rebuilt.
VERSION = 3


class TimingCacheWarning(UserWarning):
    """A cache of timings that cannot be used or kept."""


def default_path() -> Path:
    """The file in the user's cache folder (on Linux below ``XDG_CACHE_HOME`` or ``~/.cache``)."""
    return platformdirs.user_cache_path("reorder-solver") / "timings.json"


class TimingCache:
    """Samples by site, PyTorch version and device.

    A file that is damaged, or from another version of this package, is worth one warning and is
    rebuilt; a folder that cannot be written to is worth one warning too. Several processes may use
    one file: each adds to what is there, and it is replaced at once or not at all.

    Parameters
    ----------
    path : Path or None
        None keeps everything in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._entries: dict[str, list[Sample]] = {} if path is None else _read(path)

    def get(self, site: AccessSite, what: str = "") -> list[Sample] | None:
        """The samples of a site; None if it has not been measured here.

        `what` tells other measurements of it from those that prices are made from.
        """
        return self._entries.get(key_of(site, what))

    def put(self, new: Mapping[AccessSite, list[Sample]], what: str = "") -> None:
        """Add samples, and write the file."""
        self._entries.update({key_of(site, what): samples for site, samples in new.items()})
        if self.path is None or not new:
            return
        # Another process may have added to it since; what is wrong with it has been said.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TimingCacheWarning)
            merged = _read(self.path) | self._entries
        document = {
            "format": FORMAT,
            "version": VERSION,
            "timings": {key: [_row(each) for each in rows] for key, rows in merged.items()},
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self.path, json.dumps(document, indent=0).encode())
        except (OSError, InputError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.rule
            _warn(self.path, f"the timings cannot be kept: {reason}")


def key_of(site: AccessSite, what: str = "") -> str:
    """All that a time depends on, as text."""
    facts = asdict(site) | {
        "torch": str(torch.__version__),
        "hardware": hardware(site.device),
    }
    if what:
        facts["measured"] = what
    return json.dumps(facts, sort_keys=True)


@cache
def hardware(device: str) -> str:
    """The name of a device."""
    kind = torch.device(device).type
    if kind == "cpu":
        return f"{_processor()} {torch.backends.cpu.get_cpu_capability()}"
    backend: Any = getattr(torch, kind, None)
    if hasattr(backend, "get_device_name"):
        # A device that is not there has no name; that it is missing shows when it is used.
        with suppress(RuntimeError, AssertionError):
            return str(backend.get_device_name(torch.device(device)))
    return kind


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _row(sample: Sample) -> list[Any]:
    point = sample.point
    return [point.mode.value, point.channels, point.runs, point.span, sample.ns]


def _sample(row: list[Any]) -> Sample:
    mode, channels, runs, span, ns = row
    if not all(type(each) is int for each in (channels, runs, span)):
        raise TypeError("counts must be integers")
    return Sample(Point(Mode(mode), channels, runs, span), float(ns))


def _read(path: Path) -> dict[str, list[Sample]]:
    if not path.exists():
        return {}
    try:
        document = json.loads(read_bytes(path))
        if document["format"] != FORMAT:
            raise ValueError("another format")
        if document["version"] != VERSION:
            _warn(path, f"is of version {document['version']!r}, not {VERSION}; it is rebuilt")
            return {}
        return {
            str(key): [_sample(row) for row in rows] for key, rows in document["timings"].items()
        }
    except InputError as error:
        _warn(path, f"{error.rule}; it is rebuilt")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        _warn(path, "is no cache of timings; it is rebuilt")
    return {}


def _warn(path: Path, what: str) -> None:
    warnings.warn(f"{label(path)}: {what}", TimingCacheWarning, stacklevel=3)
