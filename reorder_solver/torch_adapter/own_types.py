"""Own types: the types in a captured graph that are those of the model.

A model that asks its inputs or weights for their type, as a recurrent network does for its first
state, is captured with the answer. In double precision it would have been another one.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from reorder_solver.core.errors import ReorderSolverError
from reorder_solver.torch_adapter.capture import as_arguments, capture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from reorder_solver.torch_adapter.capture import Captured

    Call = tuple[tuple[Any, ...], dict[str, Any]]


def calls_in_double(captured: Captured, model: nn.Module, inputs: Any) -> dict[fx.Node, Call]:
    """The calls whose types are others in double precision, with their arguments there.

    Parameters
    ----------
    captured : Captured
    model : torch.nn.Module
        In double precision; what was captured in its own.
    inputs : tensor, tuple of tensors, or mapping of str to tensor

    Returns
    -------
    dict
        Empty if no call is, or the model makes other calls in double precision.
    """
    nodes = list(captured.graph.nodes)
    if not any(_types(node) for node in nodes):
        return {}
    args, kwargs = pytree.tree_map(_in_double, as_arguments(inputs))
    try:
        precise = capture(model.eval(), kwargs or args)
    except ReorderSolverError:
        return {}
    others = list(precise.graph.nodes)
    if [node.target for node in nodes] != [node.target for node in others]:
        return {}
    found: dict[fx.Node, Call] = {}
    for node, other in zip(nodes, others, strict=True):
        mine, theirs = _types(node), _types(other)
        if mine == theirs:
            continue
        if len(mine) != len(theirs):
            return {}
        found[node] = _with_types(node, theirs)
    return found


@contextmanager
def called_as(calls: dict[fx.Node, Call]) -> Iterator[None]:
    """Nodes with other arguments for a while."""
    before = {node: (node.args, node.kwargs) for node in calls}
    try:
        for node, (args, kwargs) in calls.items():
            node.args, node.kwargs = args, kwargs
        yield
    finally:
        for node, (args, kwargs) in before.items():
            node.args, node.kwargs = args, kwargs


def _types(node: fx.Node) -> list[torch.dtype]:
    """The types among the arguments of a call, in order."""
    found: list[torch.dtype] = []

    def note(one: Any) -> Any:
        if isinstance(one, torch.dtype):
            found.append(one)
        return one

    fx.node.map_aggregate((node.args, node.kwargs), note)
    return found


def _with_types(node: fx.Node, types: list[torch.dtype]) -> Call:
    """The arguments of a call with other types in place of its own."""
    left = iter(types)

    def swap(one: Any) -> Any:
        return next(left) if isinstance(one, torch.dtype) else one

    args, kwargs = fx.node.map_aggregate((node.args, node.kwargs), swap)
    return args, kwargs


def _in_double(leaf: Any) -> Any:
    if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
        return leaf.detach().double()
    return leaf
