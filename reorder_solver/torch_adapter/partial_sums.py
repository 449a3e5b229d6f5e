"""Partial sums: an addition need only touch the channels in which both of its operands vary.

Where outputs of a branch are pruned, the sum behind it gets zeros, or constants that a batch norm
makes of them, in these channels. The layer that writes the branch then need not compute them: what
the other operand has there is taken over, with the constant added, and what is left of the branch
is added to the rest.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from reorder_solver.torch_adapter.errors import ExportMismatchError
from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.operations import Inseparable, Operand, PerChannel, resolve
from reorder_solver.torch_adapter.plan import live_operations
from reorder_solver.torch_adapter.schema import bind, operator_name
from reorder_solver.torch_adapter.sizes import elements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import fx

    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.program import Constants, Program, Value


@dataclass(frozen=True, slots=True, eq=False)
class PartialOperand:
    """An operand of a sum that is constant in some of the sum's live channels.

    Attributes
    ----------
    node : torch.fx.Node
        The sum.
    place : int
        Which of its operands it is.
    constants : ndarray of float64
        For each channel of the sum the number that the operand always is there, NaN where it
        varies.
    layer : torch.fx.Node
        The layer that writes it.
    rows, kept : int
        Features that this layer writes, and those of them that vary.
    shifts : bool
        True if some of these constants are not zero.
    """

    node: fx.Node
    place: int
    constants: Constants
    layer: fx.Node
    rows: int
    kept: int
    shifts: bool

    @property
    def copies_nothing(self) -> bool:
        """True if the rest can be added in place, to what adding the constants makes."""
        return not self.kept or self.shifts


class PartialSum(PerChannel):
    """A sum of one operand and some channels of another, which is constant in the others.

    Parameters
    ----------
    node : torch.fx.Node
    whole : Operand
    partial : Operand
        Its index is -1 where it is constant.
    constants : ndarray of float64
        What it is there.
    """

    def __init__(
        self, node: fx.Node, whole: Operand, partial: Operand, constants: Constants
    ) -> None:
        super().__init__(node, (whole, partial))
        self._shift = np.nan_to_num(constants, nan=0.0)

    @property
    def written(self) -> IndexArray:
        """The channels of the sum that the partial operand has."""
        index = self.operands[1].index
        assert index is not None
        return np.flatnonzero(index >= 0)

    def constants(self, facts: Facts) -> Constants:
        """Of channels that the partial operand does not have."""
        whole, partial = self.operands
        assert whole.index is not None
        assert partial.index is not None
        found = facts.constants(whole.value)[whole.index] + self._shift
        return np.where(partial.index < 0, found, np.nan)

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """What there is of the partial operand, added to its places in the other one."""
        assert self.output is not None
        flow = self.output.flow
        whole, partial = self.operands
        assert whole.index is not None
        assert partial.index is not None
        made = emitter.get(whole.value, whole.index[sequence])
        shift = self._shift[sequence]
        if shift.any():
            by_feature = np.repeat(shift, flow.sizes[sequence])
            shape = [1] * self.output.example.ndim
            shape[flow.axis] = -1
            numbers = torch.from_numpy(by_feature).reshape(shape)
            constants = emitter.buffer(f"{self.output.name}_constants", numbers)
            made = emitter.emit(torch.ops.aten.add.Tensor, made, constants)
        there = np.flatnonzero(partial.index[sequence] >= 0)
        if not there.size:
            return made
        places = np.full(partial.value.channels, -1, dtype=np.int64)
        places[partial.index[sequence][there]] = there
        stored = emitter.stored(partial.value)
        channels = stored[places[stored] >= 0]
        if channels.size != there.size:
            raise ExportMismatchError("a channel is added that is not stored")
        # As it is, but where types are chosen at run time: then the operands may differ in it.
        read = emitter.method("type_as", emitter.get(partial.value, channels), made)
        index = emitter.indices(flow.take(sequence).features(places[channels]))
        return emitter.kernels.add_some(
            made, flow.axis, index, read, self.output.example, in_place=bool(shift.any())
        )


def partial_operands(facts: Facts) -> list[PartialOperand]:
    """The sums that need not have one of their operands whole, at most one operand of each.

    Only operands that a convolution or linear layer writes for this sum alone, with nothing in
    between that looks at several channels: then the layer has fewer rows.
    """
    if len(types := facts.program.captured.types) != 1:
        # The constants would have to be of the right one.
        return []
    operations = live_operations(facts)
    readers = Counter(
        base
        for operation in operations
        for base in {resolve(source.value)[0] for source in operation.sources()}
    )
    found: list[PartialOperand] = []
    for operation in operations:
        if type(operation) is not PerChannel or not _is_plain_sum(operation, types):
            continue
        candidates = [
            one
            for place in range(2)
            if (one := _partial_operand(facts, operation, place, readers)) is not None
        ]
        if candidates:
            found.append(max(candidates, key=lambda one: one.rows - one.kept))
    return found


def _is_plain_sum(operation: PerChannel, types: set[torch.dtype]) -> bool:
    """True for the sum of two values of one shape, which have the type of what is stored."""
    node, output = operation.node, operation.output
    if operator_name(node) != "aten.add.Tensor" or bind(node)["alpha"] != 1:
        return False
    if len(operation.operands) != 2 or operation.parameters or operation.arguments:
        return False
    assert output is not None
    return all(
        operand.index is not None
        and {operand.value.example.dtype, output.example.dtype} == types
        and operand.value.example.ndim == output.example.ndim
        and elements(operand.value.example) == elements(output.example)
        for operand in operation.operands
    )


def _partial_operand(
    facts: Facts, operation: PerChannel, place: int, readers: Mapping[Value, int]
) -> PartialOperand | None:
    operand = operation.operands[place]
    other, _ = resolve(operation.operands[1 - place].value)
    base, _ = resolve(operand.value)
    layer = _writer(base, readers)
    if layer is None or base is other:
        return None
    assert operation.output is not None
    assert operand.index is not None
    constants = facts.constants(operand.value)[operand.index]
    live = facts.live(operation.output)
    sizes = operation.output.flow.sizes
    kept = live & np.isnan(constants)
    if kept.sum() == live.sum():
        return None
    return PartialOperand(
        node=operation.node,
        place=place,
        constants=constants,
        layer=layer,
        rows=int(sizes[live].sum()),
        kept=int(sizes[kept].sum()),
        shifts=bool(constants[live & ~kept].any()),
    )


def _writer(value: Value, readers: Mapping[Value, int]) -> fx.Node | None:
    """The layer that writes a value, if everything on the way has a single reader."""
    while readers[value] == 1:
        operation = value.operation
        if isinstance(operation, Mix):
            return operation.node
        is_one_to_one = (
            isinstance(operation, PerChannel)
            and not isinstance(operation, Inseparable)
            and len(operation.operands) == 1
            and operation.operands[0].index is not None
        )
        if not is_one_to_one:
            return None
        assert isinstance(operation, PerChannel)
        value, _ = resolve(operation.operands[0].value)
    return None


def insert_partial_sums(program: Program, chosen: Iterable[PartialOperand]) -> None:
    """Let the chosen sums do without what is constant, in place."""
    by_node = {one.node: one for one in chosen}
    for number, operation in enumerate(program.operations):
        one = by_node.get(operation.node) if type(operation) is PerChannel else None
        if one is None:
            continue
        assert isinstance(operation, PerChannel)
        whole, partial = operation.operands[1 - one.place], operation.operands[one.place]
        assert partial.index is not None
        index = np.where(np.isnan(one.constants), partial.index, -1)
        thin = PartialSum(
            operation.node, whole, Operand(partial.place, partial.value, index), one.constants
        )
        thin.output = operation.output
        assert thin.output is not None
        thin.output.operation = thin
        program.operations[number] = thin
