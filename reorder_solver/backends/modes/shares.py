"""One tensor with any number of accesses: a dozen at a time, each dozen on its own.

What disjoint groups of accesses cost at least adds up. Groups that hold some of every kind, dear
and cheap, say more than groups of a kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.modes.assignments import Assignments
from reorder_solver.backends.modes.span_table import MOST_COVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reorder_solver.backends.modes.options import Option
    from reorder_solver.backends.modes.view_fit import ViewFit
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Orders, Problem


#: Share of the time for all groups.
_SHARE = 0.9


def _ignore(_bound: int) -> None:
    pass


class Shares:
    """Bounds for groups of accesses to one tensor.

    Parameters
    ----------
    problem : Problem
        Of one tensor.
    options : sequence of tuple of Option
        Per access.
    fit : ViewFit
    alone : sequence of int
        What every access costs at least.
    """

    def __init__(
        self,
        problem: Problem,
        options: Sequence[tuple[Option, ...]],
        fit: ViewFit,
        alone: Sequence[int],
    ) -> None:
        self._problem, self._options, self._fit = problem, options, fit
        self._alone = alone
        self._sizes = problem.sizes[0].tolist()
        self._wanted = [
            frozenset(int(each) for each in access.parts[0][1]) for access in problem.accesses
        ]

    def run(
        self,
        orders: Orders,
        deadline: Deadline,
        report: Callable[[int], None],
        offer: Callable[[tuple[int, ...]], int | None],
        note: Callable[[Sequence[int], int], None],
    ) -> bool:
        """Bound all accesses together, or in groups; whether an order is known that costs no more.

        Parameters
        ----------
        orders : Orders
            The best known.
        deadline : Deadline
        report : callable
            Called with bounds on the cost of all.
        offer : callable
            Takes orders, and returns the lowest cost known.
        note : callable
            Called with groups, and what each costs at least.
        """
        ways = self._groups(orders)
        if len(ways) == 1:
            least, is_exact = self.least(ways[0][0], orders, deadline, report, offer)
            report(least)
            return is_exact
        for later, groups in zip(range(len(ways), 0, -1), ways, strict=True):
            total, share = 0, deadline.share(_SHARE / later)
            for left, group in zip(range(len(groups), 0, -1), groups, strict=True):
                least, _ = self.least(group, orders, share.share(1 / left), _ignore)
                if least and not deadline.expired:
                    note(group, least)
                total += max(least, sum(self._alone[n] for n in group))
            report(total)
        return False

    def _groups(self, orders: Orders) -> list[list[list[int]]]:
        """Ways to divide all accesses into groups; one, of one group, if there are few."""
        facts = self._problem.facts(orders)
        costs = [
            access.cost(*fact).primary
            for access, fact in zip(self._problem.accesses, facts, strict=True)
        ]
        spanning = [any(option.gap for option in each) for each in self._options]
        ranked = sorted(range(len(costs)), key=lambda n: (not spanning[n], -costs[n], n))
        count = -(-len(ranked) // MOST_COVERS)
        mixed = [ranked[first::count] for first in range(count)]
        if count == 1:
            return [mixed]
        alike = [
            ranked[begin : begin + MOST_COVERS] for begin in range(0, len(ranked), MOST_COVERS)
        ]
        return [mixed, alike]

    def least(
        self,
        group: Sequence[int],
        orders: Orders,
        deadline: Deadline,
        report: Callable[[int], None],
        offer: Callable[[tuple[int, ...]], int | None] | None = None,
    ) -> tuple[int, bool]:
        """What a group costs at least, and whether an order is known that costs no more.

        Parameters
        ----------
        group : sequence of int
            Accesses by number.
        orders : Orders
            The best known.
        deadline : Deadline
        report : callable
            Called with every higher bound.
        offer : callable, optional
            Takes orders found, and returns what the group costs at most.
        """
        known = self._cost_of(group, orders)
        wanted = [self._wanted[n] for n in group]
        if known is None or not Assignments.takes(self._sizes, wanted, known):
            return 0, False

        def cost_within(order: tuple[int, ...]) -> int | None:
            return self._cost_of(group, (np.array(order, dtype=np.int64),))

        search = Assignments(
            self._sizes,
            wanted,
            [self._options[n] for n in group],
            offer or cost_within,
            lambda few: self._fit.all_views(group[n] for n in few),
        )
        found = [0]

        def note(bound: int) -> None:
            found.append(bound)
            report(bound)

        bound, is_exact = search.run(known, deadline, note)
        return max(*found, bound), is_exact

    def _cost_of(self, group: Sequence[int], orders: Orders) -> int | None:
        """None if the orders are no solution for the group."""
        facts = self._problem.facts(orders)
        costs = [self._problem.accesses[n].cost(*facts[n]) for n in group]
        return None if any(c.violated for c in costs) else sum(c.primary for c in costs)
