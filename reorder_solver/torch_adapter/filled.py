"""Filled values: one number throughout, as a recurrent network's first state."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from reorder_solver.torch_adapter.program import Operation
from reorder_solver.torch_adapter.schema import bind, operator_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import fx

    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.program import Constants, Source, Value


class Filled(Operation):
    """A tensor filled with one number.

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
