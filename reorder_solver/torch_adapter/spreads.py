"""Spreads: channels of a value over several axes, as between the views of a channel shuffle.

While nothing but views touches them, no operator is needed at all: put back on one axis, they
are a choice of the source's channels. An operator that treats all but one of the axes alike sees
*bundles*: channels that each consist of several channels of the source.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reorder_solver.torch_adapter.operations import ChannelWise, Operand
from reorder_solver.torch_adapter.program import NotUnderstoodError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.program import Value

    #: Given the emitter, the chosen channels of the source and the shape of their labels.
    Finish = Callable[[Emitter, Any, tuple[int, ...]], Any]

aten = torch.ops.aten


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Channels of a value spread over several axes.

    Attributes
    ----------
    source : Value
        With one feature per channel.
    axes : tuple of int
        Rising.
    labels : ndarray of int64, shape (sizes of the axes)
        The channel of the source at each place.
    others : tuple of int
        For each further axis, the axis of the source that it is; -1 for one of size 1 that the
        source does not have.
    """

    source: Value
    axes: tuple[int, ...]
    labels: IndexArray
    others: tuple[int, ...]

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.axes) + len(self.others)

    def origins(self) -> list[tuple[str, int]]:
        """For each axis ``("label", number)`` or ``("other", axis of the source)``."""
        labels, others = iter(range(len(self.axes))), iter(self.others)
        return [
            ("label", next(labels)) if axis in self.axes else ("other", next(others))
            for axis in range(self.rank)
        ]

    def rebuilt(self, origins: Sequence[tuple[str, int]]) -> Spread:
        """The same with its axes in another order; axes of size 1 may have come or gone."""
        axes = tuple(axis for axis, (kind, _) in enumerate(origins) if kind == "label")
        order = [number for kind, number in origins if kind == "label"]
        others = tuple(number for kind, number in origins if kind == "other")
        return Spread(self.source, axes, self.labels.transpose(order), others)

    def permuted(self, dims: Sequence[int]) -> Spread:
        """Axis i of the result is axis ``dims[i]``."""
        origins = self.origins()
        return self.rebuilt([origins[axis] for axis in dims])

    def taken(self, axis: int, index: Any) -> Spread:
        """Some entries of a label axis; an integer drops the axis."""
        number = self.axes.index(axis)
        labels = np.take(self.labels, index, axis=number)
        if labels.ndim == self.labels.ndim:
            return Spread(self.source, self.axes, labels, self.others)
        axes = (*self.axes[:number], *(one - 1 for one in self.axes[number + 1 :]))
        return Spread(self.source, axes, labels, self.others)

    def fits(self, shape: Sequence[Any]) -> bool:
        """True if the axes have the sizes that they are said to come from."""
        source = self.source.example.shape
        return self.rank == len(shape) and all(
            same_size(size, self.labels.shape[number])
            if kind == "label"
            else same_size(size, source[number] if number >= 0 else 1)
            for size, (kind, number) in zip(shape, self.origins(), strict=True)
        )

    def is_whole(self) -> bool:
        """True if the channels are on one axis and everything is where the source has it."""
        axis, rank = self.source.flow.axis, self.source.example.ndim
        rest = tuple(one for one in range(rank) if one != axis)
        return self.axes == (axis,) and self.others == rest


def viewed_spread(spread: Spread, before: Sequence[Any], after: Sequence[Any]) -> Spread:
    """The spread behind a view from sizes `before` to sizes `after`."""
    origins = spread.origins()
    shape: list[int] = []
    axes: list[int] = []
    others: list[int] = []
    for old, new in matched(before, after):
        if any(origins[axis][0] == "label" for axis in old):
            if any(origins[axis][0] == "other" and not is_one(before[axis]) for axis in old):
                raise NotUnderstoodError("a view that mixes channels with other axes")
            if not all(isinstance(after[axis], int) for axis in new):
                raise NotUnderstoodError("channels on an axis of unknown size")
            split = [axis for axis in new if after[axis] != 1] or new[:1]
            if not split:
                raise NotUnderstoodError("a view that leaves no axis to the channels")
            axes += split
            shape += [int(after[axis]) for axis in split]
            others += [-1 for axis in new if axis not in split]
            continue
        kept = [axis for axis in old if not is_one(before[axis])]
        wide = [axis for axis in new if not is_one(after[axis])]
        same = [same_size(before[a], after[b]) for a, b in zip(kept, wide, strict=False)]
        if len(kept) != len(wide) or not all(same):
            raise NotUnderstoodError("a view that changes other axes than the channels'")
        sources = iter(kept)
        others += [-1 if is_one(after[axis]) else origins[next(sources)][1] for axis in new]
    return Spread(spread.source, tuple(axes), spread.labels.reshape(shape), tuple(others))


def matched(before: Sequence[Any], after: Sequence[Any]) -> list[tuple[list[int], list[int]]]:
    """The finest groups of neighbouring axes that a view turns into each other."""
    groups: list[tuple[list[int], list[int]]] = []
    one = other = 0
    while one < len(before) or other < len(after):
        old, new = [], []
        left: Any = 1
        right: Any = 1
        if one < len(before):
            old, left, one = [one], before[one], one + 1
        if other < len(after):
            new, right, other = [other], after[other], other + 1
        while not same_size(left, right):
            if one < len(before) and (hinted(left) <= hinted(right) or other >= len(after)):
                old.append(one)
                left, one = left * before[one], one + 1
            elif other < len(after):
                new.append(other)
                right, other = right * after[other], other + 1
            else:
                raise NotUnderstoodError("a view whose sizes cannot be compared")
        groups.append((old, new))
    return groups


def same_size(one: Any, other: Any) -> bool:
    """True if two sizes are the same for every batch size."""
    return bool(_expression(one) == _expression(other))


def is_one(size: Any) -> bool:
    """True for a size that is always 1."""
    return isinstance(size, int) and size == 1


def hinted(size: Any) -> int:
    """A size in the captured run."""
    if isinstance(size, torch.SymInt):
        hint = size.node.hint
        return 1 if hint is None else int(hint)
    return int(size)


def _expression(size: Any) -> Any:
    return size.node.expr.expand() if isinstance(size, torch.SymInt) else size


class Bundle(ChannelWise):
    """Each output channel is made of several channels of one source.

    Parameters
    ----------
    source : Value
    labels : ndarray of int64
        Channels of the source.
    axis : int
        The axis of `labels` whose entries are the output's channels.
    finish : callable
        Makes the output of the source's channels, laid out as the labels are.
    """

    def __init__(self, source: Value, labels: IndexArray, axis: int, finish: Finish) -> None:
        self.source = source
        self.labels = labels
        self.axis = axis
        self._finish = finish
        rows = np.moveaxis(labels, axis, -1).reshape(-1, labels.shape[axis])
        operands = [Operand(("self", None), source, row) for row in rows]
        self.operands = tuple(operands)

    def lower(self, sequence: IndexArray, emitter: Emitter) -> Any:
        """The source's channels, bundled."""
        labels = np.take(self.labels, sequence, axis=self.axis)
        return self._finish(emitter, emitter.get(self.source, labels.ravel()), labels.shape)


def bundle(spread: Spread, axis: int) -> Bundle:
    """See a spread as channels on one of its axes."""
    start = spread.source.flow.axis
    rest = [one for one in range(spread.source.example.ndim) if one != start]
    count = len(spread.axes)
    gone = [one for one in rest if one not in spread.others]
    # Axes of the source once its channels are on axes of their own.
    place = {one: one if one < start else one + count - 1 for one in rest}
    left = [one for one in range(len(rest) + count) if one not in {place[one] for one in gone}]
    wanted = [
        start + number if kind == "label" else place[number]
        for kind, number in spread.origins()
        if kind == "label" or number >= 0
    ]
    dims = [left.index(one) for one in wanted]
    new = [
        axis
        for axis, (kind, number) in enumerate(spread.origins())
        if (kind, number) == ("other", -1)
    ]

    def finish(emitter: Emitter, made: Any, shape: tuple[int, ...]) -> Any:
        if len(shape) > 1:
            made = emitter.emit(aten.unflatten.int, made, start, list(shape))
        for one in sorted((place[one] for one in gone), reverse=True):
            made = emitter.emit(aten.squeeze.dim, made, one)
        if dims != sorted(dims):
            made = emitter.emit(aten.permute.default, made, dims)
        for one in new:
            made = emitter.emit(aten.unsqueeze.default, made, one)
        return made

    return Bundle(spread.source, spread.labels, spread.axes.index(axis), finish)


def product(sizes: Sequence[Any]) -> Any:
    """Of sizes."""
    return math.prod(sizes)
