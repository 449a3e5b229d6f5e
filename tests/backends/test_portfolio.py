"""``auto``: who has turns, and what becomes of time that was not used."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

import reorder_solver as rs
from reorder_solver import StopReason
from reorder_solver.backends import portfolio
from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.backends.portfolio import Portfolio, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reorder_solver.presolve import Problem


class _Scripted(Backend):
    """Ends as it is told to; knows the start and the bound 0."""

    name: ClassVar[str] = "scripted"
    summary: ClassVar[str] = "for this test"

    def __init__(self, *reasons: StopReason) -> None:
        self._reasons = list(reasons)
        self.calls = 0

    def solve(self, task: Task) -> Answer:
        self.calls += 1
        return Answer(task.problem.identity(), 0, self._reasons.pop(0))


@pytest.mark.parametrize("proves", [False, True])
def test_a_cut_proof_gets_the_time_left_bug(monkeypatch: pytest.MonkeyPatch, proves: bool) -> None:
    """One whose share was too small has a second turn (it had none if the search ended itself)."""
    prover = _Scripted(StopReason.TIME_LIMIT, StopReason.FINISHED)
    search = _Scripted(StopReason.ITERATION_LIMIT, StopReason.ITERATION_LIMIT)

    def turns(problem: Problem) -> Iterator[Turn]:
        yield Turn(prover, 0.5, proves=proves)
        yield Turn(search, 1.0)

    monkeypatch.setattr(portfolio, "_turns", turns)
    instance = rs.Instance(
        "split",
        [rs.Tensor("x", 4)],
        [
            rs.Access(name, [rs.Part("x", part)])
            for name, part in {"a": [0, 1], "b": [1, 2], "c": [2, 3], "d": [0, 3]}.items()
        ],
    )
    result = rs.solve(instance, "runs", Portfolio(), time_limit=1000)
    assert prover.calls == search.calls == (2 if proves else 1)
    assert result.stop_reason is StopReason.ITERATION_LIMIT
