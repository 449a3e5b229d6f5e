"""Checking: an export must equal the masked model, in double precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.apply import apply, rewrite
from reorder_solver.torch_adapter.compare import max_relative_error, relative_error_of
from reorder_solver.torch_adapter.errors import ExportMismatchError
from reorder_solver.torch_adapter.masks import masked

if TYPE_CHECKING:
    from torch import nn

    from reorder_solver.core.result import Result
    from reorder_solver.torch_adapter.apply import Rewritten
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.masks import Masks

#: Largest error of an export, relative to the scale of the output, in double precision.
TOLERANCE = 1e-10
#: A number that was rounded to single precision is no further off.
_SINGLE = 1e-6


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
        If the model does not run in double precision.
    """
    own = _only_type(extraction)
    written = rewrite(extraction, result, dtype=None if own is None else torch.float64)
    precise = written.module
    if own is None:
        precise = apply(extraction, result, dtype=torch.float64)
    try:
        error = relative_error_of(masked(model, masks), precise, inputs)
    except RuntimeError:
        _require_double(masked(model, masks), inputs)
        raise
    cause = ""
    if TOLERANCE < error <= _SINGLE:
        reference = masked(model, masks)
        apart = max_relative_error(reference, apply(extraction, result), inputs, dtype=None)
        cause = _cause(reference, apart)
    require_equal(error, cause)
    if own is not None:
        written.module.to(own)
    return written, error


def _only_type(extraction: Extraction) -> torch.dtype | None:
    """The type of all that a model stores, if one module can be checked and then brought into it.

    None for several types, and where running the module writes to what it stores.
    """
    captured = extraction.captured
    types = {
        captured.folded.get(name, stored.dtype)
        for name, stored in captured.attributes.items()
        # Complex numbers would be cast to the type, too.
        if isinstance(stored, torch.Tensor) and (stored.is_floating_point() or stored.is_complex())
    }
    if len(types) != 1 or captured.written:
        return None
    own = types.pop()
    return own if own.is_floating_point else None


def require_equal(error: float, cause: str = "") -> None:
    """Raise :class:`ExportMismatchError` unless `error` is within :data:`TOLERANCE`."""
    if not error <= TOLERANCE:
        raise ExportMismatchError(
            f"the export differs from the masked model by {error:.1e} of the output's scale "
            f"(at most {TOLERANCE:.0e} is rounding){cause}",
            error,
        )


def _cause(model: nn.Module, apart: float) -> str:
    """What to say where the export of a model in single precision is off by a rounding of it."""
    types = {one.dtype for one in model.state_dict().values() if one.is_floating_point()}
    if not types or torch.float64 in types:
        return ""
    names = " and ".join(sorted(str(one).removeprefix("torch.") for one in types))
    return (
        f"; in the model's own {names} they differ by {apart:.1e}. torch.export keeps numbers that "
        "the code of a model writes down in the type they have there, and the check is in double: "
        "export model.double(), or pass check=False"
    )


def _require_double(model: nn.Module, inputs: Any) -> None:
    """Say so if it is the model that fails in double precision, such as for a type it fixes."""
    try:
        max_relative_error(model, model, inputs)
    except RuntimeError as failure:
        first = (str(failure).strip().splitlines() or [type(failure).__name__])[0]
        raise InputError(
            "the export is checked in double precision, in which the model does not run "
            f"({first}); check=False leaves the check out"
        ) from failure
