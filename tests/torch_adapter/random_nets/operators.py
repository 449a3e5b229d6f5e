"""Operators: what a network looks like to ``torch.export``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch

from random_nets.program import build, sample

if TYPE_CHECKING:
    from random_nets.program import Program


def operators_of(program: Program) -> Counter[str]:
    """Calls per ATen operator in the captured graph."""
    inputs = sample(program, 2, 0)
    shapes = tuple({0: torch.export.Dim.DYNAMIC} for _ in inputs)
    captured = torch.export.export(build(program), inputs, dynamic_shapes=shapes, strict=False)
    graph = captured.graph
    return Counter(str(node.target) for node in graph.nodes if node.op == "call_function")
