"""What every understood operator does to channels: one rule per operator, in one table."""

from __future__ import annotations

from reorder_solver.torch_adapter.rules import (
    attention,
    elementwise,
    layers,
    norms,
    pieces,
    pooling,
    products,
    reductions,
    regrouping,
    shapes,
    views,
)
from reorder_solver.torch_adapter.rules.table import RULES

__all__ = [
    "RULES",
    "attention",
    "elementwise",
    "layers",
    "norms",
    "pieces",
    "pooling",
    "products",
    "reductions",
    "regrouping",
    "shapes",
    "views",
]
