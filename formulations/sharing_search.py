"""Shared buffers by local search: good partitions of any number of readers."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import combinations
from typing import TYPE_CHECKING

from formulations.sharing_model import STAYS, members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from formulations.sharing_model import Sets, SharedBuffers


# So many pairs are looked at whatever the time.
_QUICK_PAIRS = 20_000


@dataclass(frozen=True, slots=True)
class Partition:
    """Views of the home, gathers from it, and groups outside, each a buffer or gathers."""

    views: int
    loose: int
    groups: tuple[int, ...]


class PartitionSearch:
    """Partitions of one problem, and moves between them.

    Parameters
    ----------
    sets : Sets
    expired : callable
        Asked between moves; True ends a search.
    """

    def __init__(self, sets: Sets, expired: Callable[[], bool]) -> None:
        self._sets = sets
        self._problem = sets.problem
        self._expired = expired
        self._everyone = (1 << len(sets.problem)) - 1
        self._is_free = sets.problem.home_price == 0
        self._dearest_first = sorted(
            range(len(sets.problem)), key=lambda i: (-sets.problem.gathers[i], i)
        )

    def cost(self, partition: Partition) -> int:
        """Price of a partition."""
        outside = sum(self._price(group) for group in partition.groups)
        return self._sets.home(partition.views, partition.loose) + outside

    def solution(self, partition: Partition, bound: int, *, finished: bool) -> SharedBuffers:
        """State a partition; groups that no buffer helps gather from the home."""
        loose, buffers = partition.loose, []
        for group in partition.groups:
            price = self._sets.buffer(group)
            if price is None or (self._is_free and price >= self._sets.gathers(group)):
                loose |= group
            else:
                buffers.append(group)
        return self._sets.solution(partition.views, loose, buffers, bound, finished=finished)

    def from_home(self, wanted: Iterable[int]) -> Partition:
        """Fill the home in this sequence, and pair up what is left by the largest saving."""
        views = self.filled(0, wanted)
        views = self.filled(views, self._dearest_first) if self._is_free else views
        return self._merged(self._with_views(views))

    def all_at_home(self, views: int) -> Partition:
        """Nothing in buffers."""
        views = self.filled(views, self._dearest_first)
        return Partition(views, self._everyone & ~views, ())

    def from_groups(self, views: int, groups: Iterable[int]) -> Partition:
        """A partition with these views and buffers; everyone else by himself."""
        kept = tuple(groups)
        taken = views
        for group in kept:
            taken |= group
        rest = self._with_views(views)
        singles = tuple(group for group in rest.groups if not group & taken)
        return Partition(views, rest.loose, (*kept, *singles))

    def best(self, starts: Iterable[Partition]) -> Partition:
        """The best of what local moves lead to."""
        improved = [self.improved(start) for start in starts]
        return min(improved, key=self.cost)

    def improved(self, partition: Partition) -> Partition:
        """Apply moves for as long as they help."""
        while True:
            before = self.cost(partition)
            for move in (self._relocated, self._swapped, self._kicked):
                partition = move(partition)
                if self._expired():
                    return partition
            if self.cost(partition) >= before:
                return partition

    def _price(self, group: int) -> int:
        """Of a group outside the home: one buffer, or gathers where these are cheaper."""
        price = self._sets.buffer(group)
        if self._is_free:
            gathers = self._sets.gathers(group)
            return gathers if price is None else min(price, gathers)
        return 1 + self._worst() if price is None else price

    def _worst(self) -> int:
        problem = self._problem
        each = max(
            (base + one * int(problem.sizes.sum()) for base, one in problem.prices), default=0
        )
        return self._sets.gathers(self._everyone) + each * len(problem)

    def filled(self, views: int, sequence: Iterable[int]) -> int:
        """Add to the views of the home, in this sequence, whatever fits."""
        for i in sequence:
            if not views >> i & 1 and self._sets.fits_home(views | 1 << i):
                views |= 1 << i
        return views

    def _with_views(self, views: int) -> Partition:
        """Everyone but the views by himself."""
        rest = self._everyone & ~views
        loose = rest & self._problem.staying
        return Partition(views, loose, tuple(1 << i for i in members(rest & ~loose)))

    def _value(self, group: int) -> int:
        return self._problem.values[(group & -group).bit_length() - 1]

    def _merged(self, partition: Partition) -> Partition:
        """Join two groups at a time, those that save most first."""
        alive = set(partition.groups)
        savings: list[tuple[int, int, int]] = []
        for number, (first, second) in enumerate(combinations(partition.groups, 2)):
            if number >= _QUICK_PAIRS and self._expired():
                break
            self._note_saving(savings, first, second)
        while savings:
            _, first, second = heappop(savings)
            if first not in alive or second not in alive:
                continue
            alive -= {first, second}
            if not self._expired():
                for group in sorted(alive):
                    self._note_saving(savings, first | second, group)
            alive.add(first | second)
        return Partition(partition.views, partition.loose, tuple(sorted(alive)))

    def _note_saving(self, savings: list[tuple[int, int, int]], first: int, second: int) -> None:
        if self._value(first) != self._value(second):
            return
        saved = self._price(first) + self._price(second) - self._price(first | second)
        if saved > 0 and self._sets.fits(first | second):
            heappush(savings, (-saved, first, second))

    def _relocated(self, partition: Partition) -> Partition:
        """Move readers, one at a time, to where they cost least."""
        for i in self._dearest_first:
            if self._expired():
                break
            partition = min(self._places(partition, i), key=self.cost, default=partition)
        return partition

    def _places(self, partition: Partition, i: int) -> list[Partition]:
        """All partitions that differ in the place of one reader; the given one comes first."""
        bit = 1 << i
        views, loose = partition.views & ~bit, partition.loose & ~bit
        groups = tuple(left for group in partition.groups if (left := group & ~bit))
        found = [partition]
        if self._sets.fits_home(views | bit):
            found.append(Partition(views | bit, loose, groups))
        value = self._problem.values[i]
        if value == STAYS or not self._is_free:
            found.append(Partition(views, loose | bit, groups))
        if value != STAYS:
            found.append(Partition(views, loose, (*groups, bit)))
            for number, group in enumerate(groups):
                if self._value(group) == value and self._may_join(group | bit):
                    joined = (*groups[:number], group | bit, *groups[number + 1 :])
                    found.append(Partition(views, loose, joined))
        return found

    def _may_join(self, group: int) -> bool:
        return self._sets.fits(group) or (
            not self._is_free and self._sets.buffer(group) is not None
        )

    def _swapped(self, partition: Partition) -> Partition:
        """Exchange two readers of different groups wherever that helps."""
        groups = list(partition.groups)
        for first, second in combinations(range(len(groups)), 2):
            if self._expired():
                break
            if self._value(groups[first]) != self._value(groups[second]):
                continue
            if groups[first].bit_count() == groups[second].bit_count() == 1:
                continue
            self._swap(groups, first, second)
        return Partition(partition.views, partition.loose, tuple(groups))

    def _swap(self, groups: list[int], first: int, second: int) -> None:
        before = self._price(groups[first]) + self._price(groups[second])
        for i in members(groups[first]):
            for j in members(groups[second]):
                one = groups[first] ^ 1 << i | 1 << j
                two = groups[second] ^ 1 << j | 1 << i
                if not (self._may_join(one) and self._may_join(two)):
                    continue
                if self._price(one) + self._price(two) < before:
                    groups[first], groups[second] = one, two
                    return

    def _kicked(self, partition: Partition) -> Partition:
        """Force a reader into the home; those that no longer fit find places elsewhere."""
        best = self.cost(partition)
        for i in self._dearest_first:
            if self._expired():
                break
            if partition.views >> i & 1 or not self._sets.fits_home(1 << i):
                continue
            inside = [j for j in self._dearest_first if partition.views >> j & 1]
            views = self.filled(1 << i, inside)
            out = partition.views & ~views
            groups = tuple(left for group in partition.groups if (left := group & ~(1 << i)))
            singles = tuple(1 << j for j in members(out & ~self._problem.staying))
            loose = partition.loose & ~(1 << i) | out & self._problem.staying
            moved = Partition(views, loose, (*groups, *singles))
            alone = [each for each in moved.groups if each.bit_count() == 1]
            for j in (
                j for each in sorted(alone, key=self._price, reverse=True) for j in members(each)
            ):
                if self._expired():
                    break
                moved = min(self._places(moved, j), key=self.cost)
            cost = self.cost(moved)
            if cost < best:
                partition, best = moved, cost
        return partition
