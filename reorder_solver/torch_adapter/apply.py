"""Apply: a model laid out as a layout says, with everything dropped that no operation reads."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from reorder_solver.core.errors import InputError
from reorder_solver.core.layout import Layout
from reorder_solver.core.prices import Objective
from reorder_solver.core.result import Result
from reorder_solver.torch_adapter.emitter import Emitter
from reorder_solver.torch_adapter.image_format import convert_images, store_in_format
from reorder_solver.torch_adapter.in_place import put_back_in_place
from reorder_solver.torch_adapter.local_names import with_few_names
from reorder_solver.torch_adapter.serving import chosen_modes
from reorder_solver.torch_adapter.trainable import make_trainable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reorder_solver.core.prices import Mode
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.ledger import Step
    from reorder_solver.torch_adapter.program import Operation, Value


def apply(
    extraction: Extraction,
    result: Result | Layout,
    *,
    dtype: torch.dtype | None = None,
    free_copies: bool = False,
) -> nn.Module:
    """Build the module that stores its channels as the layout says.

    Parameters
    ----------
    extraction : Extraction
    result : Result or Layout
        Of the extraction's instance.
    dtype : torch.dtype, optional
        Of the parameters, if not the model's. Constants are folded in that precision.
    free_copies : bool
        Replace every copy of scattered channels by a slice of the right size. The module then
        computes nonsense, as fast as any layout could make it: a floor for comparisons.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, with parameters of its own. State dict names are those of the model,
        apart from parameters that nothing uses any more, index buffers of gathers
        (``channel_index``, ``channel_index_2`` ...), biases that take up constants, and a
        further copy (``<name>_2``) of a parameter, or of a batch norm, that is needed in two
        arrangements. Batch norm and dropout are layers, which ``train()`` puts into training
        mode.

    Raises
    ------
    LayoutError
        If the layout is not one of the instance.
    InputError
        If the result has no layout.

    Notes
    -----
    An access that is no view is served by ``index_select``, unless the result is one for the
    objective ``latency``: then each is served as its prices say.
    """
    return rewrite(extraction, result, dtype=dtype, free_copies=free_copies).module


@dataclass(frozen=True, slots=True, eq=False)
class Rewritten:
    """A module built by :func:`rewrite`, and what is known of it.

    Attributes
    ----------
    module : torch.nn.Module
    sequences : mapping of Value to ndarray of int64
        Per value the channels stored, in order.
    modes : mapping of Operation to Mode
        Where something other than a gather was asked for.
    steps : list of Step
        Selections and concatenations.
    weights : mapping of Operation to int
        Entries of the weights used by an operation with a matrix.
    """

    module: nn.Module
    sequences: Mapping[Value, IndexArray]
    modes: Mapping[Operation, Mode]
    steps: list[Step]
    weights: Mapping[Operation, int]


def rewrite(
    extraction: Extraction,
    result: Result | Layout,
    *,
    dtype: torch.dtype | None = None,
    free_copies: bool = False,
) -> Rewritten:
    """As :func:`apply`, with what the report needs."""
    layout = result if isinstance(result, Layout) else result.layout
    if layout is None:
        raise InputError("the result has no layout to apply")
    layout.check(extraction.instance)
    attributes = {
        name: _in_type(stored, dtype or extraction.captured.folded.get(name))
        for name, stored in extraction.captured.attributes.items()
    }
    modes: Mapping[Operation, Mode] = {}
    if isinstance(result, Result) and result.objective is Objective.LATENCY:
        modes = chosen_modes(extraction, layout)
    sequences = extraction.plan.sequences(layout, modes)
    emitter = Emitter(
        extraction.facts,
        attributes,
        sequences,
        modes,
        extraction.joins,
        extraction.usage,
        free=free_copies,
    )
    emitter.write()
    steps = emitter.ledger.steps(emitter.graph)
    usage = extraction.usage
    if usage is not None and usage.handed_over is not None:
        convert_images(emitter.graph, extraction.captured.graph, usage)
        store_in_format(emitter.values, usage)
    put_back_in_place(emitter.graph)
    module = _module(extraction, emitter)
    return Rewritten(module, sequences, modes, steps, emitter.ledger.weights)


def _in_type(stored: Any, dtype: torch.dtype | None) -> Any:
    if dtype is None or not isinstance(stored, torch.Tensor) or not stored.is_floating_point():
        return stored
    data = stored.detach().to(dtype)
    if isinstance(stored, nn.Parameter):
        return nn.Parameter(data, requires_grad=stored.requires_grad)
    return data


def _module(extraction: Extraction, emitter: Emitter) -> nn.Module:
    graph = emitter.graph
    layers = make_trainable(graph, emitter.values, emitter.origins, extraction.captured.norms)
    used = [str(node.target) for node in graph.nodes if node.op == "get_attr"]
    root: dict[str, Any] = {name: _own(emitter.values[name]) for name in used}
    root |= layers
    for node in graph.nodes:
        node.meta = {}
    graph.lint()
    graph.on_generate_code(lambda _: with_few_names)
    module = fx.GraphModule(root, graph, class_name=extraction.name)
    transient = extraction.captured.transient
    for name in sorted(set(used)):
        if emitter.origins.get(name) in transient:
            owner, _, field = name.rpartition(".")
            module.get_submodule(owner).register_buffer(field, root[name], persistent=False)
    return module.eval()


def _own(attribute: Any) -> Any:
    return attribute if isinstance(attribute, torch.Tensor) else copy.deepcopy(attribute)
