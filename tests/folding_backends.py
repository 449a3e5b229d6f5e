"""Branch and cut that takes every chain of tensors apart, however easy: for proofs with folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from formulations.subtour import subtour_bound
from reorder_solver.backends.branch_and_cut import BranchAndCut
from reorder_solver.backends.folding import ChainSolver

if TYPE_CHECKING:
    from formulations.subtour import SubtourBound


class AtOnce(ChainSolver):
    """Folds before anything is known, along all edges."""

    def _decompose(self, root: SubtourBound | None) -> None:
        if root is None and self._chain is not None:
            self._fold(self._chain, None, self.answer.length)
        elif root is not None:
            super()._decompose(root)


class Sieved(ChainSolver):
    """Folds after a bound that is too low, along the edges that it leaves."""

    def _decompose(self, root: SubtourBound | None) -> None:
        if root is not None:
            super()._decompose(root)

    def _bound(self) -> SubtourBound:
        found = subtour_bound(self._distances, step=2, time_limit=0.0)
        self.answer.bound, self.answer.proof = found.bound, found.certificate
        return found


class FoldsAtOnce(BranchAndCut):
    """For tensors end to end; the rest is as ever."""

    name: ClassVar[str] = "folds-at-once"
    solver: ClassVar[type[ChainSolver]] = AtOnce


class FoldsSieved(BranchAndCut):
    """For tensors end to end; the rest takes longer than ever."""

    name: ClassVar[str] = "folds-sieved"
    solver: ClassVar[type[ChainSolver]] = Sieved
