"""Share: readers of one value that cannot all be views read slices of one copy of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.instance import Role
from reorder_solver.core.prices import Objective
from reorder_solver.sharing import Source, share_buffers
from reorder_solver.torch_adapter.grouped import GroupedMix
from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.operations import (
    Concatenation,
    Operand,
    PerChannel,
    Select,
    resolve,
)
from reorder_solver.torch_adapter.plan import channel_bytes, live_operations
from reorder_solver.torch_adapter.program import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import fx

    from reorder_solver.core.instance import Instance
    from reorder_solver.core.layout import Layout
    from reorder_solver.torch_adapter.plan import Plan
    from reorder_solver.torch_adapter.program import Operation, Program


@dataclass(frozen=True, slots=True)
class SharedCopy:
    """A copy of a value, and the operators that read it.

    Attributes
    ----------
    source : torch.fx.Node
    readers : tuple of torch.fx.Node
    is_written : bool
        True if the source is a concatenation, which is then written once more for these readers
        instead of being copied.
    """

    source: fx.Node
    readers: tuple[fx.Node, ...]
    is_written: bool = False


def shared_copies(
    plan: Plan, layout: Layout, *, time_limit: float | None, seed: int, threads: int
) -> list[SharedCopy]:
    """Which readers of one value should share a copy, so that fewest bytes are copied.

    Parameters
    ----------
    plan : Plan
    layout : Layout
        Of the plan's instance; what is found costs no more.
    time_limit : float or None
        Wall seconds.
    seed, threads : int
        For the solver.
    """
    nodes = {value: node for node, value in plan.facts.program.values.items()}
    found: list[SharedCopy] = []
    instance, started = plan.instance, layout
    readers = {value: ids for value, ids in _readers_by_value(plan, nodes).items() if len(ids) > 1}
    limit = None if time_limit is None else time_limit / max(1, len(readers))
    for value, ids in readers.items():
        (tensor,) = {
            part.tensor for access in instance.accesses if access.id in ids for part in access.parts
        }
        size = max(plan.planned[each].bytes for each in ids)
        is_written = (
            isinstance(value.operation, Concatenation) and not instance.tensor(tensor).fixed
        )
        asked = _alone(instance, tensor) if is_written else instance
        shared = share_buffers(
            asked,
            {tensor: Source(size, is_written=is_written)},
            [access.id for access in asked.accesses if access.id not in ids],
            Objective.BYTES,
            time_limit=limit,
            seed=seed,
            threads=threads,
            warm_start=None if is_written else started,
        )
        if not is_written:
            instance, started = shared.instance, shared.layout
        for buffer in shared.buffers:
            operations = [plan.planned[each].operation for each in buffer.readers]
            found.append(SharedCopy(nodes[value], tuple(_nodes(operations)), is_written))
    return found


def _alone(instance: Instance, tensor: str) -> Instance:
    """What reads one tensor alone, without what writes it; buffers of other values are left out."""
    accesses = [
        access
        for access in instance.accesses
        if access.role is not Role.WRITE and [part.tensor for part in access.parts] == [tensor]
    ]
    return instance.replace(tensors=(instance.tensor(tensor),), accesses=tuple(accesses))


def written_bytes(plan: Plan) -> int:
    """Bytes that concatenations write per sample, which no layout changes."""
    facts = plan.facts
    total = 0
    for operation in live_operations(facts):
        if isinstance(operation, Concatenation):
            assert operation.output is not None
            live = facts.live(operation.output)
            size = channel_bytes(facts.program, operation.output, live)
            total += size * int(live.sum())
    return total


def _nodes(operations: Iterable[Operation | None]) -> Iterable[fx.Node]:
    for operation in operations:
        assert isinstance(operation, Mix | GroupedMix | PerChannel)
        yield operation.node


def _can_move(operation: Operation | None) -> bool:
    """True if an operation may read a copy; kinds of their own may know their source otherwise."""
    return isinstance(operation, Mix | GroupedMix) or (type(operation) is PerChannel)


def _readers_by_value(plan: Plan, nodes: dict[Value, fx.Node]) -> dict[Value, list[str]]:
    """Per stored value the accesses that may read a copy instead: they have one part."""
    found: dict[Value, list[str]] = defaultdict(list)
    parts = {access.id: len(access.parts) for access in plan.instance.accesses}
    for access_id, planned in plan.planned.items():
        base, _ = resolve(planned.source)
        leaves = (
            planned.role is Role.READ
            and planned.bytes > planned.inside
            and not planned.copied
            and _can_move(planned.operation)
        )
        if leaves and parts[access_id] == 1 and base in nodes:
            found[base].append(access_id)
    return found


def insert_copies(program: Program, copies: Sequence[SharedCopy]) -> None:
    """Let the readers of each copy read it, in place."""
    operations = {
        getattr(operation, "node", None): operation
        for operation in program.operations
        if operation.output is not None
    }
    for copied in copies:
        base, _ = resolve(program.values[copied.source])
        made_by: Operation
        if copied.is_written:
            assert isinstance(base.operation, Concatenation)
            made_by = base.operation.again()
        else:
            made_by = Select(base, np.arange(base.channels), copied=True)
        buffer = Value(f"{base.name}_copy", base.flow, base.example, made_by)
        made_by.output = buffer
        readers = [operations[node] for node in copied.readers]
        first = min(program.operations.index(reader) for reader in readers)
        added: list[Operation] = [made_by]
        for reader in readers:
            added += _redirect(reader, base, buffer)
        program.operations[first:first] = added


def _redirect(reader: Operation, base: Value, buffer: Value) -> list[Operation]:
    """Make `reader` read the copy; return what has to be computed for it."""
    added: list[Operation] = []

    def moved(value: Value) -> Value:
        found, index = resolve(value)
        if found is not base:
            return value
        if value is base:
            return buffer
        look = Select(buffer, index)
        look.output = Value(value.name, value.flow, value.example, look)
        added.append(look)
        return look.output

    if isinstance(reader, Mix | GroupedMix):
        reader.source = moved(reader.source)
    else:
        assert isinstance(reader, PerChannel)
        reader.operands = tuple(
            Operand(operand.place, moved(operand.value), operand.index)
            for operand in reader.operands
        )
    return added
