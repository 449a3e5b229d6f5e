"""Convolutions and linear layers: they mix channels, or are depthwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.grouped import Blocks, GroupedMix
from reorder_solver.torch_adapter.mixing import LAYER, Mix, Places, Weights
from reorder_solver.torch_adapter.operations import Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.rules.norms import Unscaled
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind
from reorder_solver.torch_adapter.stored import Lookup

if TYPE_CHECKING:
    import torch
    from torch import fx

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.operations import Place

_CONVOLUTIONS = tuple(
    f"aten.conv{spatial}d.{overload}"
    for spatial in (1, 2, 3)
    for overload in ("default", "padding")
)
_TRANSPOSED = (
    "aten.conv_transpose1d.default",
    "aten.conv_transpose2d.input",
    "aten.conv_transpose3d.input",
)


@rule(*_CONVOLUTIONS, *_TRANSPOSED, "aten.convolution.default")
def convolution(context: Context, node: fx.Node) -> Made | None:
    """A dense one reads all its input channels; a depthwise one handles each by itself."""
    bound = bind(node)
    groups = bound["groups"]
    weight = context.attribute(bound["weight"])
    if context.rank(bound["input"]) != weight.ndim:
        raise NotUnderstoodError("the input has no batch axis")
    transposed = bound.get("transposed", "transpose" in str(node.target))
    padded = _is_padded(bound["padding"])
    if transposed:
        padded = not _touches_once(bound, weight)
    if groups == 1:
        axes = (1, 0) if transposed else (0, 1)
        return mix(context, node, LAYER, axes, channels=1, padded=padded)
    channels = context.size(bound["input"], 1)
    outputs = int(weight.shape[1]) if transposed else int(weight.shape[0]) // groups
    if groups == channels and outputs == 1:
        return _depthwise(context, node)
    source = context.on_axis(bound["input"], 1)
    if source.flow.block != 1:
        raise NotUnderstoodError("a grouped convolution of blocks of features")
    name = str(bound["weight"].target)
    weights = Weights(name, weight, 0, 1, stored_bias(context, bound["bias"]))
    operation = GroupedMix(
        node,
        source,
        weights,
        Blocks(groups, outputs, channels // groups, transposed),
        context.module_path(node, name),
        context.declared.get(name),
        padded=padded,
    )
    return operation, Flow.single(1, groups * outputs)


def _touches_once(bound: dict[str, Any], weight: torch.Tensor) -> bool:
    """True if a transposed convolution makes each output of one input, by one weight."""
    plain = all(size == 1 for size in (*weight.shape[2:], *_as_list(bound["stride"])))
    return plain and not any((*_as_list(bound["padding"]), *_as_list(bound["output_padding"])))


def _as_list(setting: Any) -> list[Any]:
    return list(setting) if isinstance(setting, list | tuple) else [setting]


def _is_padded(padding: Any) -> bool:
    if isinstance(padding, str):
        return padding != "valid"
    return any(_as_list(padding))


def _depthwise(context: Context, node: fx.Node) -> Made | None:
    bound = bind(node)
    if context.value(bound["input"]) is None:
        return None
    source = context.on_axis(bound["input"], 1)
    if source.flow.block != 1:
        raise NotUnderstoodError("a depthwise convolution of blocks of features")
    parameters: dict[Place, tuple[str, int]] = {("weight", None): (str(bound["weight"].target), 0)}
    bias = stored_bias(context, bound["bias"])
    if bias is not None:
        parameters["bias", None] = bias, 0
    index = np.arange(source.channels)
    operation = PerChannel(
        node,
        [Operand(("input", None), source, index)],
        parameters,
        {("groups", None): lambda sequence: int(sequence.size)},
        settled=Unscaled(parameters, source.flow.sizes),
    )
    return operation, source.flow


@rule("aten.linear.default")
def linear(context: Context, node: fx.Node) -> Made | None:
    """Reads the last axis; channels on another axis are left alone."""
    bound = bind(node)
    last = context.rank(bound["input"]) - 1
    if last < 1:
        raise NotUnderstoodError("the input has no batch axis")
    value = context.value(bound["input"])
    if value is not None and value.flow.axis != last:
        index = np.arange(value.channels)
        return PerChannel(node, [Operand(("input", None), value, index)]), value.flow
    if context.attribute(bound["weight"]).ndim != 2:
        raise NotUnderstoodError("the weight is no matrix")
    return mix(context, node, LAYER, (0, 1), channels=last, padded=False)


def mix(
    context: Context,
    node: fx.Node,
    places: Places,
    axes: tuple[int, int],
    *,
    channels: int,
    made: int | None = None,
    padded: bool,
) -> Made:
    """A product with a stored weight whose output and input features are on `axes`.

    `channels` is the axis of the input that is read, `made` the axis of the output's own.
    """
    rows, columns = axes
    given = argument(node, places.weight)
    weight = context.attribute(given)
    source = context.on_axis(argument(node, places.input), channels)
    if source.flow.width != weight.shape[columns]:
        raise NotUnderstoodError("the weight does not fit the input")
    bias = None if places.bias is None else stored_bias(context, argument(node, places.bias))
    name = str(given.target)
    declared = context.declared.get(name)
    operation = Mix(
        node,
        source,
        Weights(name, weight, rows, columns, bias, places),
        context.module_path(node, name),
        declared if declared is not None and declared.size == source.flow.width else None,
        padded=padded,
    )
    return operation, Flow.single(channels if made is None else made, int(weight.shape[rows]))


def argument(node: fx.Node, place: Place) -> Any:
    """What a call is given at a place."""
    name, element = place
    found = bind(node)[name]
    return found if element is None else found[element]


def stored_bias(context: Context, bias: Any) -> str | None:
    """The name of a bias."""
    if bias is None:
        return None
    if context.attribute(bias).ndim != 1:
        raise NotUnderstoodError("the bias is no vector")
    return str(bias.target)


@rule("aten.prelu.default")
def prelu(context: Context, node: fx.Node) -> Made | None:
    """One slope per channel, or one for all."""
    bound = bind(node)
    if context.value(bound["self"]) is None:
        return None
    source = context.on_axis(bound["self"], 1)
    parameters: dict[Place, tuple[str, int]] = {}
    if context.attribute(bound["weight"]).numel() != 1:
        parameters["weight", None] = str(bound["weight"].target), 0
    operand = Operand(("self", None), source, np.arange(source.channels))
    return PerChannel(node, [operand], parameters), source.flow


@rule("aten.embedding.default")
def embedding(context: Context, node: fx.Node) -> Made | None:
    """Rows of a stored table: its columns are the channels."""
    bound = bind(node)
    if context.has_channels(node):
        raise NotUnderstoodError("the indices have channels")
    weight = context.attribute(bound["weight"])
    axis = context.rank(node) - 1
    operation = Lookup(node, str(bound["weight"].target), 1)
    return operation, Flow.single(axis, int(weight.shape[1]))
