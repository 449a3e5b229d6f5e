"""Local search over which accesses are views."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from reorder_solver.backends.view_selection.selection import ViewSelection
    from reorder_solver.core.limits import Deadline

#: A walk may go on from views that cost more than the best by one part in so many.
_SLACK = 100


def improve(
    selection: ViewSelection,
    places: list[int],
    deadline: Deadline,
    moves: int,
    rng: np.random.Generator,
) -> list[int]:
    """Force items among the views, eject what then does not fit, and fill up.

    Parameters
    ----------
    selection : ViewSelection
    places : list of int
        Items that are views together.
    deadline : Deadline
    moves : int
        Most items forced in.
    rng : numpy.random.Generator

    Returns
    -------
    list of int
        Views that cost no more than `places`.
    """
    best, lowest = places, selection.cost(places)
    current = best
    for _ in range(moves):
        if deadline.expired:
            break
        views = set(current)
        outside = [place for place in range(len(selection.items)) if place not in views]
        if not outside:
            break
        count = min(len(outside), 1 + int(rng.integers(2)))
        forced = rng.choice(outside, size=count, replace=False).tolist()
        kept = rng.permutation(current).tolist()
        rest = [place for place in rng.permutation(outside).tolist() if place not in forced]
        found = selection.fit([*forced, *kept, *rest], deadline).places
        cost = selection.cost(found)
        # Out of time, what was not tried counts as no view: still views together.
        if cost < lowest:
            best, lowest = found, cost
        if cost <= lowest + lowest // _SLACK:
            current = found
    return best
