"""Tensors next to each other between two terminals: a stretch of a longer sequence, as tours.

The terminals stand for all before and all behind the stretch. They are neighbours in the tours, and
the edge between them has no length. The node where the stretch begins has an edge to the one, the
node where it ends to the other, and their lengths are whatever is known of the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.proofs.tours import SAFE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from reorder_solver.proofs.tours import IntArray, Numbers, Tours


class Segment:
    """The nodes from `start` to before `stop`, then the two terminals.

    Parameters
    ----------
    tours : Tours
        The whole; its nodes from `start` to before `stop` are those of some tensors.
    start, stop : int
    first, second : sequence of int
        What the terminals are away from each of the nodes, by place from `start`.
    first_is_behind : bool
        The first terminal stands for what comes behind the nodes, else for what comes before.

    Attributes
    ----------
    count : int
        Nodes, both terminals included.
    longest : int
        No distance is larger.
    """

    def __init__(
        self,
        tours: Tours,
        start: int,
        stop: int,
        first: Sequence[int],
        second: Sequence[int],
        *,
        first_is_behind: bool,
    ) -> None:
        self._tours = tours
        self._start, self._stop = start, stop
        outside = tours.count - 1
        self._beyond = range(stop, outside) if first_is_behind else range(start)
        self.count = stop - start + 2
        inner = tours.distances(slice(start, stop), slice(start, stop), pairs=False)
        sizes = [abs(each) for each in (*first, *second)]
        self.longest = max(tours.longest, *sizes)
        kind: Any = np.int64 if self.longest < SAFE else object
        matrix = np.zeros((self.count, self.count), dtype=kind)
        matrix[:-2, :-2] = inner
        for place, lengths in ((-2, first), (-1, second)):
            matrix[:-2, place] = matrix[place, :-2] = np.array(lengths, dtype=kind)
        self._matrix: Numbers = matrix
        self._traces = {each.tobytes() for each in self._required_traces(first_is_behind)}

    def distances(
        self, tails: IntArray | slice, heads: IntArray | slice, *, pairs: bool
    ) -> Numbers:
        """Distances, of all `tails` from all `heads` or of the `pairs` of them."""
        found: Numbers = self._matrix[tails, heads] if pairs else self._matrix[tails][:, heads]
        return found

    def is_kept_together(self, members: Iterable[int]) -> bool:
        """Whether every tour that stands for a solution leaves the nodes `members` just twice.

        The second terminal is not among them. With the first one among them they are kept together
        if they are with all nodes that it stands for.
        """
        chosen = list(members)
        first = self.count - 2
        nodes = [self._start + member for member in chosen if member < first]
        if first in chosen:
            if not self._beyond:
                return False
            nodes += self._beyond
        marks = np.zeros(self.count - 1, dtype=np.bool_)
        marks[chosen] = True
        return marks.tobytes() in self._traces or self._tours.is_kept_together(nodes)

    def _required_traces(self, first_is_behind: bool) -> Iterable[npt.NDArray[np.bool_]]:
        """What the channels of required accesses, neighbours in every solution, look like here.

        Those that reach beyond the nodes on one side begin or end with the nodes on that side.
        """
        for wanted in self._tours.required:
            here = wanted[self._start : self._stop]
            before = bool(wanted[: self._start].any())
            behind = bool(wanted[self._stop :].any())
            if not here.any() or (before and behind):
                continue
            first, second = (behind, before) if first_is_behind else (before, behind)
            # Without the second terminal: else the other nodes.
            yield ~np.append(here, first) if second else np.append(here, first)
