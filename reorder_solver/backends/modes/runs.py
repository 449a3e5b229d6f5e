"""Cheapest orders of one tensor where all accesses pay for their runs.

That is a symmetric travelling salesman problem (Kou 1977). With few classes the dynamic programme
over subsets is quickest. Otherwise the subtour bound comes first, and what it leaves open is a
dynamic programme again, in which a state (subset placed, last class) is dropped as soon as its
cost and the dual solution's bound on the rest of the tour reach the limit.

References
----------
L. T. Kou, "Polynomial complete consecutive information retrieval problems", SIAM Journal on
Computing 6 (1977) 67-75, DOI 10.1137/0206004.
"""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from itertools import pairwise
from math import gcd, inf
from typing import TYPE_CHECKING, Any

import numpy as np

from formulations.subtour import DISTANCE_LIMIT, subtour_bound
from reorder_solver.backends.dynamic.prefix_table import Item, OutOfTimeError, PrefixTable
from reorder_solver.backends.modes.slots import Found, IntArray, Runner, groups_of
from reorder_solver.backends.modes.warm_up import kernels_ready

if TYPE_CHECKING:
    from collections.abc import Sequence

    from formulations.subtour import Certificate
    from reorder_solver.core.limits import Deadline

_KERNELS = "reorder_solver.backends.modes.run_kernels"
#: Up to so many classes the whole table is filled.
_TABLE_CLASSES = 16
#: A set of classes and a class have to fit a key.
_MOST_CLASSES = 57
#: Bits of a key that hold the class placed last.
_LAST_BITS = 6
_LAST = (1 << _LAST_BITS) - 1
#: Fraction bits of the dual solution.
_SHIFT = 12
#: States expanded between two looks at the clock.
_CHUNK = 1 << 12
#: Most states of one layer.
_MOST_STATES = 1 << 17


class RunSearch:
    """The search for one choice of runners.

    Parameters
    ----------
    classes : int
    runners : sequence of Runner
        Of positive price; all runs of all classes together cost less than `LARGEST_TOTAL`.
    """

    def __init__(self, classes: int, runners: Sequence[Runner]) -> None:
        self._classes = classes
        self._groups = groups_of(classes, (), runners)
        self._first = sum(each.run for each in runners)
        self._unit = gcd(*(each.run for each in runners)) or 1
        self._runs = [each.run // self._unit for each in runners]
        self._signatures = [key[1] for key in self._groups]
        self._certificate: Certificate | None = None

    @cached_property
    def _steps(self) -> IntArray:
        """Weighted Hamming distances of the signatures, and last of the outside."""
        wants = np.array(
            [[each >> bit & 1 for bit in range(len(self._runs))] for each in [*self._signatures, 0]]
        )
        # Sums of integers below 2**53: exact in floats.
        columns, runs = wants.astype(np.float64), np.array(self._runs, dtype=np.float64)
        shared = (columns * runs) @ columns.T
        own = shared.diagonal()
        return (own[:, None] + own[None, :] - 2.0 * shared).astype(np.int64)

    def _cost(self, length: int) -> int:
        """Price of a tour, or what a bound on tours says."""
        return max(0, -(-length // 2) * self._unit - self._first)

    def bound(self, limit: int, deadline: Deadline | None = None) -> int:
        """A quick lower bound on the cost of all orders, or `limit` if that is lower."""
        nodes = len(self._signatures) + 1
        shortest = min(self._runs, default=0) * nodes if nodes > 1 else 0
        return min(limit, self._cost(shortest))

    def run(self, limit: int, deadline: Deadline, *, is_quick: bool = False) -> Found:
        """Search for the cheapest order that costs less than `limit`.

        Quickly: where there are many classes, a bound is enough.
        """
        count = len(self._signatures)
        if count < 2:
            return self._found(list(range(count)), limit)
        try:
            if count <= _TABLE_CLASSES:
                return self._found(self._by_table(deadline), limit)
        except OutOfTimeError:
            return Found(self.bound(limit), None, is_exact=False)
        if (count + 1) * sum(self._runs) > DISTANCE_LIMIT:
            return Found(self.bound(limit), None, is_exact=False)
        return self._by_bound(limit, deadline, is_quick=is_quick)

    def _found(self, order: list[int], limit: int) -> Found:
        """The answer where `order` is known to be the cheapest."""
        steps, count = self._steps, len(order)
        tour = [count, *order, count]
        length = sum(int(steps[a, b]) for a, b in pairwise(tour))
        cost = self._cost(length)
        if cost >= limit:
            return Found(limit, None, is_exact=True)
        return Found(cost, self._expanded(order), is_exact=True)

    def _expanded(self, order: Sequence[int]) -> tuple[int, ...]:
        members = list(self._groups.values())
        placed = {each for group in members for each in group}
        nowhere = [each for each in range(self._classes) if each not in placed]
        return (*nowhere, *(each for group in order for each in members[group]))

    def _by_table(self, deadline: Deadline) -> list[int]:
        count = len(self._signatures)
        items = [
            Item(
                sum(1 << place for place, each in enumerate(self._signatures) if each >> bit & 1),
                before=False,
                after=False,
                run=run,
                gap=0,
                view=False,
            )
            for bit, run in enumerate(self._runs)
        ]
        infinity = (sum(self._runs) + 1) * (count + 1)
        table = PrefixTable(np.ones(count, dtype=np.int64), items, infinity)
        by_last = table.fill((1 << count) - 1, deadline)
        return [int(each) for each in table.order(int(by_last.argmin()))]

    def _by_bound(self, limit: int, deadline: Deadline, *, is_quick: bool) -> Found:
        left = deadline.remaining
        # Tours shorter than this cost less than the limit, and all lengths are even.
        target = 2 * -(-(limit + self._first) // self._unit)
        found = subtour_bound(
            self._steps, step=2, target=target, time_limit=None if left == inf else left
        )
        if found.bound >= target:
            return Found(limit, None, is_exact=True)
        if is_quick or len(self._signatures) > _MOST_CLASSES:
            return Found(min(limit, self._cost(found.bound)), None, is_exact=False)
        if not kernels_ready("runs", _use_kernels, deadline):
            return Found(min(limit, self._cost(found.bound)), None, is_exact=False)
        # Short tours are few: look for one as short as the bound, and raise it where there is none.
        for length in range(found.bound, target, 2):
            layers, is_complete = self._layers(found.certificate, length, deadline)
            order = self._back(layers)
            if order is not None:
                return self._found(order, limit)
            if not is_complete:
                return Found(min(limit, self._cost(length)), None, is_exact=False)
        return Found(limit, None, is_exact=True)

    def _layers(
        self, certificate: Certificate, longest: int, deadline: Deadline
    ) -> tuple[list[tuple[IntArray, IntArray]], bool]:
        """States by number of classes placed that may end in a tour of at most `longest`.

        And whether these are all of them.
        """
        kernels: Any = import_module(_KERNELS)
        potentials, sets, prices, constant = self._duals(certificate)
        count = len(self._signatures)
        keys = np.array(
            [1 << node << _LAST_BITS | node for node in range(count) if node != 1 or count == 1],
            dtype=np.int64,
        )
        costs = self._steps[count][keys & _LAST]
        layers = [(keys, costs)]
        is_complete = True
        for _ in range(count - 1):
            table = _Table(kernels)
            for begin in range(0, keys.size, _CHUNK):
                if deadline.expired or table.used > _MOST_STATES:
                    is_complete = False
                    break
                end = min(keys.size, begin + _CHUNK)
                table.reserve((end - begin) * count)
                table.used += kernels.expand(
                    *(keys, costs, begin, end, self._steps, potentials, sets, prices, constant),
                    *(_SHIFT, longest << _SHIFT, table.keys, table.costs),
                )
            keys, costs = table.sorted()
            layers.append((keys, costs))
        return layers, is_complete

    def _duals(self, certificate: Certificate) -> tuple[IntArray, IntArray, IntArray, int]:
        """The dual solution on a coarser grid, and the sum of its negative reduced costs."""
        drop = max(0, certificate.exponent - _SHIFT)
        lift = max(0, _SHIFT - certificate.exponent)
        potentials = (certificate.nodes >> drop) << lift
        prices = (certificate.sets >> drop) << lift
        members = certificate.members[prices > 0]
        prices = prices[prices > 0]
        # Where the outside node is a member, the other side of the cut says the same.
        members = np.where(members[:, -1:], ~members, members)
        reduced = (self._steps << _SHIFT) - potentials[:, None] - potentials[None, :]
        for inside, price in zip(members, prices, strict=True):
            reduced -= price * (inside[:, None] != inside[None, :])
        constant = int(np.minimum(np.triu(reduced, 1), 0).sum())
        weights = 1 << np.arange(members.shape[1], dtype=np.int64)
        sets = (members * weights).sum(axis=1).astype(np.int64)
        return potentials, sets, prices, constant

    def _back(self, layers: list[tuple[IntArray, IntArray]]) -> list[int] | None:
        """The cheapest tour, from its end; None if no state was left."""
        keys, costs = layers[-1]
        count = len(self._signatures)
        if not keys.size:
            return None
        last = keys & _LAST
        at = int(np.argmin(costs + self._steps[last, count]))
        key, cost = int(keys[at]), int(costs[at])
        order = [key & _LAST]
        for keys, costs in reversed(layers[:-1]):
            node = key & _LAST
            placed = (key >> _LAST_BITS) & ~(1 << node)
            wanted = (np.int64(placed) << _LAST_BITS) | np.arange(count)
            places = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
            fits = (keys[places] == wanted) & (costs[places] + self._steps[:count, node] == cost)
            at = int(places[int(np.flatnonzero(fits)[0])])
            key, cost = int(keys[at]), int(costs[at])
            order.append(key & _LAST)
        return order[::-1]


class _Table:
    """States of the next layer, with room to grow."""

    def __init__(self, kernels: Any) -> None:
        self._kernels = kernels
        self.used = 0
        self._make(1 << 10)

    def _make(self, size: int) -> None:
        self.keys = np.full(size, -1, dtype=np.int64)
        self.costs = np.zeros(size, dtype=np.int64)

    def reserve(self, more: int) -> None:
        """Make room for `more` states."""
        size = self.keys.size
        while 2 * (self.used + more) > size:
            size *= 2
        if size > self.keys.size:
            old, old_costs = self.keys, self.costs
            self._make(size)
            self._kernels.move(old, old_costs, self.keys, self.costs)

    def sorted(self) -> tuple[IntArray, IntArray]:
        """The states, by key."""
        taken = np.flatnonzero(self.keys != -1)
        taken = taken[np.argsort(self.keys[taken], kind="stable")]
        return self.keys[taken], self.costs[taken]


def _use_kernels() -> None:
    """Expand one state, and move the table of its followers."""
    kernels: Any = import_module(_KERNELS)
    one, steps = np.zeros(1, dtype=np.int64), np.zeros((3, 3), dtype=np.int64)
    table = _Table(kernels)
    potentials = np.zeros(3, dtype=np.int64)
    first = np.array([1 << _LAST_BITS], dtype=np.int64)
    kernels.expand(
        *(first, one, 0, 1, steps, potentials, one[:0], one[:0], 0),
        *(_SHIFT, 1, table.keys, table.costs),
    )
    table.reserve(table.keys.size)
