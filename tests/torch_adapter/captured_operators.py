"""Examples of operators, captured in groups, and all their values on random input."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import torch
from operator_examples import FURTHER, OPERATORS, SIZE
from operator_items import Items
from torch import fx

from reorder_solver.torch_adapter.build import build
from reorder_solver.torch_adapter.capture import capture
from reorder_solver.torch_adapter.facts import Facts
from reorder_solver.torch_adapter.rules import RULES

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.program import Program, Value

torch.set_num_threads(1)

#: Examples per captured network: capturing takes longer than everything else.
GROUP = 40
NAMES = [*OPERATORS, *FURTHER]
#: These cannot be captured for any batch size.
FIXED = ["aten.native_channel_shuffle.default", "aten.take_along_dim.default"]
_FREE = [name for name in NAMES if name not in FIXED]
GROUPS = [*(_FREE[start : start + GROUP] for start in range(0, len(_FREE), GROUP)), FIXED]
PLACE = {name: number for number, names in enumerate(GROUPS) for name in names}
#: Of the elementwise operators, those disturbed and reordered every time; the others when slow.
QUICK = {
    "aten.add.Scalar", "aten.add.Tensor", "aten.clamp.default", "aten.copy.default",
    "aten.div.Tensor", "aten.dropout.default", "aten.expand_as.default", "aten.gelu.default",
    "aten.gt.Scalar", "aten.lerp.Tensor", "aten.masked_fill.Scalar", "aten.maximum.default",
    "aten.mul.Tensor", "aten.pow.Tensor_Scalar", "aten.relu.default", "aten.rsub.Scalar",
    "aten.sub.Tensor", "aten.to.dtype", "aten.where.self", "aten.zeros_like.default",
}  # fmt: skip
CASES = [
    name
    if name in FURTHER or name in QUICK or "elementwise" not in RULES[name].__module__
    else pytest.param(name, marks=pytest.mark.slow)
    for name in NAMES
]


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
    return seen_group(PLACE[name])


@cache
def seen_group(number: int) -> Seen:
    torch.manual_seed(0)
    names = GROUPS[number]
    captured = capture(Items(names).double().eval(), sample())
    program = build(captured, RULES, {})
    output = next(node for node in captured.graph.nodes if node.op == "output")
    return Seen(names, program, Facts(program, captured.attributes), list(output.args[0]))


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


def by_channel(value: Value, tensor: torch.Tensor) -> list[torch.Tensor]:
    """What belongs to each channel."""
    moved = tensor.movedim(value.flow.axis, 0)
    return list(moved.split(value.flow.sizes.tolist()))
