"""Time: one wall clock, started by the caller's call."""

from __future__ import annotations

import math
import time

from reorder_solver.core.errors import InputError


class Deadline:
    """A moment on the monotonic clock, and how far away it is.

    Parameters
    ----------
    seconds : float or None
        From now; None means never.
    """

    __slots__ = ("_end", "_start")

    def __init__(self, seconds: float | None) -> None:
        if seconds is not None and not (isinstance(seconds, int | float) and seconds >= 0):
            raise InputError(f"time limit must be a number of seconds, at least 0, got {seconds!r}")
        self._start = time.perf_counter()
        self._end = math.inf if seconds is None else self._start + seconds

    @property
    def elapsed(self) -> float:
        """Wall seconds since the start."""
        return time.perf_counter() - self._start

    @property
    def remaining(self) -> float:
        """Wall seconds left, never negative; ``inf`` without a limit."""
        return max(0.0, self._end - time.perf_counter())

    @property
    def limit(self) -> float | None:
        """What is left, to hand on as a time limit; None without a limit."""
        left = self.remaining
        return None if math.isinf(left) else left

    @property
    def expired(self) -> bool:
        """True once no time is left."""
        return time.perf_counter() >= self._end

    def share(self, fraction: float) -> Deadline:
        """A deadline that starts now and has `fraction` of what remains of this one."""
        left = self.limit
        return Deadline(None if left is None else left * fraction)
