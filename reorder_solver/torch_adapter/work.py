"""Work: the multiply-adds of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.torch_adapter.grouped import GroupedMix
from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.sizes import elements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reorder_solver.torch_adapter.program import Operation, Program


def layers(program: Program) -> list[Mix | GroupedMix]:
    """The operations with a stored matrix, in order."""
    return [one for one in program.operations if isinstance(one, Mix | GroupedMix)]


def places(layer: Mix | GroupedMix, batch: int) -> int:
    """How often per sample each entry of a layer's weight is multiplied.

    Once per place of the output; of a transposed convolution, once per place of the input.
    Places in the padding count, as they do for the usual counters.
    """
    transposed = layer.blocks.transposed if isinstance(layer, GroupedMix) else layer.weights.rows
    value = layer.source if transposed else layer.output
    assert value is not None
    return max(1, elements(value.example) // value.flow.width // batch)


def macs_before(layer: Mix | GroupedMix, batch: int) -> int:
    """Multiply-adds per sample with the whole weight."""
    return places(layer, batch) * layer.weights.tensor.numel()


def macs_after(layer: Mix | GroupedMix, batch: int, weights: Mapping[Operation, int]) -> int:
    """Multiply-adds per sample with what is left of the weight."""
    return places(layer, batch) * weights.get(layer, 0)
