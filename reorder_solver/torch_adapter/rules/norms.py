"""Normalisations: with stored statistics, by channel, and over channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.torch_adapter.norms import Kind, Normalisation, Setting, unscaled
from reorder_solver.torch_adapter.operations import Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.operations import Place
    from reorder_solver.torch_adapter.program import Constants, Value


@rule("aten.batch_norm.default")
def batch_norm(context: Context, node: fx.Node) -> Made | None:
    """In evaluation mode, a scale and a shift per channel."""
    bound = bind(node)
    if bound["training"] or bound["running_mean"] is None or bound["running_var"] is None:
        raise NotUnderstoodError("batch statistics are computed")
    return _scale_and_shift(context, node)


@rule(
    "aten._native_batch_norm_legit_no_training.default",
    "aten._batch_norm_no_update.default",
)
def native_batch_norm(context: Context, node: fx.Node) -> None:
    """The same, with further results that nobody uses."""
    made = _scale_and_shift(context, node, element=0)
    if made is not None:
        context.pieces[node] = [made]


@rule("aten.instance_norm.default")
def instance_norm(context: Context, node: fx.Node) -> Made | None:
    """Statistics of each channel by itself, computed or stored."""
    if not bind(node)["use_input_stats"]:
        return _scale_and_shift(context, node)
    source = context.value(bind(node)["input"])
    if source is not None and source.flow.block != 1:
        raise NotUnderstoodError("statistics of each feature of a block")
    return _scale_and_shift(context, node)


def _scale_and_shift(context: Context, node: fx.Node, element: int | None = None) -> Made | None:
    bound = bind(node)
    if context.value(bound["input"]) is None:
        return None
    source = context.on_axis(bound["input"], 1)
    parameters: dict[Place, tuple[str, int]] = {}
    for argument in ("weight", "bias", "running_mean", "running_var"):
        if bound[argument] is not None:
            context.attribute(bound[argument])
            parameters[argument, None] = str(bound[argument].target), 0
    operation = PerChannel(
        node,
        [Operand(("input", None), source, np.arange(source.channels))],
        parameters,
        settled=Unscaled(parameters, source.flow.sizes),
        element=element,
    )
    return operation, source.flow


class Unscaled:
    """Channels whose stored scale is zero: their shift is all that is left."""

    def __init__(self, parameters: dict[Any, tuple[str, int]], sizes: IndexArray) -> None:
        self._scale = parameters.get(("weight", None), (None, 0))[0]
        self._shift = parameters.get(("bias", None), (None, 0))[0]
        self._sizes = sizes

    def __call__(self, facts: Facts) -> Constants:
        """The shift there, NaN elsewhere."""
        return unscaled(facts, self._scale, self._shift, self._sizes)


@rule("aten.layer_norm.default", "aten.rms_norm.default")
def over_last_axes(context: Context, node: fx.Node) -> Made | None:
    """Over the channels, among the last axes, or of each channel by itself."""
    bound = bind(node)
    source = context.value(bound["input"])
    if source is None:
        return None
    shape = tuple(bound["normalized_shape"])
    if source.flow.axis < source.example.ndim - len(shape):
        operand = Operand(("input", None), source, np.arange(source.channels))
        return PerChannel(node, [operand]), source.flow
    kind = Kind.LAYER if "layer" in str(node.target) else Kind.ROOT_MEAN_SQUARE
    names = _names(context, bound)
    setting = Setting(kind, 1, shape, *names, bound["eps"])
    return Normalisation(node, source, setting, compensate=context.compensate), source.flow


@rule("aten.native_layer_norm.default")
def native_layer_norm(context: Context, node: fx.Node) -> None:
    """The same, with statistics that nobody uses."""
    bound = bind(node)
    source = context.value(bound["input"])
    if source is None:
        return
    shape = tuple(bound["normalized_shape"])
    if source.flow.axis < source.example.ndim - len(shape):
        operand = Operand(("input", None), source, np.arange(source.channels))
        context.pieces[node] = [(PerChannel(node, [operand], element=0), source.flow)]
        return
    setting = Setting(Kind.LAYER, 1, shape, *_names(context, bound), bound["eps"])
    operation = Normalisation(node, source, setting, compensate=context.compensate)
    context.pieces[node] = [(operation, source.flow)]


@rule("aten.group_norm.default")
def group_norm(context: Context, node: fx.Node) -> Made | None:
    """Over each of the groups of channels."""
    bound = bind(node)
    return _grouped(context, node, bound["num_groups"])


@rule("aten.native_group_norm.default")
def native_group_norm(context: Context, node: fx.Node) -> None:
    """The same, with statistics that nobody uses."""
    made = _grouped(context, node, bind(node)["group"], element=0)
    if made is not None:
        context.pieces[node] = [made]


def _grouped(
    context: Context, node: fx.Node, groups: int, element: int | None = None
) -> Made | None:
    bound = bind(node)
    if context.value(bound["input"]) is None:
        return None
    source = context.on_axis(bound["input"], 1)
    if groups > 1 and (source.flow.block != 1 or source.channels % groups):
        raise NotUnderstoodError("normalises groups of blocks of features")
    if groups > 1 and groups == source.channels:
        return _channel_by_channel(context, node, source, element)
    spatial = tuple(source.example.shape[2:])
    setting = Setting(Kind.GROUP, groups, spatial, *_names(context, bound), bound["eps"])
    return Normalisation(node, source, setting, compensate=context.compensate), source.flow


def _channel_by_channel(
    context: Context, node: fx.Node, source: Value, element: int | None
) -> Made:
    """Groups of one channel each."""
    count = source.flow.count
    names = ("num_groups",) if element is None else ("C", "group")
    parameters: dict[Place, tuple[str, int]] = {
        (argument, None): (name, 0)
        for argument, name in zip(("weight", "bias"), _names(context, bind(node)), strict=True)
        if name is not None
    }
    operation = PerChannel(
        node,
        [Operand(("input", None), source, np.arange(source.channels))],
        parameters,
        {(name, None): count for name in names},
        settled=Unscaled(parameters, source.flow.sizes),
        element=element,
    )
    return operation, source.flow


def _names(context: Context, bound: dict[str, Any]) -> tuple[str | None, str | None]:
    names: list[str | None] = []
    for argument in ("weight", "bias"):
        given = bound.get(argument)
        if given is not None:
            context.attribute(given)
        names.append(None if given is None else str(given.target))
    return names[0], names[1]
