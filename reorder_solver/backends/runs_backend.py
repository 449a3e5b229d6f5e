"""What backends for ``runs`` alone have in common: which problems they refuse."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from reorder_solver.backends.base import Backend
from reorder_solver.backends.concatenation import run_weight
from reorder_solver.core.prices import Objective

if TYPE_CHECKING:
    from reorder_solver.presolve import Problem


class RunsBackend(Backend):
    """A backend for problems in which every access pays for its runs alone.

    Attributes
    ----------
    takes_required : bool
        Whether some accesses may be required.
    """

    objectives: ClassVar[frozenset[Objective]] = frozenset({Objective.RUNS})
    takes_required: ClassVar[bool] = False

    def supports(self, problem: Problem) -> str | None:
        """Refuse what is no question of runs alone, and what is too large."""
        if problem.objective not in self.objectives:
            return super().supports(problem)
        if not self.takes_required and any(access.required for access in problem.accesses):
            return "an access is required"
        weights = [run_weight(access) for access in problem.accesses]
        known = [weight for weight in weights if weight is not None]
        if len(known) < len(weights):
            return "an access has prices other than split"
        return self._too_large(problem, known)

    @abstractmethod
    def _too_large(self, problem: Problem, weights: list[int]) -> str | None:
        """Why the backend cannot take a problem of this size, with these weights, if so."""
