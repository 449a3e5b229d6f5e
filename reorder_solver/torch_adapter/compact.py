"""Compact: extract, solve, apply and check in one call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import BackendContractError, InputError
from reorder_solver.core.prices import Objective
from reorder_solver.torch_adapter.apply import rewrite
from reorder_solver.torch_adapter.checking import checked
from reorder_solver.torch_adapter.describe import describe
from reorder_solver.torch_adapter.exports import export_kind
from reorder_solver.torch_adapter.extract import extract
from reorder_solver.torch_adapter.optimise import SolverSettings, best_transformed
from reorder_solver.torch_adapter.pruning import constrain
from reorder_solver.torch_adapter.target import checked_target, windows_for
from reorder_solver.torch_adapter.transformed_plan import Transformations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from reorder_solver.core.instance import Instance
    from reorder_solver.core.result import Result
    from reorder_solver.torch_adapter.masks import Masks
    from reorder_solver.torch_adapter.report import Report
    from reorder_solver.torch_adapter.scores import Scores
    from reorder_solver.torch_adapter.window_pruning import WindowPruning


@dataclass(frozen=True, slots=True, eq=False)
class Compacted:
    """What :func:`compact` returns.

    Attributes
    ----------
    module : torch.nn.Module
    instance : Instance
    result : Result
    report : Report
    pruning : WindowPruning or None
        Masks, and the importance they keep, where they were chosen here.
    """

    module: nn.Module
    instance: Instance
    result: Result
    report: Report
    pruning: WindowPruning | None = None


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
    transformations: Transformations | None = None,
    *,
    scores: str | Scores | None = None,
    target: float | Mapping[str, float] | None = None,
) -> Compacted:
    """Export a pruned model: channels dropped that nothing reads, the others in the best order.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    masks : mapping, optional
        See :func:`masked`; where none are given they are read off exact zeros.
    export : {"optimal", "upscale", "naive", "constrained", "oracle"}
        ``optimal``: the best order found, and copies moved to where they cost less.
        ``upscale``, ``naive``: the order of the published heuristic, or the original one, with
        channels selected right before the layer that reads them. ``constrained``: as
        ``optimal``, for masks on which all readers of a tensor agree. ``oracle``: as
        ``optimal``, with every remaining copy replaced by a slice of the right size; it computes
        nonsense, as fast as any order could make it.
    objective : str
        What the order is to minimise, see :func:`reorder_solver.solve.solve`. For ``latency``,
        prices are measured on this machine for the example inputs' batch size and memory format
        and PyTorch's present number of threads; ``naive`` and ``upscale`` then minimise bytes.
    time_limit : float or None
        Seconds for the solver.
    seed, threads : int
        For the solver.
    check : bool
        Compare the export with the masked model on the example inputs, in double precision.
    transformations : Transformations, optional
        What ``optimal``, ``constrained`` and ``oracle`` may do besides ordering; by default all.
    scores : str or mapping, optional
        Prune, too, by these scores and without copies: see :func:`prune_windows`. Then `target`
        says how much, `export` must be ``optimal``, and there must be no masks.
    target : float or mapping, optional
        The share of its channels that each layer drops, or ``{"amount": share}``. Or one of
        ``{"macs": share}``, ``{"latency": share}``: at most that share of the multiply-adds, or of
        the predicted latency, of the whole model; or ``{"importance": share}``: at least that
        share of the scores. ``"live"`` may be added, see :func:`prune_windows`; without it these
        three try how many channels had best stay, from as many as layers want to as few as in
        constrained pruning.

    Returns
    -------
    Compacted

    Raises
    ------
    InputError
        If an argument is wrong, or the model or the export does not run in double precision,
        where they are compared.
    ExportMismatchError
        If the check finds an error above 1e-10 of the output's scale.
    """
    kind = export_kind(export)
    if scores is not None or target is not None:
        _check_pruning(masks, export, scores, target)
        assert scores is not None

        def exported(tried: Masks) -> Report:
            return compact(
                model, example_inputs, tried, time_limit=time_limit, seed=seed, check=False
            ).report

        pruning = windows_for(
            model, example_inputs, scores, target, exported, time_limit=time_limit, seed=seed
        )
        out = compact(
            model,
            example_inputs,
            pruning.masks,
            export,
            objective,
            time_limit,
            seed,
            threads,
            check,
            transformations,
        )
        return replace(out, pruning=pruning)
    if kind.joint:
        masks = constrain(model, example_inputs, masks)
    settings = SolverSettings(objective, time_limit, seed, threads)
    plain = extract(model, example_inputs, masks)
    if kind.transforms:
        allowed = transformations or Transformations()
        extraction, result = best_transformed(plain, allowed, settings, example_inputs)
    else:
        # These exports know no way to serve an access but a view and a gather.
        is_priced = Objective.parse(objective) is Objective.LATENCY
        solver = settings.bytes() if is_priced else settings
        extraction, result = plain, solver.solve(plain, kind.backend)
    if result.layout is None:
        # No access is required to be a view, so any layout is a solution.
        raise BackendContractError(f"no layout, status {result.status.value}")
    error = None
    if check and not kind.free_copies:
        written, error = checked(extraction, result, model, masks, example_inputs)
    else:
        written = rewrite(extraction, result, free_copies=kind.free_copies)
    report = describe(
        model,
        plain,
        extraction,
        result.layout,
        written,
        export,
        upscale=settings.bytes().solve(plain, "upscale").layout,
        error=error,
    )
    return Compacted(written.module, extraction.instance, result, report)


def _check_pruning(masks: object, export: str, scores: object, target: object) -> None:
    if scores is None:
        raise InputError("a target needs scores: a score's name, or numbers")
    if target is None:
        raise InputError("scores need a target, such as target=0.5")
    if masks is not None:
        raise InputError("give masks, or scores and a target, not both")
    if export != "optimal":
        raise InputError(f"scores and target are for export 'optimal', not {export!r}")
    checked_target(target)
