"""Connections: which channels of which tensors each layer of a model reads and writes.

What pruning needs of the analysis, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reorder_solver.torch_adapter.build import build
from reorder_solver.torch_adapter.capture import capture
from reorder_solver.torch_adapter.facts import Facts
from reorder_solver.torch_adapter.layer_weights import channels, mixes
from reorder_solver.torch_adapter.operations import resolve
from reorder_solver.torch_adapter.plan import live_operations
from reorder_solver.torch_adapter.rules import RULES
from reorder_solver.torch_adapter.schema import bind, operator_name
from reorder_solver.torch_adapter.tensors import find_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from torch import fx, nn

    from reorder_solver.torch_adapter.capture import Captured
    from reorder_solver.torch_adapter.program import Value
    from reorder_solver.torch_adapter.tensors import Tensors

#: Operators that mix channels, and the place of the channel axis of their input and result.
_MIXING = {
    **{f"aten.conv{n}d.{overload}": 1 for n in (1, 2, 3) for overload in ("default", "padding")},
    "aten.conv_transpose1d.default": 1,
    "aten.conv_transpose2d.input": 1,
    "aten.conv_transpose3d.input": 1,
    "aten.linear.default": -1,
}


@dataclass(frozen=True, eq=False)
class Channels:
    """What the channels on one side of a layer are.

    Attributes
    ----------
    owner : ndarray of int, shape (features,)
        Per channel (feature) of the layer its owner's number: the features that a flatten makes
        of one channel have one owner.
    tensor : tuple of str, one per owner
        The tensor it is a channel of. Activations that share one channel order are one tensor.
    channel : ndarray of int, one per owner
        Which channel of that tensor.
    free : bool
        False if something else than the layers listed may depend on a channel of these tensors.
    """

    owner: npt.NDArray[np.int64]
    tensor: tuple[str, ...]
    channel: npt.NDArray[np.int64]
    free: bool

    @property
    def owners(self) -> int:
        """How many owners there are."""
        return len(self.tensor)


@dataclass(frozen=True, eq=False)
class Connection:
    """One call of a linear layer or convolution.

    Attributes
    ----------
    module : str
        Name of the module called.
    reads, writes : Channels
    reads_model_input, writes_model_output : bool
        True if no other such layer lies between the two.
    """

    module: str
    reads: Channels
    writes: Channels
    reads_model_input: bool
    writes_model_output: bool


def connections(model: nn.Module, example_inputs: Any) -> list[Connection]:
    """Every call of a linear layer or convolution with a weight of its own, in graph order.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor

    Raises
    ------
    CaptureError
        If the model cannot be captured.
    """
    facts = analysed(model, example_inputs)
    return connections_among(model, facts, find_tensors(facts, end_to_end=True))


def analysed(model: nn.Module, example_inputs: Any) -> Facts:
    """Constants and liveness of a model, whatever its masks.

    Raises
    ------
    CaptureError
        If the model cannot be captured.
    """
    captured = capture(model, example_inputs)
    return Facts(build(captured, RULES, {}), captured.attributes)


def connections_among(model: nn.Module, facts: Facts, tensors: Tensors) -> list[Connection]:
    """As :func:`connections`, for tensors that are known already."""
    captured = facts.program.captured
    operations = {getattr(one, "node", None): one for one in live_operations(facts)}
    modules = dict(model.named_modules(remove_duplicate=False))
    found: list[Connection] = []
    for node in captured.graph.nodes:
        axis = _MIXING.get(operator_name(node))
        weight = None if axis is None else bind(node)["weight"]
        if axis is None or weight is None or weight.op != "get_attr":
            continue
        name = _module_name(captured, node, str(weight.target))
        module = modules.get(name)
        source = bind(node)["input"]
        if module is None or not mixes(module) or not _is_batched(source, module):
            continue
        operation = operations.get(node)
        written = operation.output if operation is not None else None
        # What is not understood on the reading side has a result, but reads no channels.
        sources = operation.sources() if operation is not None and written else ()
        read = sources[0].value if sources else None
        found.append(
            Connection(
                name,
                _channels(tensors, read, f"value {source.name}", channels(module, "input")),
                _channels(tensors, written, f"value {node.name}", channels(module, "output")),
                reads_model_input=_reaches(node, "placeholder"),
                writes_model_output=_reaches(node, "output"),
            )
        )
    return found


def _is_batched(source: fx.Node, module: nn.Module) -> bool:
    weight = module.get_parameter("weight")
    return "val" in source.meta and (weight.ndim == 2 or source.meta["val"].ndim == weight.ndim)


def _module_name(captured: Captured, node: fx.Node, weight: str) -> str:
    """The module that made this call, if the weight is its own, or else the weight's owner."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]).split("@")[0] if stack else ""
    if path and f"{path}.weight" in captured.aliases.get(weight, ()):
        return path
    return weight.removesuffix(".weight")


def _channels(tensors: Tensors, value: Value | None, name: str, features: int) -> Channels:
    if value is None or value.flow.width != features or resolve(value)[0] not in tensors:
        numbers = np.arange(features)
        return Channels(numbers, (name,) * features, numbers, free=False)
    atoms = tensors.atoms(value)
    labels = {int(number): label_of(tensors, int(number)) for number in np.unique(atoms.tensors)}
    return Channels(
        owner=value.flow.owners(),
        tensor=tuple(labels[int(number)] for number in atoms.tensors),
        channel=atoms.channels,
        free=not any(tensors.classes[number].ordered for number in labels),
    )


def label_of(tensors: Tensors, number: int) -> str:
    """What a tensor is called in :class:`Channels`."""
    return f"{next(iter(tensors.classes[number].producers.values()))} ({number})"


def _reaches(start: fx.Node, op: str) -> bool:
    """True if the model's input (output) is reached without passing another mixing layer.

    Sizes do not count: only tensors carry channels.
    """
    forward = op == "output"
    seen: set[fx.Node] = set()
    waiting = list(start.users) if forward else [bind(start)["input"]]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.op == op:
            return True
        if not _carries_data(node) or (operator_name(node) in _MIXING):
            continue
        waiting += _neighbours(node, forward=forward)
    return False


def _neighbours(node: fx.Node, *, forward: bool) -> Iterator[fx.Node]:
    yield from node.users if forward else node.all_input_nodes


def _carries_data(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor | tuple | list)
