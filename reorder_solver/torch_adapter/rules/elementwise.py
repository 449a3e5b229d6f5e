"""Operators that treat every element alike: they tie all their operands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.operations import Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind, operator_name, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.operations import Opaque, Place
    from reorder_solver.torch_adapter.program import Constants

#: Operators that treat every element alike, whatever their overload.
_NAMES = (
    "relu", "relu6", "hardtanh", "hardswish", "hardsigmoid", "silu", "mish", "sigmoid", "tanh",
    "leaky_relu", "elu", "selu", "celu", "gelu", "abs", "absolute", "neg", "negative", "positive",
    "exp", "exp2", "expm1", "sqrt", "rsqrt", "square", "reciprocal", "log", "log2", "log10",
    "log1p", "log_sigmoid", "logit", "clamp", "clamp_min", "clamp_max", "clip", "softplus",
    "hardshrink", "softshrink", "threshold", "erf", "erfc", "erfinv", "sin", "cos", "tan", "sinh",
    "cosh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "sinc", "sign", "sgn", "floor",
    "ceil", "round", "trunc", "fix", "frac", "nan_to_num", "isnan", "isinf", "isfinite",
    "logical_not", "logical_and", "logical_or", "logical_xor", "bitwise_not", "bitwise_and",
    "bitwise_or", "bitwise_xor", "add", "sub", "subtract", "rsub", "mul", "multiply", "div",
    "divide", "true_divide", "floor_divide", "remainder", "fmod", "pow", "float_power", "maximum",
    "minimum", "fmax", "fmin", "max.other", "min.other", "atan2", "hypot", "copysign", "xlogy",
    "where", "masked_fill", "lerp", "addcmul", "addcdiv", "gt", "ge", "lt", "le", "eq", "ne",
    "greater", "greater_equal", "less", "less_equal", "not_equal", "heaviside", "softsign",
    "detach", "alias", "zeros_like", "ones_like", "full_like", "copy", "expand_as",
)  # fmt: skip
#: Conversions of type, by overload: others read another tensor's type.
_CONVERSIONS = ("aten.to.dtype", "aten.to.dtype_layout", "aten._to_copy.default")
_DROPOUT = tuple(f"aten.{name}.default" for name in ("dropout", "feature_dropout", "alpha_dropout"))


def _overloads() -> Iterator[str]:
    """Those that return one tensor and write to none."""
    for entry in _NAMES:
        name, _, wanted = entry.partition(".")
        packet = getattr(torch.ops.aten, name, None)
        for overload in packet.overloads() if packet is not None else ():
            schema = schema_of(getattr(packet, overload))
            plain = (
                [str(one.type) for one in schema.returns] == ["Tensor"]
                and str(schema.arguments[0].type) in ("Tensor", "Scalar", "number")
                and not any(one.alias_info and one.alias_info.is_write for one in schema.arguments)
            )
            tensors = [one for one in schema.arguments if str(one.type) == "Tensor"]
            if plain and tensors and wanted in ("", overload):
                yield f"aten.{name}.{overload}"


_SCALARS = (int, float, bool, torch.SymInt, torch.SymFloat, torch.SymBool)


@rule(*_DROPOUT)
def dropout(context: Context, node: fx.Node) -> Made | Opaque | None:
    """Nothing, in evaluation mode."""
    if bind(node)["train"]:
        raise NotUnderstoodError("drops at random")
    return elementwise(context, node)


@rule(*_overloads(), *_CONVERSIONS)
def elementwise(context: Context, node: fx.Node) -> Made | None:
    """Tie the operands, broadcasting them as PyTorch does."""
    if not context.has_channels(node):
        return None
    operands = _tensor_operands(node)
    if _commutes(context, node, operands):
        return None
    _settle(context, node, operands)
    aligned = align(context, node, operands)
    multiplies = operator_name(node) in ("aten.mul.Tensor", "aten.multiply.Tensor")
    operation = PerChannel(
        node,
        aligned.operands,
        aligned.parameters,
        absorbing=multiplies,
        settled=_Zeros(aligned.parameters, aligned.flow) if multiplies else None,
    )
    return operation, aligned.flow


class Commuted(PerChannel):
    """An operator on elements, moved in front of the views that its operand has behind it."""

    def inputs(self) -> Iterable[fx.Node]:
        """Only what is not the operand."""
        return [one for one in self.node.all_input_nodes if one is not self.node.args[0]]


def _commutes(context: Context, node: fx.Node, operands: list[tuple[Place, fx.Node]]) -> bool:
    """Apply an operator to the source of a spread, if that is its only operand of any size."""
    place, first = operands[0]
    spread = context.spreads.get(first)
    rest = [one for _, one in operands[1:]]
    if spread is None or first in context.program.values or first is not node.args[0]:
        return False
    if not all(one.op == "get_attr" and context.rank(one) == 0 for one in rest):
        return False
    source = spread.source
    operation = Commuted(node, [Operand(place, source, np.arange(source.channels))])
    example = torch.empty_like(source.example, dtype=node.meta["val"].dtype)
    value = context.new_value(node.name, operation, source.flow, example)
    context.spreads[node] = replace(spread, source=value)
    return True


def _settle(context: Context, node: fx.Node, operands: list[tuple[Place, fx.Node]]) -> None:
    """Bundle operands whose channels are on several axes along an axis that suits all."""
    spreads = [one for _, one in operands if one in context.spreads and context.value(one) is None]
    if not spreads:
        return
    rank = context.rank(node)
    free = set(range(rank))
    for _, one in operands:
        shift = rank - context.rank(one)
        value = context.value(one)
        if value is not None:
            free &= {value.flow.axis + shift}
        elif one in spreads:
            free &= {axis + shift for axis in context.spreads[one].axes}
        elif one.op != "get_attr":
            free &= {axis for axis in free if axis < shift or context.shape(one)[axis - shift] == 1}
    for one in spreads:
        shift = rank - context.rank(one)
        context.settle(one, set(range(rank)) - {axis - shift for axis in free})


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
    flow = wide[0].flow.on(axis) if wide else Flow.single(axis, width)
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
