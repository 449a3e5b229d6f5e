"""The peers as an installation would register them, whether or not this checkout is installed."""

from __future__ import annotations

import importlib
import tomllib
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
registry = importlib.import_module("reorder_solver.backends.registry")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points as ``pyproject.toml`` declares them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = project["entry-points"][registry.ENTRY_POINT_GROUP]
    found = EntryPoints(
        EntryPoint(name, target, registry.ENTRY_POINT_GROUP) for name, target in declared.items()
    )
    monkeypatch.setattr(registry, "entry_points", lambda **wanted: found.select(**wanted))
