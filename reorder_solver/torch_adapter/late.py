"""Late choices: operators that handle all that is stored, since they would copy a slice of it.

A pool of a batch copies the slice of channels it is given. Where it handles every channel of what
is stored instead, its result has the slice, which whatever reads that may take without a copy.
That is more work for fewer bytes, so it is for the objectives that know nothing of time.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from reorder_solver.torch_adapter.hidden import copied_share
from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.operations import Concatenation, PerChannel, Select, resolve
from reorder_solver.torch_adapter.sizes import elements

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.program import Operation, Value
    from reorder_solver.torch_adapter.usage import Usage


def late_choices(facts: Facts, usage: Usage | None) -> frozenset[Operation]:
    """The operations that handle all channels stored rather than copy a slice of them.

    Parameters
    ----------
    facts : Facts
    usage : Usage or None
        How the export is going to be called; nothing is known to be copied without.
    """
    if usage is None or not usage.late:
        return frozenset()
    found: set[Operation] = set()
    #: Bytes per feature that the readers of a value copy of a slice.
    copied: dict[Value, float] = defaultdict(float)
    for operation in reversed(facts.program.operations):
        output = operation.output
        if output is None or facts.live(output).any():
            share = _share(operation, usage)
            sources = {resolve(source.value)[0] for source in operation.sources()}
            own = {value: share * _feature_bytes(value) for value in sources}
            if output is not None and _may_wait(operation) and sum(own.values()) > copied[output]:
                found.add(operation)
                own = dict.fromkeys(own, 0.0)
            for value, size in own.items():
                copied[value] += size
    return frozenset(found)


def _may_wait(operation: Operation) -> bool:
    """True for an operator on one value that has no weights, so that more channels cost little."""
    return (
        type(operation) is PerChannel
        and len(operation.operands) == 1
        and operation.operands[0].index is not None
        and not operation.parameters
    )


def _share(operation: Operation, usage: Usage) -> float:
    """The share of a slice that an operation copies; all of it if that is not known."""
    if isinstance(operation, Concatenation | Select):
        return 0.0
    if isinstance(operation, Mix | PerChannel):
        return copied_share(operation.node, usage)
    return 1.0


def _feature_bytes(value: Value) -> float:
    return float(elements(value.example) * value.example.dtype.itemsize / max(1, value.flow.width))
