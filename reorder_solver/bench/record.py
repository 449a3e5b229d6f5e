"""Records: what identifies a benchmark run, and what came of it; as values and as JSON."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from reorder_solver.core.prices import Objective
from reorder_solver.core.result import Status, StopReason
from reorder_solver.formats.json_text import check_value, loads
from reorder_solver.formats.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Wall seconds since the call of ``solve()``, best cost and proven bound by then.
TracePoint: TypeAlias = "tuple[float, int | None, int | None]"

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class Outcome(StrEnum):
    """How a run ended, as the benchmark sees it.

    ``SOLVED``, ``INFEASIBLE`` and ``NO_SOLUTION`` are the solver's own answers. The others are
    what a benchmark must count, too: the backend refused (``UNSUPPORTED``), was killed past its
    wall-clock limit (``TIMEOUT``), ran out of memory (``MEMORY``), died (``CRASH``), or raised an
    exception (``ERROR``).
    """

    SOLVED = "solved"
    INFEASIBLE = "infeasible"
    NO_SOLUTION = "no_solution"
    UNSUPPORTED = "unsupported"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What identifies a run: the same configuration is never run twice.

    Attributes
    ----------
    instance : str
        Digest of the problem (:func:`reorder_solver.digest`).
    backend, objective : str
    seed : int
    time_limit : float or None
        Wall seconds, as given to ``solve()``; None for no limit.
    threads : int
    memory_limit : int or None
        Bytes; None for no limit.
    version : str
        Of the packages behind the backend, so that a new version runs again.
    """

    instance: str
    backend: str
    objective: str
    seed: int
    time_limit: float | None
    threads: int
    memory_limit: int | None
    version: str

    @property
    def key(self) -> str:
        """SHA-256 (hex) of the canonical JSON of all fields."""
        values = asdict(self)
        if self.time_limit is not None:
            values["time_limit"] = float(self.time_limit)
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Record:
    """One finished run.

    Attributes
    ----------
    configuration : Configuration
    name, family, source : str
        Labels: the instance's name, its family, the file's base name. They identify nothing.
    sizes : mapping of str to int
        ``tensors``, ``channels``, ``accesses``, ``wanted`` (channels that all accesses want).
    outcome : Outcome
    status, stop_reason : str or None
        Of the result; None without one.
    cost, lower_bound, tie_break, views, runs : int or None
        Of the result; None where unknown.
    message : str
        Why there is no result, on one line; empty otherwise.
    trace : tuple of (float, int or None, int or None)
        The anytime curve: wall seconds, cost, bound.
    times : mapping of str to float
        Seconds: ``presolve``, ``solve`` and ``total`` as measured inside ``solve()``; ``wall`` and
        ``cpu`` of the run's process group from the call of ``solve()`` to its end.
    peak_memory : int
        Bytes resident at most, children included.
    started : str
        ISO 8601, UTC.
    machine : mapping of str to (str or int)
        ``cpu``, ``cores``, ``memory`` (bytes), ``platform``, ``python``.
    versions : mapping of str to str
        Package to version.
    """

    configuration: Configuration
    name: str
    family: str
    source: str
    sizes: Mapping[str, int]
    outcome: Outcome
    status: str | None = None
    stop_reason: str | None = None
    cost: int | None = None
    lower_bound: int | None = None
    tie_break: int | None = None
    views: int | None = None
    runs: int | None = None
    message: str = ""
    trace: tuple[TracePoint, ...] = ()
    times: Mapping[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    started: str = ""
    machine: Mapping[str, str | int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The key of the configuration."""
        return self.configuration.key


def record_to_json(record: Record) -> str:
    """The JSON text of `record`, on one line, always the same.

    Raises
    ------
    InputError
        If it could not be read back.
    """
    values = {
        each.name: getattr(record, each.name)
        for each in fields(record)
        if each.name != "configuration"
    }
    values = {
        "configuration": asdict(record.configuration),
        **values,
        "outcome": record.outcome.value,
        "trace": [list(point) for point in record.trace],
    }
    for name in ("sizes", "times", "machine", "versions"):
        values[name] = dict(values[name])
    check_value(values, "record")
    return json.dumps(values, separators=(",", ":"), allow_nan=False)


def record_from_json(text: str | bytes) -> Record:
    """Build a record from its JSON text.

    Raises
    ------
    InputError
        If the text is no such record; the place is a path such as ``configuration.seed``.
    """
    found = Node(loads(text.encode("utf-8") if isinstance(text, str) else text)).fields(_NAMES)
    return Record(
        configuration=_configuration(found["configuration"]),
        name=found["name"].text(),
        family=found["family"].text(),
        source=found["source"].text(),
        sizes={key: node.integer() for key, node in found["sizes"].mapping().items()},
        outcome=found["outcome"].choice(Outcome),
        status=_optional(found["status"], lambda node: node.choice(Status).value),
        stop_reason=_optional(found["stop_reason"], lambda node: node.choice(StopReason).value),
        **{name: _optional(found[name], Node.integer) for name in _FIGURES},
        message=_string(found["message"]),
        trace=tuple(_point(node) for node in found["trace"].items()),
        times={key: node.seconds() for key, node in found["times"].mapping().items()},
        peak_memory=found["peak_memory"].integer(),
        started=_moment(found["started"]),
        machine={key: _fact(node) for key, node in found["machine"].mapping().items()},
        versions={key: node.text() for key, node in found["versions"].mapping().items()},
    )


_NAMES = tuple(each.name for each in fields(Record))
_FIGURES = ("cost", "lower_bound", "tie_break", "views", "runs")


def _configuration(node: Node) -> Configuration:
    found = node.fields([each.name for each in fields(Configuration)])
    if not (isinstance(found["instance"].value, str) and _SHA256.match(found["instance"].value)):
        found["instance"].fail("must be 64 hexadecimal digits in lower case")
    return Configuration(
        instance=found["instance"].value,
        backend=found["backend"].identifier(),
        objective=found["objective"].choice(Objective).value,
        seed=found["seed"].integer(),
        time_limit=_optional(found["time_limit"], Node.seconds),
        threads=found["threads"].integer(minimum=1),
        memory_limit=_optional(found["memory_limit"], lambda one: one.integer(minimum=1)),
        version=found["version"].text(),
    )


def _optional(node: Node, read: Callable[[Node], Any]) -> Any:
    return None if node.value is None else read(node)


def _string(node: Node) -> str:
    if not isinstance(node.value, str):
        node.fail("must be a string")
    return node.value


def _moment(node: Node) -> str:
    text = node.text()
    try:
        if text:
            datetime.fromisoformat(text)
    except ValueError:
        node.fail(f"must be a time in ISO 8601, got {text!r}")
    return text


def _fact(node: Node) -> str | int:
    return node.integer() if isinstance(node.value, int) else node.text()


def _point(node: Node) -> TracePoint:
    items = node.items()
    if len(items) != 3:
        node.fail("must be [seconds, cost, bound]")
    return (
        items[0].seconds(),
        _optional(items[1], Node.integer),
        _optional(items[2], Node.integer),
    )
