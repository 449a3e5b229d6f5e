"""Checking: an export must equal the masked model, in double precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.apply import apply, rewrite
from reorder_solver.torch_adapter.compare import max_relative_error, relative_error_of
from reorder_solver.torch_adapter.errors import ExportMismatchError
from reorder_solver.torch_adapter.masks import masked
from reorder_solver.torch_adapter.own_types import called_as, calls_in_double

if TYPE_CHECKING:
    from torch import nn

    from reorder_solver.core.result import Result
    from reorder_solver.torch_adapter.apply import Rewritten
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.masks import Masks

#: Largest error of an export, relative to the scale of the output, in double precision.
TOLERANCE = 1e-10
#: A number that was rounded to a type is no further off, in units of the type's precision.
_ROUNDED = 8
#: What becomes of numbers and types that the code of a model writes down.
_KEPT = (
    "torch.export keeps them as they are there, and the check is in double: "
    "export model.double(), or pass check=False"
)


def checked(
    extraction: Extraction, result: Result, model: nn.Module, masks: Masks | None, inputs: Any
) -> tuple[Rewritten, float]:
    """Build the module, and compare it with the masked model, both in double precision.

    Returns
    -------
    Rewritten
    float
        The largest error, relative to the scale of the output.

    Raises
    ------
    ExportMismatchError
        If it is more than rounding.
    InputError
        If the model or the export does not run in double precision.
    """
    own = _only_type(extraction)
    written = rewrite(extraction, result, dtype=None if own is None else torch.float64)
    precise = written.module
    if own is None:
        precise = apply(extraction, result, dtype=torch.float64)
    try:
        error = relative_error_of(masked(model, masks), precise, inputs)
    except RuntimeError as failure:
        _require_double(masked(model, masks), inputs)
        with_types = _error_with_types(extraction, result, model, masks, inputs)
        if with_types is None:
            if _own_error(masked(model, masks), apply(extraction, result), inputs) is None:
                raise
            raise InputError(
                f"the export does not run in double precision ({_first_line(failure)}); if the "
                f"code of the model casts to a type, {_KEPT}"
            ) from failure
        error = with_types
    cause = ""
    if error > TOLERANCE:
        with_types = _error_with_types(extraction, result, model, masks, inputs)
        error = error if with_types is None else min(error, with_types)
    if error > TOLERANCE:
        reference = masked(model, masks)
        if error <= _rounding(reference):
            cause = _cause(reference, apply(extraction, result), inputs)
    require_equal(error, cause)
    if own is not None:
        written.module.to(own)
    return written, error


def _error_with_types(
    extraction: Extraction, result: Result, model: nn.Module, masks: Masks | None, inputs: Any
) -> float | None:
    """The error where types that the model asks for are double in the export, too.

    None if there are none, or it does not run.
    """
    own = _only_type(extraction)
    if own is None or own is torch.float64:
        return None
    precise = masked(model, masks).double()
    calls = calls_in_double(extraction.captured, precise, inputs)
    if not calls:
        return None
    with called_as(calls):
        module = apply(extraction, result, dtype=torch.float64)
    try:
        return relative_error_of(precise, module, inputs)
    except RuntimeError:
        return None


def _only_type(extraction: Extraction) -> torch.dtype | None:
    """The type of all that a model stores, if one module can be checked and then brought into it.

    None for several types, and where running the module writes to what it stores.
    """
    # Complex numbers would be cast to the type, too.
    types = extraction.captured.types
    if len(types) != 1 or extraction.captured.written:
        return None
    (own,) = types
    return own if own.is_floating_point else None


def require_equal(error: float, cause: str = "") -> None:
    """Raise :class:`ExportMismatchError` unless `error` is within :data:`TOLERANCE`."""
    if not error <= TOLERANCE:
        raise ExportMismatchError(
            f"the export differs from the masked model by {error:.1e} of the output's scale "
            f"(at most {TOLERANCE:.0e} is rounding){cause}",
            error,
        )


def _types(model: nn.Module) -> set[torch.dtype]:
    return {one.dtype for one in model.state_dict().values() if one.is_floating_point()}


def _rounding(model: nn.Module) -> float:
    """How far off the numbers are that are rounded to the types of a model; 0 for double."""
    types = _types(model)
    if not types or torch.float64 in types:
        return 0.0
    return _ROUNDED * max(torch.finfo(one).eps for one in types)


def _cause(model: nn.Module, module: nn.Module, inputs: Any) -> str:
    """What to say where an export is off by a rounding to the model's types."""
    apart = _own_error(model, module, inputs)
    if apart is None:
        return ""
    names = " and ".join(sorted(str(one).removeprefix("torch.") for one in _types(model)))
    return (
        f"; in the model's own {names} they differ by {apart:.1e}. If the code of the model writes "
        f"numbers down, {_KEPT}"
    )


def _own_error(model: nn.Module, module: nn.Module, inputs: Any) -> float | None:
    """The error in the model's own types; None if it does not run in these, as on some devices."""
    try:
        return max_relative_error(model, module, inputs, dtype=None)
    except RuntimeError:
        return None


def _require_double(model: nn.Module, inputs: Any) -> None:
    """Say so if it is the model that fails in double precision, such as for a type it fixes."""
    try:
        max_relative_error(model, model, inputs)
    except RuntimeError as failure:
        raise InputError(
            "the export is checked in double precision, in which the model does not run "
            f"({_first_line(failure)}); check=False leaves the check out"
        ) from failure


def _first_line(failure: RuntimeError) -> str:
    return (str(failure).strip().splitlines() or [type(failure).__name__])[0]
