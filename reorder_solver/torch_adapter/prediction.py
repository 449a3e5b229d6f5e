"""Prediction: the latency of an export from its multiply-adds and its copies."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reorder_solver.core.prices import Mode
from reorder_solver.torch_adapter.capture import as_arguments
from reorder_solver.torch_adapter.modes import evaluating

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from reorder_solver.torch_adapter.report import Report

_ROUNDS = 15
_COPYING = frozenset({Mode.GATHER.value, Mode.CAT.value, "copy"})
#: Channels and places of the tensors whose gathers are timed.
_CHANNELS, _PLACES = 64, (16, 1024)


@dataclass(frozen=True, slots=True)
class LatencyPrices:
    """What an export takes, in nanoseconds per sample.

    Attributes
    ----------
    mac : float
        Per multiply-add of a layer, everything around it included.
    byte : float
        Per byte that a copy writes.
    copy : float
        Per copy.

    Notes
    -----
    The defaults are rough numbers for one thread of a desktop processor; see
    :func:`measured_prices`.
    """

    mac: float = 0.05
    byte: float = 0.3
    copy: float = 3000.0

    def predicted(self, report: Report) -> float:
        """Nanoseconds per sample of an export."""
        copies = sum(
            row.mode in _COPYING and row.kind != "concatenation" for row in report.accesses
        )
        moved = report.after.selected + report.after.concatenated
        return self.mac * report.after.macs + self.byte * moved + self.copy * copies


def measured_prices(model: nn.Module, example_inputs: Any, macs: int) -> LatencyPrices:
    """Prices from timing a model, and two gathers, on this machine.

    Parameters
    ----------
    model : torch.nn.Module
        Not pruned; its time is spread over its multiply-adds.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    macs : int
        Multiply-adds per sample of the model.
    """
    args, kwargs = as_arguments(example_inputs)
    tensors = [one for one in (*args, *kwargs.values()) if isinstance(one, torch.Tensor)]
    samples = max(1, len(tensors[0]) if tensors[0].ndim else 1)
    with evaluating(model), torch.inference_mode():
        whole = _median_ns(lambda: model(*args, **kwargs)) / samples
        index = torch.randperm(_CHANNELS)
        values = [torch.randn(1, _CHANNELS, places) for places in _PLACES]
        small, large = (_median_ns(lambda v=v: v.index_select(1, index)) for v in values)  # type: ignore[misc]
    sizes = [value.nbytes for value in values]
    byte = max(0.0, (large - small) / (sizes[1] - sizes[0]))
    return LatencyPrices(whole / max(1, macs), byte, max(0.0, small - byte * sizes[0]))


def _median_ns(call: Callable[[], object]) -> float:
    times = []
    call()
    for _ in range(_ROUNDS):
        begin = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - begin)
    return float(np.median(times))
