"""What a few items save together at most: by their runs, by walks, by tours, by tables."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import isinf
from typing import TYPE_CHECKING

from reorder_solver.backends.base import Task
from reorder_solver.backends.branch_and_cut import SequenceBound
from reorder_solver.backends.modes.groups import least_of
from reorder_solver.backends.modes.items import most_saved
from reorder_solver.backends.modes.walks import Chart, Priced, Walk, use_kernels
from reorder_solver.backends.modes.warm_up import kernels_ready
from reorder_solver.core.limits import Deadline
from reorder_solver.core.prices import Objective, PriceList
from reorder_solver.presolve import presolve

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from reorder_solver.backends.dynamic.anatomy import Anatomy
    from reorder_solver.backends.modes.items import Item
    from reorder_solver.backends.modes.regions import Regions
    from reorder_solver.presolve import Orders, Problem, ProblemAccess

#: Up to so many items, tables are quick, better than tours, and all sets of them are walked.
_TABLE_ITEMS = 3
#: Most runners and covers of one walk.
_MOST_RUNNERS = 6
_MOST_COVERS = 6
#: Most classes of a tour.
_TOUR_CLASSES = 400
#: Seconds for one set.
_PATIENCE = 1.0
#: Items by number.
Few = tuple[int, ...]


def within(deadline: Deadline, seconds: float) -> Deadline:
    """The deadline, or so many seconds from now if that is sooner; None stays none."""
    return deadline if isinf(deadline.remaining) else Deadline(min(seconds, deadline.remaining))


def _ignore(_orders: Orders | None, _bound: int | None) -> None:
    pass


class ByRuns:
    """From how few runs the accesses have together; items that pay for spans say nothing.

    Parameters
    ----------
    items : sequence of Item
    regions : Regions
    """

    is_quick = True

    def __init__(self, items: Sequence[Item], regions: Regions) -> None:
        self._items, self._regions = items, regions

    def sets(self, lively: Few) -> Iterator[Few]:
        """Those of `lively` that pay for runs: all, all but one, and up to four of them."""
        few = tuple(each for each in lively if not self._items[each].spans)
        if len(few) > 1:
            yield few
        for size in sorted({size for size in (2, 3, 4, len(few) - 1) if 1 < size < len(few)}):
            yield from combinations(few, size)

    def ask(self, few: Few, _deadline: Deadline, /) -> int:
        """What `few` save at most if all are lively; -1 if they never are."""
        items = [self._items[each] for each in few]
        return most_saved(items, self._regions.least_runs([item.access for item in items]))


class ByTours:
    """From the shortest tour through the classes that the accesses tell apart.

    What an item saves falls with its runs, ever less steeply: no runs save more than a straight
    line from the fewest to the most says. So a bound on weighted runs is one on what is saved.

    Parameters
    ----------
    items : sequence of Item
    problem : Problem
    """

    is_quick = False

    def __init__(self, items: Sequence[Item], problem: Problem) -> None:
        self._items, self._problem = items, problem

    def sets(self, lively: Few) -> Iterator[Few]:
        """All that pay for runs alone, sets of four or five of these, and all if no walk does."""
        few = tuple(each for each in lively if not self._items[each].spans)
        if len(few) > _TABLE_ITEMS:
            yield few
        for size in range(_TABLE_ITEMS + 1, min(_TABLE_ITEMS + 2, len(few) - 1) + 1):
            yield from combinations(few, size)
        if len(lively) > len(few) > _MOST_RUNNERS:
            yield lively

    def ask(self, few: Few, deadline: Deadline, /) -> int:
        """What `few` save at most if all are lively; -1 if they never are."""
        most, accesses = 0, []
        for item in (self._items[each] for each in few):
            begin, weight = item.line()
            most += begin
            if weight:
                prices = (PriceList(split=(weight,)),)
                access = self._problem.accesses[item.access]
                accesses.append(replace(access, prices=prices, tie_weight=0))
        problem = replace(self._problem, objective=Objective.RUNS, accesses=tuple(accesses))
        reduced = presolve(problem)
        least = reduced.constant.primary
        parts = [component.problem for component in reduced.components]
        before = within(deadline, _PATIENCE)
        for left, part in zip(range(len(parts), 0, -1), parts, strict=True):
            bound = SequenceBound()
            if part.classes <= _TOUR_CLASSES and bound.supports(part) is None:
                task = Task(part, before.share(1 / left), 0, 1, None, _ignore)
                least += bound.solve(task).lower_bound or 0
        return max(-1, most - least)


class ByTables:
    """From the dynamic programme for several tensors, of a few accesses.

    Parameters
    ----------
    items : sequence of Item
    problem : Problem
    sizes : sequence of int
        How many items it is asked about.
    offer : callable
        Takes orders that are good for some items.
    settled : collection of tuple of int
        Sets that need not be looked at.
    """

    is_quick = False

    def __init__(
        self,
        items: Sequence[Item],
        problem: Problem,
        sizes: Sequence[int],
        offer: Callable[[Orders], object],
        settled: Collection[Few] = (),
    ) -> None:
        self._items, self._problem, self._counts = items, problem, sizes
        self._offer, self._settled = offer, settled

    def sets(self, lively: Few) -> Iterator[Few]:
        """All small sets."""
        for size in self._counts:
            yield from (few for few in combinations(lively, size) if few not in self._settled)

    def ask(self, few: Few, deadline: Deadline, /) -> int:
        """What `few` save at most if all are lively; -1 if they never are."""
        items = [self._items[each] for each in few]
        accesses = [_only(self._problem.accesses[item.access], item) for item in items]
        least = least_of(self._problem, accesses, within(deadline, _PATIENCE), self._offer)
        return -1 if least is None else max(-1, sum(item.top for item in items) - least)


class ByWalks:
    """From walks through the tensors, exact where these are in a row.

    Parameters
    ----------
    items : sequence of Item
    anatomy : Anatomy
    settled : set
        Taken over are sets that nobody can say more about.
    saved : callable
        The most that is known to be saved.
    offer : callable
        Takes orders that save more.
    """

    is_quick = True

    def __init__(
        self,
        items: Sequence[Item],
        anatomy: Anatomy,
        settled: set[Few],
        saved: Callable[[], int],
        offer: Callable[[Orders], object],
    ) -> None:
        self._items, self._shapes = items, anatomy.shapes
        self._chart = Chart(anatomy)
        self._settled, self._saved, self._offer = settled, saved, offer

    def sets(self, lively: Few) -> Iterator[Few]:
        """Pairs and threes; then as many as one walk takes; then the other small ones."""
        covers = tuple(each for each in lively if self._items[each].spans)
        runners = tuple(each for each in lively if not self._items[each].spans)
        for size in range(2, _TABLE_ITEMS + 1):
            yield from combinations(lively, size)
        for size in range(min(len(runners), _MOST_RUNNERS), 0, -1):
            for few in combinations(runners, size):
                for others in combinations(covers, min(len(covers), _MOST_COVERS)):
                    if len(few) + len(others) > _TABLE_ITEMS:
                        yield tuple(sorted((*few, *others)))
        yield from combinations(lively, _TABLE_ITEMS + 1)

    def ask(self, few: Few, deadline: Deadline, /) -> int:
        """What `few` save at most if all are lively; -1 if they never are."""
        items = [self._items[each] for each in few]
        most = sum(item.most for item in items)
        if not kernels_ready("walks", use_kernels, deadline):
            return most
        saved, runners, covers = 0, [], []
        is_linear = True
        for item in items:
            if item.spans:
                gap = min(option.gap for option in item.options)
                shape = self._shapes[item.access]
                assert shape is not None
                elsewhere = sum(piece.fixed_gap or 0 for piece in shape.pieces)
                saved += item.top - min(o.fixed + o.run for o in item.options) - gap * elsewhere
                covers.append(Priced(item.access, gap))
            else:
                begin, weight = item.line()
                saved += begin + weight
                is_linear &= item.is_straight(begin, weight)
                if weight:
                    runners.append(Priced(item.access, weight))
        walk = Walk(self._chart, runners, covers)
        before = within(deadline, _PATIENCE)
        least = walk.least(saved + 1, before)
        if least > saved or (walk.is_exact and is_linear):
            self._settled.add(few)
        if saved - least > self._saved():
            orders = walk.orders(before)
            if orders is not None:
                self._offer(orders)
        return max(-1, min(most, saved - least))


def _only(access: ProblemAccess, item: Item) -> ProblemAccess:
    """The access with no other modes than the item's; with several price lists, as it is."""
    if len(access.prices) != 1:
        return access
    modes = access.prices[0].to_mapping()
    kept = {"cover"} if item.spans else {"cat", "split"}
    left = {mode: prices for mode, prices in modes.items() if mode in kept}
    if not left:
        return replace(access, prices=(), required=True)
    return replace(access, prices=(PriceList.from_mapping(left),))
