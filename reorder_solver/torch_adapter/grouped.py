"""Convolutions in groups: each group of outputs reads its own group of inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reorder_solver.torch_adapter.mixing import lower_bias
from reorder_solver.torch_adapter.program import Operation, Source, marked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import fx

    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.mixing import Weights
    from reorder_solver.torch_adapter.operations import Place
    from reorder_solver.torch_adapter.program import Constants, Value


@dataclass(frozen=True, slots=True)
class Blocks:
    """The shape of the weight of a convolution in groups.

    Attributes
    ----------
    groups, outputs, inputs : int
        Number of groups, and of channels in each.
    transposed : bool
        True if the weight's first axis are the inputs of all groups.
    """

    groups: int
    outputs: int
    inputs: int
    transposed: bool

    def stack(self, weight: torch.Tensor) -> torch.Tensor:
        """Groups by outputs by inputs by taps."""
        taps = weight.shape[2:]
        if self.transposed:
            return weight.reshape(self.groups, self.inputs, self.outputs, *taps).transpose(1, 2)
        return weight.reshape(self.groups, self.outputs, self.inputs, *taps)

    def unstack(self, stacked: torch.Tensor) -> torch.Tensor:
        """The way back, for any number of groups, outputs and inputs."""
        if self.transposed:
            stacked = stacked.transpose(1, 2)
        return stacked.flatten(0, 1).contiguous()


class GroupedMix(Operation):
    """A convolution in groups.

    Groups stay whole and in order; whole groups may go, and within the others equally many
    inputs and outputs stay, the least that serve all.

    Parameters
    ----------
    node : torch.fx.Node
    source : Value
        With one feature per channel.
    weights : Weights
    blocks : Blocks
    module : str
        Name of the module, for accesses.
    declared : ndarray of bool or None
        Input channels, of all groups or of each, that are wanted even where all their weights
        are zero.
    padded : bool
        As for :class:`~reorder_solver.torch_adapter.mixing.Mix`: constants are folded into the
        bias, or into one channel of each group.
    """

    ordered = True

    def __init__(
        self,
        node: fx.Node,
        source: Value,
        weights: Weights,
        blocks: Blocks,
        module: str,
        declared: BoolArray | None = None,
        *,
        padded: bool,
    ) -> None:
        self.node = node
        self.source = source
        self.weights = weights
        self.blocks = blocks
        self.module = module
        self.padded = padded
        stacked = blocks.stack(weights.tensor.detach())
        self._used: BoolArray = stacked.flatten(3).ne(0).any(3).cpu().numpy()
        self._declared = self._by_group(declared)

    def _by_group(self, declared: BoolArray | None) -> BoolArray:
        shape = self.blocks.groups, self.blocks.inputs
        if declared is None:
            return np.zeros(shape, dtype=np.bool_)
        if declared.size == self.blocks.inputs:
            return np.tile(declared, (self.blocks.groups, 1))
        return declared.reshape(shape)

    def sources(self) -> Sequence[Source]:
        """The input."""
        return [Source(self.source, None)]

    def constants(self, facts: Facts) -> Constants:
        """Rows that only meet constants, and no padding unless those are zero."""
        assert self.output is not None
        inputs = self._inputs(facts)
        varying = np.isnan(inputs) | (self.padded & (inputs != 0))
        known = ~(self._used & varying[:, None]).any(axis=2).ravel()
        bias = np.zeros(self.output.channels)
        if self.weights.bias is not None:
            bias = facts.attribute(self.weights.bias).detach().double().cpu().numpy()
        return np.where(known, bias + self._offset(facts), np.nan)

    def _inputs(self, facts: Facts) -> Constants:
        """Constants by group."""
        return facts.constants(self.source).reshape(self.blocks.groups, -1)

    def _offset(self, facts: Facts) -> Constants:
        """What the constant inputs add to each output where nothing is padded."""
        numbers = np.nan_to_num(self._inputs(facts), nan=0.0)
        if self.padded or not numbers.any():
            return np.zeros(self.blocks.groups * self.blocks.outputs)
        stacked = self.blocks.stack(self.weights.tensor.detach()).flatten(3)
        sums = stacked.to("cpu", torch.float64).sum(3)
        offset: Constants = torch.einsum("goi,gi->go", sums, torch.from_numpy(numbers)).numpy()
        return offset.ravel()

    def _carriers(self, facts: Facts) -> IndexArray:
        """Per group the input that stands for all constant ones, -1 if there is none."""
        inputs = np.abs(np.nan_to_num(self._inputs(facts), nan=0.0))
        inputs[~self._used.any(axis=1)] = 0.0
        found: IndexArray = np.where(inputs.any(axis=1), inputs.argmax(axis=1), -1)
        return found if self.padded else np.full_like(found, -1)

    def wanted(self, live: BoolArray, facts: Facts) -> BoolArray:
        """By group the inputs that must be read for the live outputs."""
        rows = live.reshape(self.blocks.groups, -1)
        wanted: BoolArray = (self._used & rows[:, :, None]).any(axis=1) | self._declared
        dropped = ~np.isnan(self._inputs(facts))
        for group, carrier in enumerate(self._carriers(facts)):
            if carrier >= 0:
                wanted[group, carrier] |= bool((wanted[group] & dropped[group]).any())
                dropped[group, carrier] = False
        wanted &= ~dropped & any_of(rows)[:, None]
        return wanted

    def read(self, live: BoolArray, facts: Facts) -> BoolArray:
        """By group the inputs that are read: equally many in each that has a live output."""
        alive = any_of(live.reshape(self.blocks.groups, -1))
        return even(self.wanted(live, facts), alive)

    def widen(self, live: BoolArray, facts: Facts) -> BoolArray:
        """Whole groups go; the others keep equally many outputs."""
        return even(live.reshape(self.blocks.groups, -1)).ravel()

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """The inputs that are read."""
        return [(self.source, self.read(self.widen(live, facts), facts).ravel())]

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The operator on whole groups in order, and a choice of the result."""
        assert self.output is not None
        made = self.widen(marked(self.output.channels, sequence), emitter.facts)
        order = np.flatnonzero(made)
        read = self.read(made, emitter.facts)
        places = self.weights.places
        replaced: dict[Place, Any] = {
            places.input: emitter.get(self.source, np.flatnonzero(read)),
            places.weight: emitter.parameter(
                self.weights.name, {}, after=self._edit(made, read, emitter.facts)
            ),
            ("groups", None): int(read.any(axis=1).sum()),
        }
        assert places.bias is not None
        bias = lower_bias(self.weights, self._offset(emitter.facts), order, emitter)
        replaced[places.bias] = bias
        return emitter.select(emitter.call(self.node, replaced), self.output.flow, order, sequence)

    def _edit(self, made: BoolArray, read: BoolArray, facts: Facts) -> _Cut:
        groups = np.flatnonzero(read.any(axis=1))
        rows = np.nonzero(made.reshape(self.blocks.groups, -1)[groups])[1]
        columns = np.nonzero(read[groups])[1]
        return _Cut(
            self.blocks,
            torch.from_numpy(groups),
            torch.from_numpy(rows.reshape(groups.size, -1)),
            torch.from_numpy(columns.reshape(groups.size, -1)),
            torch.from_numpy(self.wanted(made, facts)),
            self._ratios(facts),
        )

    def _ratios(self, facts: Facts) -> torch.Tensor | None:
        """By group and input the constants over that of the carrier."""
        carriers = self._carriers(facts)
        if (carriers < 0).all():
            return None
        numbers = np.nan_to_num(self._inputs(facts), nan=0.0)
        groups = np.arange(self.blocks.groups)
        ones = np.where(carriers >= 0, numbers[groups, carriers], 1.0)
        ratios = np.where((carriers >= 0)[:, None], numbers / ones[:, None], 0.0)
        found = np.zeros((*numbers.shape, numbers.shape[1]))
        found[groups, carriers] = ratios
        return torch.from_numpy(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """Cuts a weight down to some groups, outputs and inputs, constant inputs put together.

    `ratios` has for each group a matrix: which input takes what share of which.
    """

    blocks: Blocks
    groups: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    wanted: torch.Tensor
    ratios: torch.Tensor | None

    def __call__(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight of the smaller convolution."""
        device = weight.device
        stacked = self.blocks.stack(weight)
        if self.ratios is not None:
            ratios = self.ratios.to(device)
            combined = torch.einsum("goi...,gci->goc...", stacked.double(), ratios)
            carries = ratios.ne(0).any(2)[:, None, :]
            carries = carries.reshape(*carries.shape, *[1] * (weight.ndim - 2))
            stacked = torch.where(carries, combined.to(weight.dtype), stacked)
        keep = self.wanted.to(device)[:, None, :]
        keep = keep.reshape(*keep.shape, *[1] * (weight.ndim - 2))
        stacked = torch.where(keep, stacked, torch.zeros_like(stacked))
        groups = self.groups.to(device)[:, None, None]
        rows, columns = self.rows.to(device)[:, :, None], self.columns.to(device)[:, None, :]
        return self.blocks.unstack(stacked[groups, rows, columns])


def even(wanted: BoolArray, alive: BoolArray | None = None, least: int = 1) -> BoolArray:
    """The least superset with equally many members, no fewer than given, in each row alive."""
    rows = any_of(wanted) if alive is None else alive
    if not rows.any():
        return np.zeros_like(wanted)
    most = max(least, int(wanted[rows].sum(axis=1).max()))
    ranks = np.argsort(np.argsort(~wanted, axis=1, kind="stable"), axis=1, kind="stable")
    evened: BoolArray = (ranks < most) & rows[:, None]
    return evened


def any_of(rows: BoolArray) -> BoolArray:
    """Per row whether there is a True."""
    found: BoolArray = np.any(rows, axis=1)
    return found
