"""Format contest: what one module takes beside another that computes the same."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from reorder_solver.torch_adapter.capture import as_arguments
from reorder_solver.torch_adapter.compare import relative_error_of
from reorder_solver.torch_adapter.latency import compare_latency

if TYPE_CHECKING:
    from torch import nn

_ROUNDS = 12
_BUDGET_S = 5.0


def share_of_time(module: nn.Module, present: nn.Module, example_inputs: Any) -> float | None:
    """The time that `module` takes over that of `present`, with PyTorch's number of threads.

    Parameters
    ----------
    module, present : torch.nn.Module
        In evaluation mode.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor

    Returns
    -------
    float or None
        None if one does not run, or their outputs differ by more than rounding.
    """
    args, kwargs = as_arguments(example_inputs)
    device = next(one.device for one in (*args, *kwargs.values()) if torch.is_tensor(one))
    on_cpu, threads = device.type == "cpu", torch.get_num_threads()
    try:
        # What a module draws in evaluation mode, the caller is not to miss.
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            error = relative_error_of(present, module, example_inputs, dtype=None)
            if not error <= _rounding(present):
                return None
            table = compare_latency(
                {"module": module, "present": present},
                example_inputs,
                _ROUNDS,
                threads,
                budget_s=_BUDGET_S,
                clock="cpu" if on_cpu and threads == 1 else "wall",
            )
    except RuntimeError:
        # What does not run here is found and named where the export is checked.
        return None
    return table.ratio("module", "present").value


def _rounding(module: nn.Module) -> float:
    types = [one.dtype for one in module.state_dict().values() if one.is_floating_point()]
    precision: float = max((torch.finfo(one).eps for one in types), default=0.0)
    return math.sqrt(precision)
