"""What accesses that go on past a tensor's end span of it together, if they pay for their span.

Such an access is open from its first wanted class to the end of the tensor (or, the other way
round, from its beginning to its last wanted class). A class is best placed right after the last
opening of those that want it: it is then within the span of as few others as can be. So the
sequence of the openings says everything, and a table over sets of opened accesses finds the best.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from reorder_solver.backends.modes.items import NEVER
from reorder_solver.backends.modes.kernels import compile_kernel
from reorder_solver.backends.modes.openings import most_unspanned
from reorder_solver.backends.modes.warm_up import kernels_ready

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reorder_solver.backends.dynamic.anatomy import Anatomy
    from reorder_solver.backends.modes.items import Item
    from reorder_solver.backends.modes.oracles import Few
    from reorder_solver.core.limits import Deadline

IntArray = npt.NDArray[np.int64]

#: Most accesses of one table.
MOST_OPEN = 10


@compile_kernel
def cheapest_openings(sizes: IntArray, prices: IntArray, chosen: int, best: IntArray) -> int:
    """Least that some accesses pay for unwanted positions after their openings.

    Parameters
    ----------
    sizes : ndarray of int64, shape (2^k,)
        Positions of the class that exactly the accesses of a bit set want, of those chosen.
    prices : ndarray of int64, shape (k,)
        Per position and access.
    chosen : int
        Bit set of the accesses in question.
    best : ndarray of int64, shape (2^k,)
        Room for the table.

    Returns
    -------
    int
        O(3^c c) for c accesses chosen.
    """
    count = prices.size
    total = np.zeros(sizes.size, dtype=np.int64)
    for opened in range(1, sizes.size):
        for number in range(count):
            if opened >> number & 1:
                total[opened] += prices[number]
    best[0] = 0
    for opened in range(1, chosen + 1):
        if opened & ~chosen:
            continue
        least = -1
        for number in range(count):
            if not opened >> number & 1:
                continue
            # It opens last: what wants it, and nothing unopened, comes right after.
            others = opened ^ 1 << number
            paid = best[others]
            part = others
            while True:
                paid += sizes[part | 1 << number] * total[others & ~part]
                if part == 0:
                    break
                part = (part - 1) & others
            if least < 0 or paid < least:
                least = paid
        best[opened] = least
    return int(best[chosen])


@compile_kernel
def most_gained(sizes: IntArray, prices: IntArray, gains: IntArray) -> int:
    """The most that some of the accesses gain, less what they pay; 0 if it is best to take none.

    Parameters
    ----------
    sizes, prices
        As for :func:`cheapest_openings`, with all accesses chosen.
    gains : ndarray of int64, shape (k,)

    Returns
    -------
    int
        O(4^k k) for k accesses.
    """
    best = np.zeros(sizes.size, dtype=np.int64)
    projected = np.zeros(sizes.size, dtype=np.int64)
    most = 0
    for chosen in range(1, sizes.size):
        gain = 0
        for number in range(prices.size):
            if chosen >> number & 1:
                gain += gains[number]
        if gain <= most:
            continue
        projected[:] = 0
        for wanted in range(sizes.size):
            projected[wanted & chosen] += sizes[wanted]
        most = max(most, gain - cheapest_openings(projected, prices, chosen, best))
    return most


def by_wanted(wants: npt.NDArray[np.bool_], sizes: IntArray) -> IntArray:
    """Positions by the bit set of the accesses that want them.

    Parameters
    ----------
    wants : ndarray of bool, shape (k, classes)
    sizes : ndarray of int64, shape (classes,)

    Returns
    -------
    ndarray of int64, shape (2^k,)
    """
    bits = (1 << np.arange(wants.shape[0], dtype=np.int64)) @ wants
    found = np.zeros(1 << wants.shape[0], dtype=np.int64)
    np.add.at(found, bits, sizes)
    return found


def _use_kernels() -> None:
    one = np.ones(2, dtype=np.int64)
    most_gained(one, one[:1], one[:1])
    cheapest_openings(one, one[:1], 1, np.zeros(2, dtype=np.int64))


class _Open(NamedTuple):
    """What an item wants of a tensor past whose end it goes on."""

    wants: npt.NDArray[np.bool_]
    #: Spanned elsewhere, whatever the orders.
    elsewhere: int


class BySuffixes:
    """From what items that pay for spans span of a tensor past whose end they go on.

    Parameters
    ----------
    items : sequence of Item
    anatomy : Anatomy
    """

    is_quick = True

    def __init__(self, items: Sequence[Item], anatomy: Anatomy) -> None:
        self._items = items
        self._sizes = anatomy.problem.sizes
        #: Per tensor and end.
        self._ends = [
            (tensor, found)
            for tensor in anatomy.free
            for before in (False, True)
            if len(found := _opened(items, anatomy, tensor, (before, not before))) > 1
        ]
        #: Per tensor, items that end in it on either side.
        self._inner = {
            tensor: _opened(items, anatomy, tensor, (False, False)) for tensor, _ in self._ends
        }

    def sets(self, lively: Few) -> Iterator[Few]:
        """Of those that meet one end: up to four, and as many as there may be."""
        for _, found in self._ends:
            here = tuple(each for each in lively if each in found)
            if len(here) > 1:
                yield here[:MOST_OPEN]
            for size in range(2, min(4, len(here)) + 1):
                yield from combinations(here, size)

    def ask(self, few: Few, deadline: Deadline, /) -> int:
        """What `few` save at most if all are lively; -1 if they never are."""
        most = sum(self._items[each].most for each in few)
        if not kernels_ready("suffixes", _use_kernels, deadline):
            return most
        for tensor, found in self._ends:
            if all(each in found for each in few):
                sizes, prices, gains = self._arrays(few, tensor, found)
                paid = cheapest_openings(sizes, prices, sizes.size - 1, np.zeros_like(sizes))
                most = min(most, int(gains.sum()) - int(paid))
        return max(-1, most)

    def groups(self, deadline: Deadline) -> Iterator[tuple[Few, int]]:
        """Larger sets, and what each saves at most, however many of it are lively.

        As many as the deadline leaves time for.
        """
        if not kernels_ready("suffixes", _use_kernels, deadline):
            return
        for tensor, found in self._ends:
            ranked = sorted(found, key=lambda each: (-self._items[each].most, each))
            step = MOST_OPEN // 2
            for begin in range(0, max(1, len(ranked) - step), step):
                if deadline.expired:
                    return
                few = tuple(sorted(ranked[begin : begin + MOST_OPEN]))
                yield few, int(most_gained(*self._arrays(few, tensor, found)))

    def budgets(self, deadline: Deadline) -> Iterator[tuple[Few, list[int], int]]:
        """Sets of any size: what each item of it saves if all is spanned, and what comes on top.

        All that are lively save no more than the sum of these and, together, the amount on top.
        Only where there are too many for :meth:`groups`.
        """
        for tensor, ended in self._ends:
            sizes = self._sizes[tensor]
            inner = self._inner[tensor]
            if len(ended) <= MOST_OPEN:
                continue
            for found in (ended, ended | inner) if inner else (ended,):
                few = tuple(found)
                wants, prices, gains = self._priced(few, found)
                is_inner = np.array([each in inner for each in few])
                most = most_unspanned(wants, sizes, prices, is_inner, deadline)
                if most is not None:
                    spanned = prices * (~wants @ sizes)
                    views = self._views(few, spanned.tolist())
                    bases = (gains - spanned).tolist()
                    yield (*few, *views), [*bases, *views.values()], most

    def _views(self, few: Few, spanned: Sequence[int]) -> dict[int, int]:
        """The other items of the same accesses, if they may be views, and what else they save.

        A view spans nothing unwanted: what it saves on top is what it would pay to span all here.
        """
        found = {}
        for each, price in zip(few, spanned, strict=True):
            for number, item in enumerate(self._items):
                if item.spans or item.access != self._items[each].access:
                    continue
                base = max(item.top - price, int(item.saved[2:].max(initial=NEVER)))
                if item.most > base:
                    found[number] = base
        return found

    def _arrays(
        self, few: Few, tensor: int, found: dict[int, _Open]
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Positions by who wants them, prices, and what is saved if nothing is spanned here."""
        wants, prices, gains = self._priced(few, found)
        return by_wanted(wants, self._sizes[tensor]), prices, gains

    def _priced(
        self, few: Few, found: dict[int, _Open]
    ) -> tuple[npt.NDArray[np.bool_], IntArray, IntArray]:
        """What is wanted, prices, and what is saved if nothing is spanned here."""
        prices, gains = [], []
        for item, met in ((self._items[each], found[each]) for each in few):
            price = min(option.gap for option in item.options)
            prices.append(price)
            gains.append(
                item.top - min(o.fixed + o.run for o in item.options) - price * met.elsewhere
            )
        wants = np.array([found[each].wants for each in few])
        return wants, np.array(prices, dtype=np.int64), np.array(gains, dtype=np.int64)


def _opened(
    items: Sequence[Item], anatomy: Anatomy, tensor: int, goes_on: tuple[bool, bool]
) -> dict[int, _Open]:
    """Items by number that go on past the beginning and end of a tensor, as told."""
    count = anatomy.problem.sizes[tensor].size
    found = {}
    for number, item in enumerate(items):
        shape = anatomy.shapes[item.access]
        if not item.spans or shape is None:
            continue
        here = [
            each
            for each in shape.pieces
            if each.tensor == tensor and each.mask and (each.before, each.after) == goes_on
        ]
        if len(here) == 1 and here[0].fixed_gap is None:
            wants = np.array([bool(here[0].mask >> each & 1) for each in range(count)])
            found[number] = _Open(wants, sum(each.fixed_gap or 0 for each in shape.pieces))
    return found
