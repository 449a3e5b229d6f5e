"""How the kernels are compiled, and two machine instructions that numba has no name for.

numba's cache watches the file of a kernel, not those of the kernels it calls: after an edit here,
delete the ``.nbi`` and ``.nbc`` files in this folder's ``__pycache__``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

_Function = TypeVar("_Function", bound="Callable[..., Any]")


def entry(function: _Function) -> _Function:
    """Compile a kernel that Python calls; keep the machine code; release the lock meanwhile."""
    return _compiled(function, no_cfunc_wrapper=True)


def kernel(function: _Function) -> _Function:
    """Compile a kernel that only other kernels call, which spares its Python wrapper."""
    return _compiled(function, no_cfunc_wrapper=True, no_cpython_wrapper=True)


def inlined(function: _Function) -> _Function:
    """As :func:`kernel`, and made part of its callers."""
    return _compiled(function, no_cfunc_wrapper=True, no_cpython_wrapper=True, inline="always")


def _compiled(function: _Function, **options: Any) -> _Function:
    # The kernels allocate nothing: without the reference counts that numba keeps for arrays, a call
    # costs nanoseconds instead of microseconds, and compiling takes half the time.
    options |= {"nogil": True, "_nrt": False}
    try:
        return cast("_Function", numba.njit(cache=True, **options)(function))
    except RuntimeError:
        # No folder is writable: compile anew in every process.
        return cast("_Function", numba.njit(**options)(function))


def _popcount(_context: Any, word: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return (types.int64(types.uint64), generate) if word == types.uint64 else None


def _lowest_bit(_context: Any, word: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return (types.int64(types.uint64), generate) if word == types.uint64 else None


#: Number of set bits of an unsigned 64-bit word.
popcount = cast("Callable[[np.uint64], int]", intrinsic(_popcount))
#: Index of the lowest set bit of an unsigned 64-bit word; 64 if there is none.
lowest_bit = cast("Callable[[np.uint64], int]", intrinsic(_lowest_bit))
