"""Exact solution of ``copies`` and ``bytes`` by implicit hitting sets.

Where an access either is a view or pays a price of its own, the cheapest layout is the cheapest
set of accesses whose removal leaves rows with the consecutive-ones property. Every minimal set
of rows without it is a no-good, of which at least one must pay. A master programme over the
no-goods found so far gives a lower bound and a set to pay; if the PQ-tree accepts the rest, that
set is optimal, otherwise the failure is shrunk to new no-goods (Moreno-Centeno and Karp 2013,
doi:10.1287/opre.1120.1139; Davies and Bacchus 2011, doi:10.1007/978-3-642-23786-7_19).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from formulations.hitting_set import Covering, CoveringSolution, solve_cpsat, solve_pulp
from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.backends.view_selection.run import HittingSetRun
from reorder_solver.backends.view_selection.selection import flat_price
from reorder_solver.core.prices import Objective

if TYPE_CHECKING:
    from reorder_solver.presolve import Problem


class _ImplicitHittingSet(Backend):
    """The method, whatever solves the master."""

    is_exact: ClassVar[bool] = True
    leaves_ties: ClassVar[bool] = True
    objectives: ClassVar[frozenset[Objective]] = frozenset({Objective.COPIES, Objective.BYTES})

    #: Whether more may be done than solve masters; that needs OR-Tools.
    relaxes: ClassVar[bool] = False

    @abstractmethod
    def solve_master(
        self, covering: Covering, task: Task, hint: list[int] | None, effort: float
    ) -> CoveringSolution:
        """Solve `covering` within what is left of the time, or give up after some effort.

        Parameters
        ----------
        covering : Covering
        task : Task
        hint : list of int or None
            Items of a good solution.
        effort : float
            About the seconds it may take, but the same on every machine.
        """

    def solve(self, task: Task) -> Answer:
        """Return a proven optimum, or the best orders and bound when time ran out."""
        return HittingSetRun(task, self.solve_master, relaxes=self.relaxes).solve()

    def supports(self, problem: Problem) -> str | None:
        """Refuse problems in which an access's cost depends on its runs or span."""
        if any(flat_price(access) is None for access in problem.accesses):
            return "an access has prices other than gather; its cost depends on runs or span"
        return super().supports(problem)


class Exact(_ImplicitHittingSet):
    """Implicit hitting set with the master in CP-SAT."""

    name: ClassVar[str] = "exact"
    summary: ClassVar[str] = "proven optimum for copies and bytes (PQ-tree no-goods, CP-SAT)"
    requires: ClassVar[tuple[str, ...]] = ("ortools",)
    relaxes: ClassVar[bool] = True

    def solve_master(
        self, covering: Covering, task: Task, hint: list[int] | None, effort: float
    ) -> CoveringSolution:
        """Solve `covering` within what is left of the time."""
        return solve_cpsat(
            covering,
            time_limit=task.deadline.limit,
            effort=effort,
            seed=task.seed,
            threads=task.threads,
            hint=hint,
        )


class ExactPulp(_ImplicitHittingSet):
    """Implicit hitting set with the master in PuLP."""

    name: ClassVar[str] = "exact-pulp"
    summary: ClassVar[str] = "proven optimum for copies and bytes (PQ-tree no-goods, PuLP/CBC)"
    requires: ClassVar[tuple[str, ...]] = ("pulp",)

    def solve_master(
        self, covering: Covering, task: Task, hint: list[int] | None, effort: float
    ) -> CoveringSolution:
        """Solve `covering` within what is left of the time, whatever the effort."""
        return solve_pulp(
            covering, time_limit=task.deadline.limit, seed=task.seed, threads=task.threads
        )
