"""Exceptions of the adapter."""

from __future__ import annotations

from reorder_solver.core.errors import ReorderSolverError


class CaptureError(ReorderSolverError):
    """A model whose graph could not be captured."""


class ExportMismatchError(ReorderSolverError):
    """An exported module that is not what it must be.

    Parameters
    ----------
    message : str
    error : float, optional
        The relative error of its outputs, where that is what failed.
    """

    def __init__(self, message: str, error: float | None = None) -> None:
        self.error = error
        super().__init__(message)
