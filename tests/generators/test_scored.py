"""The family of windows instances."""

from __future__ import annotations

import numpy as np
import pytest

import reorder_solver as rs
from reorder_solver.core.window_result import windows_digest
from reorder_solver.generators import generate_windows


def test_same_seed_same_instance() -> None:
    """Pinned for good: a digest of a call."""
    one = generate_windows(seed=7, channels=16, readers=3)
    assert windows_digest(one) == windows_digest(generate_windows(seed=7, channels=16, readers=3))
    assert windows_digest(one) != windows_digest(generate_windows(seed=8, channels=16, readers=3))
    assert one.meta["generator"]["seed"] == 7


def test_correlation_is_that_asked_for() -> None:
    """Scores of two readers correlate as wanted, around 1000."""
    instance = generate_windows(seed=1, channels=20_000, readers=2, correlation=0.8)
    first, second = (access.parts[0].scores for access in instance.accesses)
    assert abs(float(np.corrcoef(first, second)[0, 1]) - 0.8) < 0.02
    assert abs(float(first.mean()) - 1000) < 10
    assert abs(float(first.std()) - 300) < 10


def test_budgets() -> None:
    """One budget of an access, or one of all; joined accesses have two parts."""
    own = generate_windows(tensors=2, channels=10, readers=2, joined=1, keep=0.5)
    assert [budget.limit for budget in own.budgets] == [5, 5, 5, 5, 10]
    assert [part.tensor for part in own.accesses[-1].parts] == ["t0", "t1"]
    shared = generate_windows(tensors=2, channels=10, readers=2, joined=1, shared=True)
    assert [budget.limit for budget in shared.budgets] == [30]


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"readrs": 1}, "did you mean 'readers'"),
        ({"keep": 2.0}, "keep must be from"),
        ({"joined": 1}, "at least 2 tensors"),
        ({"channels": 1 << 20, "readers": 1000}, "the limit is"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_calls(parameters: dict[str, float], rule: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(rs.InputError, match=rule):
        generate_windows(**parameters)  # type: ignore[arg-type]
