"""Exports that compute images in the other memory format, whatever is faster here."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from reorder_solver.torch_adapter.image_format import other_format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reorder_solver import torch_adapter as ta

#: The package has a function of the same name.
compact = importlib.import_module("reorder_solver.torch_adapter.compact")


def converting(problem: ta.Extraction) -> ta.Extraction:
    """The problem for images in the other memory format, if the network allows it."""
    if problem.usage is None:
        return problem
    other = other_format(problem.captured, problem.usage)
    return problem if other is None else replace(problem, usage=other)


@contextmanager
def conversion(is_wanted: bool) -> Iterator[None]:
    """`compact` writes such exports, for any objective."""
    real = compact.best_transformed

    def converted(*arguments: Any) -> tuple[Any, Any]:
        problem, result = real(*arguments)
        return converting(problem), result

    with patch.object(compact, "best_transformed", converted if is_wanted else real):
        yield
