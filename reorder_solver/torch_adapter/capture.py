"""Capture: a model as one plain graph over its parameters, for any batch size where possible."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from formulations.warm_up import wait_for_all
from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.complex_constants import store_as_pairs
from reorder_solver.torch_adapter.constant_writes import run_constant_writes
from reorder_solver.torch_adapter.errors import CaptureError
from reorder_solver.torch_adapter.folding import fold, folded_from
from reorder_solver.torch_adapter.functional import make_functional, written_argument
from reorder_solver.torch_adapter.schema import bind
from reorder_solver.torch_adapter.trainable import NormSetting, forgotten_modules, norm_settings
from reorder_solver.torch_adapter.widths import forget_widths

#: Checks on sizes and types that hold for the captured graph but not once channels are dropped.
_ASSERTIONS = frozenset(
    {"aten._assert_tensor_metadata.default", "aten._assert_scalar.default", "_guards_fn"}
)
#: An upper bound this high is none.
_ANY_SIZE = 1 << 31
_PLAIN_CONTAINERS = (tuple, list, dict, OrderedDict)


@dataclass(frozen=True, eq=False)
class Captured:
    """A model as a graph.

    Attributes
    ----------
    graph : torch.fx.Graph
        Plain positional signature; sizes of the captured run are in the nodes' metadata.
    attributes : dict of str to object
        What the graph's ``get_attr`` nodes refer to.
    transient : frozenset of str
        Buffers that are not saved in the state dict.
    aliases : dict of str to frozenset of str
        All names the model has for each of its parameters (several where modules share it).
    batch : int
        Batch size of the captured run.
    notes : tuple of str
        What a user should know about the capture.
    folded : dict of str to torch.dtype
        Attributes that stand for a computation, in double precision here, and their types.
    norms : dict of str to NormSetting
        The batch norms of the model by name.
    written : frozenset of str
        Attributes that the model writes to.
    """

    graph: fx.Graph
    attributes: dict[str, Any]
    transient: frozenset[str]
    aliases: dict[str, frozenset[str]]
    batch: int
    notes: tuple[str, ...]
    folded: dict[str, torch.dtype]
    norms: dict[str, NormSetting]
    written: frozenset[str]

    @property
    def types(self) -> set[torch.dtype]:
        """The types of the real and complex numbers that the model stores."""
        return {
            self.folded.get(name, stored.dtype)
            for name, stored in self.attributes.items()
            if isinstance(stored, torch.Tensor)
            and (stored.is_floating_point() or stored.is_complex())
        }


def as_arguments(example_inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments from a tensor, a sequence or a mapping.

    Raises
    ------
    InputError
        If there is no tensor among them, or they are nested.
    """
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(example_inputs, Mapping):
        kwargs = dict(example_inputs)
    elif isinstance(example_inputs, tuple | list):
        args = tuple(example_inputs)
    else:
        args = (example_inputs,)
    leaves = [*args, *kwargs.values()]
    if not any(isinstance(leaf, torch.Tensor) for leaf in leaves):
        raise InputError("example_inputs must be a tensor, a tuple of them, or a mapping by name")
    if any(isinstance(leaf, _PLAIN_CONTAINERS) for leaf in leaves):
        raise InputError("example_inputs must not be nested: give tensors and plain values")
    return args, kwargs


def capture(model: nn.Module, example_inputs: Any) -> Captured:
    """Capture `model`, which must be in evaluation mode, with a dynamic batch if it allows one.

    Raises
    ------
    InputError
        If the inputs are wrong, or there is not one sample in them.
    CaptureError
        If the model cannot be captured at all.
    """
    args, kwargs = as_arguments(example_inputs)
    if _batch_of([*args, *kwargs.values()]) == 0:
        raise InputError("example_inputs must have at least one sample, got a batch of 0")
    # torch.export replaces built-in functions, which a kernel compiled meanwhile would trip over.
    wait_for_all()
    program, batch, notes = _export(model, args, kwargs)
    module, graph, types = _functional(program)
    forget_widths(graph)
    graph.eliminate_dead_code()
    graph.lint()
    attributes = {
        str(node.target): _lookup(module, str(node.target))
        for node in graph.nodes
        if node.op == "get_attr"
    }
    transient = {name for name, _ in module.named_buffers()} - set(module.state_dict())
    written = _written(graph)
    own = {name for name, _ in (*model.named_parameters(), *model.named_buffers())}
    types |= store_as_pairs(graph, attributes, own | written)
    folded = fold(graph, attributes, written)
    if folded:
        notes.append(f"computed from parameters, now stored: {_some(sorted(folded))}")
    forgotten = forgotten_modules(model, graph)
    if forgotten:
        notes.append(f"without effect in the export's training mode: {_some(forgotten)}")
    folded |= types
    aliases = _aliases(model)
    for name in folded:
        aliases.setdefault(name, aliases.get(folded_from(name), frozenset()))
    return Captured(
        graph,
        attributes,
        frozenset(transient),
        aliases,
        batch,
        tuple(notes),
        folded,
        norm_settings(model),
        written,
    )


def _written(graph: fx.Graph) -> frozenset[str]:
    """Names of the stored tensors that the graph writes to."""
    targets = [
        bind(node)[argument]
        for node in graph.nodes
        if (argument := written_argument(node)) is not None
    ]
    return frozenset(str(one.target) for one in targets if one.op == "get_attr")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def _functional(
    program: torch.export.ExportedProgram,
) -> tuple[fx.GraphModule, fx.Graph, dict[str, torch.dtype]]:
    """A functional graph, and the types in the model of what was computed and stored for it."""
    module = program.module()
    graph = _plain_graph(module, program.call_spec.out_spec)
    types = _store_constant_writes(program, module, graph)
    if not make_functional(graph):
        types = {}
        program = program.run_decompositions({})
        module = program.module()
        graph = _plain_graph(module, program.call_spec.out_spec)
    return module, graph, types


def _store_constant_writes(
    program: torch.export.ExportedProgram, module: fx.GraphModule, graph: fx.Graph
) -> dict[str, torch.dtype]:
    """Buffers in place of what the model writes whatever its inputs are."""
    lifted = set(program.graph_signature.lifted_tensor_constants)
    constants = {
        name: one
        for name, one in program.constants.items()
        if name in lifted and isinstance(one, torch.Tensor)
    }
    types: dict[str, torch.dtype] = {}
    for node, numbers in run_constant_writes(graph, constants).items():
        name, number = f"constant_{node.name}", 2
        while hasattr(module, name):
            name, number = f"constant_{node.name}_{number}", number + 1
        module.register_buffer(name, numbers, persistent=False)
        node.target, types[name] = name, node.meta["val"].dtype
    return types


def _aliases(model: nn.Module) -> dict[str, frozenset[str]]:
    names: dict[int, set[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), set()).add(name)
    return {name: frozenset(group) for group in names.values() for name in group}


def _export(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[torch.export.ExportedProgram, int, list[str]]:
    leaves = [*args, *kwargs.values()]
    batch = _batch_of(leaves)
    dynamic = [
        {0: torch.export.Dim.DYNAMIC}
        if isinstance(leaf, torch.Tensor) and leaf.ndim and len(leaf) == batch
        else None
        for leaf in leaves
    ]
    # A batch of one would be taken for a constant.
    copies = 2 if batch == 1 else 1
    wide = [
        torch.cat([leaf.detach()] * copies) if shape else leaf
        for leaf, shape in zip(leaves, dynamic, strict=True)
    ]
    named = dict(zip(kwargs, wide[len(args) :], strict=True))
    shapes = dict(zip(kwargs, dynamic, strict=True)) if kwargs else tuple(dynamic)
    try:
        program = torch.export.export(
            model, tuple(wide[: len(args)]), named, dynamic_shapes=shapes, strict=False
        )
    except Exception as refusal:  # torch.export fails with errors of no common base class
        notes = [f"captured for batch size {batch} only: {_first_line(refusal)}"]
    else:
        return program, batch * copies, _batch_notes(program)
    try:
        return torch.export.export(model, args, kwargs, strict=False), batch, notes
    except Exception as refusal:
        raise CaptureError(
            f"torch.export cannot capture {type(model).__name__}: {_first_line(refusal)}"
        ) from refusal


def _batch_of(leaves: list[Any]) -> int:
    return next((len(leaf) for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.ndim), 1)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _batch_notes(program: torch.export.ExportedProgram) -> list[str]:
    """A model that branches on the batch size was captured for one branch only."""
    limits = [
        f"captured for {bounds.lower} to {bounds.upper}"
        for bounds in program.range_constraints.values()
        if bounds.lower > 2 or bounds.upper < _ANY_SIZE
    ]
    limits += [guard for guard in getattr(program, "_guards_code", ()) if "!=" in guard]
    return [f"the model depends on the batch size: {limit}" for limit in limits]


def _plain_graph(module: fx.GraphModule, out_spec: pytree.TreeSpec) -> fx.Graph:
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in module.graph.nodes:
        if str(node.target) in _ASSERTIONS:
            continue
        if node.op == "output":
            leaves = fx.map_arg(list(pytree.tree_leaves(node.args[0])), copies.__getitem__)
            graph.output(_plain_outputs(leaves, out_spec))
        else:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    return graph


def _plain_outputs(leaves: Any, spec: pytree.TreeSpec) -> Any:
    outputs = _mutable(pytree.tree_unflatten(list(leaves), spec))
    _check_container(outputs)
    return outputs


def _mutable(value: Any) -> Any:
    """Lists and dicts in place of those that a graph returns, such as an export's."""
    if type(value) is tuple:
        return tuple(_mutable(one) for one in value)
    if type(value) in (list, fx.immutable_collections.immutable_list):
        return [_mutable(one) for one in value]
    if type(value) in (dict, fx.immutable_collections.immutable_dict):
        return {key: _mutable(one) for key, one in value.items()}
    return value


def _check_container(value: Any) -> None:
    if isinstance(value, fx.Node | int | float | bool | str) or value is None:
        return
    if type(value) not in _PLAIN_CONTAINERS:
        raise CaptureError(
            f"an output of type {type(value).__name__} is not supported; "
            "return tensors, tuples, lists or dicts"
        )
    for element in value.values() if isinstance(value, dict) else value:
        _check_container(element)


def _lookup(module: nn.Module, target: str) -> Any:
    found: Any = module
    for name in target.split("."):
        found = getattr(found, name)
    return found
