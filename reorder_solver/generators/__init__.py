"""Generators: seeded families of random instances. Needs core and numpy."""

from __future__ import annotations

from reorder_solver.generators.parameters import Parameter
from reorder_solver.generators.pricing import model_prices, with_model_prices
from reorder_solver.generators.registry import FAMILIES, GENERATOR_VERSION, Family, generate

__all__ = [
    "FAMILIES",
    "GENERATOR_VERSION",
    "Family",
    "Parameter",
    "generate",
    "model_prices",
    "with_model_prices",
]
