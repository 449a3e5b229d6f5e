"""Build: run the rule of every operator over a captured graph.

Safe by construction: where a rule is missing or gives up, the operator becomes opaque, and
everything it touches is there as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from reorder_solver.torch_adapter.filled import filled
from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.operations import Adopt, Opaque, Select
from reorder_solver.torch_adapter.program import NotUnderstoodError, Operation, Program, Value
from reorder_solver.torch_adapter.schema import bind, operator_name
from reorder_solver.torch_adapter.spreads import Spread, bundle
from reorder_solver.torch_adapter.stored import Stored, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from reorder_solver.torch_adapter.capture import Captured
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray

    Made = tuple[Operation, Flow]
    Rule = Callable[["Context", fx.Node], "Made | Opaque | None"]


def build(
    captured: Captured,
    rules: Mapping[str, Rule],
    declared: Mapping[str, BoolArray],
    *,
    compensate: bool = True,
) -> Program:
    """See the captured graph as a programme over channels.

    Parameters
    ----------
    captured : Captured
    rules : mapping of str to callable
        By operator name.
    declared : mapping of str to ndarray of bool
        By name of a weight, input features that count as wanted.
    compensate : bool
        Let constant channels leave normalisations over channels, whose statistics are corrected.
    """
    context = Context(captured, declared, compensate=compensate)
    for node in captured.graph.nodes:
        if node.op == "placeholder":
            context.program.reasons[node] = "model input"
        elif node.op == "output":
            context.add_opaque(node, "model output")
        elif node.op == "call_function":
            _apply_rule(context, node, rules)
    return context.program


def _apply_rule(context: Context, node: fx.Node, rules: Mapping[str, Rule]) -> None:
    name = operator_name(node)
    try:
        made: Any = context.foreseen.get(node)
        rule = rules.get(name)
        if made is None and rule is None:
            raise NotUnderstoodError("no rule for this operator")
        if made is None and rule is not None:
            made = rule(context, node) or context.foreseen.get(node)
        if isinstance(made, Opaque):
            context.program.operations.append(made)
            context.program.reasons[node] = made.reason
            return
        if made is not None:
            context.add(node, *made)
        if made is not None or context.is_recorded(node):
            return
    except NotUnderstoodError as gap:
        context.add_opaque(node, f"{name} ({node.name}): {gap}")
        return
    if node in context.spreads or node in context.pieces:
        # Its operands stay views: what uses the results need not ask for them.
        reason = f"{name} ({node.name}): the channels stay on several axes"
        if node in context.pieces:
            reason = context.why_opaque(node)
        context.program.operations.append(Opaque(node, context.sources(node), reason))
        context.program.reasons[node] = reason
        return
    context.add_opaque(node, context.why_opaque(node))


class Context:
    """What a rule may ask about the graph."""

    def __init__(
        self, captured: Captured, declared: Mapping[str, BoolArray], *, compensate: bool = True
    ) -> None:
        self.program = Program(captured)
        self.declared = declared
        self.compensate = compensate
        self.spreads: dict[fx.Node, Spread] = {}
        self.pieces: dict[fx.Node, list[Made | Spread]] = {}
        self.foreseen: dict[fx.Node, Made] = {}
        self._adopted: dict[tuple[fx.Node, int], Value] = {}

    def add(self, node: fx.Node, operation: Operation, flow: Flow) -> None:
        """Record what makes the channels of `node`."""
        example = node.meta["val"]
        if example.shape[flow.axis] != flow.width:
            raise NotUnderstoodError("the channels do not add up")
        self.program.values[node] = self.new_value(node.name, operation, flow, example)

    def new_value(self, name: str, operation: Operation, flow: Flow, example: Any) -> Value:
        """A value, made by `operation` at this point of the programme."""
        value = Value(name, flow, example, operation)
        operation.output = value
        self.program.operations.append(operation)
        return value

    def is_recorded(self, node: fx.Node) -> bool:
        """True if the rule of `node` has recorded an operation itself."""
        operations = self.program.operations
        return bool(operations) and getattr(operations[-1], "node", None) is node

    def add_opaque(self, node: fx.Node, reason: str) -> None:
        """Record that `node` wants all its arguments as they were."""
        for one in node.all_input_nodes:
            self.settle(one)
        self.program.operations.append(Opaque(node, self.sources(node), reason))
        self.program.reasons[node] = reason

    def add_sink(self, node: fx.Node, operation: Opaque) -> None:
        """Record an operation whose result has no channels but that does not want everything."""
        self.program.operations.append(operation)
        self.program.reasons[node] = operation.reason

    def sources(self, node: fx.Node) -> list[Value]:
        """The arguments of `node` that carry channels."""
        return [value for one in node.all_input_nodes if (value := self.value(one)) is not None]

    def value(self, argument: Any) -> Value | None:
        """The value behind an argument; None if it carries no channels."""
        return self.program.values.get(argument) if isinstance(argument, fx.Node) else None

    def settle(self, argument: Any, avoid: Collection[int] = ()) -> Value | None:
        """The value behind an argument; channels on several axes are bundled along one of them.

        Parameters
        ----------
        argument : object
        avoid : collection of int
            Axes that are not to carry the channels. Of the others, the longest does.
        """
        value = self.value(argument)
        if value is not None or argument not in self.spreads:
            return value
        spread = self.spreads[argument]
        sizes = dict(zip(spread.axes, spread.labels.shape, strict=True))
        free = [axis for axis in spread.axes if axis not in avoid]
        if not free:
            raise NotUnderstoodError("works on all axes that carry channels")
        axis = max(free, key=lambda one: sizes[one])
        # From here on the node is a value; its views need no longer be there as they were.
        self.program.operations = [
            one
            for one in self.program.operations
            if not (isinstance(one, Opaque) and one.node is argument)
        ]
        self.add(argument, bundle(spread, axis), Flow.single(axis, sizes[axis]))
        return self.program.values[argument]

    def has_channels(self, node: fx.Node) -> bool:
        """True if some argument of `node` carries channels, on one axis or several."""
        return any(
            one in self.program.values or one in self.spreads or one in self.pieces
            for one in node.all_input_nodes
        )

    def on_axis(self, argument: Any, axis: int) -> Value:
        """The value behind an argument, its channels on `axis`.

        One without channels is taken for a value whose channels are all there, in order.
        """
        if not isinstance(argument, fx.Node):
            raise NotUnderstoodError("an operand is no tensor")
        value = self.value(argument)
        if value is not None:
            if value.flow.axis != axis:
                raise NotUnderstoodError(
                    f"the channels are on axis {value.flow.axis}, not on {axis}"
                )
            return value
        if argument in self.spreads:
            if axis not in self.spreads[argument].axes:
                raise NotUnderstoodError("the channels are on several axes")
            settled = self.settle(argument, set(self.spreads[argument].axes) - {axis})
            assert settled is not None
            return settled
        if argument in self.pieces:
            raise NotUnderstoodError("the channels are on several axes")
        if (argument, axis) not in self._adopted:
            flow = Flow.single(axis, self.size(argument, axis))
            written = self.program.captured.written
            operation: Operation = (
                stored(argument, axis, written)
                or filled(argument)
                or Adopt(argument, self.why_opaque_value(argument))
            )
            self._adopted[argument, axis] = self.new_value(
                argument.name, operation, flow, self.example(argument)
            )
            if isinstance(operation, Stored) and len(argument.users) == 1:
                self._replace_opaque(argument, self._adopted[argument, axis])
        return self._adopted[argument, axis]

    def _replace_opaque(self, node: fx.Node, value: Value) -> None:
        """Nobody asks for `node` as it was."""
        self.program.operations[:] = [
            one
            for one in self.program.operations
            if not (isinstance(one, Opaque) and one.node is node)
        ]
        self.program.values[node] = value

    def example(self, node: Any) -> torch.Tensor:
        """The tensor that a node is in the captured run, without data."""
        if not isinstance(node, fx.Node):
            raise NotUnderstoodError("an operand is no tensor")
        if node.op == "get_attr":
            return self.attribute(node)
        example = node.meta.get("val")
        if not isinstance(example, torch.Tensor):
            raise NotUnderstoodError(f"{node.name} is no tensor")
        return example

    def shape(self, node: Any) -> tuple[Any, ...]:
        """Sizes in the captured run, symbolic where they may change."""
        return tuple(self.example(node).shape)

    def rank(self, node: Any) -> int:
        """Number of axes."""
        return self.example(node).ndim

    def size(self, node: Any, axis: int) -> int:
        """A size that is known."""
        size = self.shape(node)[axis]
        if not isinstance(size, int):
            raise NotUnderstoodError(f"axis {axis} of {node.name} has no fixed size")
        return size

    def attribute(self, argument: Any) -> torch.Tensor:
        """The parameter or buffer behind an argument."""
        if not (isinstance(argument, fx.Node) and argument.op == "get_attr"):
            raise NotUnderstoodError("a weight is computed, not stored")
        if argument.target in self.program.captured.written:
            raise NotUnderstoodError(f"{argument.target} is written to by the model")
        found = self.program.captured.attributes[str(argument.target)]
        if not isinstance(found, torch.Tensor):
            raise NotUnderstoodError(f"{argument.target} is no tensor")
        return found

    def module_path(self, node: fx.Node, weight: str) -> str:
        """The module that made this call, if the weight is its own, or else the weight's owner."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path = str(stack[-1][0]).split("@")[0] if stack else ""
        if path and f"{path}.weight" in self.program.captured.aliases.get(weight, ()):
            return path
        return weight.removesuffix(".weight")

    def why_opaque(self, node: fx.Node) -> str:
        """The reason of the first input of `node` that depends on the model's input."""
        for operand in node.all_input_nodes:
            reason = self.program.reasons.get(operand)
            if reason is not None:
                return reason
        return f"{operator_name(node)} ({node.name}): computed from constants"

    def why_opaque_value(self, node: fx.Node) -> str:
        """Why `node` has no channels of its own."""
        return self.program.reasons.get(node, f"{node.name}: computed from constants")


def select(source: Value, index: IndexArray, axis: int | None = None) -> Made:
    """A choice of the channels of `source`, in the order of `index`."""
    flow = source.flow.take(np.asarray(index, dtype=np.int64))
    if axis is not None and axis != flow.axis:
        raise NotUnderstoodError("the channels change their axis")
    return Select(source, np.asarray(index, dtype=np.int64)), flow


__all__ = ["Context", "Spread", "bind", "build", "select"]
