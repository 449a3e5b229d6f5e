"""The original order: what an export without reordering does."""

from __future__ import annotations

from typing import ClassVar

from reorder_solver.backends.base import Answer, Backend, Task


class Identity(Backend):
    """Keeps every tensor in its original order."""

    name: ClassVar[str] = "identity"
    summary: ClassVar[str] = "the original order (a plain export)"
    reduces: ClassVar[bool] = False

    def solve(self, task: Task) -> Answer:
        """Return the original order; no orders at all if it breaks a required access."""
        orders = task.problem.identity()
        return Answer(None if task.problem.cost(orders).violated else orders)
