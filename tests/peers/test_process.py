"""The child process of a peer: ended in time, its failures told, nobody left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from math import inf
from typing import Any

import numpy as np
import pytest

from reorder_solver.peers import process
from reorder_solver.peers.process import run_engine

LINE = {"distances": np.abs(np.subtract.outer(np.arange(60), np.arange(60)))}


def test_engine_errors_are_one_line() -> None:
    """An exception in the engine arrives with its type and first line."""
    pytest.importorskip("ortools")
    with pytest.raises(RuntimeError, match=r"routing: .*Error: "):
        run_engine("routing", {"distances": "nonsense"}, seconds=inf, tell=lambda word: None)


def test_unknown_engine() -> None:
    """So does a name that is no engine."""
    with pytest.raises(RuntimeError, match="AttributeError"):
        run_engine("no_such_engine", {}, seconds=inf, tell=lambda word: None)


def test_child_is_killed_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that ignores its limit is ended; what it told is kept."""
    pytest.importorskip("ortools")
    heard: list[dict[str, Any]] = []
    # The engine is not told to stop before a time far away.
    monkeypatch.setattr(process, "RESERVE", -60.0)
    begin = time.monotonic()
    outcome = run_engine("routing", LINE, seconds=3.0, tell=heard.append)
    assert time.monotonic() - begin < 30
    assert not outcome.finished
    assert any("tour" in word for word in heard)


def test_listener_that_raises_ends_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while listening kills the child and comes through."""
    pytest.importorskip("ortools")
    children: list[subprocess.Popen[bytes]] = []
    started = subprocess.Popen

    def watched(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        children.append(started(*args, **options))
        return children[-1]

    def interrupt(word: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(process.subprocess, "Popen", watched)
    with pytest.raises(KeyboardInterrupt):
        run_engine("routing", LINE, seconds=60.0, tell=interrupt)
    assert [child.poll() for child in children] == [-signal.SIGKILL]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs an interval timer")
def test_orphan_ends_itself() -> None:
    """A child whose parent was killed does not outlive the limit for long."""
    pytest.importorskip("ortools")
    code = (
        "import numpy as np, os\n"
        "from reorder_solver.peers import process\n"
        "process.RESERVE = -60.0\n"
        "started = process.subprocess.Popen\n"
        "def watched(*args, **options):\n"
        "    child = started(*args, **options); print(child.pid, flush=True); return child\n"
        "process.subprocess.Popen = watched\n"
        "line = np.abs(np.subtract.outer(np.arange(60), np.arange(60)))\n"
        "process.run_engine('routing', {'distances': line}, seconds=2.0,\n"
        "                   tell=lambda word: os._exit(0))\n"
    )
    path = os.pathsep.join(each for each in sys.path if each)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    orphan = int(done.stdout.split()[0])
    for _ in range(200):
        if not _runs(orphan):
            return
        time.sleep(0.1)
    os.kill(orphan, signal.SIGKILL)
    pytest.fail("the orphan went on")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that ended and that nobody has waited for yet does not run.
    return subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, encoding="utf-8", check=False
    ).stdout.strip()[:1] not in ("Z", "")


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
def test_ctrl_c_on_the_terminal_is_the_parents() -> None:
    """A SIGINT to the whole group interrupts the parent once, and no child outlives it."""
    pytest.importorskip("ortools")
    code = (
        "import numpy as np, signal, time\n"
        "from reorder_solver.peers import process\n"
        "started = process.subprocess.Popen\n"
        "def watched(*args, **options):\n"
        "    child = started(*args, **options); print(child.pid, flush=True); return child\n"
        "process.subprocess.Popen = watched\n"
        "line = np.abs(np.subtract.outer(np.arange(60), np.arange(60)))\n"
        "def heard(word): print('heard', flush=True)\n"
        "try:\n"
        "    process.run_engine('routing', {'distances': line}, seconds=60.0, tell=heard)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "heard\n"
    os.killpg(parent.pid, signal.SIGINT)
    output, _ = parent.communicate(timeout=60)
    assert output.splitlines()[-1] == "interrupted"
    assert parent.returncode == 0
    assert not _runs(child)
