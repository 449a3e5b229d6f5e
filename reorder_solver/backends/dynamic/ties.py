"""Among the cheapest orders, those with the best tie-break, as far as a budget reaches.

The tie-break is a weighted number of runs, hence linear: with some accesses held to be views, the
dynamic programme finds its least value exactly. So the same tree of views and non-views serves,
cut where views and non-views cost more than the optimum or where the tie-break is no better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reorder_solver.backends.dynamic.joint import VIEW, Charge, minimise
from reorder_solver.backends.dynamic.prefix_table import OutOfTimeError

if TYPE_CHECKING:
    from reorder_solver.backends.base import Task
    from reorder_solver.backends.dynamic.anatomy import Anatomy
    from reorder_solver.backends.dynamic.conflict_pool import ConflictPool
    from reorder_solver.presolve import Cost, Orders, ViewSet

#: Roughly how many table cells may be filled, times the classes of the tensor.
_WORK = 1 << 30
_MOST_TABLES = 400


@dataclass(slots=True)
class TieBreaker:
    """Search for a better tie-break at the same primary cost.

    Parameters
    ----------
    anatomy : Anatomy
    task : Task
    base : ViewSet
        The required accesses.
    pool : ConflictPool
    best : Orders
        Of optimal primary cost.
    """

    anatomy: Anatomy
    task: Task
    base: ViewSet
    pool: ConflictPool
    best: Orders

    def run(self) -> Orders:
        """The best orders found."""
        problem = self.anatomy.problem
        cost = problem.cost(self.best)
        prices = [
            0 if access.required else access.cost(2, access.channels + 1).primary
            for access in problem.accesses
        ]
        facts = problem.facts(self.best)
        kept = {number for number, (runs, _) in enumerate(facts) if runs <= 1 and prices[number]}
        left = self._tables()
        stack: list[tuple[ViewSet, frozenset[int], frozenset[int]]] = [
            (self.base, frozenset(), frozenset())
        ]
        try:
            cost = self._lower(kept, cost)[1]
            while stack and left > 0 and cost.tie:
                left -= 1
                views, must, never = stack.pop()
                branch, cost = self._lower(must, cost)
                open_accesses = [n for n in branch if prices[n] and n not in never]
                if open_accesses:
                    at = max(open_accesses, key=lambda n: (prices[n], -n))
                    paid = sum(prices[n] for n in {*never, at})
                    extra, _ = self.pool.bound(prices, must, never | {at})
                    if paid + extra <= cost.primary:
                        stack.append((views, must, never | {at}))
                    more = views.copy()
                    if more.add(at):
                        stack.append((more, must | {at}, never))
        except OutOfTimeError:
            pass
        return self.best

    def _tables(self) -> int:
        widths = [self.anatomy.problem.sizes[tensor].size for tensor in self.anatomy.free]
        work = sum(width * width << width for width in widths)
        return min(_MOST_TABLES, _WORK // max(work, 1))

    def _lower(self, must: set[int] | frozenset[int], cost: Cost) -> tuple[list[int], Cost]:
        """Best tie-break with `must` as views; the accesses that it leaves to branch on."""
        problem = self.anatomy.problem
        charges = [
            VIEW if access.required or number in must else Charge(run=access.tie_weight)
            for number, access in enumerate(problem.accesses)
        ]
        found = minimise(self.anatomy, charges, self.task.deadline)
        if found is None or found[0] >= cost.tie:
            return [], cost
        lower = problem.cost(found[1])
        if lower.primary == cost.primary:
            self.best = found[1]
            self.task.report(self.best, None)
            return [], lower
        facts = problem.facts(found[1])
        return [number for number, (runs, _) in enumerate(facts) if runs > 1], cost
