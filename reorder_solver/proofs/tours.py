"""The travelling salesman problem that weighted runs are: nodes, distances, and sets kept together.

The tour of a layout goes through its channels in sequence and through the outside, which nothing
wants, and back. Between two neighbours it is as long as the weights of the accesses that want one
of both: so every run of an access adds twice its weight. Any selection of channels will do as
nodes, as leaving some out makes no tour longer (the triangle inequality).
"""

from __future__ import annotations

from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import VerificationError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reorder_solver.core.proof import RunsPart
    from reorder_solver.proofs.groups import Group, Groups

#: int64, or objects (Python integers) where those do not suffice.
Numbers: TypeAlias = npt.NDArray[Any]
IntArray: TypeAlias = npt.NDArray[np.int64]

#: Most nodes, the outside included.
MOST_NODES = 1 << 15
#: Numbers up to here are safe to be added up a few times in 64 bits.
SAFE = 2**60
# Weights are taken apart into so many binary digits; their sums are exact in floats.
_LIMB = 30


class Tours:
    """The nodes of a part, the outside last.

    Parameters
    ----------
    part : RunsPart
    groups : Groups
    taken : set of int
        Groups that are accounted for; those of the part are added.

    Attributes
    ----------
    count : int
        Nodes, the outside included.
    first_runs : int
        What the first runs of all accesses weigh.
    unit : int
        The common divisor of the weights, 0 if all are 0. Distances are divided by it, so that
        every tour is even, and no more.
    required : list of ndarray of bool
        The nodes that required accesses want, of those that lie along the sequence.
    groups : list of range
        The nodes of each tensor that has any.

    Raises
    ------
    VerificationError
        If the accesses do not lie along the sequence of tensors, or the nodes are not distinct
        channels of these tensors that take up room, tensor by tensor.
    """

    def __init__(self, part: RunsPart[str, tuple[str, int]], groups: Groups, taken: set[int]):
        self._groups = groups
        self._sequence = _sequence(part.tensors, groups)
        self._tensors, self._channels = self._located(part.nodes)
        self.count = len(part.nodes) + 1
        if self.count > MOST_NODES:
            raise VerificationError(f"{self.count} nodes are more than {MOST_NODES}")
        weights: list[int] = []
        wants: list[npt.NDArray[np.bool_]] = []
        self.first_runs = 0
        for group in groups.take(part.accesses, taken):
            weight = group.price_of_a_run
            if weight is None:
                raise VerificationError(f"{group.name} does not pay by the run")
            if not self._is_along(group):
                raise VerificationError(
                    f"{group.name} is not made of neighbours in the sequence of tensors"
                )
            if weight and group.size:
                self.first_runs += weight
                weights.append(weight)
                wants.append(self._wanted(group))
        self.unit = gcd(*weights)
        self._weights = [weight // self.unit for weight in weights]
        self._wants = np.array(wants, dtype=np.bool_).reshape(len(wants), self.count).T
        self.required = [
            self._wanted(group)
            for group in groups.all
            if group.required and group.size and self._is_along(group)
        ]
        self._together = {np.packbits(wanted).tobytes() for wanted in self.required}
        borders = [0, *(np.flatnonzero(np.diff(self._tensors)) + 1).tolist(), self.count - 1]
        self.groups = [range(*pair) for pair in pairwise(borders)]

    def _located(self, nodes: Sequence[tuple[str, int]]) -> tuple[IntArray, IntArray]:
        """Place in the sequence, and channel, of every node."""
        tensors: list[int] = []
        channels: list[int] = []
        for tensor, channel in nodes:
            place = self._sequence.get(tensor)
            if place is None:
                raise VerificationError(f"node of tensor {shown(tensor)}, not in the sequence")
            if tensors and place < tensors[-1]:
                raise VerificationError("the nodes do not come tensor by tensor")
            tensors.append(place)
            channels.append(channel if type(channel) is int and 0 <= channel < 2**62 else -1)
        found = np.array(tensors, dtype=np.int64), np.array(channels, dtype=np.int64)
        for tensor, place in self._sequence.items():
            here = found[1][found[0] == place]
            if not np.isin(here, self._groups.placed[tensor]).all():
                raise VerificationError(
                    f"a node is no channel of tensor {shown(tensor)} that takes up room"
                )
            if np.unique(here).size < here.size:
                raise VerificationError(f"a channel of tensor {shown(tensor)} is two nodes")
        return found

    def _is_along(self, group: Group) -> bool:
        """Whether the tensors of `group` are neighbours in the sequence, in this order."""
        places = [self._sequence.get(tensor) for tensor, _ in group.parts]
        return all(
            place is not None and (not number or place == (places[number - 1] or 0) + 1)
            for number, place in enumerate(places)
        )

    def _wanted(self, group: Group) -> npt.NDArray[np.bool_]:
        """Which nodes `group` wants."""
        wanted = np.zeros(self.count, dtype=np.bool_)
        for tensor, channels in group.parts:
            here = np.flatnonzero(self._tensors == self._sequence[tensor])
            wanted[here] = np.isin(self._channels[here], channels)
        return wanted

    def distances(
        self, tails: IntArray | slice, heads: IntArray | slice, *, pairs: bool
    ) -> Numbers:
        """Distances, of all `tails` from all `heads` or of the `pairs` of them; exact."""
        ones, others = self._wants[tails], self._wants[heads]
        largest = max(self._weights, default=0)
        total: Numbers | None = None
        for shift in range(0, max(1, largest.bit_length()), _LIMB):
            limbs = [weight >> shift & (1 << _LIMB) - 1 for weight in self._weights]
            found = _weighted(ones, others, np.array(limbs, dtype=np.float64), pairs=pairs)
            if not shift:
                total = found
            else:
                assert total is not None
                total = total.astype(object) + (found.astype(object) << shift)
        assert total is not None
        return total

    @property
    def longest(self) -> int:
        """No distance is larger."""
        return sum(self._weights)

    def is_kept_together(self, members: Iterable[int]) -> bool:
        """Whether the nodes `members` are neighbours in every layout that keeps what is required.

        So are the channels of a required access; those of neighbouring tensors, of the first of
        them only the last channels or of the last only the first, if that one is fixed; and
        channels in a row of a fixed tensor.
        """
        inside = np.zeros(self.count, dtype=np.bool_)
        inside[list(members)] = True
        if np.packbits(inside).tobytes() in self._together:
            return True
        places = self._tensors[inside[:-1]]
        first, last = int(places.min()), int(places.max())
        for tensor, place in self._sequence.items():
            here = self._tensors == place
            if not first <= place <= last or inside[:-1][here].all():
                continue
            if first < place < last or not self._groups.fixed[tensor]:
                return False
            in_order = inside[:-1][here][np.argsort(self._channels[here])]
            marks = np.flatnonzero(in_order)
            is_run = marks[-1] - marks[0] + 1 == marks.size
            reaches_left = place == first or marks[0] == 0
            reaches_right = place == last or marks[-1] == in_order.size - 1
            if not (is_run and reaches_left and reaches_right):
                return False
        return True


def _sequence(tensors: Sequence[object], groups: Groups) -> dict[str, int]:
    """Place of every tensor with room in the sequence."""
    found: dict[str, int] = {}
    for tensor in tensors:
        if not isinstance(tensor, str) or tensor not in groups.placed:
            raise VerificationError(f"there is no tensor {shown(tensor)}")
        if tensor in found:
            raise VerificationError(f"tensor {shown(tensor)} is twice in the sequence")
        if groups.placed[tensor].size:
            found[tensor] = len(found)
    return found


def _weighted(
    ones: npt.NDArray[np.bool_],
    others: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float64],
    *,
    pairs: bool,
) -> IntArray:
    """Sums of weights below 2**30 over rows in which columns differ: below 2**53, so exact."""
    if pairs:
        sums: IntArray = ((ones != others) @ weights).astype(np.int64)
        return sums
    left, right = ones.astype(np.float64), others.astype(np.float64)
    common = (left * weights) @ right.T
    common *= -2.0
    common += (left @ weights)[:, None]
    common += right @ weights
    return common.astype(np.int64)
