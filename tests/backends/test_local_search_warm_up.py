"""Compiling the kernels neither overruns a limit nor costs a proof."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from brute_force import brute_force
from random_instances import random_instance

import reorder_solver as rs
from reorder_solver.backends.search.warm_up import kernels_ready
from reorder_solver.core.limits import Deadline

RESNET = Path(__file__).resolve().parents[2] / "bench_instances/networks/resnet18-l2-0.50.json.gz"


def test_kernels_become_ready() -> None:
    """Without a limit the wait ends with compiled kernels, and so does every later one."""
    assert kernels_ready(Deadline(None))
    assert kernels_ready(Deadline(0))


def test_ties_are_lowered_after_the_proof() -> None:
    """On small instances the exact backend's ties are nearly always the best there are."""
    best = 0
    for seed in range(40):
        instance = random_instance(np.random.default_rng([41, seed]), required=False)
        wanted = brute_force(instance, "bytes")
        result = rs.solve(instance, "bytes", "exact", time_limit=None)
        assert wanted is not None
        assert result.cost == wanted[0]
        best += result.tie_break == wanted[1]
    assert best >= 36


@pytest.mark.slow
def test_compiling_does_not_cost_the_proof_bug(tmp_path: Path) -> None:
    """With an empty cache and little time, the proof comes first and ties are left."""
    code = (
        "import json, sys, reorder_solver as rs\n"
        "result = rs.solve(rs.read_instance(sys.argv[1]), time_limit=4.0)\n"
        "print(json.dumps([result.status.value, result.cost]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(RESNET)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert json.loads(done.stdout) == ["optimal", 1103872]
