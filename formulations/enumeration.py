"""Covering by enumeration of what is left uncovered: for programmes in which few items stay out.

Where nearly all triples of items hold one that must be chosen, linear relaxations say little, but
there are few sets of items none of which is chosen. They are enumerated depth first. What may
still join a set of items ``S`` has to be a clique in the graph of pairs ``b, c`` for which no
triple ``a, b, c`` with ``a`` in ``S`` is forbidden; a colouring of that graph bounds its weight.

References
----------
E. Tomita, T. Kameda, "An efficient branch-and-bound algorithm for finding a maximum clique with
computational experiments", Journal of Global Optimization 37 (2007) 95-111,
DOI 10.1007/s10898-006-9039-7 (bounds by colouring).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from formulations.covering import Baseline, Covering, CoveringSolution
from formulations.engines import import_enumeration_kernel

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from formulations.covering import Constraint

#: Most items; the memory is proportional to their third power.
MOST_ITEMS = 256
# The kernel adds weights in 64 bits.
_MOST_WEIGHT = 2**62
# Nodes between two looks at the clock.
_SLICE = 5000


def can_enumerate(model: Covering) -> bool:
    """Whether a model is within the limits of :class:`Enumeration`."""
    return len(model.weights) <= MOST_ITEMS and sum(model.weights) < _MOST_WEIGHT


class Enumeration:
    """A search for covers cheaper than a given value, one after the other.

    Parameters
    ----------
    model : Covering
        With :func:`can_enumerate`.
    value : int
        Covers of this cost are not looked for any more.

    Attributes
    ----------
    is_exhausted : bool
        There is no cover cheaper than the value given, or the last one accepted.
    """

    def __init__(self, model: Covering, value: int) -> None:
        if not can_enumerate(model):
            raise ValueError("too many items, or too large weights, to enumerate")
        self._kernel = import_enumeration_kernel()
        self._total = sum(model.weights)
        self.is_exhausted = False
        fits, pairs, singles, larger = _forbidden(model)
        likely = fits.sum(axis=(1, 2))
        # The kernel relies on descending weights.
        self._items = sorted(
            (item for item, weight in enumerate(model.weights) if weight and not singles[item]),
            key=lambda item: (-model.weights[item], -int(likely[item]), item),
        )
        self._place = {item: place for place, item in enumerate(self._items)}
        count, chosen = len(self._items), np.ix_(self._items, self._items)
        self._weights = np.array([model.weights[item] for item in self._items], dtype=np.int64)
        self._fitting = _packed(fits[np.ix_(self._items, self._items, self._items)])
        words = -(-count // 64)
        self._candidates = np.zeros((count + 2, words), dtype=np.uint64)
        self._candidates[0] = _packed(np.ones(count, dtype=np.bool_))
        self._friends = np.zeros((count + 2, count, words), dtype=np.uint64)
        self._friends[0] = _packed(~pairs[chosen])
        self._path, self._heights, self._counts = np.zeros((3, count + 2), dtype=np.int64)
        self._sequences, self._bounds = np.zeros((2, count + 2, count), dtype=np.int64)
        self._set = np.zeros(words, dtype=np.uint64)
        self._state = np.array([0, self._total - value, 1], dtype=np.int64)
        self._members = np.zeros((64, words), dtype=np.uint64)
        self._limits = np.zeros(64, dtype=np.int64)
        self._lists = np.zeros((count, 64), dtype=np.int64)
        self._lengths = np.zeros(count, dtype=np.int64)
        self._known = 0
        for constraint in larger:
            self._add(constraint)

    def advance(self, nodes: int) -> tuple[int, ...] | None:
        """Go on with the search.

        Returns
        -------
        tuple of int or None
            A cover cheaper than all before, to be accepted or refused before the search goes on;
            None if `nodes` were visited or the search is exhausted.
        """
        if not self._items:
            self.is_exhausted = True
            return None
        outcome = self._kernel.advance(
            self._state,
            self._candidates,
            self._friends,
            self._fitting,
            self._weights,
            self._path,
            self._heights,
            self._sequences,
            self._bounds,
            self._counts,
            self._set,
            self._members,
            self._limits,
            self._lists,
            self._lengths,
            nodes,
        )
        self.is_exhausted = outcome == self._kernel.EXHAUSTED
        if outcome != self._kernel.FOUND:
            return None
        return self.left_out()

    def left_out(self) -> tuple[int, ...]:
        """The items that the cover found last does not choose, in the sequence of the search."""
        depth = int(self._state[self._kernel.DEPTH])
        return tuple(self._items[place] for place in self._path[:depth].tolist())

    def accept(self, value: int) -> None:
        """Look only for covers that cost less than `value` from now on."""
        best = self._kernel.BEST
        self._state[best] = max(int(self._state[best]), self._total - value)

    def refuse(self, constraints: Iterable[Constraint]) -> None:
        """Add constraints that the cover found last does not meet, and go back to where it did.

        Raises
        ------
        ValueError
            If that cover meets them all.
        """
        kernel = self._kernel
        depth = int(self._state[kernel.DEPTH])
        path = self._path[:depth].tolist()
        back = depth
        for members, demand in constraints:
            self._add((members, demand))
            places = {self._place[item] for item in members if item in self._place}
            allowed = len(members) - demand
            inside = [number for number, place in enumerate(path) if place in places]
            if len(inside) > allowed:
                back = min(back, inside[allowed])
        if back == depth:
            raise ValueError("the cover meets the constraints that it is refused for")
        # Everything below the item that was one too many breaks the constraint as well.
        self._counts[back + 1 : depth + 1] = 0
        self._state[kernel.IS_NEW] = 0

    def _add(self, constraint: Constraint) -> None:
        members, demand = constraint
        places = [self._place[item] for item in members if item in self._place]
        if self._known == self._limits.size:
            self._members = np.concatenate([self._members, np.zeros_like(self._members)])
            self._limits = np.concatenate([self._limits, np.zeros_like(self._limits)])
        flags = np.zeros(len(self._items), dtype=np.bool_)
        flags[places] = True
        self._members[self._known] = _packed(flags)
        self._limits[self._known] = len(members) - demand
        if places and self._lengths[places].max() == self._lists.shape[1]:
            self._lists = np.concatenate([self._lists, np.zeros_like(self._lists)], axis=1)
        self._lists[places, self._lengths[places]] = self._known
        self._lengths[places] += 1
        self._known += 1


def solve_by_enumeration(model: Covering, *, time_limit: float | None = None) -> CoveringSolution:
    """Solve a covering programme by enumerating what covers leave out.

    Parameters
    ----------
    model : Covering
    time_limit : float, optional
        Wall-clock seconds, from the call on; compiling for the first time takes some more.

    Returns
    -------
    CoveringSolution
        The optimum, or after `time_limit` the best solution, and a simple bound.

    Raises
    ------
    ValueError
        If the model has too many items or too large weights (:func:`can_enumerate`).
    """
    start = time.monotonic()
    baseline = Baseline.of(model)
    if baseline.value == baseline.bound:
        return baseline.conclude()
    search = Enumeration(model, baseline.value)
    chosen, value = baseline.chosen, baseline.value
    while not search.is_exhausted:
        if time_limit is not None and time.monotonic() - start >= time_limit:
            return baseline.conclude(chosen, gave_up=True)
        found = search.advance(_SLICE)
        if found is not None:
            chosen = tuple(sorted(set(range(len(model.weights))).difference(found)))
            value = model.cost(chosen)
            search.accept(value)
    return baseline.conclude(chosen, value)


def _forbidden(
    model: Covering,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_], list[Constraint]]:
    """Triples that may stay out together; pairs and items that may not; and larger constraints."""
    count = len(model.weights)
    fits = np.ones((count, count, count), dtype=np.bool_)
    pairs = np.zeros((count, count), dtype=np.bool_)
    singles = np.zeros(count, dtype=np.bool_)
    larger: list[Constraint] = []
    for members, demand in model.constraints:
        if demand <= 0:
            continue
        allowed, chosen = len(members) - demand, list(members)
        if allowed == 0:
            singles[chosen] = True
        elif allowed == 1:
            pairs[np.ix_(chosen, chosen)] = True
        elif allowed == 2:
            fits[np.ix_(chosen, chosen, chosen)] = False
        else:
            larger.append((members, demand))
    return fits, pairs, singles, larger


def _packed(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Booleans along the last axis as 64-bit words, the lowest bit first."""
    spare = -flags.shape[-1] % 64
    padded = np.pad(flags, [(0, 0)] * (flags.ndim - 1) + [(0, spare)])
    packed = np.packbits(padded, axis=-1, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)
