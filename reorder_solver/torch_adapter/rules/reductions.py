"""Reductions, softmax and running sums, over the channel axis or over others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.operations import Inseparable, Opaque, Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError, Operation, Source
from reorder_solver.torch_adapter.rules.pooling import per_channel
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind, operator_name, schema_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import fx

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.program import Value

_REDUCTIONS = (
    "mean.dim", "mean.default", "sum.dim_IntList", "sum.default", "nansum.default", "amax.default",
    "amin.default", "var.correction", "var.dim", "var.default", "std.correction", "std.dim",
    "std.default", "logsumexp.default", "prod.dim_int", "prod.default", "any.dim", "any.dims",
    "any.default", "all.dim", "all.dims", "all.default", "max.default", "min.default",
    "linalg_vector_norm.default", "norm.Scalar", "norm.ScalarOpt_dim", "count_nonzero.dim_IntList",
    "count_nonzero.default",
)  # fmt: skip
#: Which entry it is depends on the order of what it is reduced over.
_ORDERED_REDUCTIONS = ("argmax.default", "argmin.default")
_SEVERAL = ("max.dim", "min.dim", "var_mean.correction", "std_mean.correction", "aminmax.default")
#: Zeros that are left out make no difference.
_SUMS = ("sum", "nansum", "any", "count_nonzero", "linalg_vector_norm", "norm")
_SOFTMAX = ("softmax.int", "_softmax.default", "log_softmax.int", "_log_softmax.default")
_RUNNING = (
    "cumsum.default", "cumprod.default", "logcumsumexp.default", "sort.default", "sort.stable",
    "argsort.default", "topk.default", "cummax.default", "cummin.default",
)  # fmt: skip


@rule(*(f"aten.{name}" for name in (*_REDUCTIONS, *_ORDERED_REDUCTIONS)))
def reduction(context: Context, node: fx.Node) -> Made | Opaque | None:
    """Each channel by itself, or all of them, in any order."""
    source = node.all_input_nodes[0]
    reduced = _reduced(node, context.rank(source))
    value = context.settle(source, reduced)
    if value is None:
        return None
    keeps = bool(bind(node).get("keepdim", False))
    axis = value.flow.axis
    if axis not in reduced:
        kept = axis if keeps else axis - sum(1 for one in reduced if one < axis)
        return per_channel(context, node, value), value.flow.on(kept)
    name = operator_name(node).split(".")[1]
    if name in ("argmax", "argmin"):
        raise NotUnderstoodError("depends on the order of the channels")
    skips = name in (*_SUMS, "mean") and _ignores_zeros(node)
    if keeps:
        return Reduction(node, value, skips=skips, mean=name == "mean"), Flow.single(axis, 1)
    return Collapse(node, value, skips=skips, mean=name == "mean")


@rule(*(f"aten.{name}" for name in _SEVERAL))
def reduction_with_more(context: Context, node: fx.Node) -> None:
    """As above, for each of the results; over the channels, only for the first."""
    source = node.all_input_nodes[0]
    reduced = _reduced(node, context.rank(source))
    value = context.settle(source, reduced)
    if value is None:
        return
    axis, results = value.flow.axis, range(len(node.meta["val"]))
    keeps = bool(bind(node).get("keepdim", False))
    if axis not in reduced:
        kept = axis if keeps else axis - sum(1 for one in reduced if one < axis)
        context.pieces[node] = [
            (per_channel(context, node, value, element=number), value.flow.on(kept))
            for number in results
        ]
        return
    indices = operator_name(node) in ("aten.max.dim", "aten.min.dim")
    if not keeps or (indices and any(user.args[1] != 0 for user in node.users)):
        raise NotUnderstoodError("reduces the channel axis")
    context.pieces[node] = [
        (Reduction(node, value, element=number), Flow.single(axis, 1)) for number in results
    ]


def _reduced(node: fx.Node, rank: int) -> set[int]:
    bound = bind(node)
    dims = bound.get("dim")
    if isinstance(dims, int):
        return {dims % rank}
    return {axis % rank for axis in dims} if dims else set(range(rank))


def _ignores_zeros(node: fx.Node) -> bool:
    order = bind(node).get("ord", bind(node).get("p", 2))
    return order is None or (isinstance(order, int | float) and order > 0)


class _AnyOrder:
    """What an operator that treats all channels alike needs of them.

    Parameters
    ----------
    node : torch.fx.Node
    source : Value
    skips : bool
        True if channels that are zero everywhere may be left out.
    mean : bool
        True if the result is divided by the number of channels.
    element : int, optional
        Of an operator with several results, the one that is meant.
    """

    def __init__(
        self,
        node: fx.Node,
        source: Value,
        *,
        skips: bool = False,
        mean: bool = False,
        element: int | None = None,
    ) -> None:
        self.node = node
        self.source = source
        self._skips = skips
        self._mean = mean
        self._element = element

    def sources(self) -> Sequence[Source]:
        """The value reduced, its channels in any order."""
        return [Source(self.source, None)]

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """All channels, or all that are not zero; there must be one."""
        wanted = np.full(self.source.channels, bool(live.any()))
        if self._skips:
            wanted &= facts.constants(self.source) != 0
            if live.any() and not wanted.any():
                wanted[self._some_zero(facts)] = True
        return [(self.source, wanted)]

    def _some_zero(self, facts: Facts) -> int:
        return facts.filler(self.source)

    def lower(self, sequence: IndexArray, emitter: Emitter) -> Any:
        """The operator on what is needed, as it is stored."""
        ((_, wanted),) = self.needs(np.ones(1, dtype=np.bool_), emitter.facts)
        stored = emitter.stored(self.source)
        channels = stored[wanted[stored]]
        place = schema_arguments(self.node)[0].name, None
        made = emitter.call(self.node, {place: emitter.get(self.source, channels)})
        if self._element is not None:
            made = emitter.item(made, self._element)
        share = self.source.flow.count(channels) / self.source.flow.width
        if self._mean and share != 1:
            made = emitter.emit(torch.ops.aten.mul.Scalar, made, share)
        return made


class Reduction(_AnyOrder, Operation):
    """A reduction over all channels that leaves one in their place."""


class Collapse(_AnyOrder, Opaque):
    """A reduction over all channels that leaves none."""

    reason = "reduces the channel axis"


@rule(*(f"aten.{name}" for name in _SOFTMAX))
def softmax(context: Context, node: fx.Node) -> Made | None:
    """Each channel by itself, or all together."""
    source = node.all_input_nodes[0]
    axis = bind(node)["dim"] % context.rank(source)
    value = context.settle(source, {axis})
    if value is None:
        return None
    if axis != value.flow.axis:
        return per_channel(context, node, value), value.flow
    return Inseparable(
        node, [Operand(("self", None), value, np.arange(value.channels))]
    ), value.flow


@rule(*(f"aten.{name}" for name in _RUNNING))
def running(context: Context, node: fx.Node) -> Made | None:
    """Sorts or adds up along another axis than the channels'."""
    source = node.all_input_nodes[0]
    axis = bind(node)["dim"] % context.rank(source)
    value = context.settle(source, {axis})
    if value is None:
        return None
    if axis == value.flow.axis:
        raise NotUnderstoodError("works along the channels")
    results = node.meta["val"]
    if isinstance(results, torch.Tensor):
        return per_channel(context, node, value), value.flow
    context.pieces[node] = [
        (per_channel(context, node, value, element=number), value.flow)
        for number in range(len(results))
    ]
    return None


__all__ = ["Collapse", "PerChannel", "Reduction", "reduction"]
