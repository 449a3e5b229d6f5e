"""Before and after: what is known of the naive export of a model, and of the one described."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.layout import Layout
from reorder_solver.core.prices import Objective
from reorder_solver.torch_adapter.ledger import feature_bytes
from reorder_solver.torch_adapter.operations import Concatenation, resolve
from reorder_solver.torch_adapter.plan import live_operations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import fx

    from reorder_solver.core.evaluate import AccessFacts
    from reorder_solver.torch_adapter.apply import Rewritten
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.ledger import Step
    from reorder_solver.torch_adapter.program import Operation, Value
    from reorder_solver.torch_adapter.work import Layer


class Before:
    """The naive export of the plain problem.

    Attributes
    ----------
    reads : dict of node to AccessFacts
        What each layer reads.
    concatenations : dict of node to int
        Bytes that each writes.
    """

    def __init__(self, plain: Extraction) -> None:
        self.layout = Layout.identity(plain.instance)
        self.batch = plain.facts.program.captured.batch
        facts = evaluate(plain.instance, self.layout, Objective.BYTES).accesses
        self.reads: dict[fx.Node, AccessFacts] = {
            planned.layer.node: facts[access_id]
            for access_id, planned in plain.plan.planned.items()
            if planned.layer is not None
        }
        sequences = plain.plan.sequences(self.layout)
        self.concatenations: dict[fx.Node, int] = {
            one.node: self._written(one, sequences)
            for one in live_operations(plain.facts)
            if isinstance(one, Concatenation)
        }

    def _written(self, one: Concatenation, sequences: Mapping[Value, IndexArray]) -> int:
        assert one.output is not None
        sequence = sequences[one.output]
        if np.unique(one.owner(sequence)).size <= 1:
            return 0
        features = one.output.flow.count(sequence)
        return features * feature_bytes(one.output, self.batch)


class After:
    """The export described.

    Attributes
    ----------
    facts : mapping of str to AccessFacts
        Under the layout, by access.
    """

    def __init__(self, extraction: Extraction, layout: Layout, written: Rewritten) -> None:
        self.extraction = extraction
        self.written = written
        self.facts = evaluate(extraction.instance, layout, Objective.BYTES).accesses
        self.steps: dict[Operation, list[Step]] = defaultdict(list)
        for step in written.steps:
            self.steps[step.operation].append(step)

    def take(self, operation: Operation, value: Value | None = None) -> list[Step]:
        """The steps written for an operation, of one value or of all; each is given once."""
        base = None if value is None else resolve(value)[0]
        own = self.steps.get(operation, [])
        found = [step for step in own if base is None or step.value is None or step.value is base]
        self.steps[operation] = [step for step in own if step not in found]
        return found

    def computed(self) -> int:
        """Channels of all tensors that some value stores."""
        tensors = self.extraction.plan.tensors
        found = np.zeros(tensors.count, dtype=np.bool_)
        for value, sequence in self.written.sequences.items():
            found[tensors.numbers(value)[sequence]] = True
        return int(found.sum())

    def macs(self, layer: Layer) -> int:
        """Multiply-adds of a layer as it was written."""
        return layer.macs(self.written.weights, self.written.sequences)

    def stored(self, value: Value) -> int:
        """Channels stored of what `value` looks at."""
        base, index = resolve(value)
        return int(np.isin(index, self.written.sequences.get(base, ())).sum())
