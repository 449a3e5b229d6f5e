"""Bounds for several tensors, from what accesses save together at most; see :mod:`.lively`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.backends.modes.groups import bound_together
from reorder_solver.backends.modes.items import dearest, items_of
from reorder_solver.backends.modes.lively import LivelySets
from reorder_solver.backends.modes.oracles import ByRuns, ByTables, ByTours, ByWalks, Few
from reorder_solver.backends.modes.regions import Regions
from reorder_solver.backends.modes.suffixes import BySuffixes
from reorder_solver.backends.modes.warm_up import engine_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reorder_solver.backends.dynamic.anatomy import Anatomy
    from reorder_solver.backends.modes.options import Option
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Orders

#: Accesses of groups that are solved on their own first, and share of the time for that.
_GROUPS = (3, 4)
_GROUPS_SHARE = 0.1


def bound_savings(
    anatomy: Anatomy,
    options: Sequence[tuple[Option, ...]],
    alone: Sequence[int],
    limit: Callable[[], int | None],
    offer: Callable[[Orders], object],
    deadline: Deadline,
    report: Callable[[int], None],
    *,
    threads: int,
    seed: int,
) -> bool:
    """Bound what accesses save; whether that proves the best.

    Parameters
    ----------
    anatomy : Anatomy
    options : sequence of tuple of Option
    alone : sequence of int
        What every access costs at least.
    limit : callable
        The lowest cost known.
    offer : callable
        Takes orders of all tensors.
    deadline : Deadline
    report : callable
        Takes bounds.
    threads, seed : int
    """
    if not deadline.remaining or not engine_ready(deadline):
        return False
    problem, regions = anatomy.problem, Regions(anatomy.problem)
    items = [
        item
        for number, each in enumerate(zip(options, anatomy.shapes, strict=True))
        for item in items_of(number, *each, regions.least_runs([number]))
    ]
    tops = [dearest(*each) for each in zip(options, anatomy.shapes, strict=True)]

    def saved() -> int:
        best = limit()
        return 0 if best is None else max(0, sum(tops) - best)

    suffixes = BySuffixes(items, anatomy)
    settled: set[Few] = set()
    lively = LivelySets(
        items,
        (
            ByRuns(items, regions),
            suffixes,
            ByWalks(items, anatomy, settled, saved, offer),
            ByTables(items, problem, (1, 2, 3), offer, settled),
            ByTours(items, problem),
            ByTables(items, problem, (4,), offer, settled),
        ),
    )
    free = [
        number
        for number, shape in enumerate(anatomy.shapes)
        if shape is not None and shape.most_runs > 1
    ]
    share = deadline.share(_GROUPS_SHARE)
    for group, least in bound_together(problem, free, alone, share, report, _GROUPS):
        lively.limit_accesses(group, sum(tops[each] for each in group) - least)
    for few, most in suffixes.groups(deadline):
        lively.limit(few, most)
    for few, bases, most in suffixes.budgets(deadline):
        lively.budget(few, bases, most)
    return lively.run(
        saved, deadline, lambda most: report(sum(tops) - most), threads=threads, seed=seed
    )
