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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from formulations.hitting_set import Covering, CoveringSolution, solve_cpsat, solve_pulp
from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.backends.conflicts import (
    conflicting_triples,
    minimal_conflict,
    triple_cliques,
)
from reorder_solver.core.prices import Objective
from reorder_solver.core.result import StopReason
from reorder_solver.presolve import ViewSet

if TYPE_CHECKING:
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Orders, Problem, ProblemAccess

#: Up to how many accesses all conflicting triples are listed before the first master.
_TRIPLES_LIMIT = 160
#: Most cardinality constraints made from them.
_CLIQUES_LIMIT = 400


def flat_price(access: ProblemAccess) -> int | None:
    """What `access` pays when it is no view, if that does not depend on runs and span."""
    if any(set(each.to_mapping()) != {"gather"} for each in access.prices):
        return None
    return sum(
        each.gather[0] + each.gather[1] * access.channels
        for each in access.prices
        if each.gather is not None
    )


@dataclass(slots=True, eq=False)
class _ViewSelection:
    """Which accesses should be views: items, weights and what is known of their conflicts."""

    problem: Problem
    base: ViewSet
    weights: list[int]
    items: list[int]
    never: list[int]
    constraints: list[tuple[tuple[int, ...], int]] = field(default_factory=list)

    @classmethod
    def of(cls, problem: Problem, deadline: Deadline) -> _ViewSelection:
        base = ViewSet(problem)
        weights: list[int] = []
        open_items: list[int] = []
        for number, access in enumerate(problem.accesses):
            weights.append(flat_price(access) or 0)
            if access.required:
                base.add(number)
            elif weights[-1]:
                open_items.append(number)
        open_items.sort(key=lambda number: -weights[number])
        # Out of time, an access that can never be a view stays an item: `complete` then finds out.
        never = [
            number for number in open_items if not deadline.expired and not base.copy().add(number)
        ]
        hopeless = set(never)
        items = [number for number in open_items if number not in hopeless]
        return cls(problem, base, weights, items, never)

    def seed_constraints(self, deadline: Deadline) -> None:
        """Cardinality constraints from all triples that conflict."""
        if not 3 <= len(self.items) <= _TRIPLES_LIMIT:
            return
        triples = conflicting_triples(self.problem, self.base, deadline.share(0.2))
        for clique in triple_cliques(triples, self.items, _CLIQUES_LIMIT):
            self.constraints.append((clique, len(clique) - 2))

    def covering(self) -> Covering:
        """The master programme over `items`."""
        index = {access: number for number, access in enumerate(self.items)}
        return Covering(
            weights=tuple(self.weights[access] for access in self.items),
            constraints=tuple(
                (tuple(index[access] for access in members), demand)
                for members, demand in self.constraints
            ),
        )

    def complete(self, paying: set[int], deadline: Deadline) -> tuple[ViewSet, list[int], bool]:
        """Make views of all items not in `paying`, and then of whatever else still fits.

        Once the deadline is over, whatever was not tried yet pays.

        Returns
        -------
        views : ViewSet
        paid : list of int
            Items that are no views.
        fitted : bool
            Whether all items not in `paying` are views; if not, new constraints were added or
            time ran out.
        """
        views = self.base.copy()
        accepted: list[int] = []
        rejected: list[int] = []
        for access in self.items:
            if access in paying:
                continue
            if deadline.expired:
                rejected.append(access)
            elif views.add(access):
                accepted.append(access)
            else:
                rejected.append(access)
                conflict = minimal_conflict(self.base, accepted, access)
                self.constraints.append((tuple(conflict), 1))
        paid = rejected + [
            access
            for access in self.items
            if access in paying and (deadline.expired or not views.add(access))
        ]
        for number, weight in enumerate(self.weights):
            if not weight and not deadline.expired:
                views.add(number)
        return views, paid, not rejected


class _ImplicitHittingSet(Backend):
    """The method, whatever solves the master."""

    is_exact: ClassVar[bool] = True
    leaves_ties: ClassVar[bool] = True
    objectives: ClassVar[frozenset[Objective]] = frozenset({Objective.COPIES, Objective.BYTES})

    @abstractmethod
    def _solve_master(
        self, covering: Covering, task: Task, hint: list[int] | None
    ) -> CoveringSolution:
        """Solve `covering` within what is left of the time."""

    def solve(self, task: Task) -> Answer:
        """Return a proven optimum, or the best orders and bound when time ran out."""
        selection = _ViewSelection.of(task.problem, task.deadline)
        certain = sum(selection.weights[access] for access in selection.never)
        best: tuple[int, Orders] | None = None
        paying: set[int] = set()
        bound, reason = certain, StopReason.PROVEN
        views, paid, fitted = selection.complete(paying, task.deadline)
        if not fitted:
            selection.seed_constraints(task.deadline)
        hint: list[int] | None = None
        while True:
            cost = certain + sum(selection.weights[access] for access in paid)
            if best is None or cost < best[0]:
                best, hint = (cost, views.orders()), paid
            task.report(best[1], bound)
            if best[0] <= bound:
                break
            if task.deadline.expired:
                reason = StopReason.TIME_LIMIT
                break
            master = self._solve_master(selection.covering(), task, _positions(selection, hint))
            bound = max(bound, certain + master.lower_bound)
            if master.chosen is None:
                reason = StopReason.TIME_LIMIT
                break
            paying = {selection.items[index] for index in master.chosen}
            views, paid, fitted = selection.complete(paying, task.deadline)
            if fitted and not master.is_optimal:
                # No new constraint: the same master would come back. It ran out of time, or its
                # weights are too large for its engine to be exact.
                cost = certain + sum(selection.weights[access] for access in paid)
                best = min(best, (cost, views.orders()), key=lambda pair: pair[0])
                expired = task.deadline.expired
                reason = StopReason.TIME_LIMIT if expired else StopReason.FINISHED
                break
        return Answer(best[1], bound, reason)

    def supports(self, problem: Problem) -> str | None:
        """Refuse problems in which an access's cost depends on its runs or span."""
        if any(flat_price(access) is None for access in problem.accesses):
            return "an access has prices other than gather; its cost depends on runs or span"
        return super().supports(problem)


def _positions(selection: _ViewSelection, paid: list[int] | None) -> list[int] | None:
    if paid is None:
        return None
    members = set(paid)
    return [index for index, access in enumerate(selection.items) if access in members]


def _seconds_left(task: Task) -> float | None:
    left = task.deadline.remaining
    return None if np.isinf(left) else left


class Exact(_ImplicitHittingSet):
    """Implicit hitting set with the master in CP-SAT."""

    name: ClassVar[str] = "exact"
    summary: ClassVar[str] = "proven optimum for copies and bytes (PQ-tree no-goods, CP-SAT)"
    requires: ClassVar[tuple[str, ...]] = ("ortools",)

    def _solve_master(
        self, covering: Covering, task: Task, hint: list[int] | None
    ) -> CoveringSolution:
        return solve_cpsat(
            covering,
            time_limit=_seconds_left(task),
            seed=task.seed,
            threads=task.threads,
            hint=hint,
        )


class ExactPulp(_ImplicitHittingSet):
    """Implicit hitting set with the master in PuLP."""

    name: ClassVar[str] = "exact-pulp"
    summary: ClassVar[str] = "proven optimum for copies and bytes (PQ-tree no-goods, PuLP/CBC)"
    requires: ClassVar[tuple[str, ...]] = ("pulp",)

    def _solve_master(
        self, covering: Covering, task: Task, hint: list[int] | None
    ) -> CoveringSolution:
        return solve_pulp(
            covering, time_limit=_seconds_left(task), seed=task.seed, threads=task.threads
        )
