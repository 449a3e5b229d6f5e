"""Operators that work on other axes than the channels': pooling, padding, resizing, windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.operations import Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError, chosen
from reorder_solver.torch_adapter.rules.elementwise import align
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind, operator_name, schema_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.program import Constants, Value

_RESIZERS = {
    "nearest1d": 1, "nearest2d": 2, "nearest3d": 3, "linear1d": 1, "bilinear2d": 2,
    "bicubic2d": 2, "trilinear3d": 3,
}  # fmt: skip
_AGAIN = {
    "_upsample_nearest_exact1d": 1, "_upsample_nearest_exact2d": 2, "_upsample_nearest_exact3d": 3,
    "_upsample_bilinear2d_aa": 2, "_upsample_bicubic2d_aa": 2,
    **{f"upsample_{name}": axes for name, axes in _RESIZERS.items()},
}  # fmt: skip
#: Operator to number of trailing axes it works on.
_SPATIAL = {
    **{
        f"aten.{name}{spatial}d.default": spatial
        for name in (
            "max_pool", "avg_pool", "adaptive_avg_pool", "_adaptive_avg_pool", "reflection_pad",
            "replication_pad", "lp_pool",
        )
        for spatial in (1, 2, 3)
    },
    **{
        f"aten.{name}.{overload}": spatial
        for name, spatial in _AGAIN.items()
        for overload in ("vec", "default")
    },
    "aten.grid_sampler.default": 2,
    "aten.grid_sampler_2d.default": 2,
    "aten.grid_sampler_3d.default": 3,
}  # fmt: skip
#: The same with further results beside the pooled values.
_SPATIAL_TUPLES = {
    f"aten.{name}.default": spatial
    for spatial in (1, 2, 3)
    for name in (f"adaptive_max_pool{spatial}d", f"max_pool{spatial}d_with_indices")
}


def _existing(names: Iterable[str]) -> Iterator[str]:
    """Those that this version of PyTorch has."""
    for name in names:
        packet = getattr(torch.ops.aten, name.split(".")[1], None)
        if packet is not None and name.split(".")[2] in packet.overloads():
            yield name


def per_channel(context: Context, node: fx.Node, source: Value, **options: Any) -> PerChannel:
    """An operator whose first argument carries the channels, each handled by itself.

    What other arguments carry channels is used as a whole.
    """
    place = schema_arguments(node)[0].name, None
    operands = [Operand(place, source, np.arange(source.channels))]
    for name, given in list(bind(node).items())[1:]:
        several = isinstance(given, list | tuple)
        for number, one in enumerate(given) if several else ((None, given),):
            value = context.settle(one) if isinstance(one, fx.Node) else None
            if value is not None:
                operands.append(Operand((name, number), value, None))
    return PerChannel(node, operands, **options)


@rule(*_existing(_SPATIAL))
def spatial(context: Context, node: fx.Node) -> Made | None:
    """Each channel by itself, if the channels are before the spatial axes."""
    source = _before(context, node, _SPATIAL[operator_name(node)])
    return None if source is None else (per_channel(context, node, source), source.flow)


@rule(*_existing(_SPATIAL_TUPLES))
def spatial_with_indices(context: Context, node: fx.Node) -> None:
    """As above, for each of the results."""
    source = _before(context, node, _SPATIAL_TUPLES[operator_name(node)])
    if source is not None:
        context.pieces[node] = [
            (per_channel(context, node, source, element=number), source.flow)
            for number in range(len(node.meta["val"]))
        ]


@rule("aten.max_unpool2d.default", "aten.max_unpool3d.default")
def unpool(context: Context, node: fx.Node) -> Made | None:
    """Each channel goes back to where its own indices say."""
    bound = bind(node)
    source = _before(context, node, 3 if "3d" in operator_name(node) else 2)
    if source is None:
        return None
    aligned = align(context, node, [((name, None), bound[name]) for name in ("self", "indices")])
    return PerChannel(node, aligned.operands, aligned.parameters), aligned.flow


def _before(context: Context, node: fx.Node, trailing: int) -> Value | None:
    argument = node.args[0]
    rank = context.rank(argument)
    source = context.settle(argument, range(rank - trailing, rank))
    if source is None and context.has_channels(node):
        raise NotUnderstoodError("an argument other than the first has channels")
    if source is not None and source.flow.axis >= rank - trailing:
        raise NotUnderstoodError("works on the channel axis")
    return source


@rule("aten.im2col.default")
def windows(context: Context, node: fx.Node) -> Made | None:
    """Every channel's windows, as features one after the other."""
    source = _before(context, node, 2)
    if source is None:
        return None
    size = int(np.prod(bind(node)["kernel_size"]))
    flow = Flow(source.flow.axis, source.flow.sizes * size)
    return per_channel(context, node, source), flow


@rule("aten.col2im.default")
def sum_of_windows(context: Context, node: fx.Node) -> Made | None:
    """The reverse, if a channel's windows are together."""
    source = _before(context, node, 1)
    if source is None:
        return None
    size = int(np.prod(bind(node)["kernel_size"]))
    if (source.flow.sizes % size).any():
        raise NotUnderstoodError("takes channels apart")
    return per_channel(context, node, source), Flow(source.flow.axis, source.flow.sizes // size)


@rule("aten.unfold.default")
def sliding(context: Context, node: fx.Node) -> Made | None:
    """Windows along one axis, on a new last axis."""
    bound = bind(node)
    axis = bound["dimension"] % context.rank(bound["self"])
    source = context.settle(bound["self"], {axis})
    if source is None:
        return None
    if axis == source.flow.axis:
        raise NotUnderstoodError("works on the channel axis")
    return per_channel(context, node, source), source.flow


@rule("aten.pad.default", "aten.constant_pad_nd.default", "aten._pad_circular.default")
def pad(context: Context, node: fx.Node) -> Made | None:
    """Pads the last axes, two numbers each; new channels are constants."""
    bound = bind(node)
    argument = bound["self"]
    source = context.settle(argument)
    if source is None:
        return None
    rank = context.rank(argument)
    place = 2 * (rank - 1 - source.flow.axis)
    amounts = list(bound["pad"])[place : place + 2]
    if all(amount == 0 for amount in amounts):
        return per_channel(context, node, source), source.flow
    if not all(isinstance(amount, int) and amount >= 0 for amount in amounts):
        raise NotUnderstoodError("cuts channels off")
    if bound.get("mode", "constant") != "constant" or "circular" in operator_name(node):
        raise NotUnderstoodError("pads the channel axis with other channels")
    before, after = amounts
    ones = [np.ones(before, dtype=np.int64), source.flow.sizes, np.ones(after, dtype=np.int64)]
    return ChannelPad(node, source, place, before, after), Flow(
        source.flow.axis, np.concatenate(ones)
    )


class ChannelPad(PerChannel):
    """Constant channels put before and behind those of the source."""

    def __init__(self, node: fx.Node, source: Value, place: int, before: int, after: int) -> None:
        nothing = [np.full(count, -1, dtype=np.int64) for count in (before, after)]
        self.index = np.concatenate([nothing[0], np.arange(source.channels), nothing[1]])
        self._place = place
        super().__init__(node, [Operand(("self", None), source, self.index)])

    def needs(self, live: Any, facts: Facts) -> list[tuple[Value, Any]]:
        """The live ones, or a single other one: there must be something to pad."""
        ((value, mask),) = super().needs(live, facts)
        if live.any() and not mask.any():
            mask[facts.filler(value)] = True
        return [(value, mask)]

    def constants(self, facts: Facts) -> Constants:
        """The number that is put there; the source's, if that is all around them too."""
        value = bind(self.node)["value"] or 0.0
        inside = facts.constants(self.operands[0].value)
        others = [n for p, n in enumerate(bind(self.node)["pad"]) if p // 2 != self._place // 2]
        if any(amount != 0 for amount in others):
            inside = np.where(inside == value, inside, np.nan)
        return np.where(self.index < 0, float(value), inside[self.index])

    def lower(self, sequence: IndexArray, emitter: Emitter) -> Any:
        """Constants around the source's channels, or a choice of these and one constant."""
        source = self.operands[0].value
        real = self.index[sequence] >= 0
        channels = chosen(self.index, sequence)
        places = np.flatnonzero(real)
        together = channels.size > 0 and bool((np.diff(places) == 1).all())
        around = [places[0], sequence.size - 1 - places[-1]] if together else [0, 1]
        if not channels.size:
            channels = np.array([emitter.facts.filler(source)])
        pads = list(bind(self.node)["pad"])
        pads[self._place : self._place + 2] = [int(count) for count in around]
        made = emitter.call(
            self.node, {("self", None): emitter.get(source, channels), ("pad", None): pads}
        )
        if together:
            return made
        sizes = np.append(source.flow.sizes[channels], 1)
        wanted = np.where(real, np.cumsum(real) - 1, channels.size)
        order = np.arange(sizes.size)
        return emitter.select(made, Flow(source.flow.axis, sizes), order, wanted)
