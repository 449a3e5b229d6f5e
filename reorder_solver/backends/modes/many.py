"""Bounds for problems with many accesses or several tensors; see :mod:`.master`."""

from __future__ import annotations

from functools import cached_property, partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.conflicts import conflicting_triples, triple_cliques
from reorder_solver.backends.modes.groups import bound_together, least_alone
from reorder_solver.backends.modes.master import LARGEST_PRICE, Chosen, Master, Term
from reorder_solver.backends.modes.options import Option
from reorder_solver.backends.modes.regions import Regions
from reorder_solver.backends.modes.several import bound_savings
from reorder_solver.backends.modes.shares import Shares
from reorder_solver.backends.modes.vectors import Linear, VectorSearch
from reorder_solver.backends.modes.view_fit import ViewFit
from reorder_solver.backends.modes.warm_up import engine_ready
from reorder_solver.presolve import ViewSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reorder_solver.backends.dynamic.anatomy import Anatomy
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Orders

#: Most view constraints, and most triples that are looked through for them.
_CLIQUES = 200
_TRIPLE_ACCESSES = 200
#: Cuts of each size made at the start, and per round.
_FIRST_CUTS = 400
_ROUND_CUTS = 40
#: Sets looked at per size and round.
_LOOKED_AT = 400
_LARGEST_SET = 5
#: Accesses of a group that is solved on its own.
_GROUP = 5
#: Accesses of groups that are solved before any kernel is needed, and share of the time for them.
_SMALL_GROUP = 3
_TOGETHER_SHARE = 0.1
#: Shares of the time: for all that comes before the programme, of that for nested groups, and for
#: one solution of the programme.
_GROUPS_SHARE = 0.9
_DOLLS_SHARE = 0.8
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
    best : callable
        The cheapest orders known.
    offer_orders : callable
        Takes orders of all tensors.
    is_one_tensor : bool
    """

    def __init__(
        self,
        anatomy: Anatomy,
        options: Sequence[tuple[Option, ...]],
        offer: Callable[[tuple[int, ...]], int | None],
        best: Callable[[], Orders | None],
        *,
        offer_orders: Callable[[Orders], object],
        is_one_tensor: bool,
    ) -> None:

        self._anatomy, self._problem = anatomy, anatomy.problem
        self._options = options
        self._offer, self._best = offer, best
        self._offer_orders = offer_orders
        self._limit: Callable[[], int | None] = lambda: None
        self._regions = Regions(anatomy.problem)
        self._is_one_tensor = is_one_tensor
        self._free = [
            number
            for number, shape in enumerate(anatomy.shapes)
            if shape is not None and shape.most_runs > 1
        ]
        self._alone = [
            least_alone(each, shape, self._regions.least_runs([number]))
            for number, (each, shape) in enumerate(zip(options, anatomy.shapes, strict=True))
        ]
        if is_one_tensor:
            self._sizes = self._problem.sizes[0].tolist()
            self._wanted = [
                frozenset(int(each) for each in access.parts[0][1])
                for access in self._problem.accesses
            ]
        self._fit = ViewFit(self._problem)
        self._seen: dict[tuple[Term, ...], int] = {}

    @cached_property
    def _master(self) -> Master:
        # Loads its engine, which nobody waits for without a use for it.
        return Master(self._options, self._anatomy.shapes)

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
        self._limit = limit
        report(sum(self._alone))
        if not self._is_one_tensor:
            return bound_savings(
                self._anatomy,
                self._options,
                self._alone,
                limit,
                self._offer_orders,
                deadline,
                report,
                threads=threads,
                seed=seed,
            )
        if not deadline.remaining:
            return False
        # Without a compiled kernel: the first searches may have to wait for theirs.
        share = deadline.share(_TOGETHER_SHARE)
        bound_together(self._problem, self._free, self._alone, share, report, (_SMALL_GROUP,))
        shares = Shares(self._problem, self._options, self._fit, self._alone)
        orders = self._best()
        known: list[tuple[Sequence[int], int]] = []
        if orders is not None and shares.run(
            orders, deadline, report, self._offer, lambda few, least: known.append((few, least))
        ):
            return True
        if not engine_ready(deadline):
            return False
        for each in known:
            self._master.add_cost(*each)
        self._start(deadline)
        if self._solve_dolls(deadline.share(_GROUPS_SHARE), report):
            return True
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

    def _solve_dolls(self, deadline: Deadline, report: Callable[[int], None]) -> bool:
        """Solve for the last accesses, then for one more, and so on; whether for all.

        What the last ones cost bounds every choice for those before them. Once time is up, those
        left over are solved in groups; what groups and the last ones cost adds up.
        """
        ranked = sorted(range(len(self._options)), key=lambda n: (-self._flat_price(n), n))
        tails = [0] * (len(ranked) + 1)
        dolls = deadline.share(_DOLLS_SHARE)
        for first in range(len(ranked) - 1, -1, -1):
            least, is_exact = self._solve_group(ranked[first:], tails[first + 1 :], dolls)
            tails[first] = least
            report(least)
            if not is_exact and dolls.expired:
                return self._solve_rest(ranked[:first], least, deadline, report)
        return self._limit() == tails[0]

    def _solve_rest(
        self, ranked: Sequence[int], total: int, deadline: Deadline, report: Callable[[int], None]
    ) -> bool:
        groups = [ranked[begin : begin + _GROUP] for begin in range(0, len(ranked), _GROUP)]
        for left, group in zip(range(len(groups), 0, -1), groups, strict=True):
            total += self._solve_group(group, [0] * len(group), deadline.share(1 / left))[0]
            report(total)
        return False

    def _solve_group(
        self, group: Sequence[int], tails: Sequence[int], deadline: Deadline
    ) -> tuple[int, bool]:
        """What some accesses cost at least, and whether an order is known that costs no more.

        `tails` is about all but the first of them; see :class:`VectorSearch`.
        """
        is_all = len(group) == len(self._options)
        offer = self._offer if is_all else partial(self._cost_within, group)
        found = [tails[0]]
        search = VectorSearch(
            self._sizes,
            [self._wanted[n] for n in group],
            [self._options[n] for n in group],
            offer,
            [tails[0], *tails],
            lambda few: self._fit.all_views(group[n] for n in few),
        )
        orders = self._best()
        known = None if orders is None else self._cost_of(group, orders)
        bound, is_exact = search.run(known, deadline, found.append)
        least = max(*found, bound or 0)
        self._master.add_cost(group, least)
        return least, is_exact

    def _flat_price(self, number: int) -> int:
        return min(option.fixed or LARGEST_PRICE for option in self._options[number])

    def _cost_within(self, group: Sequence[int], order: tuple[int, ...]) -> int | None:
        """What an order costs the accesses of a group; None if it is no solution."""
        return self._cost_of(group, (np.array(order, dtype=np.int64),))

    def _cost_of(self, group: Sequence[int], orders: Orders) -> int | None:
        facts = self._problem.facts(orders)
        costs = [self._problem.accesses[n].cost(*facts[n]) for n in group]
        return None if any(c.violated for c in costs) else sum(c.primary for c in costs)

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
        lively = [number for number, each in enumerate(chosen) if not each.option.is_flat]
        lively.sort(key=lambda number: (chosen[number].runs, number))
        added = 0
        for few in self._sets(lively):
            if added >= _ROUND_CUTS or deadline.expired:
                break
            added += self._cut_runs(few, chosen)
            if len(few) <= _LARGEST_SET:
                added += self._cut_mixed(few, chosen, deadline)
        if not added and len(lively) > 1 and not deadline.expired:
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

    def _cut_mixed(
        self, few: tuple[int, ...], chosen: Sequence[Chosen], deadline: Deadline
    ) -> bool:
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
            self._seen[terms] = linear.bound(_END, deadline)
        return self._add_if_violated(terms, chosen)

    def _add_if_violated(self, terms: tuple[Term, ...], chosen: Sequence[Chosen]) -> bool:
        least = self._seen[terms]
        value = sum(run * (chosen[n].runs - 1) + gap * chosen[n].gap for n, run, gap in terms)
        if value >= least:
            return False
        self._master.add_cut(terms, least)
        return True
