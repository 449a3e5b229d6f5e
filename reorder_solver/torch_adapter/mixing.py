"""Operations that mix channels: convolutions and linear layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from reorder_solver.core.prices import Mode
from reorder_solver.torch_adapter.program import Operation, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import fx

    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.operations import Place
    from reorder_solver.torch_adapter.program import Constants, Value


#: Entries that a cache holds; temporary copies of whole weights would go through memory.
_ENTRIES = 2**18


@dataclass(frozen=True, slots=True)
class Places:
    """Places of an operator's arguments; None for one that takes no bias."""

    input: Place = ("input", None)
    weight: Place = ("weight", None)
    bias: Place | None = ("bias", None)


#: Convolutions and linear layers.
LAYER = Places()


class Weights:
    """A stored weight with an axis of output features and one of input features.

    Parameters
    ----------
    name : str
    tensor : torch.Tensor
    rows, columns : int
        The axes of output and of input features.
    bias : str or None
    places : Places
    """

    def __init__(
        self,
        name: str,
        tensor: torch.Tensor,
        rows: int,
        columns: int,
        bias: str | None,
        places: Places = LAYER,
    ) -> None:
        self.places = places
        self.name = name
        self.rows = rows
        self.columns = columns
        self.bias = bias
        self.tensor = tensor

    def response(self, inputs: Constants) -> Constants:
        """What each row adds up to where its columns are these constants, in double precision."""
        numbers = torch.from_numpy(inputs)
        pieces = [
            piece.to("cpu", torch.float64).flatten(2).sum(2) @ numbers for piece in self._pieces()
        ]
        found: Constants = torch.cat(pieces).numpy()
        return found

    def used(self) -> BoolArray:
        """True where a row and a column meet in an entry that is not zero."""
        # A sum of absolute values is zero only if all are, and much faster than any().
        pieces = [piece.abs().flatten(2).sum(2).ne(0) for piece in self._pieces()]
        found: BoolArray = torch.cat(pieces).cpu().numpy()
        return found

    def _pieces(self) -> Sequence[torch.Tensor]:
        """Rows by columns by everything else, few rows at a time: copies of them stay small."""
        moved = self.tensor.detach().movedim((self.rows, self.columns), (0, 1))
        rows = max(1, _ENTRIES * moved.shape[0] // max(1, moved.numel()))
        return torch.split(moved[..., None], rows)


class Mix(Operation):
    """A convolution without groups, a linear layer, or another product with a stored matrix.

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
        it. Such constants are not folded into the bias, but all into one channel. So are those
        of an operator without a bias.

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
        self.padded = padded or weights.places.bias is None
        self._used: BoolArray = source.flow.any_feature(weights.used())
        self._declared: BoolArray = (
            np.zeros(source.channels, dtype=np.bool_)
            if declared is None
            else source.flow.any_feature(declared)
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
        return self.weights.response(np.repeat(numbers, self.source.flow.sizes))

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
        known: BoolArray = ~np.isnan(inputs)
        if not self.padded:
            return known
        carrier = self.carrier(facts)
        if carrier is None:
            known &= inputs == 0
            return known
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
        """The operator with the rows asked for and the columns that are read.

        Split, it is one operator per run of columns, summed.
        """
        facts = emitter.facts
        live = facts.live(self.output)
        needed = self.needs(live, facts)[0][1]
        offset = self._offset(facts.constants(self.source))
        if emitter.mode(self) is not Mode.SPLIT:
            read, channels = emitter.read(self, needed)
            return self._partial(sequence, read, channels, offset, emitter)
        stored = emitter.stored(self.source)
        runs = emitter.runs(self.source, stored[needed[stored]])
        parts = [
            self._partial(
                sequence,
                emitter.get(self.source, run),
                run,
                offset if number == 0 else None,
                emitter,
            )
            for number, run in enumerate(runs)
        ]
        total = parts[0]
        for part in parts[1:]:
            total = emitter.emit(torch.add, total, part)
        return total

    def _partial(
        self,
        sequence: IndexArray,
        read: fx.Node,
        channels: IndexArray,
        offset: Constants | None,
        emitter: Emitter,
    ) -> fx.Node:
        """The operator on some columns; without a bias where no offset is given."""
        facts = emitter.facts
        wanted = self.wanted(facts.live(self.output), facts)
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
        places = self.weights.places
        replaced: dict[Place, fx.Node | None] = {places.input: read, places.weight: weight}
        if places.bias is not None:
            bias = None if offset is None else lower_bias(self.weights, offset, sequence, emitter)
            replaced[places.bias] = bias
        if emitter.kernels.multiplies(self.node, read):
            added = None if places.bias is None else replaced[places.bias]
            return emitter.kernels.product(self.node, read, weight, added)
        return emitter.call(self.node, replaced)

    def _carried(self, facts: Facts) -> Fold:
        """All constant columns in one."""
        inputs = np.nan_to_num(facts.constants(self.source), nan=0.0)
        carrier = self.carrier(facts)
        assert carrier is not None
        return Fold(self.weights.columns, carrier, inputs / inputs[carrier], self.source.flow.block)


def lower_bias(
    weights: Weights, offset: Constants, sequence: IndexArray, emitter: Emitter
) -> fx.Node | None:
    """The bias of some rows, with what constant inputs add to it."""
    shift = torch.from_numpy(offset[sequence])
    if weights.bias is not None:
        if not shift.any():
            return emitter.parameter(weights.bias, {0: sequence})
        return emitter.parameter(
            weights.bias,
            {0: sequence},
            after=lambda bias: (bias.double() + shift.to(bias.device)).to(bias.dtype),
        )
    if not shift.any():
        return None
    stem = weights.name.removesuffix("weight")
    name = f"{stem}bias" if stem != weights.name else f"{stem}_bias"
    return emitter.new_parameter(name, shift, sequence, like=weights.name)


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
