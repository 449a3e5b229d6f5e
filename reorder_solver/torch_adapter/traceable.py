"""Traceable: operators written such that ``torch.jit.trace`` follows sizes through them.

What the operators themselves return or are given as a size, it takes for a constant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

aten = torch.ops.aten

#: Operators that are always written as methods.
_METHODS: dict[Any, str] = {
    aten.sym_size.int: "size",
    aten.view.default: "reshape",
    aten._unsafe_view.default: "reshape",  # noqa: SLF001 - its only name
    aten.reshape.default: "reshape",
    aten.expand.default: "expand",
}
#: Those that are where a size is computed.
_SIZED_METHODS: dict[Any, str] = {
    aten.broadcast_to.default: "broadcast_to",
    aten.new_empty.default: "new_empty",
    aten.new_full.default: "new_full",
    aten.new_ones.default: "new_ones",
    aten.new_zeros.default: "new_zeros",
    aten.repeat.default: "repeat",
    aten.tile.default: "tile",
    aten.unflatten.int: "unflatten",
}
_SIZED_FUNCTIONS: dict[Any, Any] = {
    aten.affine_grid_generator.default: torch.affine_grid_generator,
    aten.arange.default: torch.arange,
    aten.arange.start: torch.arange,
    aten.arange.start_step: torch.arange,
    aten.empty.memory_format: torch.empty,
    aten.full.default: torch.full,
    aten.ones.default: torch.ones,
    aten.zeros.default: torch.zeros,
}


def call_traceable(
    graph: fx.Graph, called: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> fx.Node | None:
    """Write a call that can be traced; None if it is to be written as it is."""
    if called in _METHODS and not kwargs:
        return graph.call_method(_METHODS[called], args)
    if called in _SIZED_METHODS and _is_sized(args[1:]):
        return graph.call_method(_SIZED_METHODS[called], args, dict(kwargs))
    if called in _SIZED_FUNCTIONS and _is_sized(args):
        return graph.call_function(_SIZED_FUNCTIONS[called], args, dict(kwargs))
    return None


def _is_sized(args: Sequence[Any]) -> bool:
    """True if a size is computed."""
    return any(
        isinstance(one, fx.Node)
        for given in args
        for one in (given if isinstance(given, list | tuple) else (given,))
    )
