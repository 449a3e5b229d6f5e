"""Compile the kernels of the modes beside the caller; see :mod:`formulations.warm_up`.

Each search has kernels of its own, and waits for these alone.
"""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

from formulations.engines import import_cp_model
from formulations.warm_up import is_ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from reorder_solver.core.limits import Deadline


def kernels_ready(name: str, work: Callable[[], None], deadline: Deadline | None) -> bool:
    """Wait until `work` has compiled some kernels, or loaded them; False if time ran out first.

    Parameters
    ----------
    name : str
        Of the kernels.
    work : callable
        Uses each of them once, without asking whether they are ready.
    deadline : Deadline or None
        None to wait as long as it takes.
    """
    left = inf if deadline is None else deadline.remaining
    return is_ready(f"modes, {name}", work, time.perf_counter() + left)


def engine_ready(deadline: Deadline) -> bool:
    """Wait until CP-SAT is loaded; False if time ran out first.

    That takes half a second and more, and longer while kernels are compiled.
    """
    return kernels_ready("engine", _load_engine, deadline)


def _load_engine() -> None:
    import_cp_model()
