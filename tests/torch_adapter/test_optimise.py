"""Optimising: one time limit for everything, and nothing after an interruption."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.optimise import SolverSettings, best_transformed


class Readers(nn.Module):
    """Five layers that read one value: only two can be views of it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 1)
        self.readers = nn.ModuleList(nn.Conv2d(32, 4, 1) for _ in range(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(x)
        return torch.stack([reader(y) for reader in self.readers])


@pytest.fixture(scope="module")
def problem() -> tuple[ta.Extraction, torch.Tensor]:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    masks = {f"readers.{i}": {"input": rng.permutation(32) < 16} for i in range(5)}
    inputs = torch.randn(2, 3, 4, 4)
    return ta.extract(Readers().eval(), inputs, masks), inputs


def recorded(calls: list[dict[str, Any]], **changes: Any) -> Any:
    """A solver that notes what it was called with, and changes its results."""

    def run(instance: rs.Instance, **values: Any) -> rs.Result:
        calls.append({**values, "instance": instance})
        return replace(rs.solve(instance, **values), **changes)

    return run


def test_copies_are_shared_within_the_limit(problem: tuple[ta.Extraction, torch.Tensor]) -> None:
    """The second problem has less time than the first, and the cheaper solution."""
    plain, inputs = problem
    calls: list[dict[str, Any]] = []
    settings = SolverSettings("bytes", 20.0, 0, 1, solver=recorded(calls))
    _, result = best_transformed(plain, ta.Transformations(), settings, inputs)
    first, second = calls
    assert first["time_limit"] == 20.0
    assert 0 < second["time_limit"] < 20.0
    alone = rs.solve(first["instance"], "bytes")
    assert result.cost is not None
    assert alone.cost is not None
    assert result.cost < alone.cost


@pytest.mark.parametrize(
    "changes",
    [{"stop_reason": rs.StopReason.INTERRUPTED}, {"times": {"total": 21.0}}],
)
def test_nothing_follows_an_interruption_or_the_limit(
    problem: tuple[ta.Extraction, torch.Tensor], changes: dict[str, Any]
) -> None:
    """The first result is returned."""
    plain, inputs = problem
    calls: list[dict[str, Any]] = []
    settings = SolverSettings("bytes", 20.0, 0, 1, solver=recorded(calls, **changes))
    _, result = best_transformed(plain, ta.Transformations(), settings, inputs)
    assert len(calls) == 1
    assert result.layout is not None
