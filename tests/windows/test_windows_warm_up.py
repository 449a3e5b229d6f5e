"""Compiling the kernels of windows does not overrun a limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from reorder_solver.core.limits import Deadline
from reorder_solver.generators import generate_windows
from reorder_solver.windows.compile import compile_windows
from reorder_solver.windows.nested import nested_windows
from reorder_solver.windows.warm_up import kernels_ready

if TYPE_CHECKING:
    from pathlib import Path


def test_kernels_become_ready() -> None:
    """Without a limit the wait ends with compiled kernels, and so does every later one."""
    assert kernels_ready(Deadline(None))
    assert kernels_ready(Deadline(0))


@pytest.mark.slow
def test_limit_is_kept_with_an_empty_cache_bug(tmp_path: Path) -> None:
    """Where compiling takes longer than the limit, nested windows come back (it was ignored)."""
    code = (
        "import json, reorder_solver as rs\n"
        "from reorder_solver.generators import generate_windows\n"
        "instance = generate_windows(seed=1, channels=64, readers=4)\n"
        "result = rs.solve_windows(instance, time_limit=0.2)\n"
        "rs.verify_windows(instance, result)\n"
        "print(json.dumps([result.stop_reason.value, result.importance]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    nested = nested_windows(compile_windows(generate_windows(seed=1, channels=64, readers=4)))
    assert nested is not None
    assert json.loads(done.stdout) == ["time_limit", nested.value]
