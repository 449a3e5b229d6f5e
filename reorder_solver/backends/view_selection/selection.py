"""Which accesses should be views: what they pay otherwise, and what is known of conflicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from formulations.covering import Covering, dual_support
from reorder_solver.backends.conflicts import (
    conflicting_triples,
    grow_clique,
    minimal_conflict,
    pair_cliques,
    triple_cliques,
)
from reorder_solver.core.proof import ViewsPart
from reorder_solver.presolve import ViewSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from reorder_solver.backends.view_selection.triples import Triples
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Orders, Problem, ProblemAccess

#: Conflicting triples are listed for so many accesses, those that pay most; 134 MB.
_TRIPLES_LIMIT = 1024
#: Most cardinality constraints made before the first master; later ones as they are violated.
_CLIQUES_LIMIT = 200
#: By how much a fractional solution must violate a constraint that is added for it.
_VIOLATION = 0.05
#: Share of the time left that may go into triples.
_TRIPLES_SHARE = 0.6


def flat_price(access: ProblemAccess) -> int | None:
    """What `access` pays when it is no view, if that does not depend on runs and span."""
    if any(set(each.to_mapping()) != {"gather"} for each in access.prices):
        return None
    return sum(
        each.gather[0] + each.gather[1] * access.channels
        for each in access.prices
        if each.gather is not None
    )


class Fitted(NamedTuple):
    """Views made of some items.

    Attributes
    ----------
    views : ViewSet
    places : list of int
        The items that are views, in the sequence in which they were added.
    rejected : list of int
        Items that were tried and do not fit.
    """

    views: ViewSet
    places: list[int]
    rejected: list[int]


@dataclass(slots=True, eq=False)
class ViewSelection:
    """The items to choose from, and what is known of their conflicts.

    Items are counted by *places* in `items`; the dearest come first.

    Attributes
    ----------
    problem : Problem
    base : ViewSet
        The required accesses.
    items : tuple of int
        Accesses that pay if they are no views, and that could be.
    weights : tuple of int
        What they pay.
    never : tuple of int
        Accesses that pay, as no layout makes them views.
    certain : int
        What these pay.
    constraints : dict
        Members (sorted places) and demand, in the sequence in which they were found.
    triples : Triples or None
        Of the first items; None before :meth:`seed`.
    """

    problem: Problem
    base: ViewSet
    items: tuple[int, ...]
    weights: tuple[int, ...]
    never: tuple[int, ...]
    certain: int
    constraints: dict[tuple[tuple[int, ...], int], None] = field(default_factory=dict)
    triples: Triples | None = None

    @classmethod
    def of(cls, problem: Problem, deadline: Deadline) -> ViewSelection:
        """Sort out which accesses there is anything to decide about."""
        base = ViewSet(problem)
        prices = [flat_price(access) or 0 for access in problem.accesses]
        required = [number for number, access in enumerate(problem.accesses) if access.required]
        for number in required:
            base.add(number)
        candidates = [number for number, price in enumerate(prices) if price]
        candidates.sort(key=lambda number: -prices[number])
        never: list[int] = []
        for number in candidates:
            # Out of time, an access that can never be a view stays an item: a fit finds out.
            if deadline.expired:
                break
            if _may_fail_alone(base, number, bool(required)) and not base.copy().add(number):
                never.append(number)
        hopeless = set(never)
        items = tuple(number for number in candidates if number not in hopeless)
        return cls(
            problem,
            base,
            items,
            tuple(prices[number] for number in items),
            tuple(never),
            sum(prices[number] for number in never),
        )

    def seed(self, deadline: Deadline) -> None:
        """Find the conflicting triples and make the first cardinality constraints from them."""
        limit = deadline.share(_TRIPLES_SHARE)
        listed = self.items[:_TRIPLES_LIMIT]
        self.triples = conflicting_triples(self.problem, self.base, limit, listed)
        for clique in pair_cliques(self.triples):
            self.constraints[clique, len(clique) - 1] = None
        for clique in triple_cliques(self.triples, range(len(listed)), _CLIQUES_LIMIT, limit):
            self.constraints[clique, len(clique) - 2] = None

    def covering(self) -> Covering:
        """The master programme over the places."""
        return Covering(weights=self.weights, constraints=tuple(self.constraints))

    def cost(self, places: Iterable[int]) -> int:
        """What is paid if the items at `places` are views."""
        views = set(places)
        paid = sum(weight for place, weight in enumerate(self.weights) if place not in views)
        return self.certain + paid

    def proof(self, bound: int) -> ViewsPart[int]:
        """A proof of `bound`: few constraints where these show it by splitting weights, or all."""
        covering = self.covering()
        proven, used = dual_support(covering)
        if self.certain + proven < bound:
            used = list(range(len(covering.constraints)))
        found = tuple(
            (tuple(self.items[place] for place in members), demand)
            for members, demand in (covering.constraints[number] for number in used)
        )
        return ViewsPart(tuple(((access,), 1) for access in self.never) + found, bound)

    def fit(
        self, sequence: Sequence[int], deadline: Deadline, start: Fitted | None = None
    ) -> Fitted:
        """Make views of the items at `sequence`, each if it fits with those before it.

        Parameters
        ----------
        sequence : sequence of int
            Places.
        deadline : Deadline
            Once it is over, the rest is rejected untried.
        start : Fitted, optional
            What to go on from; it is changed.
        """
        fitted = Fitted(self.base.copy(), [], []) if start is None else start
        watch = _Watch(self.triples)
        for place in fitted.places:
            watch.accept(place)
        for place in sequence:
            if deadline.expired or watch.blocks(place):
                fitted.rejected.append(place)
            elif fitted.views.add(self.items[place]):
                fitted.places.append(place)
                watch.accept(place)
            else:
                fitted.rejected.append(place)
        return fitted

    def separate(
        self,
        sequence: Sequence[int],
        deadline: Deadline,
        values: npt.NDArray[np.float64] | None = None,
    ) -> Fitted:
        """As :meth:`fit`, and add a constraint for every item that does not fit.

        Parameters
        ----------
        sequence : sequence of int
            Places.
        deadline : Deadline
        values : ndarray of float64, optional
            A fractional solution; only constraints that it violates are then added.
        """
        fitted = Fitted(self.base.copy(), [], [])
        watch = _Watch(self.triples)
        for place in sequence:
            if deadline.expired:
                fitted.rejected.append(place)
            elif watch.blocks(place):
                fitted.rejected.append(place)
                self._learn_triple(fitted.places, place, sequence, values)
            elif fitted.views.add(self.items[place]):
                fitted.places.append(place)
                watch.accept(place)
            else:
                fitted.rejected.append(place)
                self._learn(self.conflict(fitted.places, place, deadline), 1, values)
        return fitted

    def conflict(self, accepted: Sequence[int], place: int, deadline: Deadline) -> tuple[int, ...]:
        """Why an item does not fit with some that do: places that cannot all be views; sorted."""
        background = [self.items[each] for each in accepted]
        members = set(minimal_conflict(self.base, background, self.items[place], deadline))
        return tuple(sorted(each for each in (*accepted, place) if self.items[each] in members))

    def seed_all(self, deadline: Deadline) -> None:
        """Add cardinality constraints until they cover all conflicting triples."""
        assert self.triples is not None
        for clique in triple_cliques(self.triples, range(len(self.triples)), None, deadline):
            self.constraints[clique, len(clique) - 2] = None

    def triple_density(self) -> float:
        """The share of conflicting triples; 0 if not all items were looked at."""
        if self.triples is None or not 3 <= len(self.triples) == len(self.items):
            return 0.0
        count = len(self.items)
        marked = int(np.unpackbits(self.triples.words.view(np.uint8)).sum())
        return marked / (count * (count - 1) * (count - 2))

    def _learn(
        self, members: Sequence[int], demand: int, values: npt.NDArray[np.float64] | None
    ) -> None:
        if values is None or values[list(members)].sum() < demand - _VIOLATION:
            self.constraints[tuple(members), demand] = None

    def _learn_triple(
        self,
        accepted: Sequence[int],
        place: int,
        sequence: Sequence[int],
        values: npt.NDArray[np.float64] | None,
    ) -> None:
        """Add a cardinality constraint that holds a triple of `place` and two that are accepted."""
        assert self.triples is not None
        views = self.triples.bits(each for each in accepted if each < len(self.triples))
        partners = self.triples.pairs[place] & views
        if partners.any():
            # All pairs have been covered by constraints from the start, unless time ran out.
            self._learn(sorted((place, self.triples.first(partners))), 1, values)
            return
        blocked = self.triples.words[place] & views
        for each in accepted:
            if each < len(self.triples) and blocked[each].any():
                seed = (place, each, self.triples.first(blocked[each]))
                order = dict.fromkeys([*sequence, *range(len(self.triples))])
                listed = [one for one in order if one < len(self.triples)]
                clique = grow_clique(self.triples, seed, listed)
                self._learn(clique, len(clique) - 2, values)
                return

    def orders(self, fitted: Fitted, deadline: Deadline) -> Orders:
        """Orders that make views of the items, and of what pays nothing as far as it fits."""
        views = fitted.views.copy()
        chosen = {*self.items, *self.never}
        for number in range(len(self.problem.accesses)):
            if number not in chosen and not deadline.expired:
                views.add(number)
        return views.orders()


class _Watch:
    """Which items conflict with those accepted so far, as far as triples show it."""

    def __init__(self, triples: Triples | None) -> None:
        self._triples = triples
        self._accepted: list[int] = []
        if triples is not None:
            self._blocked = np.zeros(triples.pairs.shape[-1], dtype=np.uint64)

    def blocks(self, place: int) -> bool:
        """Whether the item is in a marked conflict with accepted ones."""
        if self._triples is None or place >= len(self._triples):
            return False
        return bool(int(self._blocked[place >> 6]) >> (place & 63) & 1)

    def accept(self, place: int) -> None:
        """Count the item among the views."""
        if self._triples is None or place >= len(self._triples):
            return
        self._blocked |= self._triples.pairs[place]
        if self._accepted:
            with_others = self._triples.words[place, self._accepted]
            self._blocked |= np.bitwise_or.reduce(with_others, axis=0)
        self._accepted.append(place)


def _may_fail_alone(base: ViewSet, number: int, is_constrained: bool) -> bool:
    """Whether it takes a tree to see that an access could be a view."""
    rows = base.rows(number)
    if rows is None or is_constrained:
        return True
    return len({tensor for tensor, _ in rows}) < len(rows)
