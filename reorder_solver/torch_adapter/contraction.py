"""Contraction: a product of two values that sums over their channels, pair by pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.torch_adapter.operations import Opaque

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import fx

    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.operations import Place
    from reorder_solver.torch_adapter.program import Value


class Contraction(Opaque):
    """Any choice of the pairs that are not zero, in any order that is the same on both sides.

    Parameters
    ----------
    node : torch.fx.Node
    operands : sequence of (place, Value)
        Two, with equally many channels.
    reason : str
    """

    pins = False

    def __init__(self, node: fx.Node, operands: Sequence[tuple[Place, Value]], reason: str) -> None:
        super().__init__(node, [value for _, value in operands], reason)
        self._operands = tuple(operands)

    def _wanted(self, facts: Facts) -> BoolArray:
        """Pairs of which neither is always zero, or one pair."""
        zero = [facts.constants(value) == 0 for _, value in self._operands]
        wanted: BoolArray = ~np.logical_or.reduce(zero)
        if not wanted.any():
            wanted[0] = True
        return wanted

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """The wanted pairs, of both."""
        wanted = self._wanted(facts)
        return [(value, wanted) for _, value in self._operands]

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The product over the wanted pairs, in the order in which the first operand has them."""
        wanted = self._wanted(emitter.facts)
        stored = emitter.stored(self._operands[0][1])
        order = stored[wanted[stored]]
        return emitter.call(
            self.node, {place: emitter.get(value, order) for place, value in self._operands}
        )
