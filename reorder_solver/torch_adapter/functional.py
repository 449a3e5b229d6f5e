"""Functional form: a graph in which no operator writes to its arguments.

A later user of a value that was written to is given the result instead. Where something else may
look at the same memory (a view of the value, or the value it is a view of), that is not enough,
and PyTorch's own, slower functionalisation does it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from reorder_solver.torch_adapter.schema import bind, schema_arguments, schema_of

#: Key in a node's metadata: the writing operator that it stands for.
IN_PLACE = "reorder_solver_in_place"

#: Operators whose result may share memory with an argument although their schema is silent.
_MAY_ALIAS = frozenset(
    {
        "reshape", "flatten", "unflatten", "contiguous", "to", "dropout", "feature_dropout",
        "alpha_dropout", "expand_as", "view_as", "chunk", "split", "tensor_split", "narrow",
        "movedim", "moveaxis", "swapaxes", "squeeze", "ravel", "type_as", "float", "half",
        "double", "broadcast_to", "atleast_1d", "atleast_2d", "atleast_3d", "hsplit", "vsplit",
        "unbind", "index", "pad", "_to_copy", "identity", "adaptive_avg_pool2d", "interpolate",
    }
)  # fmt: skip


def make_functional(graph: fx.Graph) -> bool:
    """Rewrite `graph` without writing operators; False if that takes more than renaming.

    The graph is left half rewritten where the answer is False.
    """
    nodes = list(graph.nodes)
    place = {node: number for number, node in enumerate(nodes)}
    memory = shared_memory(nodes)
    for node in nodes:
        written = written_argument(node)
        if written is None:
            continue
        pure = _pure_operator(node)
        target = bind(node)[written]
        if pure is None or target.op in ("placeholder", "get_attr"):
            return False
        if any(_looked_at_later(other, node, place) for other in memory[target] - {target, node}):
            return False
        node.meta[IN_PLACE] = node.target
        node.target = pure
        for user in list(target.users):
            if place.get(user, -1) > place[node]:
                user.replace_input_with(target, node)
    return True


def _looked_at_later(other: fx.Node, writer: fx.Node, place: dict[fx.Node, int]) -> bool:
    """True if an alias made before the write has a user behind it."""
    return place[other] < place[writer] and any(place[u] > place[writer] for u in other.users)


def written_argument(node: fx.Node) -> str | None:
    """Name of the argument that an operator writes to."""
    if node.op != "call_function":
        return None
    for argument in schema_arguments(node):
        if argument.alias_info is not None and argument.alias_info.is_write:
            return str(argument.name)
    return None


def _pure_operator(node: fx.Node) -> Any:
    """The operator that computes the same without writing."""
    target: Any = node.target
    schema = schema_of(target)
    name = schema.name.partition("::")[2]
    if not name.endswith("_") or name.startswith("_") or len(schema.returns) != 1:
        return None
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None)
    overload = schema.overload_name or "default"
    if packet is None or overload not in packet.overloads():
        return None
    pure = getattr(packet, overload)
    names = [argument.name for argument in schema.arguments]
    # What is written to may go by another name.
    if [argument.name for argument in schema_of(pure).arguments][1:] != names[1:]:
        return None
    example, written = node.meta.get("val"), bind(node)[names[0]].meta.get("val")
    same = (
        isinstance(example, torch.Tensor)
        and isinstance(written, torch.Tensor)
        and _result_type_kept(node, written)
    )
    return pure if same else None


def _result_type_kept(node: fx.Node, written: torch.Tensor) -> bool:
    """A write converts to the type of what it writes to; the pure operator need not."""
    others = [
        one.meta["val"]
        for one in node.all_input_nodes
        if isinstance(one.meta.get("val"), torch.Tensor)
    ]
    return all(
        other.dtype == written.dtype or (other.ndim == 0 and written.is_floating_point())
        for other in others
    )


def shared_memory(nodes: list[fx.Node]) -> dict[fx.Node, set[fx.Node]]:
    """Per node all nodes that may look at the same memory, itself included."""
    groups: dict[fx.Node, set[fx.Node]] = {}
    for node in nodes:
        group = {node}
        groups[node] = group
        for source in _aliased(node):
            merged = groups[source]
            if merged is not group:
                merged |= group
                for member in group:
                    groups[member] = merged
                group = merged
    return groups


def _aliased(node: fx.Node) -> list[fx.Node]:
    if node.op != "call_function":
        return []
    schema = schema_of(node.target)
    if schema is None:
        return node.all_input_nodes
    name = schema.name.partition("::")[2].removesuffix("_")
    if name in _MAY_ALIAS:
        return node.all_input_nodes
    bound = bind(node)
    found: list[fx.Node] = []
    for argument in schema.arguments:
        if argument.alias_info is not None:
            given = bound.get(argument.name)
            found += [
                one
                for one in (given if isinstance(given, list) else [given])
                if isinstance(one, fx.Node)
            ]
    return found
