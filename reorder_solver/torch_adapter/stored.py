"""Stored values: parameters that join a network's values, as class tokens do, and plain numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import fx

from reorder_solver.torch_adapter.program import Operation
from reorder_solver.torch_adapter.schema import bind, operator_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.operations import Place
    from reorder_solver.torch_adapter.program import Constants, Source, Value


class Stored(Operation):
    """A parameter, perhaps repeated for each sample, whose channels may be chosen.

    Parameters
    ----------
    node : torch.fx.Node
        The parameter, or an expansion of it.
    name : str
        Of the parameter.
    axis : int
        Its axis of channels.
    """

    def __init__(self, node: fx.Node, name: str, axis: int) -> None:
        self.node = node
        self.name = name
        self.axis = axis

    def sources(self) -> Sequence[Source]:
        """None."""
        return ()

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """Nothing that has channels."""
        return []

    def constants(self, facts: Facts) -> Constants:
        """Channels that hold one number throughout."""
        stored = facts.attribute(self.name).detach().movedim(self.axis, 0)
        by_channel = stored.reshape(len(stored), -1).double().cpu().numpy()
        first = by_channel[:, 0]
        return np.where((by_channel == first[:, None]).all(axis=1), first, np.nan)

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """Some of the parameter, as often as in the model."""
        parameter = emitter.parameter(self.name, {self.axis: sequence})
        if self.node.op == "get_attr":
            return parameter
        assert self.output is not None
        axis = self.output.flow.axis
        replaced: dict[Place, object] = {("self", None): parameter}
        if bind(self.node)["size"][axis] != -1:
            replaced["size", axis] = int(sequence.size)
        return emitter.call(self.node, replaced)


class Lookup(Stored):
    """Rows of a table: a choice of its columns is one of the result's channels."""

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The same rows of some of the columns."""
        table = emitter.parameter(self.name, {self.axis: sequence})
        return emitter.call(self.node, {("weight", None): table})


class Filled(Operation):
    """One number everywhere, as a recurrent network's first state.

    Parameters
    ----------
    node : torch.fx.Node
        What fills it, given its size.
    number : float
        NaN where it is not known to be the same in every type.
    """

    def __init__(self, node: fx.Node, number: float) -> None:
        self.node = node
        self.number = number

    def sources(self) -> Sequence[Source]:
        """None."""
        return ()

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """Nothing that has channels."""
        return []

    def constants(self, facts: Facts) -> Constants:
        """The number."""
        assert self.output is not None
        return np.full(self.output.channels, self.number)

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """As many channels as are wanted."""
        assert self.output is not None
        return emitter.call(self.node, {("size", self.output.flow.axis): int(sequence.size)})


#: What fills a tensor with a number, by operator; None for a number that is given.
_FILLERS: dict[str, float | None] = {
    "aten.zeros.default": 0.0, "aten.ones.default": 1.0, "aten.full.default": None,
    "aten.new_zeros.default": 0.0, "aten.new_ones.default": 1.0, "aten.new_full.default": None,
}  # fmt: skip


def filled(node: fx.Node) -> Filled | None:
    """What makes a value of a tensor that is one number throughout, if it is such a tensor."""
    example = node.meta.get("val")
    if node.op != "call_function" or operator_name(node) not in _FILLERS:
        return None
    if example is None or not example.is_floating_point():
        return None
    number = _FILLERS[operator_name(node)]
    given = bind(node)["fill_value"] if number is None else number
    if not isinstance(given, int | float):
        return None
    # A number that the type rounds is another one in double precision.
    is_exact = float(torch.tensor(given, dtype=example.dtype)) == given
    return Filled(node, float(given) if is_exact else math.nan)


def stored(node: fx.Node, axis: int, written: Collection[str]) -> Stored | None:
    """What makes a value of a parameter whose channels are on `axis` of `node`, if it is one.

    None for what the model writes to as well: that does not stay what it is.
    """
    source = node
    if operator_name(node) == "aten.expand.default" and isinstance(node.args[0], fx.Node):
        source = node.args[0]
    if source.op != "get_attr" or source.meta.get("val") is None or source.target in written:
        return None
    before, after = source.meta["val"], node.meta["val"]
    own = axis - after.ndim + before.ndim
    if own < 0 or before.shape[own] != after.shape[axis] or not before.is_floating_point():
        return None
    return Stored(node, str(source.target), own)
