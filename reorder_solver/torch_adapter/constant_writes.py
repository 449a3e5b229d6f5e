"""Constant writes: numbers that a model writes into a tensor of its own making are stored.

Masks of shifted windows are made that way: a tensor of zeros, filled piece by piece through
views. Nothing of it depends on the inputs, so it is computed once and for all. What is left of
the graph then mostly has a functional form.
"""

from __future__ import annotations

from dataclasses import dataclass
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
#: Roundings by which a result may differ in another precision.
_ROUNDINGS = 64


@dataclass(frozen=True, slots=True)
class _Writes:
    """The writes of a graph.

    Attributes
    ----------
    nodes : list of torch.fx.Node
    memory : mapping of Node to set of Node
        What may look at the same memory.
    targets : mapping of Node to Node
        From operators that write to what they write to.
    """

    nodes: list[fx.Node]
    memory: Mapping[fx.Node, set[fx.Node]]
    targets: Mapping[fx.Node, fx.Node]


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
        inputs. Nothing, and the graph is as it was, if some of it cannot be stored: because
        somebody looks at it before it is complete, could write to it from outside, or because it
        would not be the same in another precision.
    """
    writes = _writes(list(graph.nodes))
    if writes is None:
        return {}
    fixed = _fixed(writes, constants)
    made = _depending(writes, fixed)
    results = [node for node in writes.nodes if node in made and set(node.users) - made]
    if not results or not all(
        _is_complete(node, writes, made) and not _is_given_out(node, writes) for node in results
    ):
        return {}
    values = _values([node for node in writes.nodes if node in fixed], constants)
    if values is None or not all(_can_be_stored(node, values[node], made) for node in results):
        return {}
    found: dict[fx.Node, torch.Tensor] = {}
    for node in results:
        with graph.inserting_before(node):
            stored = graph.create_node("get_attr", node.name)
        stored.meta = dict(node.meta)
        node.replace_all_uses_with(stored, delete_user_cb=lambda user: user not in made)
        found[stored] = values[node].precise.clone(memory_format=torch.contiguous_format)
    for node in reversed(writes.nodes):
        if node in made:
            graph.erase_node(node)
    return found


def _writes(nodes: list[fx.Node]) -> _Writes | None:
    """The writes; None if an operator writes to several arguments or to a list of them."""
    targets: dict[fx.Node, fx.Node] = {}
    for node in nodes:
        name = written_argument(node)
        if name is None:
            continue
        target = bind(node)[name]
        if not isinstance(target, fx.Node) or len(_written_arguments(node)) > 1:
            return None
        targets[node] = target
    return _Writes(nodes, shared_memory(nodes), targets)


def _written_arguments(node: fx.Node) -> list[str]:
    return [
        argument.name
        for argument in schema_arguments(node)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]


def _fixed(writes: _Writes, constants: Mapping[str, torch.Tensor]) -> set[fx.Node]:
    """The nodes that do not depend on inputs, parameters or buffers."""
    fixed = {
        node
        for node in writes.nodes
        if node.op == "call_function" or (node.op == "get_attr" and node.target in constants)
    }
    while True:
        wrong = {node for node in fixed if not _is_fixed(node, fixed)}
        for writer, target in writes.targets.items():
            memory = writes.memory[target]
            # What else looks at memory that the inputs are written to depends on them, too. What
            # is stored and written to is not the same in the next call.
            if (
                writer not in fixed
                or target not in fixed
                or writer in wrong
                or any(one.op == "get_attr" for one in memory)
            ):
                wrong |= memory & fixed
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


def _depending(writes: _Writes, fixed: set[fx.Node]) -> set[fx.Node]:
    """The fixed nodes that are written to, write, or are computed from such."""
    memory = writes.memory
    own = {writer: memory[target] for writer, target in writes.targets.items() if writer in fixed}
    last = {id(group): writer for writer, group in own.items()}
    found: set[fx.Node] = set().union(*own.values()) & fixed
    complete: set[int] = set()
    for node in writes.nodes:
        is_deep = _is_deep(node)
        if id(memory[node]) in complete and is_deep:
            found.discard(node)
        elif node in fixed and not is_deep and any(one in found for one in node.all_input_nodes):
            found.add(node)
        if node in own:
            found.add(node)
            if last[id(own[node])] is node:
                complete.add(id(own[node]))
    return found


def _is_deep(node: fx.Node) -> bool:
    """A module cannot be brought into channels-last if anything it stores has five axes."""
    return getattr(node.meta.get("val"), "ndim", 0) == 5


def _is_complete(node: fx.Node, writes: _Writes, made: set[fx.Node]) -> bool:
    """Whether nobody looks at a result before the last write to its memory."""
    place = {one: number for number, one in enumerate(writes.nodes)}
    writers = [
        place[writer]
        for writer, target in writes.targets.items()
        if target in made and node in writes.memory[target]
    ]
    return max(writers, default=-1) < min(place[user] for user in set(node.users) - made)


def _is_given_out(node: fx.Node, writes: _Writes) -> bool:
    """Whether a result of the model may be the memory of a node, which its caller may write to."""
    return any(user.op == "output" for one in writes.memory[node] for user in one.users)


def _can_be_stored(node: fx.Node, value: _Result, made: set[fx.Node]) -> bool:
    """Whether a buffer does what a result does, in any precision of the module."""
    precise, coarse = value.precise, value.coarse
    if not isinstance(precise, torch.Tensor) or precise.is_complex() or _is_deep(node):
        return False
    if not precise.is_floating_point():
        return torch.equal(precise, coarse)
    if precise.dtype == coarse.dtype and not all(
        _keeps_types(user, node) for user in set(node.users) - made
    ):
        return False
    # Steps and comparisons may lie on different sides in different precisions.
    allowed = _ROUNDINGS * torch.finfo(coarse.dtype).eps
    scale = precise[precise.isfinite()].abs().amax() if precise.isfinite().any() else 0.0
    return torch.allclose(
        precise.double(),
        coarse.double(),
        rtol=allowed,
        atol=allowed * float(scale),
        equal_nan=True,
    )


def _keeps_types(user: fx.Node, source: fx.Node) -> bool:
    """Whether the type of a result is that of another argument, which depends on the inputs.

    A buffer's type is changed with its module's, that of a tensor made by the model is not.
    """
    made = user.meta.get("val")
    if user.op != "call_function" or not isinstance(made, torch.Tensor):
        return False
    others = [
        one.meta.get("val")
        for one in user.all_input_nodes
        if one is not source and one.op != "get_attr"
    ]
    if not others:
        return _is_deep(user) and all(_keeps_types(after, user) for after in user.users)
    if any(word in operator_name(user) for word in ("aten.to.", "type_as", "_to_copy")):
        return False
    return any(
        isinstance(other, torch.Tensor) and other.ndim > 0 and other.dtype == made.dtype
        for other in others
    )


@dataclass(frozen=True, slots=True)
class _Result:
    """What a node computes where values of the inputs' type are in double precision, or not."""

    precise: Any
    coarse: Any


def _values(
    nodes: list[fx.Node], constants: Mapping[str, torch.Tensor]
) -> dict[fx.Node, _Result] | None:
    """What the nodes compute, run in order; None if one cannot be run by itself."""
    try:
        precise = _run(nodes, constants, precise=True)
        coarse = _run(nodes, constants, precise=False)
    except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
        return None
    return {node: _Result(precise[node], coarse[node]) for node in nodes}


def _run(
    nodes: list[fx.Node], constants: Mapping[str, torch.Tensor], *, precise: bool
) -> dict[fx.Node, Any]:
    values: dict[fx.Node, Any] = {}
    with torch.no_grad():
        for node in nodes:
            values[node] = _result(node, values, constants, precise=precise)
    return values


def _result(
    node: fx.Node,
    values: Mapping[fx.Node, Any],
    constants: Mapping[str, torch.Tensor],
    *,
    precise: bool,
) -> Any:
    if node.op == "get_attr":
        return constants[str(node.target)].clone()
    like = _LIKE.get(operator_name(node))
    if like is not None:
        bound, example = bind(node), node.meta["val"]
        dtype = bound["dtype"]
        if dtype is None:
            dtype = _like(example.dtype, precise=precise)
        return like(bound["size"], dtype=dtype, device=example.device)
    args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
    target: Any = node.target
    return target(*args, **kwargs)


def _like(dtype: torch.dtype, *, precise: bool) -> torch.dtype:
    """The type to compute in: double, or another than double."""
    if not dtype.is_floating_point:
        return dtype
    if precise:
        return torch.float64
    return torch.float32 if dtype == torch.float64 else dtype
