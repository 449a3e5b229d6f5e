"""Ledger: what the emitter wrote, for the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reorder_solver.core.prices import Mode
from reorder_solver.torch_adapter.sizes import elements
from reorder_solver.torch_adapter.work import weight_name

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.program import Operation, Value

#: Kinds of steps besides the modes of an access.
FREE, JOIN, SHARED = "free", "join", "shared"


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A choice of channels, or a concatenation, in the graph written.

    Attributes
    ----------
    operation : Operation
        The operation it was written for.
    kind : str
        ``view`` (a slice), ``gather``, ``cat``, ``free`` (a slice where a copy would be needed),
        ``join`` (a concatenation of the model) or ``shared`` (the copy of another step).
    value : Value or None
        What is chosen from; None for a result of the operation itself.
    features : int
        Features chosen, or pieces joined.
    bytes : int
        Copied, per sample.
    """

    operation: Operation
    kind: str
    value: Value | None
    features: int
    bytes: int


class Ledger:
    """Keeps the steps, operation by operation.

    Parameters
    ----------
    batch : int
        Samples in the captured run.

    Attributes
    ----------
    weights : dict of Operation to int
        Entries of the weights that a layer uses.
    """

    def __init__(self, batch: int) -> None:
        self.weights: dict[Operation, int] = {}
        self._batch = batch
        self._current: Operation | None = None
        self._values: dict[fx.Node, Value] = {}
        self._steps: list[tuple[fx.Node, Step]] = []

    def steps(self, graph: fx.Graph) -> list[Step]:
        """The steps whose results are still in a graph."""
        left = set(graph.nodes)
        return [step for node, step in self._steps if node in left]

    def begin(self, operation: Operation) -> None:
        """What follows is written for `operation`."""
        self._current = operation

    def made(self, node: fx.Node, value: Value) -> None:
        """`node` holds `value`."""
        self._values[node] = value

    def used(self, name: str, entries: int) -> None:
        """A stored tensor is used with so many entries."""
        if self._current is not None and weight_name(self._current) == name:
            self.weights[self._current] = self.weights.get(self._current, 0) + entries

    def selected(self, node: fx.Node, made: fx.Node, kind: str, features: IndexArray) -> fx.Node:
        """`node` holds some features of `made`; return it."""
        copied = kind in {Mode.GATHER.value, Mode.CAT.value}
        size = self._feature_bytes(made) * features.size if copied else 0
        self._note(node, kind, self._values.get(made), features.size, size)
        return node

    def reused(self, node: fx.Node) -> None:
        """The result of an earlier step is read once more."""
        for known, step in reversed(self._steps):
            if known is node:
                kind = SHARED if step.bytes else step.kind
                self._note(node, kind, step.value, step.features, 0)
                return

    def joined(self, node: fx.Node, size: int, pieces: int) -> None:
        """`node` is a concatenation that writes `size` bytes, of all samples."""
        if pieces > 1:
            self._note(node, JOIN, None, pieces, size // self._batch)

    def _note(
        self, node: fx.Node, kind: str, value: Value | None, features: int, size: int
    ) -> None:
        assert self._current is not None
        self._steps.append((node, Step(self._current, kind, value, int(features), int(size))))

    def _feature_bytes(self, made: fx.Node) -> int:
        assert self._current is not None
        value = self._values.get(made) or self._current.output
        assert value is not None
        return feature_bytes(value, self._batch)


def feature_bytes(value: Value, batch: int) -> int:
    """Bytes per feature and sample."""
    each = elements(value.example) // value.flow.width // batch
    return max(each, 1) * int(value.example.dtype.itemsize)
