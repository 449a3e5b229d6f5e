"""Analysis: run the rule of every operator over a captured graph.

Safe by construction: where a rule is missing or gives up, everything the operator touches is
pinned to its original order with every channel alive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from reorder_solver.torch_adapter.flow import Flow, Segment, TensorTable, Value, flows_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reorder_solver.torch_adapter.capture import Captured

    Rule = Callable[["FlowContext", fx.Node], Value]


class NotUnderstoodError(Exception):
    """A rule met something it cannot prove to be safe."""


@dataclass(frozen=True, eq=False)
class Read:
    """A convolution or linear layer that may leave out channels of its input.

    Attributes
    ----------
    node, source : torch.fx.Node
        The operation and the value it reads.
    flow, output : Flow
        Of the value read and of the result.
    weight : str
        Name of the weight; its axis 1 follows the channels read.
    module : str
        Name of the module.
    """

    node: fx.Node
    source: fx.Node
    flow: Flow
    output: Flow
    weight: str
    module: str


@dataclass(frozen=True, eq=False)
class ParameterUse:
    """An argument that is a parameter or buffer, some axes of which follow channels."""

    node: fx.Node
    argument: str
    target: str
    axes: Mapping[int, Flow | Read]


@dataclass(frozen=True, eq=False)
class WidthUse:
    """An integer argument, or an element of a list of them, that is the width of a flow."""

    node: fx.Node
    argument: str
    element: int | None
    flow: Flow


@dataclass(eq=False)
class Analysis:
    """What the rules found.

    Attributes
    ----------
    tensors : TensorTable
    values : dict of node to Value
    reads, parameters, widths
        In graph order.
    """

    tensors: TensorTable = field(default_factory=TensorTable)
    values: dict[fx.Node, Value] = field(default_factory=dict)
    reads: list[Read] = field(default_factory=list)
    parameters: list[ParameterUse] = field(default_factory=list)
    widths: list[WidthUse] = field(default_factory=list)


def operator_name(node: fx.Node) -> str:
    """The key of the rule table: ``aten.relu.default``, ``getitem``."""
    if isinstance(node.target, str):
        return node.target
    if hasattr(node.target, "_schema"):
        return str(node.target)
    return getattr(node.target, "__name__", str(node.target))


def bind(node: fx.Node) -> dict[str, Any]:
    """All arguments of an operator call by the names in its schema, defaults included."""
    bound: dict[str, Any] = {}
    for position, argument in enumerate(schema_arguments(node)):
        if position < len(node.args):
            bound[argument.name] = node.args[position]
        elif argument.name in node.kwargs:
            bound[argument.name] = node.kwargs[argument.name]
        elif argument.has_default_value():
            bound[argument.name] = argument.default_value
    return bound


def schema_arguments(node: fx.Node) -> list[Any]:
    """The arguments of the schema of an operator call; none for a Python function."""
    schema = getattr(node.target, "_schema", None)
    return [] if schema is None else list(schema.arguments)


def analyse(captured: Captured, rules: Mapping[str, Rule]) -> Analysis:
    """Find the channel flow of every value of the captured graph."""
    context = FlowContext(captured)
    for node in captured.graph.nodes:
        if node.op == "output":
            context.pin(node, "model output")
        elif node.op == "placeholder":
            context.set_opaque(node, "model input")
        elif node.op == "call_function":
            _apply_rule(context, node, rules)
        else:
            context.set_opaque(node, f"{node.op} {node.target}")
    return context.found


def _apply_rule(context: FlowContext, node: fx.Node, rules: Mapping[str, Rule]) -> None:
    name = operator_name(node)
    try:
        rule = rules.get(name)
        if rule is None:
            raise NotUnderstoodError("no rule for this operator")
        value = rule(context, node)
        context.check(node, value)
    except NotUnderstoodError as gap:
        reason = f"{name} ({node.name}): {gap}"
        context.pin(node, reason)
        context.set_opaque(node, reason)
        return
    if value is None:
        context.set_opaque(node, context.why_opaque(node))
    else:
        context.found.values[node] = value


class FlowContext:
    """What a rule may ask about the graph, and where it records what it found."""

    def __init__(self, captured: Captured) -> None:
        self.found = Analysis()
        self._attributes = captured.attributes
        self._aliases = captured.aliases
        self._written = _written_attributes(captured.graph)
        self._reasons: dict[fx.Node, str] = {}
        self._adopted: dict[tuple[fx.Node, int], Flow] = {}

    @property
    def tensors(self) -> TensorTable:
        """The tensors found so far."""
        return self.found.tensors

    def value(self, argument: Any) -> Value:
        """The value behind an argument; None for anything that carries no channels."""
        return self.found.values.get(argument) if isinstance(argument, fx.Node) else None

    def shape(self, node: fx.Node) -> tuple[Any, ...]:
        """Sizes in the captured run, symbolic where they may change."""
        if self.is_attribute(node):
            return tuple(self.attribute(node).shape)
        example = node.meta.get("val")
        if not isinstance(example, torch.Tensor):
            raise NotUnderstoodError(f"{node.name} is no tensor")
        return tuple(example.shape)

    def size(self, node: fx.Node, axis: int) -> int:
        """A size that is known."""
        size = self.shape(node)[axis]
        if not isinstance(size, int):
            raise NotUnderstoodError(f"axis {axis} of {node.name} has no fixed size")
        return size

    def flow(self, node: Any, axis: int) -> Flow:
        """The flow of a value on `axis`; an opaque value is taken for one pinned tensor."""
        if not isinstance(node, fx.Node):
            raise NotUnderstoodError("an operand is no tensor")
        value = self.value(node)
        if isinstance(value, Flow):
            if value.axis != axis:
                raise NotUnderstoodError(f"the channels are on axis {value.axis}, not on {axis}")
            return value
        if value is not None:
            raise NotUnderstoodError("an operand is a tuple")
        if (node, axis) not in self._adopted:
            handle = self.tensors.new(self.size(node, axis), node.name)
            self.tensors.pin(handle, self._reasons[node])
            self._adopted[node, axis] = Flow(axis, (Segment(handle),))
        return self._adopted[node, axis]

    def is_attribute(self, argument: Any) -> bool:
        """True for a parameter or buffer, not for anything computed from one."""
        return isinstance(argument, fx.Node) and argument.op == "get_attr"

    def attribute(self, argument: Any) -> torch.Tensor:
        """The parameter or buffer behind an argument."""
        if not self.is_attribute(argument):
            raise NotUnderstoodError("a weight is computed, not stored")
        found = self._attributes[argument.target]
        if not isinstance(found, torch.Tensor):
            raise NotUnderstoodError(f"{argument.target} is no tensor")
        if argument in self._written:
            raise NotUnderstoodError(f"{argument.target} is written to by the model")
        return found

    def use(self, node: fx.Node, argument: str, axes: Mapping[int, Flow | Read]) -> None:
        """Record that a parameter follows channels; an argument of None is passed over."""
        attribute = bind(node)[argument]
        if attribute is not None:
            self.attribute(attribute)
            use = ParameterUse(node, argument, str(attribute.target), dict(axes))
            self.found.parameters.append(use)

    def use_width(
        self, node: fx.Node, argument: str, flow: Flow, element: int | None = None
    ) -> None:
        """Record that an integer argument is the width of `flow`."""
        self.found.widths.append(WidthUse(node, argument, element, flow))

    def produce(self, node: fx.Node, weight: str, channels: int, axis: int) -> Flow:
        """A new tensor, written by `node` with the rows of `weight`."""
        return Flow(axis, (Segment(self.tensors.new(channels, self.module_path(node, weight))),))

    def module_path(self, node: fx.Node, weight: str) -> str:
        """The module that made this call, if the weight is its own, or else the weight's owner."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path = str(stack[-1][0]).split("@")[0] if stack else ""
        if path and f"{path}.weight" in self._aliases.get(weight, ()):
            return path
        return weight.removesuffix(".weight")

    def pin(self, node: fx.Node, reason: str) -> None:
        """Pin every tensor that an argument of `node` carries."""
        for operand in node.all_input_nodes:
            self.pin_value(self.value(operand), reason)

    def pin_value(self, value: Value, reason: str) -> None:
        """Pin every tensor in `value`."""
        for flow in flows_in(value):
            for segment in flow.segments:
                self.tensors.pin(segment.tensor, reason)

    def set_opaque(self, node: fx.Node, reason: str) -> None:
        """Record that `node` has every channel in its original order, and why."""
        self.found.values[node] = None
        self._reasons[node] = reason

    def why_opaque(self, node: fx.Node) -> str:
        """The reason of the first opaque input of `node` that does depend on the model's input."""
        for operand in node.all_input_nodes:
            reason = self._reasons.get(operand)
            if reason is not None and operand.op != "get_attr":
                return reason
        return f"{operator_name(node)} ({node.name}): computed from constants"

    def check(self, node: fx.Node, value: Value) -> None:
        """A rule that gets a width wrong has not understood the operator."""
        examples = node.meta.get("val")
        results = examples if isinstance(examples, tuple | list) else (examples,)
        values = value if isinstance(value, tuple) else (value,)
        for one, example in zip(values, results, strict=True):
            for flow in flows_in(one):
                if self.tensors.width(flow) != example.shape[flow.axis]:
                    self.pin_value(value, f"{node.name}: the channels do not add up")
                    raise NotUnderstoodError("the channels do not add up")


def elements_per_channel(node: fx.Node, width: int, batch: int) -> int:
    """Elements of the captured value that one feature has per sample, rounded up."""
    example = node.meta["val"]
    count = math.prod(_hint(size) for size in example.shape)
    return -(-count // (width * batch))


def _hint(size: Any) -> int:
    if isinstance(size, int):
        return size
    hint = size.node.hint
    return 1 if hint is None else int(hint)


def _written_attributes(graph: fx.Graph) -> frozenset[fx.Node]:
    """Parameters and buffers that the model itself may write to."""
    sources: dict[fx.Node, frozenset[fx.Node]] = {}
    written: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op == "get_attr":
            sources[node] = frozenset({node})
        elif node.op == "call_function" and all(n in sources for n in node.all_input_nodes):
            sources[node] = frozenset().union(*(sources[n] for n in node.all_input_nodes))
        if node.op == "call_function":
            bound = bind(node)
            for argument in schema_arguments(node):
                if argument.alias_info is not None and argument.alias_info.is_write:
                    target = bound.get(argument.name)
                    if isinstance(target, fx.Node):
                        written |= sources.get(target, frozenset())
    return frozenset(written)
