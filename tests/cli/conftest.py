"""What the tests of the commands share: a way to run them, instances, and odd backends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cli_helpers import BACKENDS, ENTRY_POINTS, command_line, small_instance
from click.testing import CliRunner

import reorder_solver as rs
from reorder_solver.cli.main import main
from reorder_solver.formats import write_instance

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run a command in this process; every argument may be a path."""

    def invoke(*arguments: object, **settings: Any) -> Result:
        settings = {"prog_name": "reorder-solver", **settings}
        result = CliRunner().invoke(main, [str(each) for each in arguments], **settings)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def refused(run: Callable[..., Result]) -> Callable[..., str]:
    """Run a command that must fail with a code and one line; the line."""

    def invoke(*arguments: object, code: int = 2) -> str:
        result = run(*arguments)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("reorder-solver: ")
        assert lines[0].isprintable()
        return lines[0]

    return invoke


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the program as a process of its own."""

    def invoke(*arguments: object, **settings: Any) -> subprocess.CompletedProcess[str]:
        settings = {"capture_output": True, "text": True, "cwd": tmp_path, **settings}
        return subprocess.run(command_line(*arguments), check=False, timeout=120, **settings)

    return invoke


@pytest.fixture
def odd_backends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that adds backends through entry points; on the path of this process too."""
    folder = tmp_path / "odd-backends"
    info = folder / "odd_cli_backends-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "odd_cli_backends.py").write_text(BACKENDS, encoding="utf-8")
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: odd-cli-backends\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(Path.cwd())]))
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A file of :func:`small_instance`."""
    path = tmp_path / "small.json"
    write_instance(small_instance(), path)
    return path


@pytest.fixture
def stubborn(tmp_path: Path) -> Path:
    """A file whose first order makes a required access no view, and no order can mend it."""
    part = [rs.Part("x", [0, 2])]
    instance = rs.Instance(
        "stubborn", [rs.Tensor("x", 3, fixed=True)], [rs.Access("a", part, required=True)]
    )
    path = tmp_path / "stubborn.json"
    write_instance(instance, path)
    return path


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """Two tensors and a concatenation with random accesses, every field in use."""
    rng = np.random.default_rng(5)

    def part(tensor: str, channels: int) -> rs.Part:
        return rs.Part(tensor, np.flatnonzero(rng.random(channels) < 0.5))

    accesses = [rs.Access(f"x{number}", [part("x", 20)], bytes=4) for number in range(4)]
    accesses += [rs.Access(f"y{number}", [part("y", 9)], bytes=8) for number in range(2)]
    accesses += [rs.Access("both", [part("x", 20), part("y", 9)], bytes=2)]
    path = tmp_path / "crowd.json"
    write_instance(rs.Instance("crowd", [rs.Tensor("x", 20), rs.Tensor("y", 9)], accesses), path)
    return path
