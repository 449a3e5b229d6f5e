"""Every rule lowered: any channels in any order, and exports that equal the masked model."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from captured_operators import (
    CASES,
    FIXED,
    GROUPS,
    NAMES,
    PLACE,
    Seen,
    by_channel,
    sample,
    seen,
    seen_group,
    values,
)
from masks_and_layouts import layouts, random_masks
from operator_examples import CHANNELS, OPERATORS
from operator_items import Items
from torch import fx, nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.build import build
from reorder_solver.torch_adapter.emitter import Emitter
from reorder_solver.torch_adapter.facts import Facts
from reorder_solver.torch_adapter.joining import FEWEST_BYTES
from reorder_solver.torch_adapter.operations import Opaque
from reorder_solver.torch_adapter.rules import RULES

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.program import Value

TOLERANCE = 1e-12
#: Their results have no channels.
WITHOUT_CHANNELS = {
    "one feature", "sum of channels", "mean of everything", "aten.std.correction",
    *(name for name in OPERATORS if name.endswith("default")
      and name.split(".")[1] in ("all", "any", "count_nonzero", "max", "min", "mean", "nansum",
                                 "prod", "std", "sum", "var")),
    "aten.norm.Scalar",
}  # fmt: skip


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
        # What is constant does not depend on what is read.
        facts = group.facts.with_live({})
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
    original = by_channel(value, values(PLACE[name])[group_node(group, value)])
    expected = torch.cat([original[channel] for channel in sequence])
    torch.testing.assert_close(
        made.movedim(value.flow.axis, 0), expected, rtol=1e-12, atol=1e-12, equal_nan=True
    )


def group_node(group: Seen, value: Value) -> fx.Node:
    return next(node for node, one in group.program.values.items() if one is value)


@pytest.mark.parametrize("name", CASES)
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


@pytest.mark.parametrize("number", range(len(GROUPS)))
def test_exports_with_the_operators_equal_the_masked_model(number: int) -> None:
    """Between two layers they survive masks, dropping, reordering and another batch."""
    extraction, reference = extracted(number)
    fixed = any("captured for" in note for note in extraction.notes)
    assert fixed == (GROUPS[number] is FIXED)
    x = sample(4) if fixed else sample(4)[:2]
    with torch.no_grad():
        expected = reference(x)
        for layout in layouts(extraction.instance, count=2):
            results = ta.apply(extraction, layout)(x)
            for name, made, right in zip(seen_group(number).names, results, expected, strict=True):
                scale = float(right.double().nan_to_num().abs().max()) or 1.0
                error = (made.double() - right.double()).nan_to_num().abs().max()
                assert float(error) <= TOLERANCE * scale, name


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
