"""Graphs that do not depend on how many channels a value has: some are dropped later."""

from __future__ import annotations

import torch
from torch import fx

from reorder_solver.torch_adapter.functional import IN_PLACE
from reorder_solver.torch_adapter.schema import bind

#: Operators that ask their first argument for its type and device alone.
_FILLING = frozenset(f"aten.new_{kind}.default" for kind in ("zeros", "ones", "full", "empty"))
#: Operators that drop axes with one entry.
_SQUEEZING = frozenset(f"aten.squeeze.{overload}" for overload in ("default", "dim", "dims"))


def forget_widths(graph: fx.Graph) -> None:
    """Ask for sizes and types only where dropped channels do not change the answer."""
    _write_sizes_out(graph)
    _write_squeezed_axes_out(graph)
    _sizes_from_inputs(graph)
    _types_from_inputs(graph)


def _write_sizes_out(graph: fx.Graph) -> None:
    """Views with the sizes of another tensor, which may lose channels, get numbers."""
    for node in list(graph.nodes):
        if str(node.target) not in ("aten.reshape_as.default", "aten.view_as.default"):
            continue
        source, other = node.args
        with graph.inserting_before(node):
            sizes = [
                size if isinstance(size, int) else _size(graph, other, axis, size)
                for axis, size in enumerate(other.meta["val"].shape)
            ]
        node.target = torch.ops.aten.reshape.default
        node.args = source, sizes


def _size(graph: fx.Graph, node: fx.Node, axis: int, size: torch.SymInt) -> fx.Node:
    made = graph.call_function(torch.ops.aten.sym_size.int, (node, axis))
    made.meta["val"] = size
    return made


def _sizes_from_inputs(graph: fx.Graph) -> None:
    """Ask the model's inputs for dynamic sizes, never a value whose channels may be dropped."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    known = {
        str(size): (node, axis)
        for node in reversed(inputs)
        if isinstance(node.meta.get("val"), torch.Tensor)
        for axis, size in enumerate(node.meta["val"].shape)
        if isinstance(size, torch.SymInt)
    }
    for node in list(graph.nodes):
        if str(node.target) != "aten.sym_size.int" or node.args[0] in inputs:
            continue
        origin = known.get(str(node.meta.get("val")))
        if origin is not None:
            node.args = origin


def _write_squeezed_axes_out(graph: fx.Graph) -> None:
    """Squeeze the axes that have one entry in the model, never one that comes to have one."""
    for node in list(graph.nodes):
        if str(node.target) not in _SQUEEZING:
            continue
        source = node.all_input_nodes[0]
        sizes = source.meta["val"].shape
        given = bind(node).get("dim", range(len(sizes)))
        axes = [given] if isinstance(given, int) else list(given)
        kept = [axis for axis in axes if not isinstance(sizes[axis], int) or sizes[axis] == 1]
        if not kept:
            node.replace_all_uses_with(source)
            graph.erase_node(node)
        elif kept != axes or "default" in str(node.target):
            node.target = torch.ops.aten.squeeze.dims
            node.args, node.kwargs = (source, kept), {}
            node.meta.pop(IN_PLACE, None)


def _types_from_inputs(graph: fx.Graph) -> None:
    """Ask the model's inputs, likewise, for the type and device of tensors that are filled."""
    known = {
        (node.meta["val"].dtype, node.meta["val"].device): node
        for node in reversed(graph.nodes)
        if node.op == "placeholder" and isinstance(node.meta.get("val"), torch.Tensor)
    }
    for node in graph.nodes:
        if str(node.target) not in _FILLING or not isinstance(
            node.args[0].meta.get("val"), torch.Tensor
        ):
            continue
        like = node.args[0].meta["val"]
        if node.args[0].op != "get_attr":
            node.update_arg(0, known.get((like.dtype, like.device), node.args[0]))
