"""Latency: several modules on the same inputs, side by side, with ratios and their uncertainty."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils import _pytree as pytree

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.capture import as_arguments
from reorder_solver.torch_adapter.modes import evaluating
from reorder_solver.torch_adapter.timing import steady_clock, threads_set_to, timed_in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from reorder_solver.torch_adapter.timing import Clock

_RESAMPLES = 2000
_LEAST_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of medians and its bootstrap confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


@dataclass(frozen=True, slots=True, eq=False)
class LatencyTable:
    """What :func:`compare_latency` measured.

    Attributes
    ----------
    names : tuple of str
    samples : ndarray of float64, shape (rounds, modules)
        Nanoseconds; the samples of one row were taken one right after the other.
    threads : int
    device : str
    seed : int
        Of the bootstrap.
    clock : str
    """

    names: tuple[str, ...]
    samples: npt.NDArray[np.float64]
    threads: int
    device: str
    seed: int = 0
    clock: str = "wall"

    @property
    def rounds(self) -> int:
        """Rounds measured."""
        return len(self.samples)

    def quartiles_ms(self, name: str) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile in milliseconds."""
        low, middle, high = np.quantile(self._column(name), (0.25, 0.5, 0.75)) / 1e6
        return float(low), float(middle), float(high)

    def ratio(self, name: str, reference: str, confidence: float = 0.95) -> Ratio:
        """Median of `name` over that of `reference`.

        Parameters
        ----------
        name, reference : str
        confidence : float
            Of the percentile bootstrap. Whole rounds are drawn, so what disturbed both at once
            cancels.

        Returns
        -------
        Ratio

        References
        ----------
        .. [1] B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, 1993,
               doi:10.1201/9780429246593.
        """
        above, below = self._column(name), self._column(reference)
        rng = np.random.default_rng(self.seed)
        drawn = rng.integers(self.rounds, size=(_RESAMPLES, self.rounds))
        ratios = np.median(above[drawn], axis=1) / np.median(below[drawn], axis=1)
        tail = (1 - confidence) / 2
        low, high = np.quantile(ratios, (tail, 1 - tail))
        return Ratio(float(np.median(above) / np.median(below)), float(low), float(high))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        return {
            "rounds": self.rounds,
            "threads": self.threads,
            "device": self.device,
            "clock": self.clock,
            "quartiles_ms": {name: list(self.quartiles_ms(name)) for name in self.names},
        }

    def __str__(self) -> str:
        first = self.names[0]
        width = max(len(name) for name in self.names)
        lines = [f"{self.rounds} rounds, {self.threads} threads, {self.device}, {self.clock} time"]
        for name in self.names:
            low, middle, high = self.quartiles_ms(name)
            line = f"{name:<{width}}  {middle:9.3f} ms ({low:.3f}-{high:.3f})"
            if name != first:
                line += f"  {self.ratio(name, first)} of {first}"
            lines.append(line)
        return "\n".join(lines)

    def _column(self, name: str) -> npt.NDArray[np.float64]:
        if name not in self.names:
            raise InputError(f"nothing called {name!r} was timed; known: {', '.join(self.names)}")
        return self.samples[:, self.names.index(name)]


def compare_latency(
    modules: Mapping[str, nn.Module],
    inputs: Any,
    rounds: int = 30,
    threads: int | None = 1,
    *,
    warm_up: int = 3,
    seed: int = 0,
    budget_s: float | None = None,
    clock: str = "wall",
) -> LatencyTable:
    """Time modules on the same inputs, in turn.

    Parameters
    ----------
    modules : mapping of str to torch.nn.Module
        Run in evaluation mode, in inference mode; their modes are put back.
    inputs : tensor, tuple of tensors, or mapping of str to tensor
        Given to every module as they are: a module that writes to its input changes them.
    rounds : int
        Each module is timed once per round, in an order drawn anew.
    threads : int or None
        PyTorch's threads within operators; None for as many as it has now.
    warm_up : int
        Calls of each module before the first round.
    seed : int
        Of the orders and of the bootstrap.
    budget_s : float, optional
        No round is begun later than this, once there are 5.
    clock : {"wall", "cpu"}
        ``cpu`` counts the time on the processor, for one thread on the CPU only: on a busy machine
        it leaves out the waiting for a turn, though not what sharing caches costs.

    Returns
    -------
    LatencyTable

    Raises
    ------
    InputError
        If nothing is to be timed, or an argument is wrong.
    """
    if not modules:
        raise InputError("no modules to time")
    if rounds < 1:
        raise InputError(f"rounds must be at least 1, got {rounds}")
    args, kwargs = as_arguments(inputs)
    tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if torch.is_tensor(leaf)]
    device = tensors[0].device
    chosen = _clock(clock, threads, device)

    def call(module: nn.Module) -> Callable[[], object]:
        return lambda: module(*args, **kwargs)

    with threads_set_to(threads) as used, evaluating(*modules.values()), torch.inference_mode():
        samples = timed_in_turn(
            [call(module) for module in modules.values()],
            rounds,
            clock=chosen,
            device=device,
            warm_up=warm_up,
            seed=seed,
            budget_s=budget_s,
            least_rounds=min(rounds, _LEAST_ROUNDS),
        )
    return LatencyTable(tuple(modules), samples, used, str(device), seed, clock)


def _clock(name: str, threads: int | None, device: torch.device) -> Clock:
    if name == "wall":
        return time.perf_counter_ns
    if name != "cpu":
        raise InputError(f"unknown clock {name!r}; known: wall, cpu")
    if threads != 1 or device.type != "cpu":
        raise InputError("the clock 'cpu' is for one thread on the CPU")
    return steady_clock(threads, device)
