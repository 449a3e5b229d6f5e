"""Modes: modules in evaluation mode for a while."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Put modules and all their submodules into evaluation mode, and back at the end.

    The flags are set one by one: modules that ``torch.export`` saved refuse ``eval()``.
    """
    modes = {each: each.training for module in modules for each in module.modules()}
    try:
        for each in modes:
            each.training = False
        yield
    finally:
        for each, mode in modes.items():
            each.training = mode
