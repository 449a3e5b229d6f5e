"""How the kernels of the modes are compiled, and what they count as infinite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

IntArray: TypeAlias = npt.NDArray[np.int64]
_Function = TypeVar("_Function", bound="Callable[..., Any]")

#: More than any price; sums of some dozens stay within 64 bits.
INFINITY = 1 << 56


def compile_kernel(function: _Function) -> _Function:
    """Compile a function, keep the machine code, and release the lock while it runs."""
    options: dict[str, Any] = {"nogil": True}
    try:
        return cast("_Function", numba.njit(cache=True, **options)(function))
    except RuntimeError:
        # No folder is writable: compile anew in every process.
        return cast("_Function", numba.njit(**options)(function))
