"""Every rule against an oracle: disturb one channel and see what moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from captured_operators import CASES, NAMES, PLACE, Seen, by_channel, call, seen, values
from operator_examples import CHANNELS, MODULES, OPERATORS
from torch import fx

from reorder_solver.torch_adapter.operations import Adopt, Opaque
from reorder_solver.torch_adapter.rules import RULES
from reorder_solver.torch_adapter.schema import operator_name

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray
    from reorder_solver.torch_adapter.program import Operation, Program, Value

#: What these make does not depend on what is in their operand.
UNMOVED = {"aten.zeros_like.default", "aten.ones_like.default", "aten.full_like.default"}
#: These may need a channel and yet not move with it: they compare, choose among operands, or
#: need all of several channels that go together.
LOOSE = {
    "aten.copy.default", "aten.expand_as.default", "aten.copysign.Tensor", "aten.fmax.default",
    "aten.fmod.Tensor", "aten.remainder.Tensor", "aten.heaviside.default", "aten.gather.default",
    "aten.take_along_dim.default", "aten.max_unpool2d.default", "aten.max_unpool3d.default",
    "aten.masked_fill.Scalar", "aten.masked_fill.Tensor",
    "aten.where.ScalarOther", "aten.where.ScalarSelf", "aten.count_nonzero.dim_IntList",
    "three in one", "stack before", "pad the channels", "pad everything",
    "a plain value meets channels", "aten.prod.default", "aten.prod.dim_int",
}  # fmt: skip
#: Elementwise examples with an operand that is not known before the model runs, or used whole.
UNKNOWN = {"aten.addcdiv.default", "aten.expand_as.default", "aten.masked_fill.Tensor"}


def roots(group: Seen, name: str) -> list[fx.Node]:
    """The convolutions that an example works on."""
    return [node for node in group.own(name) if operator_name(node).startswith("aten.conv2d")]


def disturbed(group: Seen, name: str, root: fx.Node, channel: int, by: float) -> torch.Tensor:
    """The result of an example with one channel of one of its convolutions changed."""
    before = values(PLACE[name])
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


def different(one: torch.Tensor, other: torch.Tensor) -> bool:
    return not torch.equal(
        torch.nan_to_num(one.double(), 7.0), torch.nan_to_num(other.double(), 7.0)
    )


@pytest.mark.parametrize("name", OPERATORS)
def test_the_example_calls_the_operator(name: str) -> None:
    """Capturing keeps it, so that the rule is needed."""
    group = seen(name)
    nodes = group.graph.nodes if name == "aten.sym_size.int" else group.own(name)
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


@pytest.mark.parametrize("name", CASES)
def test_a_channel_moves_only_what_needs_it(name: str) -> None:
    """Disturb a channel: what the rules say does not need it stays, and the rest moves."""
    group = seen(name)
    result = group.results[group.names.index(name)]
    before = values(PLACE[name])[result]
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
    number = PLACE[name]
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


def test_every_rule_has_an_example() -> None:
    """Rules of operators with weights are tested with these."""
    modules = {rule.__module__.rpartition(".")[2] for rule in RULES.values()}
    assert modules >= set(MODULES)
    assert all(name in NAMES for name, rule in RULES.items() if _has_no_weights(rule))


def _has_no_weights(rule: Any) -> bool:
    return rule.__module__.rpartition(".")[2] in MODULES
