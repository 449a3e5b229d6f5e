"""What is known of a problem's components while they are being solved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.errors import BackendContractError
from reorder_solver.core.result import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reorder_solver.core.limits import Deadline
    from reorder_solver.core.proof import ComponentPart
    from reorder_solver.presolve import Cost, Orders, Problem


@dataclass(slots=True)
class Incumbent:
    """Best orders and bound of one component; every claim is checked as it comes in.

    Attributes
    ----------
    problem : Problem
    orders : Orders or None
    cost : Cost or None
        Of `orders`, worked out here.
    lower_bound : int or None
        Highest proven bound on the primary cost.
    proof : ViewsPart, RunsPart, JunctionsPart or None
        Of `lower_bound`, where the backend gave one.
    """

    problem: Problem
    orders: Orders | None = None
    cost: Cost | None = None
    lower_bound: int | None = None
    proof: ComponentPart | None = None

    def offer(
        self,
        orders: Orders | None,
        lower_bound: int | None,
        proof: ComponentPart | None = None,
    ) -> bool:
        """Take over what is better; return whether anything was.

        A `proof` is kept if it is of the bound that is known then.

        Raises
        ------
        BackendContractError
            If `orders` are no permutations or move a fixed tensor, or the bound is above the
            cost of a known solution.
        """
        better = orders is not None and self._offer_orders(orders)
        if lower_bound is not None and (self.lower_bound is None or lower_bound > self.lower_bound):
            self.lower_bound = int(lower_bound)
            self.proof = None
            better = True
        if proof is not None and self.proof is None and proof.bound == self.lower_bound:
            self.proof = proof
        if self.cost is not None and self.cost.primary == 0 and self.lower_bound is None:
            # Prices are never negative, so a free layout proves itself.
            self.lower_bound = 0
        known = None if self.cost is None else self.cost.primary
        if known is not None and self.lower_bound is not None and self.lower_bound > known:
            raise BackendContractError(
                f"claimed lower bound {self.lower_bound} is above the cost {known} of a layout"
            )
        return better

    def _offer_orders(self, orders: Orders) -> bool:
        _check_orders(self.problem, orders)
        cost = self.problem.cost(orders)
        if cost.violated or (self.cost is not None and cost >= self.cost):
            return False
        self.orders = tuple(np.array(order, dtype=np.int64) for order in orders)
        self.cost = cost
        return True


def total_bound(incumbents: Sequence[Incumbent], constant: int) -> int | None:
    """What all components cost at least, and `constant`; None if too little is known of them.

    Prices are never negative, so a component of which nothing is known yet counts as free. That is
    worth saying as soon as more than that is known of another.
    """
    known = [each.lower_bound for each in incumbents if each.lower_bound is not None]
    if len(known) < len(incumbents) and not any(known):
        return None
    return constant + sum(known)


def _check_orders(problem: Problem, orders: Orders) -> None:
    if len(orders) != len(problem.sizes):
        raise BackendContractError(f"{len(orders)} orders for {len(problem.sizes)} tensors")
    for number, (order, sizes, fixed) in enumerate(
        zip(orders, problem.sizes, problem.fixed, strict=True)
    ):
        if not np.array_equal(np.sort(order), np.arange(sizes.size)):
            raise BackendContractError(f"order {number} is no permutation of {sizes.size} classes")
        if fixed and not np.array_equal(order, np.arange(sizes.size)):
            raise BackendContractError(f"order {number} moves a fixed tensor")


class Watcher:
    """Adds up the components' incumbents and tells the user's callback."""

    def __init__(
        self,
        incumbents: list[Incumbent],
        constant: int,
        deadline: Deadline,
        callback: Callable[[Progress], None] | None,
    ) -> None:
        self._incumbents = incumbents
        self._constant = constant
        self._deadline = deadline
        self._callback = callback

    def reporter(self, number: int) -> Callable[[Orders | None, int | None], None]:
        """The ``report`` function for component `number`."""

        def report(orders: Orders | None, lower_bound: int | None) -> None:
            if self._incumbents[number].offer(orders, lower_bound) and self._callback is not None:
                self._callback(Progress(self._deadline.elapsed, self.cost, self.lower_bound))

        return report

    @property
    def cost(self) -> int | None:
        """Primary cost over all components; None while one has no layout."""
        total = self._constant
        for each in self._incumbents:
            if each.cost is None:
                return None
            total += each.cost.primary
        return total

    @property
    def lower_bound(self) -> int | None:
        """Proven bound over all components; see :func:`total_bound`."""
        return total_bound(self._incumbents, self._constant)
