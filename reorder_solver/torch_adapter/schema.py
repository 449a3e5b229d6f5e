"""Operator calls by the names in their schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import fx


def operator_name(node: fx.Node) -> str:
    """The key of the rule table: ``aten.relu.default``, ``getitem``."""
    if isinstance(node.target, str):
        return node.target
    if hasattr(node.target, "_schema"):
        return str(node.target)
    return getattr(node.target, "__name__", str(node.target))


def schema_of(target: Any) -> Any:
    """The schema of an operator; None for a Python function."""
    return getattr(target, "_schema", None)


def schema_arguments(node: fx.Node) -> list[Any]:
    """The arguments of the schema of an operator call; none for a Python function."""
    schema = schema_of(node.target)
    return [] if schema is None else list(schema.arguments)


def bind(node: fx.Node) -> dict[str, Any]:
    """All arguments of an operator call by the names in its schema, defaults included."""
    bound: dict[str, Any] = {}
    for position, argument in enumerate(schema_arguments(node)):
        if position < len(node.args):
            bound[argument.name] = node.args[position]
        elif argument.name in node.kwargs:
            bound[argument.name] = node.kwargs[argument.name]
        elif argument.has_default_value():
            bound[argument.name] = argument.default_value
    return bound
