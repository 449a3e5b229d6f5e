"""Bounds for problems with many accesses or several tensors; see :mod:`.master`."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.conflicts import conflicting_triples, triple_cliques
from reorder_solver.backends.modes.master import LARGEST_PRICE, Chosen, Master, Term
from reorder_solver.backends.modes.options import Option
from reorder_solver.backends.modes.regions import Regions
from reorder_solver.backends.modes.vectors import Linear, VectorSearch
from reorder_solver.presolve import ViewSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reorder_solver.backends.dynamic.anatomy import Anatomy
    from reorder_solver.core.limits import Deadline

#: Most view constraints, and most triples that are looked through for them.
_CLIQUES = 200
_TRIPLE_ACCESSES = 200
#: Cuts of each size made at the start, and per round.
_FIRST_CUTS = 400
_ROUND_CUTS = 40
#: Sets looked at per size and round.
_LOOKED_AT = 400
_LARGEST_SET = 5
#: Accesses of a group that is solved on its own, and shares of the time for all groups and for
#: one solution of the programme.
_GROUP = 5
_GROUPS_SHARE = 0.4
_SOLVE_SHARE = 0.4
#: More than any weighted sum of runs and spans in a cut.
_END = 1 << 49


class ManyAccesses:
    """Rounds of the programme, and the cuts between them.

    Parameters
    ----------
    anatomy : Anatomy
    options : sequence of tuple of Option
    offer : callable
        Takes an order of the only tensor; returns the lowest cost known.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        options: Sequence[tuple[Option, ...]],
        offer: Callable[[tuple[int, ...]], int | None],
        *,
        is_one_tensor: bool,
    ) -> None:
        self._problem = anatomy.problem
        self._options = options
        self._offer = offer
        self._regions = Regions(anatomy.problem)
        self._master = Master(options, anatomy.shapes)
        self._is_one_tensor = is_one_tensor
        self._free = [
            number
            for number, shape in enumerate(anatomy.shapes)
            if shape is not None and shape.most_runs > 1
        ]
        if is_one_tensor:
            self._sizes = self._problem.sizes[0].tolist()
            self._wanted = [
                frozenset(int(each) for each in access.parts[0][1])
                for access in self._problem.accesses
            ]
        self._seen: dict[tuple[Term, ...], int] = {}

    def run(
        self,
        limit: Callable[[], int | None],
        deadline: Deadline,
        report: Callable[[int], None],
        *,
        threads: int,
        seed: int,
    ) -> bool:
        """Raise the bound until it is the limit (True), nothing is left to add, or time is up."""
        self._start(deadline)
        if self._is_one_tensor:
            report(self._solve_groups(deadline.share(_GROUPS_SHARE)))
        while not deadline.expired:
            share = deadline.share(_SOLVE_SHARE if deadline.remaining > 1 else 1)
            solved = self._master.solve(share, threads=threads, seed=seed)
            best = limit()
            if solved is None:
                return False
            if solved.is_infeasible:
                # Only views that cannot be make it so, and those are ruled out before.
                return False
            report(solved.bound)
            if best is not None and solved.bound >= best:
                return True
            if solved.chosen is None:
                return False
            if self._is_one_tensor:
                self._try(solved.chosen, best, deadline)
            if not self._cut(solved.chosen, deadline):
                return False
        return False

    def _start(self, deadline: Deadline) -> None:
        if len(self._free) <= _TRIPLE_ACCESSES:
            triples = conflicting_triples(self._problem, ViewSet(self._problem), deadline)
            for clique in triple_cliques(triples, self._free, _CLIQUES):
                self._master.add_most_views(clique, 2)
        self._add_runs(self._free)
        for size in range(1, _LARGEST_SET):
            for number, few in enumerate(combinations(self._free, size)):
                if number >= _FIRST_CUTS or deadline.remaining < 0.5:
                    break
                self._add_runs(few)

    def _solve_groups(self, deadline: Deadline) -> int:
        """Solve groups of accesses on their own; what all of them cost at least."""
        options = self._options
        ranked = sorted(
            self._free, key=lambda n: (-min(o.fixed or LARGEST_PRICE for o in options[n]), n)
        )
        groups = [ranked[begin : begin + _GROUP] for begin in range(0, len(ranked), _GROUP)]
        total = 0
        for left, group in zip(range(len(groups), 0, -1), groups, strict=True):
            found = [0]
            search = VectorSearch(
                self._sizes,
                [self._wanted[n] for n in group],
                [options[n] for n in group],
                partial(self._cost_within, group),
            )
            bound, _ = search.run(None, deadline.share(1 / left), found.append)
            least = max(*found, bound or 0)
            self._master.add_cost(group, least)
            total += least
        return total

    def _cost_within(self, group: Sequence[int], order: tuple[int, ...]) -> int | None:
        """What an order costs the accesses of a group; the caller keeps the lowest."""
        facts = self._problem.facts((np.array(order, dtype=np.int64),))
        costs = [self._problem.accesses[n].cost(*facts[n]) for n in group]
        if any(cost.violated for cost in costs):
            return None
        return sum(cost.primary for cost in costs)

    def _add_runs(self, few: Sequence[int]) -> None:
        least = self._regions.least_runs(few) - len(few)
        if least > 0:
            self._master.add_cut([Term(each, 1, 0) for each in few], least)

    def _try(self, chosen: Sequence[Chosen], best: int | None, deadline: Deadline) -> None:
        """Look for an order under the options chosen."""
        vector = tuple(each.option for each in chosen)
        lively = [number for number, option in enumerate(vector) if not option.is_flat]
        linear = Linear(
            self._sizes, [self._wanted[n] for n in lively], tuple(vector[n] for n in lively)
        )
        flat = sum(option.fixed for option in vector) - linear.fixed
        below = linear.fixed + _END if best is None else best - flat
        found = linear.run(below, deadline.share(0.2))
        if found.order is not None:
            self._offer(found.order)

    def _cut(self, chosen: Sequence[Chosen], deadline: Deadline) -> bool:
        """Add inequalities that the choice violates; False if none was found."""
        lively = [
            number for number, each in enumerate(chosen) if not each.option.is_flat
        ]
        lively.sort(key=lambda number: (chosen[number].runs, number))
        added = 0
        for few in self._sets(lively):
            if added >= _ROUND_CUTS or (added and deadline.expired):
                break
            added += self._cut_runs(few, chosen)
            if self._is_one_tensor and len(few) <= _LARGEST_SET:
                added += self._cut_mixed(few, chosen)
        if not added and self._is_one_tensor and len(lively) > 1:
            added += self._cut_exactly(tuple(sorted(lively)), chosen, deadline)
        return added > 0

    def _cut_exactly(
        self, few: tuple[int, ...], chosen: Sequence[Chosen], deadline: Deadline
    ) -> bool:
        """The least that runs and spans cost at the prices chosen, by a search."""
        heavy = max((chosen[n].option.run for n in few), default=0) or 1
        terms = tuple(
            Term(n, heavy if option.view else option.run, option.gap)
            for n, option in ((n, chosen[n].option) for n in few)
        )
        vector = tuple(Option(0, run, gap, most_runs=1) for _, run, gap in terms)
        linear = Linear(self._sizes, [self._wanted[n] for n in few], vector)
        least = linear.run(_END, deadline).bound
        if least <= self._seen.get(terms, -1):
            return False
        self._seen[terms] = least
        return self._add_if_violated(terms, chosen)

    def _sets(self, lively: Sequence[int]) -> Iterable[tuple[int, ...]]:
        for size in range(len(lively), _LARGEST_SET, -max(1, len(lively) // 8)):
            yield tuple(lively[:size])
        for size in range(min(_LARGEST_SET, len(lively)), 1, -1):
            for number, few in enumerate(combinations(lively, size)):
                if number >= _LOOKED_AT:
                    break
                yield few

    def _cut_runs(self, few: tuple[int, ...], chosen: Sequence[Chosen]) -> bool:
        """The runs of those whose runs count."""
        members = tuple(n for n in few if chosen[n].option.run or chosen[n].option.view)
        if len(members) < 2:
            return False
        terms = tuple(Term(each, 1, 0) for each in members)
        if terms not in self._seen:
            self._seen[terms] = self._regions.least_runs(members) - len(members)
        return self._add_if_violated(terms, chosen)

    def _cut_mixed(self, few: tuple[int, ...], chosen: Sequence[Chosen]) -> bool:
        """Runs and spans together, at their prices."""
        if not any(chosen[n].option.gap for n in few):
            return False
        heavy = max((chosen[n].option.run for n in few), default=0)
        heavy = heavy or max(chosen[n].option.gap for n in few)
        terms = tuple(
            Term(n, 0, option.gap) if option.gap and not option.run else Term(n, heavy, option.gap)
            for n, option in ((n, chosen[n].option) for n in sorted(few))
        )
        if terms not in self._seen:
            vector = tuple(Option(0, run, gap, most_runs=1) for _, run, gap in terms)
            linear = Linear(self._sizes, [self._wanted[n] for n, _, _ in terms], vector)
            self._seen[terms] = linear.bound(_END)
        return self._add_if_violated(terms, chosen)

    def _add_if_violated(self, terms: tuple[Term, ...], chosen: Sequence[Chosen]) -> bool:
        least = self._seen[terms]
        value = sum(run * (chosen[n].runs - 1) + gap * chosen[n].gap for n, run, gap in terms)
        if value >= least:
            return False
        self._master.add_cut(terms, least)
        return True
