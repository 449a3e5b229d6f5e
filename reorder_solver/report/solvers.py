"""Solvers: a backend as it was configured, and a name that tells it from the others."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reorder_solver.bench.record import Configuration


@dataclass(frozen=True, slots=True)
class Solver:
    """What competes: a backend of one version under one set of limits. Seeds are repetitions.

    Attributes
    ----------
    backend, version : str
    time_limit : float or None
        Seconds.
    threads : int
    memory_limit : int or None
        Bytes.
    """

    backend: str
    version: str
    time_limit: float | None
    threads: int
    memory_limit: int | None

    @classmethod
    def of(cls, configuration: Configuration) -> Solver:
        """The solver of a run."""
        return cls(
            configuration.backend,
            configuration.version,
            None if configuration.time_limit is None else float(configuration.time_limit),
            configuration.threads,
            configuration.memory_limit,
        )


def _limit(solver: Solver) -> str:
    return "no limit" if solver.time_limit is None else f"{solver.time_limit:g} s"


def _threads(solver: Solver) -> str:
    return f"{solver.threads} thread{'s' * (solver.threads != 1)}"


def _memory(solver: Solver) -> str:
    if solver.memory_limit is None:
        return "all memory"
    return f"{solver.memory_limit / 2**20:,.0f} MiB"


#: What may tell two configurations of one backend apart, the likeliest first.
_ASPECTS: tuple[Callable[[Solver], str], ...] = (
    _limit,
    _threads,
    _memory,
    lambda solver: solver.version,
)


def labels(solvers: Iterable[Solver]) -> dict[Solver, str]:
    """A name for each solver: that of its backend, and what tells it from its namesakes."""
    groups: dict[str, list[Solver]] = defaultdict(list)
    for solver in dict.fromkeys(solvers):
        groups[solver.backend].append(solver)
    found: dict[Solver, str] = {}
    for backend, group in groups.items():
        telling = [aspect for aspect in _ASPECTS if len({aspect(each) for each in group}) > 1]
        for solver in group:
            found[solver] = ", ".join([backend, *(aspect(solver) for aspect in telling)])
    return found
