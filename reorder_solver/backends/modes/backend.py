"""Latency: proofs for tensors with few accesses, bounds for all others."""

from __future__ import annotations

from dataclasses import replace
from math import isinf
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.backends.dynamic.anatomy import Anatomy
from reorder_solver.backends.modes.groups import fits_tables
from reorder_solver.backends.modes.options import options_of
from reorder_solver.backends.modes.view_fit import ViewFit
from reorder_solver.backends.subset_dp import SubsetDP
from reorder_solver.core.result import StopReason
from reorder_solver.presolve import ViewSet

if TYPE_CHECKING:
    from reorder_solver.backends.modes.options import Option
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Cost, Orders, Problem

#: Up to so many accesses, all choices of one option each are gone through.
_FEW_ACCESSES = 5
#: With so many classes in every tensor, tables are quickest; with more, they come after the
#: programme, which has this share of the time.
_TINY_CLASSES = 8
_MASTER_SHARE = 0.5
#: Share of the time for the local search that comes first.
_SEARCH_SHARE = 0.2


class Modes(Backend):
    """Decides how every access is served, and bounds what the decision costs.

    One tensor with up to five accesses is solved to the end; see
    :mod:`reorder_solver.backends.modes.vectors`. So are small components of several tensors
    (by ``subset-dp``, if nothing else proves them). All others get a bound; see
    :mod:`reorder_solver.backends.modes.many`.
    """

    name: ClassVar[str] = "modes"
    summary: ClassVar[str] = "latency: proofs for tensors with up to 5 accesses, bounds for all"
    is_exact: ClassVar[bool] = True
    leaves_ties: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("numba", "ortools")

    def solve(self, task: Task) -> Answer:
        """Return the best orders found, and a bound on all orders."""
        base = ViewSet(task.problem)
        for number, access in enumerate(task.problem.accesses):
            if access.required and not base.add(number):
                return Answer(None, stop_reason=StopReason.PROVEN, infeasible=True)
        run = _Run(task)
        for orders in (task.start, task.problem.identity(), base.orders()):
            if orders is not None:
                run.offer(orders)
        return run.solve()


class _Run:
    """One call: the best orders and bound so far."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._problem = task.problem
        self._best: Orders | None = None
        self._cost: Cost | None = None
        self._bound = 0

    def offer(self, orders: Orders) -> int | None:
        """Take over orders if they are cheaper; return the lowest cost known."""
        cost = self._problem.cost(orders)
        if not cost.violated and (self._cost is None or cost < self._cost):
            self._best, self._cost = orders, cost
            self._task.report(orders, None)
        return None if self._cost is None else self._cost.primary

    def _raise(self, bound: int) -> None:
        if self._cost is not None:
            bound = min(bound, self._cost.primary)
        if bound > self._bound:
            self._bound = bound
            self._task.report(None, bound)

    def _answer(self, reason: StopReason) -> Answer:
        if self._cost is not None and self._cost.primary == self._bound:
            reason = StopReason.PROVEN
        return Answer(self._best, self._bound, reason)

    def solve(self) -> Answer:
        """Local search, then the method that suits the problem."""
        deadline = self._task.deadline
        if self._is_over():
            return self._answer(StopReason.TIME_LIMIT)
        self._improve(deadline.share(_SEARCH_SHARE))
        anatomy = Anatomy.of(self._problem)
        options = [
            options_of(access, shape)
            for access, shape in zip(self._problem.accesses, anatomy.shapes, strict=True)
        ]
        if self._is_over():
            return self._answer(StopReason.TIME_LIMIT)
        if _is_one_tensor(self._problem) and len(options) <= _FEW_ACCESSES:
            return self._by_vectors(options, deadline)
        if not self._fits_tables(anatomy):
            return self._by_master(anatomy, options, deadline)
        is_tiny = _widest(anatomy) <= _TINY_CLASSES
        if _is_one_tensor(self._problem) or is_tiny or isinf(deadline.remaining):
            return self._by_table(deadline)
        # Tables are sure, but mostly slower.
        answer = self._by_master(anatomy, options, deadline.share(_MASTER_SHARE))
        if answer.stop_reason is StopReason.PROVEN or deadline.expired:
            return answer
        return self._by_table(deadline)

    def _is_over(self) -> bool:
        is_free = self._cost is not None and self._cost.primary == 0
        return is_free or self._task.deadline.expired

    def _improve(self, deadline: Deadline) -> None:
        # numba takes a moment to load: not at module level.
        from reorder_solver.backends.search.improve import improve

        if self._best is not None:
            orders, _, _ = improve(
                self._problem,
                self._best,
                deadline=deadline,
                seed=self._task.seed,
                report=self._task.report,
            )
            self.offer(orders)

    def _by_vectors(self, options: list[tuple[Option, ...]], deadline: Deadline) -> Answer:
        from reorder_solver.backends.modes.vectors import VectorSearch

        wanted = [
            frozenset(int(each) for each in access.parts[0][1]) for access in self._problem.accesses
        ]

        search = VectorSearch(
            self._problem.sizes[0].tolist(),
            wanted,
            options,
            self._offer_order,
            fits=ViewFit(self._problem).all_views,
        )
        limit = None if self._cost is None else self._cost.primary
        bound, is_exact = search.run(limit, deadline, self._raise)
        if bound is not None:
            self._raise(bound)
        late = StopReason.TIME_LIMIT if deadline.expired else StopReason.FINISHED
        return self._answer(StopReason.PROVEN if is_exact else late)

    def _by_master(
        self, anatomy: Anatomy, options: list[tuple[Option, ...]], deadline: Deadline
    ) -> Answer:
        from reorder_solver.backends.modes.many import ManyAccesses
        from reorder_solver.backends.modes.master import Master

        if not Master.takes(options, anatomy.shapes):
            return self._answer(StopReason.FINISHED)
        many = ManyAccesses(
            anatomy,
            options,
            self._offer_order,
            lambda: self._best,
            offer_orders=self.offer,
            is_one_tensor=_is_one_tensor(self._problem),
        )
        many.run(
            lambda: None if self._cost is None else self._cost.primary,
            deadline,
            self._raise,
            threads=self._task.threads,
            seed=self._task.seed,
        )
        late = StopReason.TIME_LIMIT if deadline.expired else StopReason.FINISHED
        return self._answer(late)

    def _offer_order(self, order: tuple[int, ...]) -> int | None:
        return self.offer((np.array(order, dtype=np.int64),))

    def _fits_tables(self, anatomy: Anatomy) -> bool:
        """Whether the problem is small enough for the dynamic programme over subsets."""
        return SubsetDP().supports(self._problem) is None or fits_tables(anatomy)

    def _by_table(self, deadline: Deadline) -> Answer:
        task = replace(self._task, start=self._best, deadline=deadline)
        answer = SubsetDP().solve(task)
        if answer.orders is not None:
            self.offer(answer.orders)
        self._raise(answer.lower_bound or 0)
        return self._answer(answer.stop_reason)


def _widest(anatomy: Anatomy) -> int:
    """Classes of the tensor with most of them, among those whose order may change."""
    return max((anatomy.problem.sizes[tensor].size for tensor in anatomy.free), default=0)


def _is_one_tensor(problem: Problem) -> bool:
    """Whether every access has one part, of the one tensor, whose order may change."""
    return (
        len(problem.sizes) == 1
        and not problem.fixed[0]
        and all(len(access.parts) == 1 for access in problem.accesses)
    )
