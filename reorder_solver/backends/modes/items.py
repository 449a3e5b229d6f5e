"""Items: an access served by its runs, or by its span, and what that saves.

The dearest that an access ever is, it is without any care for it. What it costs less is *saved*.
An access that saves anything is *lively*: either it is a view or pays for its runs, or it pays for
what it spans. These are two items, of which one layout has at most one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reorder_solver.backends.modes.options import VIEW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.backends.dynamic.anatomy import Shape
    from reorder_solver.backends.modes.options import Option

IntArray = npt.NDArray[np.int64]

#: What is saved where it cannot be.
NEVER = -(1 << 60)


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One access, served in one of two ways.

    Attributes
    ----------
    access : int
    spans : bool
        It pays for its span, and perhaps for runs; or else for runs alone, or it is a view.
    options : tuple of Option
        Those that are meant; none is flat.
    top : int
        No layout makes the access cost more.
    saved : ndarray of int64
        By the number of its runs the most that it saves, up to the most runs at which it saves
        anything; `NEVER` where it never has so few. Entry 0 is for none.
    """

    access: int
    spans: bool
    options: tuple[Option, ...]
    top: int
    saved: IntArray

    @property
    def most(self) -> int:
        """What it saves at most; not positive if it never is lively."""
        return int(self.saved.max())

    def line(self) -> tuple[int, int]:
        """Integers of which the first less the second times ``r - 1`` is no less than is saved.

        For all numbers of runs at which the item saves anything.
        """
        (runs,) = np.nonzero(self.saved > NEVER)
        first, last = int(runs[0]), int(runs[-1])
        if first == last:
            weight = self.most
        else:
            weight = max(0, int(self.saved[first] - self.saved[last]) // (last - first))
        return int((self.saved[runs] + weight * (runs - 1)).max()), weight

    def is_straight(self, begin: int, weight: int) -> bool:
        """Whether the line of :meth:`line` is what is saved, whatever the number of runs."""
        (runs,) = np.nonzero(self.saved > NEVER)
        return bool(np.array_equal(self.saved[runs], begin - weight * (runs - 1)))


def dearest(options: Sequence[Option], shape: Shape | None) -> int:
    """No layout makes the access cost more; 0 if it must be a view, or always is one."""
    if shape is None or shape.most_runs < 2:
        return 0
    runs, gap = shape.most_runs - 1, shape.most_gap
    prices = [o.fixed + o.run * runs + o.gap * gap for o in options if not o.view]
    return min(prices, default=0)


def items_of(
    access: int, options: Sequence[Option], shape: Shape | None, least_runs: int
) -> list[Item]:
    """The lively items of an access.

    Parameters
    ----------
    access : int
    options : sequence of Option
    shape : Shape or None
    least_runs : int
        No layout gives it fewer.
    """
    top = dearest(options, shape)
    if shape is None or not top:
        return []
    by_runs = (VIEW, *(o for o in options if not (o.gap or o.is_flat or o.view)))
    by_span = tuple(o for o in options if o.gap)
    found = [
        Item(access, spans, each, top, _saved(each, shape, least_runs, top))
        for spans, each in ((False, by_runs), (True, by_span))
        if each
    ]
    return [item for item in found if item.most > 0]


def _saved(options: Sequence[Option], shape: Shape, least_runs: int, top: int) -> IntArray:
    found = [NEVER]
    for runs, gap in enumerate(shape.least_gaps, start=1):
        if runs == 1:
            # As a view, it counts among those that pay for their runs.
            is_view = not gap and any(option.view for option in options)
            found.append(top if is_view and least_runs <= 1 else NEVER)
            continue
        prices = [o.fixed + o.run * (runs - 1) + o.gap * gap for o in options if not o.view]
        price = min(prices, default=top)
        if price >= top:
            break
        found.append(top - price if runs >= least_runs else NEVER)
    return np.array(found, dtype=np.int64)


def most_saved(items: Sequence[Item], least_runs: int) -> int:
    """The most that some items save together, with so many runs together at least.

    -1 where not all of them can save anything. O(runs^2) for each of them.
    """
    best = np.full(least_runs + 1, NEVER, dtype=np.int64)
    best[0] = 0
    for item in items:
        after = np.full(least_runs + 1, NEVER, dtype=np.int64)
        for runs in range(1, item.saved.size):
            if item.saved[runs] == NEVER:
                continue
            # More runs than needed count as just enough.
            shift = min(runs, least_runs)
            moved = best[: least_runs + 1 - shift] + item.saved[runs]
            np.maximum(after[shift:], moved, out=after[shift:])
            enough = int(best[least_runs - shift :].max()) + int(item.saved[runs])
            after[-1] = max(after[-1], enough)
        best = np.maximum(after, NEVER)
    return max(-1, int(best[-1]))
