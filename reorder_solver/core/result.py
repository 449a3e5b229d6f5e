"""Result: what a solve returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from reorder_solver.core.prices import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reorder_solver.core.evaluate import AccessFacts
    from reorder_solver.core.layout import Layout
    from reorder_solver.core.prices import Objective
    from reorder_solver.core.proof import Proof


class Status(StrEnum):
    """What is known about the layout."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NO_SOLUTION = "no_solution"
    ERROR = "error"


class StopReason(StrEnum):
    """Why the solve ended."""

    PROVEN = "proven"
    FINISHED = "finished"
    TIME_LIMIT = "time_limit"
    ITERATION_LIMIT = "iteration_limit"
    TARGET_REACHED = "target_reached"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Progress:
    """What a callback is told: wall seconds since the call, best cost and proven bound so far."""

    elapsed: float
    cost: int | None
    lower_bound: int | None


@dataclass(frozen=True, slots=True)
class Result:
    """A layout with what is known about it.

    Attributes
    ----------
    status : Status
        ``OPTIMAL`` only if `cost` equals the proven `lower_bound`.
    stop_reason : StopReason
    cost : int or None
        Cost of `layout` under `objective`; None without a layout.
    lower_bound : int or None
        No layout costs less; None where no bound is known.
    tie_break : int
        Weighted runs beyond the first of `layout`, where the objective breaks ties by them.
    layout : Layout or None
        Unused channels last.
    accesses : mapping of str to AccessFacts
        Runs, span, mode and cost by access id.
    objective : Objective
    backend : str
    seed, threads : int
    time_limit : float or None
        Seconds, as asked for.
    instance_name, instance_sha256 : str
        Which instance was solved (:func:`reorder_solver.core.digest.digest`).
    versions : mapping of str to str
        Packages behind the result.
    times : mapping of str to float
        Wall seconds: ``presolve``, ``solve``, ``total``.
    proof : Proof or None
        Why no layout costs less than `lower_bound`, for
        :func:`reorder_solver.check_proof`; None where the backend gave none.
    """

    status: Status
    stop_reason: StopReason
    cost: int | None
    lower_bound: int | None
    layout: Layout | None
    objective: Objective
    backend: str
    accesses: Mapping[str, AccessFacts] = field(default_factory=dict)
    tie_break: int = 0
    seed: int = 0
    threads: int = 1
    time_limit: float | None = None
    instance_name: str = ""
    instance_sha256: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)
    proof: Proof | None = None

    @property
    def gap(self) -> float | None:
        """``(cost - lower_bound) / cost``, 0.0 for a proven zero; None where either is unknown."""
        if self.cost is None or self.lower_bound is None:
            return None
        return 0.0 if self.cost == 0 else (self.cost - self.lower_bound) / self.cost

    @property
    def views(self) -> int:
        """How many accesses are views."""
        return sum(1 for facts in self.accesses.values() if facts.mode is Mode.VIEW)

    @property
    def runs(self) -> int:
        """Runs over all accesses, unweighted."""
        return sum(facts.runs for facts in self.accesses.values())
