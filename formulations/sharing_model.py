"""Shared buffers: the problem, its solutions and what sets of readers cost.

Sets of readers are bit masks (Python integers): reader ``i`` is bit ``i``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    #: Whether the readers with these numbers can all be views of one buffer.
    Predicate: TypeAlias = Callable[[tuple[int, ...]], bool]

#: A reader with this value must stay at the home.
STAYS = -1
#: Most readers of a buffer that does not fit all of them: the best that do are found by trying.
MOST_TRIED = 12
#: Most readers whose conflicting triples are found at the start (their third power of bytes).
_MOST_TRIPLES = 400
#: Columns that are looked at first for conflicts of three.
_FEW_COLUMNS = 256


def members(mask: int) -> tuple[int, ...]:
    """Numbers of the readers in a set, ascending."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return tuple(found)


def mask_of(readers: Iterable[int]) -> int:
    """The set of some readers."""
    mask = 0
    for reader in readers:
        mask |= 1 << reader
    return mask


@dataclass(frozen=True, eq=False)
class BufferSharing:
    """Readers that may share copied buffers of the values they read.

    Every value is stored once, in one order: the home of all values together. A reader is a view of
    the home, or a view of a buffer that holds what its readers want, or a gather.

    Parameters
    ----------
    wants : array_like of bool, shape (m, k)
        Row ``i``: the channel classes that reader ``i`` wants, of all values side by side.
    sizes : array_like of int, shape (k,)
        Channels in each class.
    gathers : tuple of int
        Price of reader ``i`` where it is a view of nothing.
    values : tuple of int
        Which value reader ``i`` reads; ``STAYS`` if it must stay at the home. Only readers of one
        value can share a buffer.
    prices : tuple of (int, int)
        Per value, the price of a buffer and of each of its channels.
    alone : tuple of bool, optional
        Whether reader ``i`` may have a buffer to itself; by default it may not, since that is
        what a gather does. True where it stands for several readers that want the same.
    home_price : int
        Price of a channel at the home. 0: the home is there anyway, with every channel. Otherwise
        (a concatenation, which is written in any case) only what is read there is paid for.
    compatible : callable
        Whether given readers (numbers, ascending) have the consecutive-ones property: they can be
        views of one buffer. Asked for readers of one value that may leave the home. Two always can.
    at_home : callable, optional
        Whether given readers can all be views of the home; must hold for any subset if it holds
        for a set, and only where `compatible` holds for those of one value. Default: `compatible`.

    Raises
    ------
    ValueError
        If lengths differ, a price is negative, or a value has no price.
    """

    wants: npt.NDArray[np.bool_]
    sizes: npt.NDArray[np.int64]
    gathers: tuple[int, ...]
    values: tuple[int, ...]
    prices: tuple[tuple[int, int], ...]
    compatible: Predicate
    at_home: Predicate | None = None
    alone: tuple[bool, ...] = ()
    home_price: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "wants", np.asarray(self.wants, dtype=np.bool_))
        object.__setattr__(self, "sizes", np.asarray(self.sizes, dtype=np.int64))
        count = len(self.gathers)
        if not self.alone:
            object.__setattr__(self, "alone", (self.home_price > 0,) * count)
        if self.wants.shape != (count, self.sizes.size):
            raise ValueError(f"wants must have {count} rows and {self.sizes.size} columns")
        if len(self.values) != count or len(self.alone) != count:
            raise ValueError(f"values and alone must have {count} entries, one per reader")
        given = [*self.gathers, self.home_price, *(each for pair in self.prices for each in pair)]
        if min(given, default=0) < 0 or (self.sizes.size and self.sizes.min() < 0):
            raise ValueError("prices and sizes must not be negative")
        if any(not STAYS <= value < len(self.prices) for value in self.values):
            raise ValueError("every value needs a price")
        if self.home_price and not all(self.alone):
            raise ValueError("where the home has a price, every reader may have its own buffer")

    def __len__(self) -> int:
        return len(self.gathers)

    @property
    def staying(self) -> int:
        """The readers that must stay at the home, as a set."""
        return mask_of(i for i, value in enumerate(self.values) if value == STAYS)


@dataclass(frozen=True, slots=True)
class Buffer:
    """One buffer: the readers that are views of it, and those that gather from it.

    With a free home nobody gathers from a buffer.
    """

    views: tuple[int, ...]
    gathered: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SharedBuffers:
    """Who reads what: every reader once.

    Attributes
    ----------
    home : tuple of int
        Views of the home.
    gathered : tuple of int
        Readers that gather from the home.
    buffers : tuple of Buffer
    cost, lower_bound : int
        The price of this, and what no other partition goes below.
    is_finished : bool
        False if a limit ended the search.
    """

    home: tuple[int, ...]
    gathered: tuple[int, ...]
    buffers: tuple[Buffer, ...]
    cost: int
    lower_bound: int
    is_finished: bool = True

    @property
    def is_optimal(self) -> bool:
        """Whether the cost is proven."""
        return self.cost == self.lower_bound


@dataclass(eq=False)
class Sets:
    """What sets of readers of one problem cost and whether they fit, each found out once.

    Parameters
    ----------
    problem : BufferSharing
    expired : callable
        True ends the search for conflicting triples; those not found are left to the predicates.
    """

    problem: BufferSharing
    expired: Callable[[], bool] = lambda: False
    _unions: dict[int, int] = field(default_factory=dict)
    _sums: dict[int, int] = field(default_factory=dict)
    _fits: dict[int, bool] = field(default_factory=dict)
    _at_home: dict[int, bool] = field(default_factory=dict)
    _kept: dict[int, int] = field(default_factory=dict)
    _prices: dict[int, int | None] = field(default_factory=dict)
    _triples: npt.NDArray[np.bool_] | None = None
    _pairs: npt.NDArray[np.int64] | None = None

    def union(self, mask: int) -> int:
        """Channels that some reader of the set wants."""
        if mask.bit_count() == 2:
            return int(self._pair_unions()[(mask & -mask).bit_length() - 1, mask.bit_length() - 1])
        found = self._unions.get(mask)
        if found is None:
            columns = self.problem.wants[list(members(mask))].any(axis=0)
            found = self._unions[mask] = int(self.problem.sizes[columns].sum())
        return found

    def _pair_unions(self) -> npt.NDArray[np.int64]:
        """Of all pairs at once; counts are exact in float64, whose products are fast."""
        if self._pairs is None:
            rows = self.problem.wants.astype(np.float64)
            shared = (rows * self.problem.sizes) @ rows.T
            each = np.diagonal(shared)
            self._pairs = (each[:, None] + each[None, :] - shared).astype(np.int64)
        return self._pairs

    def gathers(self, mask: int) -> int:
        """Price of gathering all of the set."""
        found = self._sums.get(mask)
        if found is None:
            found = self._sums[mask] = sum(self.problem.gathers[i] for i in members(mask))
        return found

    def fits(self, mask: int) -> bool:
        """Whether the readers of the set, all of one value, can be views of one buffer."""
        if mask.bit_count() <= 2:
            return True
        return self._ask(mask, self._fits, self.problem.compatible)

    def fits_home(self, mask: int) -> bool:
        """Whether the readers of the set can all be views of the home."""
        if self.problem.at_home is None:
            return self.fits(mask)
        return self._ask(mask, self._at_home, self.problem.at_home)

    def _ask(self, mask: int, known: dict[int, bool], predicate: Predicate) -> bool:
        found = known.get(mask)
        if found is None:
            readers = members(mask)
            found = known[mask] = not self._has_triple(readers) and predicate(readers)
        return found

    def _has_triple(self, readers: tuple[int, ...]) -> bool:
        if len(readers) < 3 or not self.knows_triples:
            return False
        chosen = np.array(readers)
        return bool(self.triples()[np.ix_(chosen, chosen, chosen)].any())

    @property
    def knows_triples(self) -> bool:
        """Whether there are few enough readers to look at all triples at once."""
        return len(self.problem) <= _MOST_TRIPLES

    def triples(self) -> npt.NDArray[np.bool_]:
        """Per three readers whether these alone lack the consecutive-ones property."""
        if self._triples is None:
            self._triples = conflicting_triples(self.problem.wants, self.expired)
        return self._triples

    def one_value(self, mask: int) -> bool:
        """Whether all readers of the set may leave the home and read one value."""
        found = {self.problem.values[i] for i in members(mask)}
        return len(found) == 1 and STAYS not in found

    def buffer(self, mask: int) -> int | None:
        """Price of one buffer that serves the set, all of one value; None if it cannot.

        With a free home, all are views. Otherwise the dearest that fit are.
        """
        if mask not in self._prices:
            self._prices[mask] = self._buffer(mask)
        return self._prices[mask]

    def _buffer(self, mask: int) -> int | None:
        low = (mask & -mask).bit_length() - 1
        if mask.bit_count() == 1 and not self.problem.alone[low]:
            return None
        base, each = self.problem.prices[self.problem.values[low]]
        price = base + each * self.union(mask)
        if self.fits(mask):
            return price
        if not self.problem.home_price or mask.bit_count() > MOST_TRIED:
            return None
        return price + self.gathers(mask) - self.gathers(self.kept(mask))

    def kept(self, mask: int) -> int:
        """The dearest readers of a small set that fit into one buffer, as a set."""
        found = self._kept.get(mask)
        if found is None:
            found = mask
            if not self.fits(mask):
                smaller = [self.kept(mask ^ (1 << i)) for i in members(mask)]
                found = max(smaller, key=self.gathers)
            self._kept[mask] = found
        return found

    def home(self, views: int, gathered: int) -> int:
        """Price of the home with these views and gathers."""
        price = self.problem.home_price
        cost = self.gathers(gathered)
        return cost + price * self.union(views | gathered) if price else cost

    def solution(
        self, views: int, gathered: int, buffers: Iterable[int], bound: int, *, finished: bool
    ) -> SharedBuffers:
        """State a partition, priced once more from its sets.

        Raises
        ------
        RuntimeError
            If it is no partition, something does not fit, or the bound is above the cost.
        """
        masks = sorted(buffers, key=members)
        everyone = [views, gathered, *masks]
        if sum(map(int.bit_count, everyone)) != len(self.problem) or (
            mask_of(i for each in everyone for i in members(each)) != (1 << len(self.problem)) - 1
        ):
            raise RuntimeError("not every reader has one place")
        cost = self.home(views, gathered)
        for mask in masks:
            price = self.buffer(mask)
            if price is None or not self.one_value(mask):
                raise RuntimeError("a buffer does not serve its readers")
            cost += price
        if not self.fits_home(views) or bound > cost:
            raise RuntimeError("the home does not fit, or the bound is above the cost")
        split = [(self.kept(mask), mask) for mask in masks]
        return SharedBuffers(
            members(views),
            members(gathered),
            tuple(Buffer(members(kept), members(mask ^ kept)) for kept, mask in split),
            cost,
            bound,
            finished,
        )


def conflicting_triples(
    wants: npt.NDArray[np.bool_], expired: Callable[[], bool] = lambda: False
) -> npt.NDArray[np.bool_]:
    """Three rows without the consecutive-ones property, all at once.

    Three rows lack it exactly if every two share a column that the third lacks, or all share
    one and each has one of its own (Tucker 1972, DOI 10.1016/0095-8956(72)90019-6).

    Parameters
    ----------
    wants : ndarray of bool, shape (m, k)
    expired : callable
        Once it is true, what was found so far is returned.

    Returns
    -------
    ndarray of bool, shape (m, m, m)
        ``[a, b, c]`` for all ``a``, unless time ran out; symmetric in ``b`` and ``c``.
        O(m^3 k / 64) word operations; less where few columns, those that about half of the rows
        want, already tell that all triples of a row conflict.
    """
    count = wants.shape[0]
    found = np.zeros((count, count, count), dtype=np.bool_)
    telling = np.argsort(np.abs(2 * wants.sum(axis=0, dtype=np.int64) - count), kind="stable")
    few, all_columns = wants[:, telling[:_FEW_COLUMNS]], wants
    distinct = ~np.eye(count, dtype=np.bool_)
    for columns in (few, all_columns):
        words = _packed(columns)
        for a in range(count):
            if expired():
                return found
            others = distinct[a]
            if not (found[a] | ~distinct | ~others | ~others[:, None]).all():
                found[a] |= _conflicts_with(words[a], words)
        if columns.shape[1] == wants.shape[1]:
            break
    return found


def _packed(wants: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Rows as 64-bit words."""
    count, width = wants.shape
    padded = np.zeros((count, max(1, -(-width // 64)) * 64), dtype=np.bool_)
    padded[:, :width] = wants
    return np.packbits(padded, axis=1).view(np.uint64)


def _conflicts_with(
    row: npt.NDArray[np.uint64], words: npt.NDArray[np.uint64]
) -> npt.NDArray[np.bool_]:
    """Per two rows whether they conflict with a third, from which regions have a column."""
    second, third = words[:, None, :], words[None, :, :]
    with_row, without = (words & row)[:, None, :], (words & ~row)[:, None, :]
    all_three = (with_row & third).any(axis=2)
    first_pair = (with_row & ~third).any(axis=2)
    last_pair = (without & third).any(axis=2)
    own = (without & ~third).any(axis=2)
    own_row = (row & ~(second | third)).any(axis=2)
    cycle = first_pair & first_pair.T & last_pair
    return np.logical_or(cycle, all_three & own_row & own & own.T)
