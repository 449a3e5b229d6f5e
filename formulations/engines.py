"""Import the engines, in an order in which they get along."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType


def import_cp_model() -> ModuleType:
    """Import CP-SAT's Python module.

    Raises
    ------
    ImportError
        If OR-Tools is not installed, or cannot be loaded beside what is loaded already.
    """
    try:
        from ortools.sat.python import cp_model
    except ImportError as error:
        if "highspy" in sys.modules and "undefined symbol" in str(error):
            raise ImportError(
                "OR-Tools cannot be loaded after highspy (both bring their own libhighs); "
                "import ortools.sat.python.cp_model first, or uninstall highspy"
            ) from error
        raise
    return cp_model


def import_pulp() -> Any:
    """Import PuLP, such that OR-Tools can still be imported later.

    Raises
    ------
    ImportError
        If PuLP is not installed.
    """
    unloaded = not {"pulp", "highspy"} & sys.modules.keys()
    if unloaded and find_spec("highspy") and find_spec("ortools"):
        # PuLP imports highspy where it is installed, and that keeps OR-Tools from loading. The
        # other way round, PuLP does without highspy.
        with suppress(ImportError):
            import_cp_model()
    import pulp

    return pulp


def import_enumeration_kernel() -> ModuleType:
    """Import the compiled enumeration; loads numba."""
    return import_module("formulations.enumeration_kernel")
