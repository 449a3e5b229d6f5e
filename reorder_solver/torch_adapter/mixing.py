"""Operations that mix channels: convolutions and linear layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from reorder_solver.torch_adapter.program import Operation, Source, marked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import fx

    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.program import Constants, Value


class Weights:
    """A stored weight with an axis of output features and one of input features.

    Parameters
    ----------
    name : str
    tensor : torch.Tensor
    rows, columns : int
        The axes of output and of input features.
    bias : str or None
    """

    def __init__(
        self, name: str, tensor: torch.Tensor, rows: int, columns: int, bias: str | None
    ) -> None:
        self.name = name
        self.rows = rows
        self.columns = columns
        self.bias = bias
        self._tensor = tensor
        self._by_column: torch.Tensor | None = None

    def matrix(self) -> torch.Tensor:
        """Rows by columns by everything else, in double precision."""
        moved = self._tensor.detach().movedim((self.rows, self.columns), (0, 1))
        return moved.reshape(moved.shape[0], moved.shape[1], -1).to("cpu", torch.float64)

    def used(self) -> BoolArray:
        """True where a row and a column meet in an entry that is not zero."""
        moved = self._tensor.detach().movedim((self.rows, self.columns), (0, 1))
        # A sum of absolute values is zero only if all are, and much faster than any().
        entries = moved if moved.ndim == 2 else moved.abs().flatten(2).sum(2)
        found: BoolArray = entries.ne(0).cpu().numpy()
        return found


class Mix(Operation):
    """A convolution without groups, or a linear layer.

    Parameters
    ----------
    node : torch.fx.Node
    source : Value
    weights : Weights
    module : str
        Name of the module, for accesses.
    declared : ndarray of bool or None
        Input features that are wanted even where all their weights are zero.
    padded : bool
        True if an input that is constant need not make an output that is: zeros are put around
        it. Such constants are not folded into the bias, but all into one channel.

    Notes
    -----
    An input channel that is zero everywhere is not read. One that is another constant is not
    read either, if nothing is padded: its effect is a constant, added to the bias. With padding,
    the effect of the constants `k_c` with weights `w_c` is that of a single one of them, `k`,
    with weights ``sum_c (k_c / k) w_c``, at the border too; so only that one is read.
    """

    def __init__(
        self,
        node: fx.Node,
        source: Value,
        weights: Weights,
        module: str,
        declared: BoolArray | None = None,
        *,
        padded: bool,
    ) -> None:
        self.node = node
        self.source = source
        self.weights = weights
        self.module = module
        self.padded = padded
        used = weights.used()
        starts = np.cumsum(source.flow.sizes) - source.flow.sizes
        self._used: BoolArray = np.logical_or.reduceat(used, starts, axis=1)
        self._declared: BoolArray = (
            np.zeros(source.channels, dtype=np.bool_)
            if declared is None
            else np.logical_or.reduceat(declared, starts)
        )

    def sources(self) -> Sequence[Source]:
        """The input."""
        return [Source(self.source, None)]

    def constants(self, facts: Facts) -> Constants:
        """Rows that only meet constants, and no padding unless those are zero."""
        assert self.output is not None
        inputs = facts.constants(self.source)
        varying = np.isnan(inputs) | (self.padded & (inputs != 0))
        found = np.full(self.output.channels, np.nan)
        known = ~(self._used & varying).any(axis=1)
        if known.any():
            found[known] = (self._offset(inputs) + self._bias(facts))[known]
        return found

    def _offset(self, inputs: Constants) -> Constants:
        """What the constant inputs add to each output where nothing is padded."""
        numbers = np.nan_to_num(inputs, nan=0.0)
        if self.padded or not numbers.any():
            return np.zeros(self._used.shape[0])
        by_feature = torch.from_numpy(np.repeat(numbers, self.source.flow.sizes))
        offset: Constants = (self.weights.matrix().sum(2) @ by_feature).numpy()
        return offset

    def _bias(self, facts: Facts) -> Constants:
        if self.weights.bias is None:
            return np.zeros(self._used.shape[0])
        bias: Constants = facts.attribute(self.weights.bias).detach().double().cpu().numpy()
        return bias

    def carrier(self, facts: Facts) -> int | None:
        """The input channel that stands for all constant ones, where padding asks for one."""
        inputs = np.abs(np.nan_to_num(facts.constants(self.source), nan=0.0))
        inputs[~self._used.any(axis=0)] = 0.0
        if not self.padded or not inputs.any() or self.source.flow.block is None:
            return None
        return int(np.argmax(inputs))

    def dropped(self, facts: Facts) -> BoolArray:
        """Input channels that need not be read whatever their weights are."""
        inputs = facts.constants(self.source)
        known = ~np.isnan(inputs)
        if not self.padded:
            return known
        carrier = self.carrier(facts)
        if carrier is None:
            return known & (inputs == 0)
        known[carrier] = False
        return known

    def wanted(self, live: BoolArray, facts: Facts) -> BoolArray:
        """Input channels that must be read for the live outputs."""
        if not live.any():
            return np.zeros(self.source.channels, dtype=np.bool_)
        used = self._used[live].any(axis=0) | self._declared
        carrier = self.carrier(facts)
        if carrier is not None:
            constant = ~np.isnan(facts.constants(self.source))
            used[carrier] |= bool((used & constant).any())
        wanted: BoolArray = used & ~self.dropped(facts)
        return wanted

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """The wanted channels, or a single other one if there are none."""
        wanted = self.wanted(live, facts)
        if live.any() and not wanted.any():
            wanted[facts.filler(self.source)] = True
        return [(self.source, wanted)]

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The operator with the rows asked for and the columns that are read."""
        facts = emitter.facts
        live = facts.live(self.output)
        wanted = self.wanted(live, facts)
        read, channels = emitter.read(self, self.needs(live, facts)[0][1])
        idle = self.source.flow.take(channels).owners()
        keep = torch.from_numpy(wanted[channels][idle])

        def edit(weight: torch.Tensor) -> torch.Tensor:
            """Zero what is read without being wanted."""
            shape = [1] * weight.ndim
            shape[self.weights.columns] = -1
            return weight * keep.reshape(shape).to(weight)

        indices = {
            self.weights.rows: sequence,
            self.weights.columns: self.source.flow.features(channels),
        }
        prepare = self._carried(facts) if self.carrier(facts) is not None else None
        weight = emitter.parameter(
            self.weights.name, indices, before=prepare, after=None if bool(keep.all()) else edit
        )
        bias = self._lower_bias(sequence, emitter)
        return emitter.call(
            self.node, {("input", None): read, ("weight", None): weight, ("bias", None): bias}
        )

    def _carried(self, facts: Facts) -> Fold:
        """All constant columns in one."""
        inputs = np.nan_to_num(facts.constants(self.source), nan=0.0)
        carrier = self.carrier(facts)
        assert carrier is not None
        return Fold(self.weights.columns, carrier, inputs / inputs[carrier], self.source.flow.block)

    def _lower_bias(self, sequence: IndexArray, emitter: Emitter) -> fx.Node | None:
        facts = emitter.facts
        offset = self._offset(facts.constants(self.source))[sequence]
        if self.weights.bias is None and not offset.any():
            return None
        shift = torch.from_numpy(offset)
        if self.weights.bias is None:
            name = self.weights.name.removesuffix("weight") + "bias"
            return emitter.new_parameter(name, shift, like=self.weights.name)
        if not offset.any():
            return emitter.parameter(self.weights.bias, {0: sequence})
        return emitter.parameter(
            self.weights.bias, {0: sequence}, after=lambda bias: bias + shift.to(bias)
        )


class Fold:
    """Puts the columns of constant channels together into one of them."""

    def __init__(self, axis: int, carrier: int, ratios: Constants, block: int | None) -> None:
        assert block is not None
        self._axis = axis
        self._carrier = carrier
        self._ratios = ratios
        self._block = block

    def __call__(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight with the combined column in the carrier's place."""
        columns = weight.detach().movedim(self._axis, -1)
        columns = columns.reshape(*columns.shape[:-1], -1, self._block)
        ratios = torch.from_numpy(self._ratios).to(columns.device)
        combined = torch.einsum("...cb,c->...b", columns.double(), ratios)
        folded = columns.clone()
        folded[..., self._carrier, :] = combined.to(weight.dtype)
        return folded.flatten(-2).movedim(-1, self._axis)


class GroupedMix(Operation):
    """A convolution in groups: each group of outputs reads its own group of inputs.

    Groups stay whole and in order; whole groups may go, and within the others equally many
    inputs and outputs stay, the least that serve all.
    """

    ordered = True

    def __init__(
        self,
        node: fx.Node,
        source: Value,
        weights: Weights,
        groups: int,
        module: str,
    ) -> None:
        self.node = node
        self.source = source
        self.weights = weights
        self.groups = groups
        self.module = module
        used = weights.used()
        self._outputs = used.shape[0] // groups
        self._inputs = used.shape[1]
        self._used = used

    def sources(self) -> Sequence[Source]:
        """The input."""
        return [Source(self.source, None)]

    def _meets(self, group: int) -> tuple[slice, slice]:
        rows = slice(group * self._outputs, (group + 1) * self._outputs)
        return rows, slice(group * self._inputs, (group + 1) * self._inputs)

    def constants(self, facts: Facts) -> Constants:
        """Rows that only meet zeros."""
        assert self.output is not None
        zero = facts.constants(self.source) == 0
        found = np.full(self.output.channels, np.nan)
        bias = np.zeros(self.output.channels)
        if self.weights.bias is not None:
            bias = facts.attribute(self.weights.bias).detach().double().cpu().numpy()
        for group in range(self.groups):
            rows, columns = self._meets(group)
            known = ~(self._used[rows] & ~zero[columns]).any(axis=1)
            found[rows] = np.where(known, bias[rows], np.nan)
        return found

    def widen(self, live: BoolArray) -> BoolArray:
        """Whole groups go; the others keep equally many outputs."""
        return _even(live.reshape(self.groups, -1)).ravel()

    def wanted(self, live: BoolArray, facts: Facts) -> BoolArray:
        """Input channels, equally many in each group that has a live output."""
        zero = facts.constants(self.source) == 0
        wanted = np.zeros((self.groups, self._inputs), dtype=np.bool_)
        alive = live.reshape(self.groups, -1).any(axis=1)
        for group in np.flatnonzero(alive):
            rows, columns = self._meets(int(group))
            wanted[group] = self._used[rows][live[rows]].any(axis=0) & ~zero[columns]
        return _even(wanted, alive).ravel()

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """The wanted channels."""
        return [(self.source, self.wanted(self.widen(live), facts))]

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The operator on whole groups in order, and a choice of the result."""
        assert self.output is not None
        made = self.widen(marked(self.output.channels, sequence))
        order = np.flatnonzero(made)
        inputs = np.flatnonzero(self.wanted(made, emitter.facts))
        groups = int(np.unique(order // self._outputs).size)
        per_group = torch.from_numpy((inputs % self._inputs).reshape(-1, inputs.size // groups))
        per_row = per_group.repeat_interleave(order.size // groups, dim=0)

        def edit(weight: torch.Tensor) -> torch.Tensor:
            """Each row with the columns of its group."""
            rows = torch.arange(len(weight), device=weight.device)
            return weight[rows[:, None], per_row.to(weight.device)]

        weight = emitter.parameter(self.weights.name, {0: order}, after=edit)
        bias = None
        if self.weights.bias is not None:
            bias = emitter.parameter(self.weights.bias, {0: order})
        node = emitter.call(
            self.node,
            {
                ("input", None): emitter.get(self.source, inputs),
                ("weight", None): weight,
                ("bias", None): bias,
                ("groups", None): groups,
            },
        )
        return emitter.select(node, self.output.flow, order, sequence)


def _even(wanted: BoolArray, alive: BoolArray | None = None) -> BoolArray:
    """The least superset with equally many members, at least one, in each row that is alive."""
    rows = wanted.any(axis=1) if alive is None else alive
    if not rows.any():
        return np.zeros_like(wanted)
    most = max(1, int(wanted[rows].sum(axis=1).max()))
    ranks = np.argsort(np.argsort(~wanted, axis=1, kind="stable"), axis=1, kind="stable")
    even: BoolArray = (ranks < most) & rows[:, None]
    return even
