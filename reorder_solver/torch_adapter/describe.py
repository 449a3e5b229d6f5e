"""Describe: the report of an export, from the plain problem, its plan and what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.instance import Role
from reorder_solver.core.prices import Mode, Objective
from reorder_solver.torch_adapter.before_after import After, Before
from reorder_solver.torch_adapter.diagram import diagram
from reorder_solver.torch_adapter.ledger import FREE, JOIN, SHARED
from reorder_solver.torch_adapter.operations import Concatenation, Opaque, Select, resolve
from reorder_solver.torch_adapter.partial_sums import PartialSum
from reorder_solver.torch_adapter.plan import live_operations
from reorder_solver.torch_adapter.report import AccessRow, Report, Totals
from reorder_solver.torch_adapter.work import layers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from reorder_solver.core.evaluate import AccessFacts
    from reorder_solver.core.layout import Layout
    from reorder_solver.torch_adapter.apply import Rewritten
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.ledger import Step
    from reorder_solver.torch_adapter.plan import PlannedAccess
    from reorder_solver.torch_adapter.program import Operation, Value
    from reorder_solver.torch_adapter.work import Layer

#: Ways to serve an access, the one that says most first.
_MODES = (FREE, Mode.GATHER.value, Mode.CAT.value, SHARED)


def describe(
    model: nn.Module,
    plain: Extraction,
    extraction: Extraction,
    layout: Layout,
    written: Rewritten,
    export: str,
    *,
    upscale: Layout | None = None,
    error: float | None = None,
) -> Report:
    """The report of an export.

    Parameters
    ----------
    model : torch.nn.Module
        The one that was given.
    plain : Extraction
        The problem without transformations.
    extraction, layout, written
        The problem solved, its layout, and the module written.
    export : str
    upscale : Layout, optional
        Of the plain problem, by the published heuristic.
    error : float, optional
        Against the masked model.
    """
    before, after = Before(plain), After(extraction, layout, written)
    rows = tuple(_rows(before, after))
    copied = {"naive": _bytes(plain, before.layout)}
    if upscale is not None:
        copied["upscale"] = _bytes(plain, upscale)
    copied["this"] = _bytes(extraction, layout)
    totals = (
        Totals(
            selected=copied["naive"],
            concatenated=sum(before.concatenations.values()),
            macs=sum(one.macs_before for one in layers(plain.facts.program)),
            parameters=_parameters(model),
        ),
        Totals(
            selected=sum(step.bytes for step in written.steps if step.kind != JOIN),
            concatenated=sum(step.bytes for step in written.steps if step.kind == JOIN),
            macs=sum(after.macs(one) for one in layers(extraction.facts.program)),
            parameters=_parameters(written.module),
        ),
    )
    return Report(
        model=extraction.name,
        export=export,
        accesses=rows,
        copied=copied,
        before=totals[0],
        after=totals[1],
        channels=extraction.plan.tensors.count,
        stored=after.computed(),
        pins=extraction.pins,
        notes=extraction.notes,
        network=diagram(extraction, written, _title(extraction.name, export, *totals)),
        error=error,
    )


def _title(name: str, export: str, before: Totals, after: Totals) -> str:
    text = (
        f"{name}, export {export}: {after.selected:,} bytes per sample copied to choose channels "
        f"({before.selected:,} in the original order)"
    )
    if after.concatenated:
        text += f", {after.concatenated:,} concatenated ({before.concatenated:,})"
    return text


def _rows(before: Before, after: After) -> Iterable[AccessRow]:
    """Layers in order, then what only this export has, then what copies without an access."""
    plan, program = after.extraction.plan, after.extraction.facts.program
    reads = {
        planned.layer: (access_id, planned)
        for access_id, planned in plan.planned.items()
        if planned.layer is not None
    }
    for layer in layers(program):
        if layer.operation in reads:
            yield _read(before, after, layer, *reads[layer.operation])
        else:
            yield _unread(after, layer)
    for access_id, planned in plan.planned.items():
        if planned.copied:
            yield _copy(after, access_id, planned)
        elif planned.role is Role.PASS and planned.layer is None:
            yield _step(after, access_id, planned)
    for operation in live_operations(after.extraction.facts):
        if isinstance(operation, Concatenation):
            yield _concatenation(before, after, operation)
        elif isinstance(operation, PartialSum):
            yield _sum(after, operation)
    yield from _others(after)


def _read(
    before: Before, after: After, layer: Layer, access_id: str, planned: PlannedAccess
) -> AccessRow:
    operation, facts = planned.operation, after.facts[access_id]
    assert operation is not None
    steps = after.take(operation, planned.source)
    if operation is not layer.operation:
        steps += after.take(layer.operation)
    was = before.reads.get(layer.node)
    return AccessRow(
        id=access_id,
        kind="layer",
        was=None if was is None else _plain_mode(was),
        bytes_before=0 if was is None else was.cost,
        mode=_mode(steps, after.written.modes.get(operation)),
        place=_place(layer.operation, operation, planned.source),
        wanted=facts.channels,
        channels=planned.source.channels,
        stored=after.stored(planned.source),
        runs=facts.runs,
        bytes=sum(step.bytes for step in steps),
        macs_before=layer.macs_before,
        macs=after.macs(layer),
    )


def _unread(after: After, layer: Layer) -> AccessRow:
    """A layer without an access: removed, or it handles channels one by one or as they were."""
    macs = after.macs(layer)
    steps = after.take(layer.operation)
    stored = 0 if layer.source is None or not macs else after.stored(layer.source)
    mode = _mode(steps, None) if macs else "removed"
    return AccessRow(
        id=layer.name,
        kind="layer",
        was=Mode.VIEW.value if macs else None,
        bytes_before=0,
        mode=mode,
        place="",
        wanted=stored,
        channels=0 if layer.source is None else layer.source.channels,
        stored=stored,
        runs=1 if macs else 0,
        bytes=sum(step.bytes for step in steps),
        macs_before=layer.macs_before,
        macs=macs,
    )


def _place(layer: Operation, operation: Operation, source: Value) -> str:
    base, _ = resolve(source)
    words = [f"hoisted to {operation_name(operation)}"] if operation is not layer else []
    words += [f"reads {base.name}"] if isinstance(base.operation, Select) else []
    return ", ".join(words)


def _mode(steps: list[Step], asked: Mode | None) -> str:
    kinds = {step.kind for step in steps}
    for kind in _MODES:
        if kind in kinds:
            return kind
    return asked.value if asked in (Mode.COVER, Mode.SPLIT) else Mode.VIEW.value


def _plain_mode(facts: AccessFacts) -> str:
    return (Mode.VIEW if facts.runs <= 1 else Mode.GATHER).value


def _copy(after: After, access_id: str, planned: PlannedAccess) -> AccessRow:
    operation = planned.operation
    assert operation is not None
    assert operation.output is not None
    steps = after.take(operation)
    base, _ = resolve(planned.source)
    mode = _mode(steps, None)
    return AccessRow(
        id=access_id,
        kind="copy",
        was=None,
        bytes_before=0,
        mode="copy" if mode == Mode.GATHER.value else mode,
        place=f"of {operation_name(base.operation)}",
        wanted=after.stored(operation.output),
        channels=base.channels,
        stored=after.stored(base),
        runs=1,
        bytes=sum(step.bytes for step in steps),
    )


def _step(after: After, access_id: str, planned: PlannedAccess) -> AccessRow:
    """Channels may leave between two values."""
    operation, facts = planned.operation, after.facts[access_id]
    assert operation is not None
    assert operation.output is not None
    steps = after.take(operation, planned.source)
    mode = _mode(steps, None)
    stored = after.stored(planned.source)
    if mode == Mode.VIEW.value:
        mode = "leave" if after.stored(operation.output) < stored else "stay"
    return AccessRow(
        id=access_id,
        kind="step",
        was=None,
        bytes_before=0,
        mode=mode,
        place="",
        wanted=facts.channels,
        channels=planned.source.channels,
        stored=stored,
        runs=facts.runs,
        bytes=sum(step.bytes for step in steps),
    )


def _concatenation(before: Before, after: After, operation: Concatenation) -> AccessRow:
    output = operation.output
    assert output is not None
    steps = after.take(operation)
    joined = [step for step in steps if step.kind == JOIN]
    mode = _mode(steps, None)
    copied = before.concatenations.get(operation.node, 0)
    live = int(after.extraction.facts.live(output).sum())
    return AccessRow(
        id=operation_name(operation),
        kind="concatenation",
        was=(Mode.CAT if copied else Mode.VIEW).value,
        bytes_before=copied,
        mode=Mode.CAT.value if mode == Mode.VIEW.value and joined else mode,
        place="",
        wanted=live,
        channels=output.channels,
        stored=after.stored(output),
        runs=sum(step.features for step in joined) or 1,
        bytes=sum(step.bytes for step in steps),
    )


def _sum(after: After, operation: PartialSum) -> AccessRow:
    """A sum that one operand adds only some channels to."""
    output, written = operation.output, operation.written
    assert output is not None
    steps = after.take(operation)
    stored = after.stored(output)
    return AccessRow(
        id=operation_name(operation),
        kind="sum",
        was=None,
        bytes_before=0,
        mode="partial",
        place="",
        wanted=int(np.isin(after.written.sequences[output], written).sum()),
        channels=output.channels,
        stored=stored,
        runs=1,
        bytes=sum(step.bytes for step in steps),
    )


def _others(after: After) -> Iterable[AccessRow]:
    """Copies that no access stands for: operators that want channels in their own order."""
    for operation, steps in after.steps.items():
        size = sum(step.bytes for step in steps)
        if not size:
            continue
        copies = [step for step in steps if step.bytes]
        values = [step.value for step in copies if step.value is not None]
        values += [operation.output] if not values and operation.output is not None else []
        yield AccessRow(
            id=operation_name(operation),
            kind="operator",
            was=None,
            bytes_before=0,
            mode=_mode(copies, None),
            place="",
            wanted=sum(step.features for step in copies),
            channels=sum(value.channels for value in values),
            stored=sum(after.stored(value) for value in values),
            runs=len(copies),
            bytes=size,
        )


def operation_name(operation: Operation) -> str:
    """The module's name, or the graph node's."""
    if isinstance(operation, Opaque):
        return operation.node.name
    assert operation.output is not None
    return operation.output.origin


def _bytes(extraction: Extraction, layout: Layout) -> int:
    total = evaluate(extraction.instance, layout, Objective.BYTES).total
    assert total is not None, "the adapter makes no required accesses"
    return total


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
