"""Image format: computing with images in another memory format than they are handed over in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from reorder_solver.torch_adapter.functional import written_argument
from reorder_solver.torch_adapter.schema import bind, operator_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reorder_solver.torch_adapter.capture import Captured
    from reorder_solver.torch_adapter.usage import Usage

_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
#: Words in the names of operators whose results depend on how their arguments lie in memory.
_LOOKS_AT_MEMORY = ("stride", "storage", "set_", "resize", "view_as_", "view.dtype")
_CONVOLUTION = "conv2d"


def other_format(captured: Captured, usage: Usage) -> Usage | None:
    """The usage in which images are computed in the other memory format.

    None for a network without images and convolutions of them, and for one that looks at how
    values lie in memory, writes to its inputs, or may do so in a branch or a loop.
    """
    nodes = captured.graph.nodes
    images = [node for node in nodes if _is_image(node) and node.op == "placeholder"]
    calls = [node for node in nodes if node.op == "call_function"]
    names = [operator_name(node) for node in calls]
    if not images or not any(_CONVOLUTION in name for name in names):
        return None
    if any(word in name for name in names for word in _LOOKS_AT_MEMORY):
        return None
    if any(_writes_to_input(node) for node in calls):
        return None
    # The graphs of branches and loops, which are not looked into.
    if any(isinstance(one, nn.Module) for one in captured.attributes.values()):
        return None
    inside = "contiguous" if usage.is_last else "channels_last"
    return replace(usage, memory_format=inside, handed_over=usage.memory_format)


def convert_images(graph: fx.Graph, captured: fx.Graph, usage: Usage) -> None:
    """Convert images where they come in, and back where they are returned.

    Parameters
    ----------
    graph : torch.fx.Graph
        The export's. Its inputs and outputs are those of `captured`.
    captured : torch.fx.Graph
        The model's, whose examples say in which memory format an output is.
    usage : Usage
    """
    for node in list(graph.nodes):
        if node.op == "placeholder" and _is_image(node) and node.users:
            with graph.inserting_after(node):
                converted = _converted(graph, node, _FORMATS[usage.memory_format])
            node.replace_all_uses_with(converted, lambda user, made=converted: user is not made)
    (output,) = (node for node in graph.nodes if node.op == "output")
    examples = iter(_outputs(captured))

    def back(leaf: Any) -> Any:
        example = next(examples)
        if not isinstance(leaf, fx.Node) or not _is_image(example):
            return leaf
        found = example.meta["val"]
        for form in _FORMATS.values():
            if found.is_contiguous(memory_format=form):
                with graph.inserting_before(output):
                    return _converted(graph, leaf, form)
        return leaf

    output.args = (pytree.tree_map(back, output.args[0]),)


def store_in_format(values: dict[str, Any], usage: Usage) -> None:
    """Bring weights into the memory format of the images.

    A convolution in ``channels_last`` rearranges a contiguous weight at every call, and one whose
    weight is in ``channels_last`` computes in that format whatever its images are in.
    """
    form = _FORMATS[usage.memory_format]
    for name, stored in values.items():
        if not isinstance(stored, torch.Tensor) or stored.ndim != 4:
            continue
        data = stored.detach().contiguous(memory_format=form)
        if isinstance(stored, nn.Parameter):
            data = nn.Parameter(data, requires_grad=stored.requires_grad)
        values[name] = data


def _converted(graph: fx.Graph, node: fx.Node, form: torch.memory_format) -> fx.Node:
    return graph.call_method("contiguous", (node,), {"memory_format": form})


def _outputs(graph: fx.Graph) -> Iterator[Any]:
    for node in graph.nodes:
        if node.op == "output":
            yield from pytree.tree_leaves(node.args[0])


def _is_image(node: Any) -> bool:
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    return isinstance(value, torch.Tensor) and value.ndim == 4 and value.is_floating_point()


def _writes_to_input(node: fx.Node) -> bool:
    written = written_argument(node)
    return written is not None and bind(node)[written].op == "placeholder"
