"""Constant writes: numbers that a model writes into a tensor of its own making are stored.

Masks of shifted windows are made that way: a tensor of zeros, filled piece by piece through
views. Nothing of it depends on the inputs, so it is computed once and for all. What is left of
the graph then mostly has a functional form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from reorder_solver.torch_adapter.functional import shared_memory, written_argument
from reorder_solver.torch_adapter.schema import bind, operator_name, schema_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Operators that take no more from their first argument than its type and device.
_LIKE: dict[str, Callable[..., torch.Tensor]] = {
    "aten.new_zeros.default": torch.zeros,
    "aten.new_ones.default": torch.ones,
}


def run_constant_writes(
    graph: fx.Graph, constants: Mapping[str, torch.Tensor]
) -> dict[fx.Node, torch.Tensor]:
    """Compute what is written to without the inputs having a say, and take it out of the graph.

    Parameters
    ----------
    graph : torch.fx.Graph
        Changed: new ``get_attr`` nodes, whose targets are for the caller to set, take the place
        of what was computed.
    constants : mapping of str to torch.Tensor
        What ``get_attr`` nodes refer to that is neither a parameter nor a buffer of the model.

    Returns
    -------
    dict of Node to torch.Tensor
        The new nodes, and what they stand for, in double precision where the type is that of the
        inputs.
    """
    nodes = list(graph.nodes)
    place = {node: number for number, node in enumerate(nodes)}
    memory = shared_memory(nodes)
    written = {
        node: bind(node)[name]
        for node in nodes
        if (name := written_argument(node)) is not None and isinstance(bind(node)[name], fx.Node)
    }
    fixed = _fixed(nodes, constants, memory, written)
    made = _depending(nodes, fixed, memory, written)
    results = [node for node in nodes if node in made and set(node.users) - made]
    writers = [node for node, target in written.items() if target in made]
    if not results or any(
        place[writer] > min(place[user] for user in set(node.users) - made)
        for node in results
        for writer in writers
        if node in memory[written[writer]]
    ):
        # Somebody looks at it before it is complete.
        return {}
    values = _run([node for node in nodes if node in fixed], constants)
    if values is None:
        return {}
    found: dict[fx.Node, torch.Tensor] = {}
    for node in results:
        with graph.inserting_before(node):
            stored = graph.create_node("get_attr", node.name)
        stored.meta = dict(node.meta)
        node.replace_all_uses_with(stored, delete_user_cb=lambda user: user not in made)
        found[stored] = values[node].clone(memory_format=torch.contiguous_format)
    for node in reversed(nodes):
        if node in made:
            graph.erase_node(node)
    return found


def _fixed(
    nodes: list[fx.Node],
    constants: Mapping[str, torch.Tensor],
    memory: Mapping[fx.Node, set[fx.Node]],
    written: Mapping[fx.Node, fx.Node],
) -> set[fx.Node]:
    """The nodes that do not depend on inputs, parameters or buffers."""
    fixed = {
        node
        for node in nodes
        if node.op == "call_function" or (node.op == "get_attr" and node.target in constants)
    }
    while True:
        wrong = {node for node in fixed if not _is_fixed(node, fixed)}
        for writer, target in written.items():
            # What else looks at memory that the inputs are written to depends on them, too.
            if writer not in fixed or target not in fixed or writer in wrong:
                wrong |= memory[target] & fixed
        if not wrong:
            return fixed
        fixed -= wrong


def _is_fixed(node: fx.Node, fixed: set[fx.Node]) -> bool:
    if node.op == "get_attr":
        return True
    name = operator_name(node)
    if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
        return False
    if name in _LIKE:
        return node.all_input_nodes == [node.args[0]]
    is_known = bool(schema_arguments(node)) or name == "getitem"
    return is_known and all(one in fixed for one in node.all_input_nodes)


def _depending(
    nodes: list[fx.Node],
    fixed: set[fx.Node],
    memory: Mapping[fx.Node, set[fx.Node]],
    written: Mapping[fx.Node, fx.Node],
) -> set[fx.Node]:
    """The fixed nodes that are written to, write, or are computed from such."""
    own = {writer: memory[target] for writer, target in written.items() if writer in fixed}
    last = {id(group): writer for writer, group in own.items()}
    found: set[fx.Node] = set().union(*own.values())
    complete: set[int] = set()
    for node in nodes:
        # A module cannot be brought into channels-last if anything it stores has five axes.
        is_deep = getattr(node.meta.get("val"), "ndim", 0) == 5
        if id(memory[node]) in complete and is_deep:
            found.discard(node)
        elif node in fixed and not is_deep and any(one in found for one in node.all_input_nodes):
            found.add(node)
        if node in own:
            found.add(node)
            if last[id(own[node])] is node:
                complete.add(id(own[node]))
    return found


def _run(
    nodes: list[fx.Node], constants: Mapping[str, torch.Tensor]
) -> dict[fx.Node, torch.Tensor] | None:
    """What the nodes compute, run in order; None if one cannot be run by itself."""
    values: dict[fx.Node, Any] = {}
    with torch.no_grad():
        for node in nodes:
            try:
                values[node] = _result(node, values, constants)
            except (RuntimeError, NotImplementedError, TypeError):
                return None
    return values


def _result(
    node: fx.Node, values: Mapping[fx.Node, Any], constants: Mapping[str, torch.Tensor]
) -> Any:
    if node.op == "get_attr":
        return constants[str(node.target)].clone()
    like = _LIKE.get(operator_name(node))
    if like is not None:
        bound, example = bind(node), node.meta["val"]
        dtype = bound["dtype"]
        if dtype is None:
            dtype = torch.float64 if example.is_floating_point() else example.dtype
        return like(bound["size"], dtype=dtype, device=example.device)
    args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
    target: Any = node.target
    return target(*args, **kwargs)
