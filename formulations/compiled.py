"""How kernels are compiled, and the machine's own count of bits.

numba's cache watches the file of a kernel, not those of the kernels it calls: after an edit, delete
the ``.nbi`` and ``.nbc`` files in the ``__pycache__`` of the folders with kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
from numba import types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

_Function = TypeVar("_Function", bound="Callable[..., Any]")


def entry(function: _Function) -> _Function:
    """Compile a kernel that Python calls; keep the machine code; release the lock meanwhile."""
    return compiled(function, no_cfunc_wrapper=True)


def kernel(function: _Function) -> _Function:
    """Compile a kernel that only other kernels call, which spares its Python wrapper."""
    return compiled(function, no_cfunc_wrapper=True, no_cpython_wrapper=True)


def inlined(function: _Function) -> _Function:
    """As :func:`kernel`, and made part of its callers: a call would pass every array's fields."""
    return compiled(function, no_cfunc_wrapper=True, no_cpython_wrapper=True, forceinline=True)


def compiled(function: _Function, **options: Any) -> _Function:
    """Compile with options of numba's; the kernels allocate nothing and hold no lock."""
    # Without the reference counts that numba keeps for arrays, a call costs nanoseconds instead of
    # microseconds, and compiling takes half the time.
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


#: Number of set bits of an unsigned 64-bit word.
popcount = cast("Callable[[np.uint64], int]", intrinsic(_popcount))
