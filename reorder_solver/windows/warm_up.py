"""Compile the kernels beside the caller, so that a first use does not overrun its time limit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from formulations.warm_up import is_ready
from formulations.windows_bound import upper_bound
from reorder_solver.core.limits import Deadline
from reorder_solver.core.windows import (
    Budget,
    ScoredAccess,
    ScoredPart,
    ScoredTensor,
    WindowsInstance,
)
from reorder_solver.windows.compile import compile_windows
from reorder_solver.windows.search import Search

if TYPE_CHECKING:
    from formulations.windows import WindowsSolution

_CHANNELS = 12


def kernels_ready(deadline: Deadline) -> bool:
    """Wait until the kernels are compiled, or loaded from the cache; False if time ran out first.

    See :func:`formulations.warm_up.is_ready`.
    """
    return is_ready("windows", _use_all, time.perf_counter() + deadline.remaining)


def _use_all() -> None:
    """A bound and a search on something tiny, which makes numba compile or load every kernel."""
    model = compile_windows(_tiny_instance())
    upper_bound(model, time_limit=None)
    Search(model).run(Deadline(None), 2, _ignore)


def _ignore(found: WindowsSolution) -> None:
    """Nobody asked for what is found on the way."""


def _tiny_instance() -> WindowsInstance:
    """Two shared tensors, a concatenation, an access that may pay, live channels that cost."""
    rng = np.random.default_rng(0)

    def part(tensor: str) -> ScoredPart:
        return ScoredPart(tensor, rng.integers(1, 100, _CHANNELS))

    tensors = (
        ScoredTensor("x", _CHANNELS, live_limit=10, live_cost=2, budget="all"),
        ScoredTensor("y", _CHANNELS),
    )
    accesses = (
        ScoredAccess("a", (part("x"),), "all", cost=2),
        ScoredAccess("b", (part("x"), part("y")), "all", cost=3),
        ScoredAccess("c", (part("y"),), "all", cost=1, gather=(3, 1)),
        ScoredAccess("d", (part("x"),), "all", cost=1),
    )
    return WindowsInstance("tiny", tensors, accesses, (Budget("all", 70),))
