"""What is known of accesses that cannot all be views, and the lower bound that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.backends.conflicts import (
    conflicting_triples,
    minimal_conflict,
    triple_cliques,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from reorder_solver.presolve import Problem, ViewSet

#: Up to how many accesses all conflicting triples are listed at the start.
_TRIPLES_LIMIT = 96
#: Most constraints made from them.
_CLIQUES_LIMIT = 200


class ConflictPool:
    """Constraints of the form "at most so many of these accesses are views".

    Parameters
    ----------
    problem : Problem
    base : ViewSet
        Accesses that are views in any case.
    candidates : sequence of int
        Accesses that may or may not be views.
    """

    def __init__(self, problem: Problem, base: ViewSet, candidates: Sequence[int]) -> None:
        self._base = base
        self._count = len(problem.accesses)
        self._most_views: dict[frozenset[int], int] = {}
        if 3 <= len(candidates) <= _TRIPLES_LIMIT:
            triples = conflicting_triples(problem, base)
            for clique in triple_cliques(triples, candidates, _CLIQUES_LIMIT):
                self._most_views[frozenset(clique)] = 2

    def learn(self, fitting: Sequence[int], failing: int) -> frozenset[int]:
        """Add, and return, a minimal conflict of `failing` with some that fit together."""
        conflict = frozenset(minimal_conflict(self._base, fitting, failing))
        self._most_views.setdefault(conflict, len(conflict) - 1)
        return conflict

    def excluded(self, must: AbstractSet[int]) -> set[int]:
        """Accesses that cannot be views along with those in `must`."""
        found: set[int] = set()
        for members, most in self._most_views.items():
            if len(members & must) >= most:
                found |= members
        return found - must

    def bound(
        self, prices: Sequence[int], must: AbstractSet[int], never: AbstractSet[int]
    ) -> tuple[int, list[int]]:
        """What the accesses that are not in `never` have to pay at least, for being no views.

        Parameters
        ----------
        prices : sequence of int
            Per access what it pays at least where it is no view.
        must, never : set of int
            Accesses that are, and that are no views.

        Returns
        -------
        total : int
        paid : list of int
            How much of each price went into the total.

        Notes
        -----
        Each constraint takes from the prices of its members what it needs; what it leaves is
        there for those after it. So no part of a price is used twice.
        """
        left = list(prices)
        total = 0
        for members, most in self._most_views.items():
            open_members = members - must - never
            need = len(open_members) + len(members & must) - most
            if need <= 0 or need > len(open_members):
                continue
            cheapest = sorted(left[each] for each in open_members)[:need]
            if not cheapest[-1]:
                continue
            total += sum(cheapest)
            for each in open_members:
                left[each] -= min(left[each], cheapest[-1])
        return total, [price - rest for price, rest in zip(prices, left, strict=True)]
