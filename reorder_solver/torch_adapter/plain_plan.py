"""The plain plan: channels are selected right before what reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.torch_adapter.grouped import GroupedMix
from reorder_solver.torch_adapter.joining import NO_SLICES
from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.plan import Plan, live_operations, planned_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.plan import PlannedAccess
    from reorder_solver.torch_adapter.program import Value


class PlainPlan(Plan):
    """All values of a tensor hold the channels that something wants of one of them.

    Concatenations lay their operands end to end. This is how the published export works.
    """

    joins = NO_SLICES

    def __init__(self, facts: Facts, name: str) -> None:
        super().__init__(facts, name, end_to_end=True)

    def groups(self) -> Mapping[Value, int]:
        """A single one."""
        return dict.fromkeys(self.tensors.stored(), 0)

    def accesses(self) -> Sequence[PlannedAccess]:
        """One per convolution or linear layer, named after the module."""
        return [
            planned_read(self.facts, operation)
            for operation in live_operations(self.facts)
            if isinstance(operation, Mix | GroupedMix)
        ]
