"""Stored values: parameters that join a network's values, as class tokens and embeddings do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
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
