"""Sizes in the captured run, symbolic ones included."""

from __future__ import annotations

import math
from typing import Any

import torch


def hint(size: Any) -> Any:
    """A size in the captured run."""
    if isinstance(size, torch.SymInt):
        found = size.node.hint
        return 1 if found is None else int(found)
    return size


def size_for(size: Any, samples: int) -> Any:
    """A size in a run with another number of samples, on which all symbolic sizes depend."""
    if isinstance(size, torch.SymInt):
        formula = size.node.expr
        return int(formula.xreplace(dict.fromkeys(formula.free_symbols, samples)))
    return size


def elements(example: torch.Tensor) -> int:
    """Number of elements in the captured run."""
    return math.prod(int(hint(size)) for size in example.shape)
