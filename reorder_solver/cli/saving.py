"""Saving a compact model as a program that PyTorch loads without this package."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reorder_solver.cli.models import quiet
from reorder_solver.cli.targets import replacing

if TYPE_CHECKING:
    from pathlib import Path


def save_program(module: Any, inputs: Any, path: Path) -> None:
    """Write `module` with ``torch.export.save``, for any batch size that it allows."""
    # Loaded by name: torch is the adapter's, which must have been imported before.
    export = import_module("torch.export")
    with quiet():
        program = export.export(
            module, (inputs,), dynamic_shapes=({0: export.Dim.AUTO},), strict=False
        )
        with replacing(path) as temporary:
            export.save(program, temporary)
