"""Every rule against an oracle: disturb one channel and see what moves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from adapter_nets import layouts, random_masks
from operator_examples import CHANNELS, FURTHER, MODULES, OPERATORS, SIZE
from operator_items import Items
from torch import fx, nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.build import build
from reorder_solver.torch_adapter.capture import capture
from reorder_solver.torch_adapter.emitter import Emitter
from reorder_solver.torch_adapter.facts import Facts
from reorder_solver.torch_adapter.joining import FEWEST_BYTES
from reorder_solver.torch_adapter.operations import Adopt, Opaque
from reorder_solver.torch_adapter.rules import RULES
from reorder_solver.torch_adapter.schema import operator_name

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.program import Operation, Program, Value

#: Examples per captured network: capturing takes longer than everything else.
GROUP = 40
NAMES = [*OPERATORS, *FURTHER]
TOLERANCE = 1e-12

#: What these make does not depend on what is in their operand.
UNMOVED = {"aten.zeros_like.default", "aten.ones_like.default", "aten.full_like.default"}
#: These may need a channel and yet not move with it: they compare, choose among operands, or
#: need all of several channels that go together.
LOOSE = {
    "aten.copy.default", "aten.expand_as.default", "aten.copysign.Tensor", "aten.fmax.default",
    "aten.fmod.Tensor", "aten.remainder.Tensor", "aten.heaviside.default", "aten.gather.default",
    "aten.take_along_dim.default", "aten.masked_fill.Scalar", "aten.masked_fill.Tensor",
    "aten.where.ScalarOther", "aten.where.ScalarSelf", "aten.count_nonzero.dim_IntList",
    "three in one", "stack before", "pad the channels", "pad everything",
    "a plain value meets channels", "aten.prod.default", "aten.prod.dim_int",
}  # fmt: skip
#: Their results have no channels.
WITHOUT_CHANNELS = {
    "one feature", "sum of channels", "mean of everything", "aten.std.correction",
    *(name for name in OPERATORS if name.endswith("default")
      and name.split(".")[1] in ("all", "any", "count_nonzero", "max", "min", "mean", "nansum",
                                 "prod", "std", "sum", "var")),
    "aten.norm.Scalar",
}  # fmt: skip
#: Elementwise examples with an operand that is not known before the model runs, or used whole.
UNKNOWN = {"aten.addcdiv.default", "aten.expand_as.default", "aten.masked_fill.Tensor"}


def sample(seed: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Seen:
    """Some examples, captured without readers: their results are the model's outputs."""

    names: list[str]
    program: Program
    facts: Facts
    results: list[fx.Node]

    @property
    def graph(self) -> fx.Graph:
        return self.program.captured.graph

    def own(self, name: str) -> list[fx.Node]:
        """The nodes of an example."""
        mark = f"items.{self.names.index(name)}"
        found = []
        for node in self.graph.nodes:
            paths = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
            if any(path == mark or path.startswith(f"{mark}.") for path in paths):
                found.append(node)
        return found


def seen(name: str) -> Seen:
    return seen_group(NAMES.index(name) // GROUP)


@cache
def seen_group(number: int) -> Seen:
    torch.manual_seed(0)
    names = NAMES[number * GROUP : (number + 1) * GROUP]
    captured = capture(Items(names).double().eval(), sample())
    program = build(captured, RULES, {})
    output = next(node for node in captured.graph.nodes if node.op == "output")
    return Seen(names, program, Facts(program, captured.attributes), list(output.args[0]))


def roots(group: Seen, name: str) -> list[fx.Node]:
    """The convolutions that an example works on."""
    return [node for node in group.own(name) if operator_name(node).startswith("aten.conv2d")]


@cache
def values(number: int, seed: int = 2) -> dict[fx.Node, Any]:
    """All values of a captured group on random input."""
    group = seen_group(number)
    found: dict[fx.Node, Any] = {}
    for node in group.graph.nodes:
        if node.op == "placeholder":
            found[node] = sample(seed)
        elif node.op == "get_attr":
            found[node] = group.program.captured.attributes[node.target].detach()
        elif node.op == "call_function":
            found[node] = call(node, found)
    return found


def call(node: fx.Node, found: dict[fx.Node, Any]) -> Any:
    def operand(one: fx.Node) -> Any:
        value = found[one]
        return value.clone() if isinstance(value, torch.Tensor) else value

    args, kwargs = fx.map_arg((node.args, node.kwargs), operand)
    with torch.no_grad():
        return node.target(*args, **kwargs)


def disturbed(group: Seen, name: str, root: fx.Node, channel: int, by: float) -> torch.Tensor:
    """The result of an example with one channel of one of its convolutions changed."""
    before = values(NAMES.index(name) // GROUP)
    changed = before[root].clone()
    noise = torch.rand(changed[:, channel].shape, generator=torch.Generator().manual_seed(5))
    changed[:, channel] += by * (noise.to(changed) + 0.5)
    found = {**before, root: changed}
    touched = {root}
    for node in group.own(name):
        if node.op == "call_function" and touched.intersection(node.all_input_nodes):
            touched.add(node)
            found[node] = call(node, found)
    result: torch.Tensor = found[group.results[group.names.index(name)]]
    return result


def required(program: Program, facts: Facts, value: Value, live: BoolArray) -> dict[Value, Any]:
    """Of every value the channels that `live` ones of `value` depend on."""
    found = {value: live}
    for operation in reversed(program.operations):
        if operation.output in found:
            mask = operation.widen(found[operation.output], facts)
            for source, wanted in operation.needs(mask, facts):
                found[source] = found.get(source, False) | wanted
            if isinstance(operation, Adopt):
                opaque = [one for one in program.operations if is_of(one, operation.node)]
                for source in (source for one in opaque for source in one.sources()):
                    found[source.value] = np.ones(source.value.channels, dtype=np.bool_)
    return found


def is_of(operation: Operation, node: fx.Node) -> bool:
    return isinstance(operation, Opaque) and operation.node is node


def by_channel(value: Value, tensor: torch.Tensor) -> list[torch.Tensor]:
    """What belongs to each channel."""
    moved = tensor.movedim(value.flow.axis, 0)
    return list(moved.split(value.flow.sizes.tolist()))


def different(one: torch.Tensor, other: torch.Tensor) -> bool:
    return not torch.equal(
        torch.nan_to_num(one.double(), 7.0), torch.nan_to_num(other.double(), 7.0)
    )


@pytest.mark.parametrize("name", OPERATORS)
def test_the_example_calls_the_operator(name: str) -> None:
    """Capturing keeps it, so that the rule is needed."""
    group = seen(name)
    nodes = group.own(name)
    assert name in {operator_name(node) for node in nodes}


@pytest.mark.parametrize("name", NAMES)
def test_the_rule_understands_its_example(name: str) -> None:
    """The result carries channels, or the rule says which are needed for it."""
    group = seen(name)
    result = group.results[group.names.index(name)]
    reasons = [
        one.reason
        for one in group.program.operations
        if type(one) is Opaque
        and one.node in group.own(name)
        and one.sources()
        and group.facts.is_needed(one.node)
    ]
    if name == "a plain value meets channels":
        reasons = [reason for reason in reasons if "cumsum" not in reason]
    assert not reasons
    assert result in group.program.values or any(
        getattr(one, "node", None) is result and type(one) is not Opaque
        for one in group.program.operations
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_channel_moves_only_what_needs_it(name: str) -> None:
    """Disturb a channel: what the rules say does not need it stays, and the rest moves."""
    group = seen(name)
    result = group.results[group.names.index(name)]
    before = values(NAMES.index(name) // GROUP)[result]
    value = group.program.values.get(result)
    if value is None:
        check_without_channels(group, name, result, before)
        return
    needs = [
        required(group.program, group.facts, value, np.arange(value.channels) == channel)
        for channel in range(value.channels)
    ]
    reached = 0
    for root in roots(group, name):
        source = group.program.values[root]
        for channel in range(CHANNELS):
            moved = np.zeros(value.channels, dtype=np.bool_)
            for by in (0.4, -3.0, float("nan")):
                after = disturbed(group, name, root, channel, by)
                parts = zip(by_channel(value, before), by_channel(value, after), strict=True)
                moved |= np.array([different(old, new) for old, new in parts])
            allowed = np.array([source in need and need[source][channel] for need in needs])
            unlike = is_constant(group.facts, source, channel)
            assert not (moved & ~allowed).any() or unlike
            assert not (allowed & ~moved).any() or is_loose(name, before)
            reached += int(moved.sum())
    assert reached or is_loose(name, before)


def is_loose(name: str, result: torch.Tensor) -> bool:
    return name in UNMOVED | LOOSE or not result.is_floating_point()


def is_constant(facts: Facts, source: Value, channel: int) -> bool:
    """A constant channel need not be read: rules may count on it."""
    return bool(~np.isnan(facts.constants(source)[channel]))


def check_without_channels(group: Seen, name: str, result: fx.Node, before: torch.Tensor) -> None:
    """The same for a result that has no channels of its own."""
    (operation,) = [one for one in group.program.operations if getattr(one, "node", None) is result]
    found: dict[Value, Any] = {}
    for source, wanted in operation.needs(np.ones(1, dtype=np.bool_), group.facts):
        for one, mask in required(group.program, group.facts, source, wanted).items():
            found[one] = found.get(one, False) | mask
    for root in roots(group, name):
        source = group.program.values[root]
        for channel in range(CHANNELS):
            after = [disturbed(group, name, root, channel, by) for by in (20.0, -20.0, 0.4)]
            moved = any(different(before, one) for one in after)
            allowed = source in found and found[source][channel]
            assert allowed or not moved or is_constant(group.facts, source, channel)
            assert moved or not allowed or is_loose(name, before)


@pytest.mark.parametrize("name", NAMES)
def test_constants_are_what_comes_out(name: str) -> None:
    """A channel said to be constant is that number, for any input."""
    group = seen(name)
    number = NAMES.index(name) // GROUP
    for node in group.own(name):
        value = group.program.values.get(node)
        if value is None:
            continue
        constants = group.facts.constants(value)
        for seed in (2, 3):
            parts = by_channel(value, values(number, seed)[node])
            for channel in np.flatnonzero(~np.isnan(constants)):
                exact = torch.full_like(parts[channel].double(), float(constants[channel]))
                torch.testing.assert_close(parts[channel].double(), exact, rtol=1e-14, atol=1e-14)
    elementwise = RULES.get(name) is not None and "elementwise" in RULES[name].__module__
    result = group.program.values.get(group.results[group.names.index(name)])
    if elementwise and result is not None and name not in UNKNOWN:
        assert (~np.isnan(group.facts.constants(result))).any()


class Probe(Opaque):
    """Asks for some channels of a value, in some order."""

    def __init__(self, node: fx.Node, value: Value, sequence: IndexArray) -> None:
        super().__init__(node, [value], "probe")
        self.sequence = sequence

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        value = self._sources[0]
        return [(value, np.isin(np.arange(value.channels), self.sequence))]

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        return emitter.graph.output((emitter.get(self._sources[0], self.sequence),))


def probed(group: Seen, name: str, value: Value, rng: np.random.Generator) -> None:
    """Store everything in a random order, with more channels than needed, and compare."""
    count = int(rng.integers(1, value.channels + 1))
    sequence = rng.permutation(value.channels)[:count]
    output = group.program.operations[-1]
    probe = Probe(output.node, value, sequence)
    group.program.operations[-1] = probe
    try:
        facts = Facts(group.program, group.program.captured.attributes)
        live = {
            one.output: facts.live(one.output)
            for one in group.program.operations
            if one.output is not None
        }
        more = {
            one: mask | (rng.random(mask.size) < 0.2) for one, mask in live.items() if mask.any()
        }
        kept = facts.close(more)
        if any(mask.any() and not facts.live(one).any() for one, mask in kept.items()):
            kept = live
        orders = {one: rng.permutation(np.flatnonzero(mask)) for one, mask in kept.items()}
        emitter = Emitter(facts, group.program.captured.attributes, orders, {}, FEWEST_BYTES)
        emitter.write()
    finally:
        group.program.operations[-1] = output
    module = fx.GraphModule(nn.Module(), fx.Graph())
    for key, stored in emitter.values.items():
        module.register_buffer(key.replace(".", "_"), torch.as_tensor(stored).detach())
    for node in emitter.graph.nodes:
        if node.op == "get_attr":
            node.target = str(node.target).replace(".", "_")
    module.graph = emitter.graph
    with torch.no_grad():
        made = module(sample())[0]
    original = by_channel(value, values(NAMES.index(name) // GROUP)[group_node(group, value)])
    expected = torch.cat([original[channel] for channel in sequence])
    torch.testing.assert_close(
        made.movedim(value.flow.axis, 0), expected, rtol=1e-12, atol=1e-12, equal_nan=True
    )


def group_node(group: Seen, value: Value) -> fx.Node:
    return next(node for node, one in group.program.values.items() if one is value)


@pytest.mark.parametrize("name", NAMES)
def test_any_channels_can_be_made_in_any_order(name: str) -> None:
    """Lowering random sequences gives the original's channels."""
    group = seen(name)
    value = group.program.values.get(group.results[group.names.index(name)])
    if value is None:
        assert name in WITHOUT_CHANNELS
        return
    rng = np.random.default_rng(NAMES.index(name))
    for _ in range(3):
        probed(group, name, value, rng)


@cache
def extracted(number: int) -> tuple[ta.Extraction, nn.Module]:
    """A group with readers, pruned at random, and the model that its exports must equal."""
    group = seen_group(number)
    axes = [
        value.flow.axis if (value := group.program.values.get(result)) is not None else None
        for result in group.results
    ]
    torch.manual_seed(number)
    net = Items(group.names, axes).double().eval()
    masks = random_masks(net, np.random.default_rng(number))
    masks = {name: mask for name, mask in masks.items() if name.startswith("heads")}
    return ta.extract(net, sample(), masks), ta.masked(net, masks)


@pytest.mark.parametrize("number", range(-(-len(NAMES) // GROUP)))
def test_exports_with_the_operators_equal_the_masked_model(number: int) -> None:
    """Between two layers they survive masks, dropping, reordering and another batch."""
    extraction, reference = extracted(number)
    x = sample(4)[:2] if not extraction.notes else sample(4)
    with torch.no_grad():
        expected = reference(x)
        for layout in layouts(extraction.instance, count=2):
            results = ta.apply(extraction, layout)(x)
            for name, made, right in zip(seen_group(number).names, results, expected, strict=True):
                scale = float(right.double().nan_to_num().abs().max()) or 1.0
                error = (made.double() - right.double()).nan_to_num().abs().max()
                assert float(error) <= TOLERANCE * scale, name


def test_every_rule_has_an_example() -> None:
    """Rules of operators with weights are tested with these."""
    modules = {rule.__module__.rpartition(".")[2] for rule in RULES.values()}
    assert modules >= set(MODULES)
    assert all(name in NAMES for name, rule in RULES.items() if _has_no_weights(rule))


def _has_no_weights(rule: Any) -> bool:
    return rule.__module__.rpartition(".")[2] in MODULES


def test_an_unknown_operator_pins() -> None:
    """What no rule covers wants its operand as it was, and says so."""

    class Sorts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.head = nn.Conv2d(3, CHANNELS, 1), nn.Conv2d(CHANNELS, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.linalg.qr(self.one(x)).Q)

    net = Sorts().double().eval()
    assert "aten.linalg_qr.default" not in RULES
    masks = {"head": {"input": np.arange(CHANNELS) % 2 == 0}}
    extraction = ta.extract(net, sample(), masks)
    assert any("no rule for this operator" in pin.reason for pin in extraction.pins)
    module = ta.apply(extraction, layouts(extraction.instance)[1])
    assert ta.max_relative_error(ta.masked(net, masks), module, sample()) <= TOLERANCE


def test_a_wrong_rule_is_caught() -> None:
    """The oracle objects where an operator that moves channels is taken for an elementwise one."""
    captured = seen("aten.flip.default").program.captured
    wrong = RULES | {"aten.flip.default": RULES["aten.relu.default"]}
    program = build(captured, wrong, {})
    group = seen("aten.flip.default")
    spoiled = Seen(group.names, program, Facts(program, captured.attributes), group.results)
    value = program.values[group.results[group.names.index("aten.flip.default")]]
    with pytest.raises(AssertionError):
        probed(spoiled, "aten.flip.default", value, np.random.default_rng(0))
