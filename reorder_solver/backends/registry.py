"""Backends by name, imported only when asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from reorder_solver.backends.base import Backend
from reorder_solver.core.errors import (
    BackendContractError,
    MissingPackageError,
    UnknownBackendError,
)

#: Entry point group through which other distributions add backends.
ENTRY_POINT_GROUP = "reorder_solver.backends"

_BUILT_IN: dict[str, str] = {
    "auto": "reorder_solver.backends.portfolio:Portfolio",
    "betweenness": "reorder_solver.backends.betweenness:Betweenness",
    "branch-and-cut": "reorder_solver.backends.branch_and_cut:BranchAndCut",
    "circuit": "reorder_solver.backends.circuit:Circuit",
    "circuits": "reorder_solver.backends.circuits:Circuits",
    "exact": "reorder_solver.backends.exact:Exact",
    "exact-pulp": "reorder_solver.backends.exact:ExactPulp",
    "greedy": "reorder_solver.backends.greedy:Greedy",
    "identity": "reorder_solver.backends.identity:Identity",
    "junctions": "reorder_solver.backends.junctions:JunctionChoice",
    "large-runs": "reorder_solver.backends.large_runs:LargeRuns",
    "local_search": "reorder_solver.backends.local_search:LocalSearch",
    "modes": "reorder_solver.backends.modes.backend:Modes",
    "subset-dp": "reorder_solver.backends.subset_dp:SubsetDP",
    "upscale": "reorder_solver.backends.upscale:Upscale",
}


def _target(name: str) -> str | None:
    """``module:Class`` of a name, or None; a built-in name cannot be taken over."""
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    # Looking through all installed distributions takes milliseconds: only for other names.
    return next((each.value for each in entry_points(group=ENTRY_POINT_GROUP, name=name)), None)


def backend_names() -> list[str]:
    """All registered names, sorted."""
    return sorted({*_BUILT_IN, *entry_points(group=ENTRY_POINT_GROUP).names})


def backend_class(name: str) -> type[Backend]:
    """The backend class registered as `name`.

    Raises
    ------
    UnknownBackendError
        Listing the known names.
    BackendContractError
        If an entry point does not name a subclass of :class:`Backend`.
    """
    target = _target(name)
    if target is None:
        raise UnknownBackendError(f"unknown backend {name!r}; known: {', '.join(backend_names())}")
    module, _, attribute = target.partition(":")
    found = getattr(import_module(module), attribute, None)
    if not (isinstance(found, type) and issubclass(found, Backend)):
        raise BackendContractError(f"backend {name!r}: {target} is no Backend class")
    return found


def make_backend(name: str) -> Backend:
    """A backend ready to use.

    Raises
    ------
    UnknownBackendError
    MissingPackageError
        Naming what to install.
    """
    found = backend_class(name)
    missing = found.missing_packages()
    if missing:
        raise MissingPackageError(
            f"backend {name!r} needs {', '.join(missing)}: pip install {' '.join(missing)}"
        )
    return found()
