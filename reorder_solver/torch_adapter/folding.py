"""Folding: what is computed from stored tensors alone is stored instead.

Standardised weights, concatenated biases, reshaped scales: operators on them see a stored tensor,
whose channels can be chosen. Training the export trains what was folded, not what it was made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from reorder_solver.torch_adapter.schema import operator_name, schema_arguments

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_SUFFIX = "_folded"

#: Operators that only look at a tensor in another shape.
_SHAPES = frozenset(
    {
        "aten.view.default", "aten.reshape.default", "aten.permute.default", "aten.t.default",
        "aten.transpose.int", "aten.unsqueeze.default", "aten.squeeze.dim", "aten.clone.default",
        "aten.squeeze.dims", "aten.contiguous.default", "aten.detach.default",
        "aten.alias.default", "aten.flatten.using_ints",
        "aten._unsafe_view.default", "aten.numpy_T.default", "aten.reshape_as.default",
    }
)  # fmt: skip


def fold(
    graph: fx.Graph, attributes: dict[str, Any], written: Collection[str]
) -> dict[str, torch.dtype]:
    """Replace computations on stored tensors by their results, where those take no more room.

    Parameters
    ----------
    graph : torch.fx.Graph
        Changed, and so are the `attributes`, which get the results in double precision.
    attributes : dict of str to object
    written : collection of str
        Those that the model writes to: they do not stay what they are.

    Returns
    -------
    dict of str to torch.dtype
        The names of the results and the types that they have in the model. A name is that of
        the only tensor it is made of if nothing else uses that one, or else a new one.
    """
    fixed = _fixed_nodes(graph, {k: v for k, v in attributes.items() if k not in written})
    values: dict[fx.Node, Any] = {}
    found: dict[str, torch.dtype] = {}
    for node in list(graph.nodes):
        if node not in fixed or node.op == "get_attr" or all(user in fixed for user in node.users):
            continue
        if not _fits(node, attributes):
            continue
        sources = tuple(sorted(_sources(node)))
        result = _stored(_value(node, attributes, values), sources, attributes)
        with graph.inserting_before(node):
            stored = graph.create_node("get_attr", _name(node, sources, attributes))
        stored.meta = dict(node.meta)
        values[stored] = values[node]
        node.replace_all_uses_with(stored)
        found[str(stored.target)] = node.meta["val"].dtype
        attributes[str(stored.target)] = result
    graph.eliminate_dead_code()
    used = {str(node.target) for node in graph.nodes if node.op == "get_attr"}
    for name in set(attributes) - used:
        del attributes[name]
    return found


def _fixed_nodes(graph: fx.Graph, attributes: Mapping[str, Any]) -> set[fx.Node]:
    fixed: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op == "get_attr":
            if isinstance(attributes.get(str(node.target)), torch.Tensor):
                fixed.add(node)
        elif node.op == "call_function" and node.all_input_nodes:
            tags = getattr(node.target, "tags", ())
            random = torch.Tag.nondeterministic_seeded in tags and not _idle_dropout(node)
            known = all(one in fixed for one in node.all_input_nodes)
            if known and not random and _is_pure(node):
                fixed.add(node)
    return fixed


def _is_pure(node: fx.Node) -> bool:
    arguments = schema_arguments(node)
    written = any(one.alias_info is not None and one.alias_info.is_write for one in arguments)
    return not written and (bool(arguments) or operator_name(node) == "getitem")


def _idle_dropout(node: fx.Node) -> bool:
    return operator_name(node) == "aten.dropout.default" and node.args[-1] is False


def _value(node: fx.Node, attributes: Mapping[str, Any], values: dict[fx.Node, Any]) -> Any:
    if node not in values:
        if node.op == "get_attr":
            values[node] = _precise(attributes[str(node.target)])
            return values[node]
        args, kwargs = fx.map_arg(
            (node.args, node.kwargs), lambda one: _value(one, attributes, values)
        )
        target: Any = node.target
        with torch.no_grad():
            values[node] = target(*args, **kwargs)
    return values[node]


def _sources(node: fx.Node) -> set[str]:
    if node.op == "get_attr":
        return {str(node.target)}
    return set().union(*(_sources(one) for one in node.all_input_nodes))


def _fits(node: fx.Node, attributes: Mapping[str, Any]) -> bool:
    """True if the result takes no more room than what it is made of."""
    example = node.meta.get("val")
    if not isinstance(example, torch.Tensor) or not example.is_floating_point():
        return False
    sources = [attributes[name] for name in _sources(node)]
    # A module cannot be brought into channels-last if anything it stores has five axes.
    if example.ndim == 5 and all(source.ndim != 5 for source in sources):
        return False
    room = sum(source.numel() for source in sources)
    return all(isinstance(size, int) for size in example.shape) and example.numel() <= room


def _name(node: fx.Node, sources: tuple[str, ...], attributes: Mapping[str, Any]) -> str:
    if len(sources) == 1 and _only_shaped(node):
        users = [
            user
            for other in node.graph.nodes
            if other.op == "get_attr" and str(other.target) == sources[0]
            for user in other.users
        ]
        if len(users) == 1:
            return sources[0]
    stem = next((name for name in sources if name.endswith("weight")), sources[0])
    number, name = 2, f"{stem}{_SUFFIX}"
    while name in attributes:
        name = f"{stem}{_SUFFIX}_{number}"
        number += 1
    return name


def folded_from(name: str) -> str:
    """The tensor that a folded one is named after."""
    return name.rpartition(_SUFFIX)[0] if _SUFFIX in name else name


def _only_shaped(node: fx.Node) -> bool:
    """True if a chain of views leads to a stored tensor that nothing else uses."""
    while node.op != "get_attr":
        if operator_name(node) not in _SHAPES or len(node.all_input_nodes) != 1:
            return False
        node = node.all_input_nodes[0]
        if node.op != "get_attr" and len(node.users) != 1:
            return False
    return True


def _stored(value: torch.Tensor, sources: tuple[str, ...], attributes: Mapping[str, Any]) -> Any:
    """A parameter if some source is one."""
    parameters = [
        attributes[name] for name in sources if isinstance(attributes[name], nn.Parameter)
    ]
    value = value.detach().clone(memory_format=torch.contiguous_format)
    if not parameters:
        return value
    return nn.Parameter(value, requires_grad=any(one.requires_grad for one in parameters))


def _precise(one: Any) -> Any:
    if isinstance(one, torch.Tensor) and one.is_floating_point():
        return one.detach().double()
    return one
