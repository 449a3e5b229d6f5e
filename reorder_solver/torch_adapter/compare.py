"""Compare: how far apart the outputs of two modules are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from reorder_solver.torch_adapter.capture import as_arguments
from reorder_solver.torch_adapter.copying import copy_model

if TYPE_CHECKING:
    from torch import nn


def max_relative_error(
    reference: nn.Module,
    module: nn.Module,
    inputs: Any,
    dtype: torch.dtype | None = torch.float64,
) -> float:
    """Largest difference between two modules' outputs, relative to the scale of the output.

    Parameters
    ----------
    reference, module : torch.nn.Module
        Not changed: copies run in evaluation mode.
    inputs : tensor, tuple of tensors, or mapping of str to tensor
    dtype : torch.dtype or None
        Both run in this precision; None leaves the modules and the inputs as they are.

    Returns
    -------
    float
        The maximum over all outputs of ``max|a - b| / max|a|``; infinite where structure, shape,
        an integer output or the places of non-finite numbers differ.
    """
    return relative_error_of(copy_model(reference), copy_model(module), inputs, dtype)


def relative_error_of(
    reference: nn.Module, module: nn.Module, inputs: Any, dtype: torch.dtype | None = torch.float64
) -> float:
    """As :func:`max_relative_error`, for modules that nobody needs any more."""
    expected = _leaves(_run(reference, inputs, dtype))
    found = _leaves(_run(module, inputs, dtype))
    if [path for path, _ in expected] != [path for path, _ in found]:
        return math.inf
    errors = [_difference(one, other) for (_, one), (_, other) in zip(expected, found, strict=True)]
    return max(errors, default=0.0)


def _run(module: nn.Module, inputs: Any, dtype: torch.dtype | None) -> Any:
    module.eval()
    if dtype is not None:
        module.to(dtype)
    args, kwargs = pytree.tree_map(lambda leaf: _fresh(leaf, dtype), as_arguments(inputs))
    with torch.no_grad():
        return module(*args, **kwargs)


def _fresh(leaf: Any, dtype: torch.dtype | None) -> Any:
    """A copy, since a model may write to its input."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    return leaf.detach().clone().to(dtype if leaf.is_floating_point() else None)


def _leaves(outputs: Any) -> list[tuple[str, Any]]:
    found, _ = pytree.tree_flatten_with_path(outputs)
    return [(pytree.keystr(path), leaf) for path, leaf in found]


def _difference(expected: Any, found: Any) -> float:
    if not isinstance(expected, torch.Tensor) or not isinstance(found, torch.Tensor):
        return 0.0 if type(expected) is type(found) and expected == found else math.inf
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return math.inf
    if not expected.is_floating_point():
        return 0.0 if torch.equal(expected, found) else math.inf
    expected, found = expected.detach(), found.detach()
    finite = expected.isfinite()
    if not torch.equal(finite, found.isfinite()):
        return math.inf
    if not torch.equal(expected[~finite].nan_to_num(), found[~finite].nan_to_num()):
        return math.inf
    if not finite.any():
        return 0.0
    scale = float(expected[finite].abs().max())
    error = float((expected[finite] - found[finite]).abs().max())
    return error / scale if scale else error
