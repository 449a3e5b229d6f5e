"""Work: the multiply-adds of convolutions and linear layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reorder_solver.torch_adapter.grouped import GroupedMix
from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.operations import Opaque, PerChannel
from reorder_solver.torch_adapter.schema import bind
from reorder_solver.torch_adapter.sizes import elements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import fx

    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.program import Operation, Program, Value

#: What the names of the operators begin with.
_LAYERS = ("aten.conv", "aten.linear.")


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A layer with a stored weight.

    Attributes
    ----------
    operation : Operation
    node : torch.fx.Node
    name : str
        Of its module.
    source : Value or None
        What it reads, if that has channels.
    entries : int
        Of the whole weight.
    places : int
        How often per sample each entry is multiplied: once per place of the output; of a
        transposed convolution, once per place of the input. Places in the padding count.
    """

    operation: Operation
    node: fx.Node
    name: str
    source: Value | None
    entries: int
    places: int

    @property
    def macs_before(self) -> int:
        """Multiply-adds per sample with the whole weight."""
        return self.places * self.entries

    def macs(self, weights: Mapping[Operation, int], sequences: Mapping[Value, IndexArray]) -> int:
        """Multiply-adds per sample with the entries that are left.

        A linear layer along another axis than the channels' has all its entries, but is run
        for the stored channels only.
        """
        found = self.places * weights.get(self.operation, 0)
        operation = self.operation
        if isinstance(operation, PerChannel) and ("weight", None) not in operation.parameters:
            output = operation.output
            assert output is not None
            if output not in sequences:
                return 0
            return found * output.flow.count(sequences[output]) // output.flow.width
        return found


def layers(program: Program) -> list[Layer]:
    """The layers of a programme, in order."""
    found = (_layer(program, operation) for operation in program.operations)
    return [layer for layer in found if layer is not None]


def _layer(program: Program, operation: Operation) -> Layer | None:
    name = weight_name(operation)
    if name is None:
        return None
    weight = program.captured.attributes[name]
    if isinstance(operation, Mix | GroupedMix):
        # A product with a matrix from the right has as many places on both sides.
        transposed = (
            operation.blocks.transposed
            if isinstance(operation, GroupedMix)
            else operation.weights.rows > 0
        )
        value = operation.source if transposed else operation.output
        assert value is not None
        places = elements(value.example) // value.flow.width
        node, label = operation.node, operation.module
        source: Value | None = operation.source
    else:
        assert isinstance(operation, Opaque | PerChannel)
        node, label = operation.node, name.removesuffix(".weight")
        places = _places(node, weight)
        source = next((each.value for each in operation.sources()), None)
    each = max(1, places // program.captured.batch)
    return Layer(operation, node, label, source, weight.numel(), each)


def _places(node: fx.Node, weight: Any) -> int:
    bound = bind(node)
    if "linear" in str(node.target):
        return elements(node.meta["val"]) // int(weight.shape[0])
    transposed = bound.get("transposed", "transpose" in str(node.target))
    example = bound["input"].meta["val"] if transposed else node.meta["val"]
    return elements(example) // int(example.shape[1])


def weight_name(operation: Operation) -> str | None:
    """The stored weight of a layer; None for any other operation."""
    if isinstance(operation, Mix | GroupedMix):
        return operation.weights.name
    if not isinstance(operation, Opaque | PerChannel):
        return None
    node = operation.node
    if node is None or node.op != "call_function" or not str(node.target).startswith(_LAYERS):
        return None
    weight = bind(node)["weight"]
    if weight is None or weight.op != "get_attr":
        return None
    return str(weight.target)
