"""Compile kernels beside the caller, so that a first use does not overrun its time limit."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds between two looks at the clock while waiting.
_SLICE = 0.1
_lock = threading.Lock()
_compilations: dict[str, _Compilation] = {}


def is_ready(name: str, work: Callable[[], None], end: float) -> bool:
    """Wait until `work` has been done once under `name`; False if time ran out first.

    The first call starts a thread for it, which goes on after `end`; the interpreter waits for it
    at exit, so that the next run finds the kernels in numba's cache.

    Parameters
    ----------
    name : str
    work : callable
        Uses every kernel in question once, on something tiny.
    end : float
        On ``time.perf_counter()``, possibly infinite.

    Raises
    ------
    Exception
        Whatever `work` raised.
    """
    with _lock:
        compilation = _compilations.get(name)
        if compilation is None:
            compilation = _compilations[name] = _Compilation(work)
    while not compilation.finished.wait(max(0.0, min(_SLICE, end - time.perf_counter()))):
        if time.perf_counter() >= end:
            return False
    if compilation.error is not None:
        raise compilation.error
    return True


def wait_for_all() -> None:
    """Wait until nothing is being compiled any more.

    For whoever is about to replace built-in functions for a while, as ``torch.export`` does with
    ``min`` and ``max``: a kernel compiled meanwhile would see the replacements and fail.
    """
    with _lock:
        running = list(_compilations.values())
    for compilation in running:
        compilation.finished.wait()


class _Compilation:
    """One piece of work in a thread of its own."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.finished = threading.Event()
        self.error: Exception | None = None
        self._work = work
        threading.Thread(target=self._compile, name="kernel compilation").start()

    def _compile(self) -> None:
        try:
            self._work()
        except Exception as error:
            self.error = error
        finally:
            self.finished.set()
