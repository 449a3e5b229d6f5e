"""Diagram: the boxes and lines that show an export and its copies."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.prices import Mode
from reorder_solver.plot.network import COPY_OF, Box, Line, Network
from reorder_solver.torch_adapter.ledger import JOIN
from reorder_solver.torch_adapter.operations import Adopt, Concatenation, Opaque, Select, resolve
from reorder_solver.torch_adapter.plan import live_operations
from reorder_solver.torch_adapter.work import layers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import fx

    from reorder_solver.torch_adapter.apply import Rewritten
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.ledger import Step
    from reorder_solver.torch_adapter.program import Operation, Value

#: What a line is worth mentioning for, most first.
_COPIES = (Mode.GATHER.value, Mode.CAT.value, "free", "shared")


def diagram(extraction: Extraction, written: Rewritten, title: str) -> Network:
    """The network as it was written; operators with a single source are drawn into the lines."""
    return _Diagram(extraction, written).network(title)


class _Diagram:
    def __init__(self, extraction: Extraction, written: Rewritten) -> None:
        self._facts = extraction.facts
        self._tensors = extraction.plan.tensors
        self._sequences = written.sequences
        self._steps: dict[Operation, list[Step]] = defaultdict(list)
        for step in written.steps:
            self._steps[step.operation].append(step)
        self._boxes: list[Box] = []
        self._lines: list[Line] = []
        self._numbers: dict[Operation, int] = {}
        self._layers = {one.operation: one.name for one in layers(self._facts.program)}

    def network(self, title: str) -> Network:
        """All boxes that something is read from or that read something."""
        for operation in live_operations(self._facts):
            if self._is_box(operation):
                sources = list(self._sources(operation))
                self._numbers[operation] = len(self._boxes)
                self._boxes.append(self._box(operation))
                for value in dict.fromkeys(sources):
                    self._line(operation, value)
        return Network(title, tuple(self._boxes), tuple(self._lines))

    def _is_box(self, operation: Operation) -> bool:
        if isinstance(operation, Opaque):
            return operation.node.op == "output"
        if isinstance(operation, Select):
            return operation.copied
        if isinstance(operation, Concatenation | Adopt) or operation in self._layers:
            return True
        bases = {resolve(each)[0] for each in self._sources(operation)}
        return len(bases) != 1 or any(step.bytes for step in self._steps[operation])

    def _sources(self, operation: Operation) -> Iterable[Value]:
        """The values read; for what the graph does without channels, those behind it."""
        if isinstance(operation, Adopt | Opaque):
            return self._behind(operation.node)
        return [
            source.value
            for source in operation.sources()
            if self._sequences.get(resolve(source.value)[0], np.arange(0)).size
        ]

    def _behind(self, node: fx.Node) -> list[Value]:
        """The nearest values with channels that a node is computed from."""
        values = self._facts.program.values
        found: dict[Value, None] = {}
        seen: set[fx.Node] = set()
        waiting = list(node.all_input_nodes)
        while waiting:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            value = values.get(each)
            if value is None:
                waiting += each.all_input_nodes
            elif resolve(value)[0] in self._sequences:
                found[value] = None
        return list(found)

    def _box(self, operation: Operation) -> Box:
        output = operation.output
        if output is None:
            return Box("output", "output", 0, 0, pinned=False)
        base_steps = self._steps[operation]
        own = sum(step.bytes for step in base_steps if step.kind == JOIN or step.value is None)
        if isinstance(operation, Select):
            own = sum(step.bytes for step in base_steps)
        return Box(
            label=self._layers.get(operation) or _label(operation),
            kind="layer" if operation in self._layers else _kind(operation),
            made=int(self._sequences.get(output, np.arange(0)).size),
            channels=output.channels,
            pinned=self._is_pinned(output),
            bytes=own,
        )

    def _is_pinned(self, value: Value) -> bool:
        numbers = np.unique(self._tensors.atoms(value).tensors)
        return any(self._tensors.classes[int(number)].ordered for number in numbers)

    def _line(self, operation: Operation, value: Value) -> None:
        base, _ = resolve(value)
        steps = [step for step in self._steps[operation] if step.value is base]
        source, passed = self._maker(base)
        if source is None or isinstance(operation, Select):
            steps = []
        kinds = {step.kind for step in [*steps, *passed]}
        mode = next((kind for kind in _COPIES if kind in kinds), "view")
        if mode == "view" and isinstance(operation, Concatenation):
            mode = "fused"
        if source is not None:
            self._lines.append(
                Line(
                    source,
                    self._numbers[operation],
                    self._read(operation, value, steps),
                    value.channels,
                    mode,
                    sum(step.bytes for step in steps),
                )
            )

    def _read(self, operation: Operation, value: Value, steps: list[Step]) -> int:
        base, index = resolve(value)
        stored = int(np.isin(index, self._sequences[base]).sum())
        if isinstance(operation, Adopt | Opaque) or not steps:
            return stored
        features = sum(step.features for step in steps)
        return min(stored, -(-features * value.channels // value.flow.width))

    def _maker(self, base: Value) -> tuple[int | None, list[Step]]:
        """The box that a value comes from, and free choices of channels on the way."""
        passed: list[Step] = []
        operation = base.operation
        while operation not in self._numbers:
            passed += [step for step in self._steps[operation] if step.kind == "free"]
            sources = list(self._sources(operation))
            if not sources:
                return None, passed
            operation = resolve(sources[0])[0].operation
        return self._numbers[operation], passed


def _kind(operation: Operation) -> str:
    if isinstance(operation, Concatenation):
        return "concatenation"
    if isinstance(operation, Select):
        return "copy"
    if isinstance(operation, Adopt) and operation.node.op == "placeholder":
        return "input"
    return "operator"


def _label(operation: Operation) -> str:
    assert operation.output is not None
    if isinstance(operation, Select):
        return f"{COPY_OF} {resolve(operation.source)[0].name}"
    return operation.output.name
