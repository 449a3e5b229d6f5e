"""Shared buffers, exactly: a dynamic programme over sets of readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from formulations.sharing_model import members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from formulations.sharing_model import Sets, SharedBuffers

# Sums below this do not overflow 64 bits.
_INT64_LIMIT = 2**61


def solve_partition(sets: Sets, expired: Callable[[], bool]) -> SharedBuffers | None:
    """The optimum over all partitions.

    Parameters
    ----------
    sets : Sets
        Of a problem with at most a dozen or so readers.
    expired : callable
        Asked now and then; True ends the search.

    Returns
    -------
    SharedBuffers or None
        None if time ran out.

    Notes
    -----
    For ``m`` readers, ``2^m`` questions of each kind at most (a set is asked about only if all
    its subsets fit) and ``3^m`` steps in numpy at most: fewer where fewer sets fit.
    """
    count = len(sets.problem)
    kept = _kept_at_home(sets, count, expired)
    if kept is None:
        return None
    everyone = (1 << count) - 1
    movable = everyone & ~sets.problem.staying
    groups = _groups(sets, movable, kept, expired)
    if groups is None:
        return None
    best, choice = _best_partitions(sets, movable, groups)
    chosen, cost = 0, None
    for out in _subsets(movable):
        if choice[out] < 0:
            continue
        rest = everyone ^ out
        total = int(best[out]) + sets.home(kept[rest], rest ^ kept[rest])
        if cost is None or total < cost:
            chosen, cost = out, total
    assert cost is not None, "with nothing in buffers everyone is at home"
    rest, buffers = everyone ^ chosen, []
    while chosen:
        buffers.append(int(choice[chosen]))
        chosen ^= buffers[-1]
    return sets.solution(kept[rest], rest ^ kept[rest], buffers, cost, finished=True)


def _subsets(mask: int) -> Iterator[int]:
    """All subsets of a set, smaller numbers first."""
    subset = 0
    while True:
        yield subset
        if subset == mask:
            return
        subset = (subset - mask) & mask


def _kept_at_home(sets: Sets, count: int, expired: Callable[[], bool]) -> list[int] | None:
    """Per set its dearest members that can all be views of the home."""
    kept = [0] * (1 << count)
    for mask in range(1, 1 << count):
        if mask % 256 == 0 and expired():
            return None
        smaller = [mask ^ (1 << i) for i in members(mask)]
        if all(kept[each] == each for each in smaller) and sets.fits_home(mask):
            kept[mask] = mask
        else:
            kept[mask] = max((kept[each] for each in smaller), key=sets.gathers)
    return kept


def _groups(
    sets: Sets, movable: int, kept: list[int], expired: Callable[[], bool]
) -> dict[int, list[tuple[int, int]]] | None:
    """By lowest member, the sets that one buffer can serve at less than gathers, with prices."""
    found: dict[int, list[tuple[int, int]]] = {}
    fitting = {0}
    for number, mask in enumerate(_subsets(movable)):
        if number % 256 == 0 and expired():
            return None
        if not mask or not sets.one_value(mask):
            continue
        if all(mask ^ (1 << i) in fitting for i in members(mask)) and (
            kept[mask] == mask or sets.fits(mask)
        ):
            fitting.add(mask)
        elif not sets.problem.home_price:
            continue
        price = sets.buffer(mask)
        if price is not None and (sets.problem.home_price or price < sets.gathers(mask)):
            found.setdefault(mask & -mask, []).append((mask, price))
    return found


def _best_partitions(
    sets: Sets, movable: int, groups: dict[int, list[tuple[int, int]]]
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.int64]]:
    """Per set the price of serving it by buffers alone and one of them; -1 where none can."""
    dearest = sum(max(price for _, price in each) for each in groups.values())
    kind = np.int64 if dearest < _INT64_LIMIT else np.object_
    tables = {
        low: (
            np.array([mask for mask, _ in each], dtype=np.int64),
            np.array([price for _, price in each], dtype=kind),
        )
        for low, each in groups.items()
    }
    best = np.zeros(1 << len(sets.problem), dtype=kind)
    choice = np.full(best.size, -1, dtype=np.int64)
    choice[0] = 0
    for mask in _subsets(movable):
        if not mask or mask & -mask not in tables:
            continue
        masks, prices = tables[mask & -mask]
        inside = (masks & ~mask) == 0
        masks, prices = masks[inside], prices[inside]
        served = choice[mask ^ masks] >= 0
        if served.any():
            masks, prices = masks[served], prices[served]
            totals = prices + best[mask ^ masks]
            place = int(np.argmin(totals))
            best[mask], choice[mask] = totals[place], masks[place]
    return best, choice
