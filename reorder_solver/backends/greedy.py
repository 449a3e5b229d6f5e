"""A quick constructive order: views by what they save, and chains of similar classes.

References
----------
K. S. Booth, G. S. Lueker, "Testing for the consecutive ones property, interval graphs, and graph
planarity using PQ-tree algorithms", Journal of Computer and System Sciences 13 (1976) 335-379,
DOI 10.1016/S0022-0000(76)80045-1.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.backends.chains import Chain, greedy_edge, nearest_neighbour, sorted_columns
from reorder_solver.core.result import StopReason
from reorder_solver.presolve import ViewSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Cost, Orders, Problem, ProblemAccess

#: Chains by distance need a matrix of classes by classes; beyond so many they are only sorted.
_MATRIX_CLASSES = 4096
#: Generous estimate of the time for one chain, times the classes squared.
_CHAIN_SECONDS = 2e-7


class Greedy(Backend):
    """Makes views of the accesses that save the most, as long as they fit together.

    Required accesses come first. Where runs and spans have a price, chains of similar classes
    are tried as well. The cheapest orders win, the original ones and the warm start included.
    """

    name: ClassVar[str] = "greedy"
    summary: ClassVar[str] = "views by what they save, and chains of similar classes"

    def solve(self, task: Task) -> Answer:
        """Return the cheapest of a few constructed orders."""
        problem = task.problem
        base = ViewSet(problem)
        for number, access in enumerate(problem.accesses):
            if access.required and not base.add(number):
                return Answer(None, stop_reason=StopReason.PROVEN, infeasible=True)
        best: Orders | None = None
        lowest: Cost | None = None
        for orders in _candidates(task, base):
            cost = problem.cost(orders)
            if not cost.violated and (lowest is None or cost < lowest):
                best, lowest = orders, cost
                task.report(orders, None)
            if task.deadline.expired and best is not None:
                return Answer(best, stop_reason=StopReason.TIME_LIMIT)
        return Answer(best)


def _candidates(task: Task, base: ViewSet) -> Iterator[Orders]:
    problem, deadline = task.problem, task.deadline
    if task.start is not None:
        yield task.start
    yield base.orders()
    yield problem.identity()
    prices = [_price(access) for access in problem.accesses]
    optional = [number for number, access in enumerate(problem.accesses) if not access.required]

    def rank(number: int) -> tuple[int, int, int]:
        return -prices[number], -problem.accesses[number].channels, number

    dearest = sorted(optional, key=rank)
    views, is_complete = _fit(base, dearest, deadline)
    yield views.orders()
    if is_complete:
        return
    rivals = _rivalry(problem, prices)
    yield _fit(base, sorted(optional, key=lambda n: (-rivals[n], *rank(n))), deadline)[0].orders()
    if all(_is_flat(access) for access in problem.accesses):
        return
    widest = min(_MATRIX_CLASSES, max(sizes.size for sizes in problem.sizes))
    for chain in (nearest_neighbour, greedy_edge):
        # A chain does not look at the clock, so it is begun only if it is sure to end in time.
        if deadline.remaining > _CHAIN_SECONDS * widest**2:
            yield _chained(problem, chain)


def _price(access: ProblemAccess) -> int:
    """What it costs at least to be no view."""
    return 0 if access.required else access.cost(2, access.channels + 1).primary


def _is_flat(access: ProblemAccess) -> bool:
    """Whether runs and span make no difference once it is no view."""
    return not any({"cat", "cover", "split"} & each.to_mapping().keys() for each in access.prices)


def _fit(base: ViewSet, ranked: Sequence[int], deadline: Deadline) -> tuple[ViewSet, bool]:
    """Add what fits, in sequence; and whether all did."""
    views = base.copy()
    is_complete = True
    for number in ranked:
        if deadline.expired:
            return views, False
        is_complete &= views.add(number)
    return views, is_complete


def _rivalry(problem: Problem, prices: Sequence[int]) -> list[Fraction]:
    """Price of each access over the number of accesses that cross it, itself counted.

    Two subsets cross if they share classes and neither holds the other: what keeps them both
    from being views is then only a third one, and the more cross, the likelier it is there.
    """
    crossing = np.ones(len(prices), dtype=np.int64)
    for tensor, sizes in enumerate(problem.sizes):
        parts = [
            (number, wanted)
            for number, access in enumerate(problem.accesses)
            for each, wanted in access.parts
            if each == tensor
        ]
        owners = np.array([number for number, _ in parts], dtype=np.int64)
        wants = np.zeros((len(parts), sizes.size), dtype=np.float32)
        for row, (_, wanted) in enumerate(parts):
            wants[row, wanted] = 1.0
        shared = wants @ wants.T
        size = shared.diagonal()
        crosses = (shared > 0) & (shared < size[:, None]) & (shared < size[None, :])
        np.add.at(crossing, owners, crosses.sum(axis=1))
    return [Fraction(price, int(rivals)) for price, rivals in zip(prices, crossing, strict=True)]


def _chained(problem: Problem, chain: Chain) -> Orders:
    """Every free tensor as a chain of classes that similar accesses want."""
    weights = [_run_price(access) for access in problem.accesses]
    dearest = 1 + sum(weights)
    orders = list(problem.identity())
    for tensor, sizes in enumerate(problem.sizes):
        if problem.fixed[tensor] or sizes.size < 3:
            continue
        rows = [
            (wanted, dearest if access.required else weight)
            for access, weight in zip(problem.accesses, weights, strict=True)
            for each, wanted in access.parts
            if each == tensor
        ]
        wants = np.zeros((len(rows), sizes.size), dtype=np.bool_)
        for row, (wanted, _) in enumerate(rows):
            wants[row, wanted] = True
        method = chain if sizes.size <= _MATRIX_CLASSES else sorted_columns
        orders[tensor] = method(wants, [weight for _, weight in rows])
    return tuple(orders)


def _run_price(access: ProblemAccess) -> int:
    """What a third run costs; where it is free, what it costs to be no view."""
    if access.required:
        return 0
    two, three = (access.cost(runs, access.channels + 2).primary for runs in (2, 3))
    return three - two or _price(access)
