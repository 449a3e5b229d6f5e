"""Exports: the kinds there are."""

from __future__ import annotations

from dataclasses import dataclass

from reorder_solver.core.errors import InputError


@dataclass(frozen=True, slots=True)
class ExportKind:
    """How a kind of export is made.

    Attributes
    ----------
    backend : str
        What orders the channels.
    transforms : bool
        Copies may be moved.
    joint : bool
        Masks are first made to agree among the readers of each tensor.
    free_copies : bool
        Copies are replaced by slices: only good for measuring.
    """

    backend: str
    transforms: bool
    joint: bool = False
    free_copies: bool = False


#: The kinds by name.
EXPORTS: dict[str, ExportKind] = {
    "naive": ExportKind("identity", transforms=False),
    "upscale": ExportKind("upscale", transforms=False),
    "optimal": ExportKind("auto", transforms=True),
    "constrained": ExportKind("auto", transforms=True, joint=True),
    "oracle": ExportKind("auto", transforms=True, free_copies=True),
}


def export_kind(name: str) -> ExportKind:
    """The kind called `name`; raise :class:`InputError` listing the known ones."""
    if name not in EXPORTS:
        raise InputError(f"unknown export {name!r}; known: {', '.join(EXPORTS)}")
    return EXPORTS[name]
