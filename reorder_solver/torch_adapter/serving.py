"""Serving: how a layout makes it cheapest to serve each operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.prices import Mode, Objective

if TYPE_CHECKING:
    from reorder_solver.core.layout import Layout
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.program import Operation


def chosen_modes(extraction: Extraction, layout: Layout) -> dict[Operation, Mode]:
    """For each operation that is no view the cheapest mode.

    Raises
    ------
    InputError
        If an access has no prices.
    """
    facts = evaluate(extraction.instance, layout, Objective.LATENCY)
    found: dict[Operation, Mode] = {}
    for access_id, planned in extraction.plan.planned.items():
        mode = facts.accesses[access_id].mode
        if planned.operation is not None and mode is not None and mode is not Mode.VIEW:
            found[planned.operation] = mode
    return found
