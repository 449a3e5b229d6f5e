"""Operators that treat every element alike: they tie all their operands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from reorder_solver.torch_adapter.operations import Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind, operator_name

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import Flow
    from reorder_solver.torch_adapter.operations import Place
    from reorder_solver.torch_adapter.program import Constants

_UNARY = (
    "relu", "relu6", "hardtanh", "hardswish", "hardsigmoid", "silu", "mish", "sigmoid", "tanh",
    "leaky_relu", "elu", "selu", "celu", "gelu", "abs", "neg", "exp", "sqrt", "square", "clamp",
    "clamp_min", "clamp_max", "softplus", "softsign", "hardshrink", "softshrink", "threshold",
    "log_sigmoid", "erf", "sin", "cos", "log", "log1p", "expm1", "rsqrt", "reciprocal", "floor",
    "ceil", "round", "sign", "isnan", "logical_not", "detach", "alias",
    "zeros_like", "ones_like", "full_like",
)  # fmt: skip
_UNARY_OVERLOADS = (
    *(f"aten.{name}.default" for name in _UNARY),
    "aten.pow.Tensor_Scalar",
    "aten.to.dtype",
    "aten.to.dtype_layout",
    "aten._to_copy.default",
)
_BINARY = (
    *(
        f"aten.{name}.{overload}"
        for name in ("add", "sub", "rsub", "mul", "div")
        for overload in ("Tensor", "Scalar")
    ),
    "aten.pow.Tensor_Tensor",
    "aten.maximum.default",
    "aten.minimum.default",
    "aten.where.self",
    "aten.where.ScalarOther",
    "aten.masked_fill.Scalar",
    "aten.lerp.Tensor",
    "aten.lerp.Scalar",
    "aten.addcmul.default",
    *(
        f"aten.{name}.{overload}"
        for name in ("gt", "ge", "lt", "le", "eq", "ne")
        for overload in ("Tensor", "Scalar")
    ),
)
_DROPOUT = tuple(f"aten.{name}.default" for name in ("dropout", "feature_dropout", "alpha_dropout"))
_SCALARS = (int, float, bool, torch.SymInt, torch.SymFloat, torch.SymBool)


@rule(*_DROPOUT)
def dropout(context: Context, node: fx.Node) -> Made | None:
    """Nothing, in evaluation mode."""
    if bind(node)["train"]:
        raise NotUnderstoodError("drops at random")
    return elementwise(context, node)


@rule(*_UNARY_OVERLOADS, *_BINARY)
def elementwise(context: Context, node: fx.Node) -> Made | None:
    """Tie the operands, broadcasting them as PyTorch does."""
    if not context.has_channels(node):
        return None
    aligned = align(context, node, _tensor_operands(node))
    multiplies = operator_name(node) == "aten.mul.Tensor"
    operation = PerChannel(
        node,
        aligned.operands,
        aligned.parameters,
        absorbing=multiplies,
        settled=_Zeros(aligned.parameters, aligned.flow) if multiplies else None,
    )
    return operation, aligned.flow


@dataclass(frozen=True, slots=True)
class Aligned:
    """Operands of an elementwise operator, and which of them follow the channels."""

    flow: Flow
    operands: tuple[Operand, ...]
    parameters: dict[Place, tuple[str, int]]


class _Zeros:
    """Channels that are multiplied by stored zeros."""

    def __init__(self, parameters: dict[Place, tuple[str, int]], flow: Flow) -> None:
        self._parameters = parameters
        self._flow = flow

    def __call__(self, facts: Facts) -> Constants:
        """Zero there, NaN elsewhere."""
        found = np.full(self._flow.channels, np.nan)
        starts = np.cumsum(self._flow.sizes) - self._flow.sizes
        for name, axis in self._parameters.values():
            stored = facts.attribute(name).detach().movedim(axis, 0)
            zero = stored.reshape(len(stored), -1).eq(0).all(1).cpu().numpy()
            found[np.logical_and.reduceat(zero, starts)] = 0.0
        return found


def align(context: Context, node: fx.Node, operands: list[tuple[Place, fx.Node]]) -> Aligned:
    """Find the channel axis that the operands share and what follows it.

    An operand with a single entry on that axis is used as it is by every channel.
    """
    rank = context.rank(node)
    values = [value for _, one in operands if (value := context.value(one)) is not None]
    if not values:
        raise NotUnderstoodError("the channels are on several axes")
    axes = {value.flow.axis + rank - value.example.ndim for value in values}
    if len(axes) > 1:
        raise NotUnderstoodError("operands have their channels on different axes")
    axis = axes.pop()
    width = context.size(node, axis)
    wide = [value for value in values if value.flow.width == width]
    if not wide:
        raise NotUnderstoodError("one channel is repeated")
    flow = wide[0].flow.on(axis)
    found: list[Operand] = []
    parameters: dict[Place, tuple[str, int]] = {}
    for place, one in operands:
        own = axis - rank + context.rank(one)
        size = context.shape(one)[own] if own >= 0 else 1
        if not isinstance(size, int):
            raise NotUnderstoodError(f"axis {own} of {one.name} has no fixed size")
        if context.value(one) is None and (size == 1 or own < 0):
            if one in context.spreads or one in context.pieces:
                raise NotUnderstoodError("the channels are on several axes")
            continue
        if size != width:
            found.append(Operand(place, context.on_axis(one, own), None))
        elif one.op == "get_attr":
            context.attribute(one)
            parameters[place] = str(one.target), own
        else:
            value = context.on_axis(one, own)
            if not value.flow.same_sizes(flow):
                if context.value(one) is not None:
                    raise NotUnderstoodError("operands are made of different pieces")
                raise NotUnderstoodError(f"meets {one.name}, whose features are no channels")
            found.append(Operand(place, value, np.arange(flow.channels)))
    return Aligned(flow, tuple(found), parameters)


def _tensor_operands(node: fx.Node) -> list[tuple[Place, fx.Node]]:
    return [
        ((name, None), operand)
        for name, operand in bind(node).items()
        if isinstance(operand, fx.Node) and not _is_number(operand)
    ]


def _is_number(node: fx.Node) -> bool:
    value: Any = node.meta.get("val")
    return isinstance(value, _SCALARS)
