"""Runs in processes of their own: every way to end is a result, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

import reorder_solver as rs
from reorder_solver.bench.plan import Grid, make_plan
from reorder_solver.bench.record import Outcome
from reorder_solver.bench.runner import local_pool, pending_jobs, run_jobs
from reorder_solver.bench.store import Store
from reorder_solver.bench.supervise import run_job

if TYPE_CHECKING:
    from pathlib import Path

    from reorder_solver.bench.plan import Job

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="process groups are POSIX")


def _job(path: Path, backend: str, **grid: object) -> Job:
    (job,) = make_plan([Grid((path,), (backend,), **grid)]).jobs  # type: ignore[arg-type]
    return job


def test_solved(small: Path) -> None:
    """A sound backend gives cost, layout, times and memory that agree with a plain solve."""
    record, orders = run_job(_job(small, "greedy"))
    plain = rs.solve(rs.read_instance(small), backend="greedy")
    assert record.outcome is Outcome.SOLVED
    assert (record.cost, record.lower_bound) == (plain.cost, plain.lower_bound)
    assert plain.layout is not None
    assert orders == {key: order.tolist() for key, order in plain.layout.items()}
    assert record.times["wall"] >= record.times["total"] > 0
    assert record.peak_memory > 10 << 20
    assert record.message == ""


@pytest.mark.parametrize(
    ("backend", "outcome", "words"),
    [
        ("crashing", Outcome.CRASH, "killed by SIGSEGV"),
        ("leaving", Outcome.CRASH, "ended with exit code 7"),
        ("raising", Outcome.ERROR, "RuntimeError: first line second line"),
        ("choosy", Outcome.UNSUPPORTED, "never likes it"),
    ],
)
@pytest.mark.usefixtures("backends")
def test_failures(small: Path, backend: str, outcome: Outcome, words: str) -> None:
    """What a backend dies of is told in one line."""
    record, orders = run_job(_job(small, backend))
    assert record.outcome is outcome
    assert words in record.message
    assert "\n" not in record.message
    assert orders is None
    assert record.cost is None


@pytest.mark.usefixtures("backends")
def test_memory(small: Path) -> None:
    """A backend that takes more than its memory is killed."""
    record, _ = run_job(_job(small, "hungry", memory_limit=300 << 20))
    assert record.outcome is Outcome.MEMORY
    assert record.peak_memory > 200 << 20


def _alive(folder: Path) -> list[int]:
    found = []
    for path in folder.iterdir():
        number = int(path.name.partition("-")[2])
        with suppress(ProcessLookupError):
            os.kill(number, 0)
            found.append(number)
    return found


def _wait_until(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)


@pytest.mark.usefixtures("backends")
def test_timeout(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that ignores its limit is killed with its children; its curve is kept."""
    folder = tmp_path / "processes"
    folder.mkdir()
    monkeypatch.setenv("BAD_FOLDER", str(folder))
    record, orders = run_job(_job(small, "deaf", time_limits=(0.2,)))
    assert record.outcome is Outcome.TIMEOUT
    assert orders is None
    assert [point[1] is not None for point in record.trace] == [True]
    assert len(list(folder.iterdir())) == 2
    _wait_until(lambda: not _alive(folder))


def test_resume_repeats_nothing(small: Path, backends: Path, tmp_path: Path) -> None:
    """What the store has is not run again, unless its outcome is asked for."""
    plan = make_plan([Grid((small,), ("noting", "raising"), seeds=(0, 1, 2))])
    with Store.open(tmp_path / "runs.db") as store:
        first = [job for job in plan.jobs if job.configuration.seed < 2]
        with local_pool(2) as pool:
            run_jobs(first, plan, store, pool, lambda record: None)
        left = pending_jobs(plan, store)
        assert [job.configuration.seed for job in left] == [2, 2]
        with local_pool(2) as pool:
            run_jobs(left, plan, store, pool, lambda record: None)
        assert pending_jobs(plan, store) == []
        assert sorted(backends.read_text(encoding="utf-8").split()) == ["0", "1", "2"]
        again = pending_jobs(plan, store, [Outcome.ERROR])
        assert {job.configuration.backend for job in again} == {"raising"}
        assert len(again) == 3
        assert store.instance(plan.jobs[0].configuration.instance) == rs.read_instance(small)


_RUN = [
    sys.executable,
    "-c",
    "from reorder_solver.cli.main import main; main()",
    "bench",
]


def _killed_bench(small: Path, notes: Path, tmp_path: Path, kills: int, seeds: int) -> None:
    store = tmp_path / "killed.db"
    command = [*_RUN, str(small), "--backend", "noting", "--seeds", f"0-{seeds - 1}"]
    command += ["--store", str(store), "--jobs", "2"]
    for turn in range(kills):
        target = (turn + 1) * seeds // (kills + 1)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _wait_until(lambda target=target: _lines(notes) >= target)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    noted = [int(line) for line in notes.read_text(encoding="utf-8").split()]
    assert set(noted) == set(range(seeds))
    # Only what was in flight when the coordinator died is run again.
    assert len(noted) <= seeds + 2 * kills
    notes.unlink()
    undisturbed = tmp_path / "undisturbed.db"
    subprocess.run([*command, "--store", str(undisturbed)], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([*_RUN, "--compare", str(store), str(undisturbed)], check=False)
    assert done.returncode == 0


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").split()) if path.exists() else 0


def test_killed_twice(small: Path, backends: Path, tmp_path: Path) -> None:
    """A benchmark killed by SIGKILL twice ends with the store of an undisturbed one."""
    _killed_bench(small, backends, tmp_path, kills=2, seeds=6)


@pytest.mark.slow
def test_killed_many_times(small: Path, backends: Path, tmp_path: Path) -> None:
    """The same, killed many times."""
    _killed_bench(small, backends, tmp_path, kills=10, seeds=40)


@pytest.mark.usefixtures("backends")
def test_no_orphans(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs do not survive a coordinator killed by SIGKILL, nor do their children."""
    folder = tmp_path / "processes"
    folder.mkdir()
    monkeypatch.setenv("BAD_FOLDER", str(folder))
    command = [*_RUN, str(small), "--backend", "deaf", "--time-limit", "500"]
    process = subprocess.Popen([*command, "--store", str(tmp_path / "runs.db")])
    _wait_until(lambda: len(list(folder.iterdir())) == 2)
    assert len(_alive(folder)) == 2
    process.kill()
    process.wait()
    _wait_until(lambda: not _alive(folder))


@pytest.mark.usefixtures("backends")
def test_interrupt(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with exit code 130, one line that says how to go on, and no orphans."""
    folder = tmp_path / "processes"
    folder.mkdir()
    monkeypatch.setenv("BAD_FOLDER", str(folder))
    command = [*_RUN, str(small), "--backend", "greedy", "--backend", "deaf"]
    command += ["--time-limit", "500", "--store", str(tmp_path / "runs.db")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8")
    _wait_until(lambda: len(list(folder.iterdir())) == 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.count("\n") == 1
    assert "1 of 2 runs are in" in said
    assert "the same command goes on" in said
    _wait_until(lambda: not _alive(folder))
