"""Normalisations whose statistics take in every channel, and how constant ones leave them.

The idea is that of Squeeze-Release (arXiv 2606.14346): mean and variance over all channels follow
from those of the stored ones and the constants.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from reorder_solver.torch_adapter.grouped import any_of, even
from reorder_solver.torch_adapter.operations import Inseparable, Operand
from reorder_solver.torch_adapter.program import marked

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.program import Constants, Value

aten = torch.ops.aten


class Kind(Enum):
    """What is computed."""

    LAYER = "layer_norm"
    GROUP = "group_norm"
    ROOT_MEAN_SQUARE = "rms_norm"


@dataclass(frozen=True, slots=True)
class Setting:
    """A normalisation.

    Attributes
    ----------
    kind : Kind
    groups : int
        Into how many equal groups the channels fall, each with statistics of its own.
    trailing : tuple of int
        Layer and RMS norm: the sizes that are normalised over, the channels' among them.
        Group norm: the spatial sizes.
    weight, bias : str or None
        Names of the stored scale and shift.
    eps : float or None
    """

    kind: Kind
    groups: int
    trailing: tuple[Any, ...]
    weight: str | None
    bias: str | None
    eps: float | None


class Normalisation(Inseparable):
    """Layer, group or RMS normalisation over the channel axis.

    Input channels that are constants need not be stored: the statistics are corrected for them.
    A constant channel is stored if the output channel of that number is wanted, which is no
    constant. In several groups, equally many channels are stored in each that is wanted.

    Parameters
    ----------
    node : torch.fx.Node
    source : Value
    setting : Setting
    compensate : bool
        False to store every channel whatever is known of it.
    """

    def __init__(
        self, node: fx.Node, source: Value, setting: Setting, *, compensate: bool = True
    ) -> None:
        super().__init__(node, [Operand(("input", None), source, np.arange(source.channels))])
        self.source = source
        self.setting = setting
        self.ordered = setting.groups > 1
        sizes_known = all(isinstance(size, int) for size in setting.trailing)
        self.compensates = compensate and sizes_known and setting.eps is not None

    def constants(self, facts: Facts) -> Constants:
        """Channels whose scale is zero: their shift is all that is left."""
        return unscaled(
            facts, self.setting.weight, self.setting.bias, self.source.flow.sizes, self._axis()
        )

    def _axis(self) -> int:
        """The axis of the scale on which the channels are."""
        if self.setting.kind is Kind.GROUP:
            return 0
        return self.source.flow.axis - int(self.source.example.ndim) + len(self.setting.trailing)

    def widen(self, live: BoolArray, facts: Facts) -> BoolArray:
        """The channels that are stored: all that vary, and the constants that are wanted."""
        by_group = live.reshape(self.setting.groups, -1)
        alive = any_of(by_group)
        if not self.compensates:
            return np.repeat(alive, by_group.shape[1])
        varying = np.isnan(facts.constants(self.source)).reshape(by_group.shape)
        wanted: BoolArray = (varying | by_group) & alive[:, None]
        return even(wanted, alive).ravel()

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """The same channels."""
        return [(self.source, self.widen(live, facts))]

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The operator on what is stored, corrected for what is not, and a choice of the result."""
        assert self.output is not None
        facts = emitter.facts
        made = self.widen(marked(self.source.channels, sequence), facts)
        if self.ordered:
            order = np.flatnonzero(made)
        else:
            stored = emitter.stored(self.source)
            order = stored[made[stored]]
        groups = int(made.reshape(self.setting.groups, -1).any(axis=1).sum())
        read = emitter.get(self.source, order)
        absent = self._absent(made, facts)
        if not absent.counts.any():
            node = self._plain(read, order, groups, emitter)
        else:
            node = self._corrected(read, order, absent, emitter)
        return emitter.select(node, self.output.flow, order, sequence)

    def _absent(self, made: BoolArray, facts: Facts) -> _Absent:
        """Count, mean and variance of the features that are not stored, by group."""
        shape = self.setting.groups, -1
        by_group = made.reshape(shape)
        alive = any_of(by_group)
        sizes = self.source.flow.sizes.reshape(shape)[alive]
        weights = np.where(by_group[alive], 0, sizes)
        numbers = np.nan_to_num(facts.constants(self.source), nan=0.0).reshape(shape)[alive]
        counts = weights.sum(axis=1)
        divisors = np.maximum(counts, 1)
        means = (weights * numbers).sum(axis=1) / divisors
        variances = (weights * (numbers - means[:, None]) ** 2).sum(axis=1) / divisors
        return _Absent(counts, sizes.sum(axis=1) - counts, means, variances)

    def _normalised_shape(self, order: IndexArray) -> list[int]:
        shape = list(self.setting.trailing)
        shape[self._axis()] = self.source.flow.count(order)
        return shape

    def _parameter(self, name: str | None, order: IndexArray, emitter: Emitter) -> fx.Node | None:
        if name is None:
            return None
        return emitter.parameter(name, {self._axis(): self.source.flow.features(order)})

    def _plain(self, read: fx.Node, order: IndexArray, groups: int, emitter: Emitter) -> fx.Node:
        """The operator itself."""
        weight = self._parameter(self.setting.weight, order, emitter)
        bias = self._parameter(self.setting.bias, order, emitter)
        eps = self.setting.eps
        if self.setting.kind is Kind.GROUP:
            return emitter.emit(aten.group_norm.default, read, groups, weight, bias, eps)
        shape = self._normalised_shape(order)
        if self.setting.kind is Kind.LAYER:
            return emitter.emit(aten.layer_norm.default, read, shape, weight, bias, eps)
        return emitter.emit(aten.rms_norm.default, read, shape, weight, eps)

    def _corrected(
        self, read: fx.Node, order: IndexArray, absent: _Absent, emitter: Emitter
    ) -> fx.Node:
        """Written out, with the mean and the variance of all features.

        With a share `s` of the `C` features stored, of mean `m`, and the others of mean `k` and
        variance `w`, the mean of all is ``s m + (1 - s) k``. With the stored ones' differences
        `d` from it, their variance is ``|d|^2 / C + (1 - s) (w + (k - mean)^2)``: no difference
        of squares, so nothing cancels. Without a mean to take off, `d` is what is stored.
        """
        groups, share = absent.counts.size, float(absent.stored[0] / absent.total())
        if groups > 1:
            each = int(absent.stored[0])
            read = emitter.emit(aten.unflatten.int, read, 1, [groups, each])
        axes = self._axes(grouped=groups > 1)
        away: Any = _scalars(absent.means, len(axes), emitter)
        if self.setting.kind is not Kind.ROOT_MEAN_SQUARE:
            mean = emitter.emit(aten.mean.dim, read, axes, True)
            mean = emitter.emit(aten.mul.Tensor, mean, share)
            if absent.means.any():
                shift = _scalars((1 - share) * absent.means, len(axes), emitter)
                mean = emitter.emit(aten.add.Tensor, mean, shift)
            read = emitter.emit(aten.sub.Tensor, read, mean)
            away = emitter.emit(aten.sub.Tensor, mean, away) if absent.means.any() else mean
        scale = emitter.emit(aten.rsqrt.default, self._variance(read, away, axes, absent, emitter))
        node = emitter.emit(aten.mul.Tensor, read, scale)
        if groups > 1:
            node = emitter.emit(aten.flatten.using_ints, node, 1, 2)
        return self._affine(node, order, emitter)

    def _axes(self, *, grouped: bool) -> list[int]:
        """The axes that are normalised over."""
        count = len(self.setting.trailing)
        if self.setting.kind is Kind.GROUP:
            return list(range(2 if grouped else 1, count + (3 if grouped else 2)))
        return list(range(-count, 0))

    def _variance(
        self, differences: fx.Node, away: Any, axes: list[int], absent: _Absent, emitter: Emitter
    ) -> fx.Node:
        """The mean square of all differences, and eps."""
        assert self.setting.eps is not None
        share = float(absent.stored[0] / absent.total())
        places = math.prod(self.setting.trailing)
        if self.setting.kind is not Kind.GROUP:
            places //= self.setting.trailing[self._axis()]
        floor = (1 - share) * absent.variances + self.setting.eps
        if not isinstance(away, fx.Node):
            floor = floor + (1 - share) * absent.means**2
        root = emitter.emit(aten.linalg_vector_norm.default, differences, 2, axes, True)
        root = emitter.emit(aten.mul.Tensor, root, (absent.total() * places) ** -0.5)
        square = emitter.emit(aten.mul.Tensor, root, root)
        square = emitter.emit(aten.add.Tensor, square, _scalars(floor, len(axes), emitter))
        if not isinstance(away, fx.Node):
            return square
        settings: dict[str, Any] = {"value": 1 - share}
        return emitter.graph.call_function(aten.addcmul.default, (square, away, away), settings)

    def _affine(self, node: fx.Node, order: IndexArray, emitter: Emitter) -> fx.Node:
        weight = self._parameter(self.setting.weight, order, emitter)
        bias = self._parameter(self.setting.bias, order, emitter)
        if self.setting.kind is Kind.GROUP and self.setting.trailing:
            shape = -1, *[1] * len(self.setting.trailing)
            weight, bias = (
                None if one is None else emitter.graph.call_method("reshape", (one, shape))
                for one in (weight, bias)
            )
        if weight is None:
            return node if bias is None else emitter.emit(aten.add.Tensor, node, bias)
        if bias is None:
            return emitter.emit(aten.mul.Tensor, node, weight)
        return emitter.emit(aten.addcmul.default, bias, node, weight)


@dataclass(frozen=True, slots=True, eq=False)
class _Absent:
    """By group the features that are not stored, how many are, and the absent ones' statistics."""

    counts: IndexArray
    stored: IndexArray
    means: Constants
    variances: Constants

    def total(self) -> int:
        """Features of a group, stored or not."""
        return int(self.counts[0] + self.stored[0])


def _scalars(numbers: Constants, axes: int, emitter: Emitter) -> Any:
    """A number, or a stored one per group, before some axes of one entry."""
    if (numbers == numbers[0]).all():
        return float(numbers[0])
    return emitter.buffer("group_constants", torch.from_numpy(numbers.reshape(-1, *[1] * axes)))


def unscaled(
    facts: Facts, weight: str | None, bias: str | None, sizes: IndexArray, axis: int = 0
) -> Constants:
    """Per channel the shift where the scale is zero, NaN elsewhere.

    Parameters
    ----------
    facts : Facts
    weight, bias : str or None
        Names of the stored scale and shift.
    sizes : ndarray of int64
        Features of each channel.
    axis : int
        On which the scale and the shift have the features.
    """
    if weight is None:
        return np.full(sizes.size, np.nan)
    starts = np.cumsum(sizes) - sizes
    scale = _by_feature(facts.attribute(weight), axis)
    zero = np.logical_and.reduceat(scale.eq(0).all(1).numpy(), starts)
    if bias is None:
        return np.where(zero, 0.0, np.nan)
    shift = _by_feature(facts.attribute(bias), axis).double()
    least, most = (one.numpy() for one in torch.aminmax(shift, dim=1))
    least, most = np.minimum.reduceat(least, starts), np.maximum.reduceat(most, starts)
    return np.where(zero & (least == most), least, np.nan)


def _by_feature(stored: torch.Tensor, axis: int) -> torch.Tensor:
    moved = stored.detach().movedim(axis, 0)
    return moved.reshape(len(moved), -1).cpu()
