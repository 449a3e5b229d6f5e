"""How the kernels are compiled, and a machine instruction that numba has no name for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from formulations.compiled import compiled, entry, kernel, popcount

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["entry", "inlined", "kernel", "lowest_bit", "popcount"]

_Function = TypeVar("_Function", bound="Callable[..., Any]")


def inlined(function: _Function) -> _Function:
    """As :func:`kernel`, and written into its callers before anything is compiled."""
    return compiled(function, no_cfunc_wrapper=True, no_cpython_wrapper=True, inline="always")


def _lowest_bit(_context: Any, word: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return (types.int64(types.uint64), generate) if word == types.uint64 else None


#: Index of the lowest set bit of an unsigned 64-bit word; 64 if there is none.
lowest_bit = cast("Callable[[np.uint64], int]", intrinsic(_lowest_bit))
