"""Every rule against an oracle: disturb one channel and see what moves."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from adapter_nets import TOLERANCE, layouts, random_masks
from operator_examples import SIZE, OneOperator, family
from torch import fx, nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.analysis import Analysis, analyse, bind, operator_name
from reorder_solver.torch_adapter.capture import capture
from reorder_solver.torch_adapter.flow import Flow, flows_in
from reorder_solver.torch_adapter.rules import RULES
from reorder_solver.torch_adapter.rules.elementwise import elementwise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reorder_solver.torch_adapter.capture import Captured

OPERATORS = sorted(RULES)


def sample(batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(batch, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)


@cache
def prepared(name: str) -> tuple[ta.Extraction, nn.Module]:
    """The example pruned at random, extracted, and the model that its exports must equal."""
    torch.manual_seed(0)
    net = OneOperator(name).double().eval()
    masks = random_masks(net, np.random.default_rng(0))
    return ta.extract(net, sample(), masks), ta.masked(net, masks)


def nodes_of(captured: Captured, name: str) -> list[fx.Node]:
    found = [node for node in captured.graph.nodes if operator_name(node) == name]
    assert found, f"the example does not call {name}"
    return found


def run(captured: Captured) -> dict[fx.Node, Any]:
    """All values of the captured graph on random input."""
    values: dict[fx.Node, Any] = {}
    for node in captured.graph.nodes:
        if node.op == "placeholder":
            values[node] = sample()
        elif node.op == "get_attr":
            values[node] = captured.attributes[node.target].detach().clone()
        elif node.op == "call_function":
            values[node] = call(node, values, {})
    return values


def call(node: fx.Node, values: dict[fx.Node, Any], replaced: dict[fx.Node, Any]) -> Any:
    """The operator's result on copies of its operands."""

    def operand(one: fx.Node) -> Any:
        value = replaced.get(one, values[one])
        return value.detach().clone() if isinstance(value, torch.Tensor) else value

    args, kwargs = fx.map_arg((node.args, node.kwargs), operand)
    with torch.no_grad():
        return node.target(*args, **kwargs)


def features_of(flow: Flow, analysis: Analysis) -> list[tuple[int, int]]:
    """For each feature of a flow the tensor class and the channel it belongs to."""
    return [
        (analysis.tensors.root(segment.tensor), channel)
        for segment in flow.segments
        for channel in range(analysis.tensors.channels(segment.tensor))
        for _ in range(segment.block)
    ]


def moved(before: torch.Tensor, after: torch.Tensor, axis: int) -> set[int]:
    others = [each for each in range(before.ndim) if each != axis]
    different = before != after
    return set(torch.nonzero(different.any(dim=others) if others else different).flatten().tolist())


def disturbances(
    node: fx.Node, values: dict[fx.Node, Any], analysis: Analysis
) -> Iterator[tuple[tuple[int, int], dict[fx.Node, Any]]]:
    """Each channel of each operand, with the operands in which it is disturbed."""
    for operand in node.all_input_nodes:
        flow = analysis.values[operand]
        if not isinstance(flow, Flow):
            continue
        owners = features_of(flow, analysis)
        for owner in sorted(set(owners)):
            changed = values[operand].clone()
            for place, each in enumerate(owners):
                if each == owner:
                    changed.select(flow.axis, place).add_(
                        torch.rand_like(changed.select(flow.axis, place)) + 0.5
                    )
            yield owner, {operand: changed}


def effects(
    name: str, captured: Captured, analysis: Analysis
) -> Iterator[tuple[tuple[int, int], set[tuple[int, int]]]]:
    """For each disturbed channel the channels that the rule says the moved features carry."""
    values = run(captured)
    mixes = {read.node for read in analysis.reads}
    for node in nodes_of(captured, name):
        if node in mixes or analysis.values[node] is None:
            continue
        for owner, replaced in disturbances(node, values, analysis):
            after = call(node, values, replaced)
            results = list(flows_in(analysis.values[node]))
            tensors = values[node] if isinstance(values[node], tuple) else (values[node],)
            changed = after if isinstance(after, tuple) else (after,)
            for flow, old, new in zip(results, tensors, changed, strict=True):
                owners = features_of(flow, analysis)
                yield owner, {owners[place] for place in moved(old, new, flow.axis)}


@pytest.mark.parametrize(
    "name", [n for n in OPERATORS if n not in ("getitem", "aten.sym_size.int")]
)
def test_a_channel_moves_only_its_own_features(name: str) -> None:
    """What the rule says a channel turns into is all that moves when the channel is disturbed."""
    extraction, _ = prepared(family(name))
    captured, analysis = extraction.captured, extraction.analysis
    seen = list(effects(name, captured, analysis))
    assert all(reached <= {owner} for owner, reached in seen)
    assert seen or any(operator_name(read.node) == name for read in analysis.reads)


def test_a_wrong_rule_is_caught() -> None:
    """The oracle objects where an operator that moves channels is taken for an elementwise one."""

    class Flips(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.one(x).flip(1))

    captured = capture(Flips().double().eval(), sample())
    name = "aten.flip.default"
    analysis = analyse(captured, RULES | {name: elementwise})
    assert any(not reached <= {owner} for owner, reached in effects(name, captured, analysis))


@pytest.mark.parametrize("name", OPERATORS)
def test_stored_operands_follow_their_channels(name: str) -> None:
    """Disturbing an entry of a per-channel parameter moves the channel it is said to belong to."""
    extraction, _ = prepared(family(name))
    captured, analysis = extraction.captured, extraction.analysis
    values = run(captured)
    for use in analysis.parameters:
        result = analysis.values[use.node]
        assert isinstance(result, Flow)
        operand = bind(use.node)[use.argument]
        for axis, follows in use.axes.items():
            if not isinstance(follows, Flow):
                continue
            assert [s for s in follows.segments] == [s for s in result.segments]
            for place in range(values[operand].shape[axis]):
                changed = values[operand].clone()
                changed.select(axis, place).add_(0.5)
                after = call(use.node, values, {operand: changed})
                assert moved(values[use.node], after, result.axis) <= {place}


@pytest.mark.parametrize("name", OPERATORS)
def test_export_with_the_operator_equals_the_masked_model(name: str) -> None:
    """The operator between two layers survives masks, dropping, reordering and another batch."""
    extraction, reference = prepared(family(name))
    for layout in layouts(extraction.instance, count=1):
        module = ta.apply(extraction, layout)
        assert ta.max_relative_error(reference, module, sample(3)) <= TOLERANCE


@pytest.mark.parametrize("name", OPERATORS)
def test_the_rule_leaves_its_operands_free(name: str) -> None:
    """The example is understood: nothing but the model's input and output is pinned."""
    extraction, _ = prepared(family(name))
    assert nodes_of(extraction.captured, name)
    assert {pin.reason for pin in extraction.pins} == {"model input", "model output"}
