"""Operators that put values together and take them apart: cat, splits, slices, indices."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from reorder_solver.torch_adapter.build import select
from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.operations import Concatenation, Opaque, Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError, marked
from reorder_solver.torch_adapter.rules.elementwise import align
from reorder_solver.torch_adapter.rules.pooling import per_channel
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.rules.views import put_spread
from reorder_solver.torch_adapter.schema import bind, operator_name, schema_arguments
from reorder_solver.torch_adapter.spreads import Spread

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.operations import Place
    from reorder_solver.torch_adapter.program import Value


@rule("aten.cat.default", "aten.concat.default", "aten.concatenate.default")
def cat(context: Context, node: fx.Node) -> Made | None:
    """Lays channels end to end; on another axis, it ties."""
    if not context.has_channels(node):
        return None
    bound = bind(node)
    operands = list(bound["tensors"])
    axis = bound["dim"] % context.rank(node)
    values = [context.settle(one, {axis}) for one in operands]
    if any(value is not None and value.flow.axis == axis for value in values):
        pieces = [context.on_axis(one, axis) for one in operands]
        sizes = np.concatenate([piece.flow.sizes for piece in pieces])
        return Concatenation(node, axis, pieces), Flow(axis, sizes)
    aligned = align(
        context, node, [(("tensors", place), one) for place, one in enumerate(operands)]
    )
    if len(aligned.operands) + len(aligned.parameters) < len(operands):
        raise NotUnderstoodError("an operand without channels")
    return PerChannel(node, aligned.operands, aligned.parameters), aligned.flow


@rule("aten.stack.default")
def stack(context: Context, node: fx.Node) -> Made | None:
    """The same channels of every operand, on a new axis."""
    if not context.has_channels(node):
        return None
    bound = bind(node)
    operands = list(bound["tensors"])
    new = bound["dim"] % context.rank(node)
    axes = {value.flow.axis for one in operands if (value := context.settle(one)) is not None}
    if len(axes) > 1:
        raise NotUnderstoodError("operands have their channels on different axes")
    axis = axes.pop()
    values = [context.on_axis(one, axis) for one in operands]
    flow = next(
        value.flow for one, value in zip(operands, values, strict=True) if context.value(one)
    )
    if not all(value.flow.same_sizes(flow) for value in values):
        raise NotUnderstoodError("operands are made of different pieces")
    index = np.arange(flow.channels)
    tied = [Operand(("tensors", place), value, index) for place, value in enumerate(values)]
    return PerChannel(node, tied), flow.on(axis + (new <= axis))


_SPLITS = (
    "chunk.default", "split.Tensor", "split.sizes", "split_with_sizes.default", "unbind.int",
    "tensor_split.sections", "tensor_split.indices", "unsafe_chunk.default", "unsafe_split.Tensor",
    "unsafe_split_with_sizes.default", "split_copy.Tensor", "unbind_copy.int",
    "split_with_sizes_copy.default",
)  # fmt: skip


@rule(*(f"aten.{name}" for name in _SPLITS))
def split(context: Context, node: fx.Node) -> None:
    """Pieces on the channel axis, or the same channels in each piece."""
    source = node.all_input_nodes[0]
    axis = bind(node)["dim"] % context.rank(source)
    results = node.meta["val"]
    drops = "unbind" in operator_name(node)
    ends = range(len(results) + 1) if drops else _ends(results, axis)
    spread = context.spreads.get(source)
    if spread is not None and source not in context.program.values:
        if axis in spread.axes:
            context.pieces[node] = [
                spread.taken(axis, start if drops else np.arange(start, end))
                for start, end in pairwise(ends)
            ]
            return
        spread = None
    value = context.settle(source, {axis})
    if value is None:
        return
    if axis == value.flow.axis:
        if drops:
            raise NotUnderstoodError("takes single features out")
        context.pieces[node] = [_stretch(value, start, end) for start, end in pairwise(ends)]
        return
    flow = value.flow.on(value.flow.axis - (drops and axis < value.flow.axis))
    operand = Operand((schema_arguments(node)[0].name, None), value, np.arange(value.channels))
    context.pieces[node] = [
        (PerChannel(node, [operand], element=number), flow) for number in range(len(results))
    ]


def _ends(results: Any, axis: int) -> list[int]:
    sizes = [piece.shape[axis] for piece in results]
    if not all(isinstance(size, int) for size in sizes):
        # The pieces of an axis of unknown size: their places do not matter.
        return list(range(len(results) + 1))
    return [int(end) for end in np.cumsum([0, *sizes])]


def _stretch(value: Value, start: int, end: int) -> Made:
    """The channels whose features are from `start` up to `end`."""
    bounds = np.cumsum([0, *value.flow.sizes])
    first, last = np.searchsorted(bounds, [start, end])
    if bounds[first] != start or bounds[last] != end:
        raise NotUnderstoodError("cuts a channel apart")
    return select(value, np.arange(first, last))


@rule("getitem")
def getitem(context: Context, node: fx.Node) -> Made | None:
    """One element of an operator's several results."""
    source, index = node.args
    assert isinstance(source, fx.Node)
    pieces = context.pieces.get(source)
    if pieces is None:
        if context.has_channels(node):
            raise NotUnderstoodError("indexes a tensor")
        return None
    if not isinstance(index, int) or index >= len(pieces):
        raise NotUnderstoodError("a result that is not known")
    piece = pieces[index]
    if isinstance(piece, Spread):
        return put_spread(context, node, piece)
    operation, flow = piece
    if operation.output is not None:
        raise NotUnderstoodError("a result that is used twice")
    return operation, flow


@rule("aten.slice.Tensor", "aten.narrow.default", "aten.slice_copy.Tensor")
def slice_(context: Context, node: fx.Node) -> Made | None:
    """A stretch of the channels, or of another axis."""
    bound = bind(node)
    source = node.all_input_nodes[0]
    axis = bound["dim"] % context.rank(source)
    spread = context.spreads.get(source)
    if spread is not None and source not in context.program.values and axis in spread.axes:
        width = spread.labels.shape[spread.axes.index(axis)]
        return put_spread(context, node, spread.taken(axis, _picked(node, width)))
    if spread is not None and _keeps_all(node):
        context.spreads[node] = spread
        return None
    value = context.settle(source, {axis})
    if value is None:
        return None
    if axis != value.flow.axis:
        return per_channel(context, node, value), value.flow
    picked = _picked(node, value.flow.width)
    if not picked.size:
        raise NotUnderstoodError("takes nothing")
    if picked.size == 1 or bool((np.diff(picked) == 1).all()):
        return _stretch(value, int(picked[0]), int(picked[-1]) + 1)
    if value.flow.block != 1:
        raise NotUnderstoodError("cuts a channel apart")
    return select(value, picked)


def _keeps_all(node: fx.Node) -> bool:
    """True for a slice from the start to the end."""
    bound = bind(node)
    everything = bound.get("end") is None or bound["end"] == sys.maxsize
    return "step" in bound and everything and bound["start"] in (None, 0) and bound["step"] == 1


def _picked(node: fx.Node, width: int) -> IndexArray:
    """The entries that a slice keeps of an axis."""
    bound = bind(node)
    start, step = bound["start"] or 0, bound.get("step", 1)
    if operator_name(node) == "aten.narrow.default":
        start = start + width if isinstance(start, int) and start < 0 else start
        length = bound["length"]
        end = start + length if isinstance(start, int) and isinstance(length, int) else length
    else:
        end = width if bound["end"] is None else bound["end"]
    if not all(isinstance(each, int) for each in (start, end, step)):
        raise NotUnderstoodError("the bounds are computed")
    return np.arange(width)[slice(start, end, step)]


@rule("aten.select.int", "aten.select_copy.int")
def select_int(context: Context, node: fx.Node) -> Made | Opaque | None:
    """One entry of an axis; of the channel axis, a value without channels."""
    bound = bind(node)
    source, index = bound["self"], bound["index"]
    axis = bound["dim"] % context.rank(source)
    spread = context.spreads.get(source)
    if spread is not None and source not in context.program.values and axis in spread.axes:
        if not isinstance(index, int):
            raise NotUnderstoodError("the index is computed")
        return put_spread(context, node, spread.taken(axis, index))
    value = context.settle(source, {axis})
    if value is None:
        return None
    if axis == value.flow.axis:
        if not isinstance(index, int):
            raise NotUnderstoodError("the index is computed")
        return Feature(node, value, index % value.flow.width)
    return per_channel(context, node, value), value.flow.on(
        value.flow.axis - (1 if axis < value.flow.axis else 0)
    )


class Feature(Opaque):
    """One feature taken out of a value: it needs but the channel that has it."""

    def __init__(self, node: fx.Node, source: Value, feature: int) -> None:
        super().__init__(node, [source], "one feature is taken out")
        self.source = source
        self.channel = int(source.flow.owners()[feature])
        self._place = int((source.flow.owners()[:feature] == self.channel).sum())

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """The channel that it is taken from."""
        return [(self.source, marked(self.source.channels, np.array([self.channel])))]

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The feature's place within its channel."""
        given = emitter.get(self.source, np.array([self.channel]))
        return emitter.call(self.node, {("self", None): given, ("index", None): self._place})


def stored_index(context: Context, argument: Any) -> IndexArray:
    """A stored tensor of indices, or of marks, in one dimension."""
    stored = context.attribute(argument).detach().cpu()
    if stored.ndim != 1 or stored.is_floating_point():
        raise NotUnderstoodError("an index of several dimensions")
    if stored.dtype == torch.bool:
        stored = stored.nonzero().flatten()
    return stored.numpy().astype(np.int64)


@rule("aten.index_select.default")
def index_select(context: Context, node: fx.Node) -> Made | None:
    """Stored indices choose channels; on another axis, any do."""
    bound = bind(node)
    axis = bound["dim"] % context.rank(bound["self"])
    return _indexed(context, node, axis, bound["index"], shift=0)


def _indexed(context: Context, node: fx.Node, axis: int, index: Any, shift: int) -> Made | None:
    value = context.settle(bind(node)["self"], {axis})
    if value is None:
        if context.has_channels(node):
            raise NotUnderstoodError("the indices have channels")
        return None
    if axis != value.flow.axis:
        if any(one is not value for one in context.sources(node)):
            raise NotUnderstoodError("the indices have channels")
        return per_channel(context, node, value), value.flow.on(value.flow.axis + shift)
    if value.flow.block != 1:
        raise NotUnderstoodError("cuts a channel apart")
    chosen = stored_index(context, index)
    return select(value, np.where(chosen < 0, chosen + value.channels, chosen))


@rule("aten.index.Tensor")
def index_tensor(context: Context, node: fx.Node) -> Made | None:
    """Indices on one axis or several, as NumPy has them."""
    indices = list(bind(node)["indices"])
    places = [place for place, one in enumerate(indices) if one is not None]
    value = context.settle(bind(node)["self"], set(places))
    if value is None:
        return _indexed(context, node, places[0], indices[places[0]], 0)
    if value.flow.axis in places:
        if len(places) > 1:
            raise NotUnderstoodError("indexes the channels together with other axes")
        return _indexed(context, node, places[0], indices[places[0]], 0)
    if any(context.example(indices[place]).dtype == torch.bool for place in places):
        raise NotUnderstoodError("an index of marks")
    depth = max(context.rank(indices[place]) for place in places)
    together = places == list(range(places[0], places[0] + len(places)))
    axis = value.flow.axis
    shift = -sum(1 for place in places if place < axis)
    if not together or places[0] < axis:
        shift += depth
    return _indexed(context, node, places[0], indices[places[0]], shift)


@rule("aten.gather.default", "aten.take_along_dim.default")
def gather(context: Context, node: fx.Node) -> Made | None:
    """Picks along an axis, for each channel by itself."""
    if not context.has_channels(node):
        return None
    bound = bind(node)
    index = bound.get("index", bound.get("indices"))
    context.settle(bound["self"], {(bound["dim"] or 0) % context.rank(node)})
    name = "index" if "index" in bound else "indices"
    operands: list[tuple[Place, fx.Node]] = [(("self", None), bound["self"])]
    assert isinstance(index, fx.Node)
    aligned = align(context, node, [*operands, ((name, None), index)])
    same = (
        context.shape(bound["self"])[aligned.flow.axis] == context.shape(index)[aligned.flow.axis]
    )
    if bound["dim"] is None or bound["dim"] % context.rank(node) == aligned.flow.axis or not same:
        raise NotUnderstoodError("picks along the channels")
    return PerChannel(node, aligned.operands, aligned.parameters), aligned.flow


@rule("aten.slice_scatter.default", "aten.select_scatter.default")
def scatter(context: Context, node: fx.Node) -> Made | None:
    """A value with a part of it replaced."""
    if not context.has_channels(node):
        return None
    bound = bind(node)
    axis = bound["dim"] % context.rank(node)
    value = context.settle(bound["self"], {axis})
    if value is None:
        raise NotUnderstoodError("what is written to has no channels")
    whole = value.flow
    if axis != whole.axis:
        drops = operator_name(node) == "aten.select_scatter.default" and axis < whole.axis
        written = context.on_axis(bound["src"], whole.axis - drops)
        if not written.flow.same_sizes(whole):
            raise NotUnderstoodError("operands are made of different pieces")
        index = np.arange(whole.channels)
        both = [Operand(("self", None), value, index), Operand(("src", None), written, index)]
        return PerChannel(node, both), whole
    if operator_name(node) == "aten.select_scatter.default" or whole.block != 1:
        raise NotUnderstoodError("writes single features")
    picked = _picked(node, whole.width)
    if not picked.size or not bool((np.diff(picked) == 1).all()):
        raise NotUnderstoodError("writes single features")
    parts = [context.on_axis(bound["src"], axis)]
    for start, end, place in ((0, int(picked[0]), 0), (int(picked[-1]) + 1, whole.width, 2)):
        if end > start:
            operation, flow = _stretch(value, start, end)
            part = context.new_value(node.name, operation, flow, value.example)
            parts.insert(min(place, len(parts)), part)
    sizes = np.concatenate([part.flow.sizes for part in parts])
    return Concatenation(node, axis, parts), Flow(axis, sizes)
