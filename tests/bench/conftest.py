"""Fixtures of the benchmark's tests."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import bad_backends
import pytest
from bench_records import small_instance

import reorder_solver as rs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def backends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The misbehaving backends, here and in child processes; a file for their notes."""
    folder = tmp_path / "distribution"
    folder.mkdir()
    bad_backends.install(folder)
    monkeypatch.setenv("PYTHONPATH", bad_backends.path_with(folder, sys.path))
    monkeypatch.syspath_prepend(str(folder))
    notes = tmp_path / "notes"
    monkeypatch.setenv("BAD_NOTES", str(notes))
    return notes


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The file of a small instance."""
    path = tmp_path / "small.json"
    rs.write_instance(small_instance(), path)
    return path
