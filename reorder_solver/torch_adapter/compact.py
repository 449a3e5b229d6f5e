"""Compact: extract, solve, apply and check in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import BackendContractError, InputError
from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.layout import Layout
from reorder_solver.core.prices import Objective
from reorder_solver.solve import solve
from reorder_solver.torch_adapter.apply import apply
from reorder_solver.torch_adapter.compare import max_relative_error
from reorder_solver.torch_adapter.errors import ExportMismatchError
from reorder_solver.torch_adapter.extract import extract
from reorder_solver.torch_adapter.masks import masked
from reorder_solver.torch_adapter.report import make_report

if TYPE_CHECKING:
    from torch import nn

    from reorder_solver.core.instance import Instance
    from reorder_solver.core.result import Result
    from reorder_solver.torch_adapter.masks import Masks
    from reorder_solver.torch_adapter.report import Report

#: Largest error of an export, relative to the scale of the output, in double precision.
TOLERANCE = 1e-10

#: Backend behind each kind of export.
_BACKENDS = {"naive": "identity", "upscale": "upscale", "optimal": "auto"}
_PLANNED = ("constrained", "oracle")


@dataclass(frozen=True, slots=True, eq=False)
class Compacted:
    """What :func:`compact` returns.

    Attributes
    ----------
    module : torch.nn.Module
    instance : Instance
    result : Result
    report : Report
    """

    module: nn.Module
    instance: Instance
    result: Result
    report: Report


def compact(
    model: nn.Module,
    example_inputs: Any,
    masks: Masks | None = None,
    export: str = "optimal",
    objective: str = "bytes",
    time_limit: float | None = 10.0,
    seed: int = 0,
    threads: int = 1,
    check: bool = True,
) -> Compacted:
    """Export a pruned model: channels dropped that nothing reads, the others in the best order.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    masks : mapping, optional
        See :func:`masked`; where none are given they are read off exact zeros.
    export : {"optimal", "upscale", "naive"}
        The best order found, the order of the published heuristic, or the original order.
    objective : str
        What the order is to minimise, see :func:`reorder_solver.solve.solve`.
    time_limit : float or None
        Seconds for the solver.
    seed, threads : int
        For the solver.
    check : bool
        Compare the export with the masked model on the example inputs, in double precision.

    Returns
    -------
    Compacted

    Raises
    ------
    InputError
        If an argument is wrong.
    ExportMismatchError
        If the check finds an error above 1e-10 of the output's scale.
    """
    _check_export(export)
    extraction = extract(model, example_inputs, masks)
    result = _solve(extraction.instance, export, objective, time_limit, seed, threads)
    if result.layout is None:
        # No access is required to be a view, so any layout is a solution.
        raise BackendContractError(f"no layout, status {result.status.value}")
    module = apply(extraction, result)
    error = None
    if check:
        error = max_relative_error(masked(model, masks), module, example_inputs)
        require_equal(error)
    others = {"naive": _bytes(extraction.instance, Layout.identity(extraction.instance))}
    rival = result
    if export != "upscale":
        rival = _solve(extraction.instance, "upscale", objective, time_limit, seed, threads)
    if rival.layout is not None:
        others["upscale"] = _bytes(extraction.instance, rival.layout)
    report = make_report(extraction, export, result.layout, others, error)
    return Compacted(module, extraction.instance, result, report)


def require_equal(error: float) -> None:
    """Raise :class:`ExportMismatchError` unless `error` is within :data:`TOLERANCE`."""
    if not error <= TOLERANCE:
        raise ExportMismatchError(
            f"the export differs from the masked model by {error:.1e} of the output's scale "
            f"(at most {TOLERANCE:.0e} is rounding)",
            error,
        )


def _check_export(export: str) -> None:
    if export in _PLANNED:
        raise InputError(f"export {export!r} is not supported yet; use {', '.join(_BACKENDS)}")
    if export not in _BACKENDS:
        raise InputError(f"unknown export {export!r}; known: {', '.join(_BACKENDS)}")


def _solve(
    instance: Instance,
    export: str,
    objective: str,
    time_limit: float | None,
    seed: int,
    threads: int,
) -> Result:
    return solve(
        instance,
        objective=objective,
        backend=_BACKENDS[export],
        time_limit=time_limit,
        seed=seed,
        threads=threads,
    )


def _bytes(instance: Instance, layout: Layout) -> int:
    total = evaluate(instance, layout, Objective.BYTES).total
    assert total is not None, "the adapter makes no required accesses"
    return total
