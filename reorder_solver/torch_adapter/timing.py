"""Timing: several things in turn, round by round, so that all see the same state of the machine."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from reorder_solver.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Task = Callable[[], object]
    Clock = Callable[[], int]

#: A sample shorter than this is repeated: reading a clock takes up to 1 us.
_SHORTEST_NS = 20_000
_MOST_REPETITIONS = 1000


@contextmanager
def threads_set_to(threads: int | None) -> Iterator[int]:
    """PyTorch with this many threads within operators, then as before; None leaves it."""
    before = torch.get_num_threads()
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, got {threads}")
    try:
        if threads is not None:
            torch.set_num_threads(threads)
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def synchronise(device: torch.device) -> None:
    """Wait for what an accelerator has been given to do; nothing on the CPU."""
    if device.type == "cpu":
        return
    backend = getattr(torch, device.type, None)
    if backend is not None and hasattr(backend, "synchronize"):
        backend.synchronize()


def steady_clock(threads: int, device: torch.device) -> Clock:
    """The clock that other programs disturb least: time on the processor, where that is all.

    With one thread on the CPU, waiting for a turn on the processor is no part of the work.
    """
    if threads == 1 and device.type == "cpu":
        return time.thread_time_ns
    return time.perf_counter_ns


def timed_in_turn(
    tasks: Sequence[Task],
    rounds: int,
    *,
    clock: Clock = time.perf_counter_ns,
    device: torch.device | None = None,
    warm_up: int = 1,
    seed: int = 0,
    budget_s: float | None = None,
    least_rounds: int = 3,
) -> npt.NDArray[np.float64]:
    """Time every task once per round, in an order drawn anew for each round.

    Parameters
    ----------
    tasks : sequence of callable
    rounds : int
    clock : callable
        Nanoseconds.
    device : torch.device, optional
        Waited for before the clock is read; the CPU if not given.
    warm_up : int
        Calls of each task before the first round.
    seed : int
        Of the orders.
    budget_s : float, optional
        No round is begun after this many seconds, warm-up included, once there are
        `least_rounds`.
    least_rounds : int

    Returns
    -------
    ndarray of float64, shape (rounds done, tasks)
        Nanoseconds. Tasks so short that the clock would blur them are called several times per
        sample; the sample is the mean.
    """
    device = device or torch.device("cpu")
    rng = np.random.default_rng(seed)
    begin = time.perf_counter()
    repetitions = [_warmed(task, clock, device, warm_up) for task in tasks]
    samples: list[npt.NDArray[np.float64]] = []
    while len(samples) < rounds:
        late = budget_s is not None and time.perf_counter() - begin > budget_s
        if late and len(samples) >= least_rounds:
            break
        row = np.empty(len(tasks), dtype=np.float64)
        for number in rng.permutation(len(tasks)):
            row[number] = _sample(tasks[number], repetitions[number], clock, device)
        samples.append(row)
    return np.array(samples).reshape(len(samples), len(tasks))


def _warmed(task: Task, clock: Clock, device: torch.device, warm_up: int) -> int:
    """Warm a task up and say how often it is to be called per sample."""
    for _ in range(warm_up):
        task()
    first = _sample(task, 1, clock, device)
    return int(min(_MOST_REPETITIONS, max(1, -(-_SHORTEST_NS // max(first, 1.0)))))


def _sample(task: Task, repetitions: int, clock: Clock, device: torch.device) -> float:
    synchronise(device)
    begin = clock()
    for _ in range(repetitions):
        task()
    synchronise(device)
    return (clock() - begin) / repetitions
