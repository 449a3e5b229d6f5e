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

from reorder_solver.backends.modes.kernels import compile_kernel

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
def cheapest_openings(sizes: IntArray, prices: IntArray) -> int:
    """Least that accesses pay for unwanted positions after their openings.

    Parameters
    ----------
    sizes : ndarray of int64, shape (2^k,)
        Positions of the class that exactly the accesses of a bit set want.
    prices : ndarray of int64, shape (k,)
        Per position and access.

    Returns
    -------
    int
        O(4^k k) for k accesses.
    """
    count = prices.size
    total = np.zeros(1 << count, dtype=np.int64)
    for opened in range(1, 1 << count):
        total[opened] = total[opened & (opened - 1)]
        for number in range(count):
            if opened & -opened == 1 << number:
                total[opened] += prices[number]
    best = np.zeros(1 << count, dtype=np.int64)
    for opened in range(1, 1 << count):
        least = -1
        for number in range(count):
            if not opened >> number & 1:
                continue
            # It opens last: what wants it, and nothing unopened, comes right after.
            paid = best[opened ^ 1 << number]
            wanted = opened
            while wanted:
                if wanted >> number & 1:
                    paid += sizes[wanted] * total[opened & ~wanted]
                wanted = (wanted - 1) & opened
            if least < 0 or paid < least:
                least = paid
        best[opened] = least
    return int(best[-1])


def least_spanned(wants: npt.NDArray[np.bool_], sizes: IntArray, prices: Sequence[int]) -> int:
    """The same, from rows of wanted classes.

    Parameters
    ----------
    wants : ndarray of bool, shape (k, classes)
        With k up to `MOST_OPEN`.
    sizes : ndarray of int64, shape (classes,)
    prices : sequence of int
        Of k accesses.
    """
    bits = (1 << np.arange(len(prices), dtype=np.int64)) @ wants
    weights = np.zeros(1 << len(prices), dtype=np.int64)
    np.add.at(weights, bits, sizes)
    return int(cheapest_openings(weights, np.array(prices, dtype=np.int64)))


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
            if len(found := _opened(items, anatomy, tensor, before=before)) > 1
        ]

    def sets(self, lively: Few) -> Iterator[Few]:
        """Of those that meet one end: up to four, and as many as there may be."""
        for _, found in self._ends:
            here = tuple(each for each in lively if each in found)
            if len(here) > 1:
                yield here[:MOST_OPEN]
            for size in range(2, min(4, len(here)) + 1):
                yield from combinations(here, size)

    def ask(self, few: Few, _deadline: Deadline, /) -> int:
        """What `few` save at most if all are lively; -1 if they never are."""
        best = sum(self._items[each].most for each in few)
        for tensor, found in self._ends:
            if all(each in found for each in few):
                saved, prices = 0, []
                for item, met in ((self._items[each], found[each]) for each in few):
                    price = min(option.gap for option in item.options)
                    saved += item.top - min(o.fixed + o.run for o in item.options)
                    saved -= price * met.elsewhere
                    prices.append(price)
                wants = np.array([found[each].wants for each in few])
                best = min(best, saved - least_spanned(wants, self._sizes[tensor], prices))
        return max(-1, best)


def _opened(
    items: Sequence[Item], anatomy: Anatomy, tensor: int, *, before: bool
) -> dict[int, _Open]:
    """Items by number that go on past the end of a tensor, or past its beginning."""
    count = anatomy.problem.sizes[tensor].size
    found = {}
    for number, item in enumerate(items):
        shape = anatomy.shapes[item.access]
        if not item.spans or shape is None:
            continue
        here = [
            each
            for each in shape.pieces
            if each.tensor == tensor
            and each.mask
            and (each.before, each.after) == (before, not before)
        ]
        if len(here) == 1 and here[0].fixed_gap is None:
            wants = np.array([bool(here[0].mask >> each & 1) for each in range(count)])
            found[number] = _Open(wants, sum(each.fixed_gap or 0 for each in shape.pieces))
    return found
