"""The table of rules, filled by the modules beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from reorder_solver.torch_adapter.build import Rule

#: Rule by operator name.
RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register the decorated function for the named operators."""

    def register(function: Rule) -> Rule:
        for operator in operators:
            if operator in RULES:
                raise ValueError(f"operator {operator!r} has a rule already")
            RULES[operator] = function
        return function

    return register
