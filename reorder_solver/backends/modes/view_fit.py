"""Which accesses can all be views, asked again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.presolve import ViewSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_solver.presolve import Problem


class ViewFit:
    """Answers by PQ-tree, each kept.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self._known: dict[frozenset[int], ViewSet | None] = {frozenset(): ViewSet(problem)}

    def all_views(self, accesses: Iterable[int]) -> bool:
        """Whether some order makes a view of each of `accesses`."""
        return self._views(frozenset(accesses)) is not None

    def _views(self, accesses: frozenset[int]) -> ViewSet | None:
        if accesses not in self._known:
            last = max(accesses)
            views = self._views(accesses - {last})
            if views is not None:
                views = views.copy()
                if not views.add(last):
                    views = None
            self._known[accesses] = views
        return self._known[accesses]
