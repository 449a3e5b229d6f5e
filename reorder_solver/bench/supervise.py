"""One run in a process group of its own, within limits of time and memory."""

from __future__ import annotations

import json
import os
import platform
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from reorder_solver.bench.record import Outcome, Record

if TYPE_CHECKING:
    from reorder_solver.bench.plan import Job

#: Seconds that imports, compiling and reading the instance may take before the clock starts.
STARTING = 180.0
#: Seconds between two looks at the memory.
_LOOK = 0.03

Finished = tuple[Record, dict[str, list[int]] | None]

_interrupted = threading.Event()


def allow_runs() -> None:
    """Undo :func:`interrupt_runs`."""
    _interrupted.clear()


def interrupt_runs() -> None:
    """Kill the runs of this process, until :func:`allow_runs`."""
    _interrupted.set()


class InterruptedRunError(Exception):
    """The benchmark is being stopped; the run is not finished."""


def grace(time_limit: float) -> float:
    """Seconds past its time limit after which a run is killed."""
    return 2.0 + 0.2 * time_limit


@dataclass(slots=True)
class _Watch:
    """What is known about a run so far."""

    started: float | None = None
    solved: bool = False
    cpu_before: float = 0.0
    peak: int = 0
    guard: int = 0
    trace: list[list[Any]] = field(default_factory=list)
    answer: dict[str, Any] | None = None
    verdict: tuple[Outcome, str] | None = None


def run_job(job: Job) -> Finished:
    """Run `job` in a process of its own and tell what came of it; never raises for its failures.

    Raises
    ------
    InterruptedRunError
        After :func:`interrupt_runs`.
    """
    begun = datetime.now(UTC).isoformat(timespec="milliseconds")
    watch = _Watch()
    with tempfile.TemporaryFile() as errors:
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "reorder_solver.bench.child", str(writing)]
        environment = os.environ | {"OMP_NUM_THREADS": str(job.configuration.threads)}
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(writing,),
            start_new_session=True,
            env=environment,
        )
        os.close(writing)
        usage = None
        try:
            sender = threading.Thread(target=_send_job, args=(process.stdin, job), daemon=True)
            sender.start()
            _follow(process, reading, job, watch)
        finally:
            _kill_group(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            os.close(reading)
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
        ended = time.perf_counter()
        if _interrupted.is_set() and watch.answer is None:
            raise InterruptedRunError
        watch.peak = max(watch.peak, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
        cpu = max(0.0, usage.ru_utime + usage.ru_stime - watch.cpu_before)
        wall = 0.0 if watch.started is None else ended - watch.started
        if watch.answer is None and watch.verdict is None:
            watch.verdict = _death(process.returncode, errors)
    return _finished(job, watch, begun, {"wall": wall, "cpu": cpu})


def _send_job(stream: IO[bytes] | None, job: Job) -> None:
    text = json.dumps(
        {
            "instance": job.instance_text,
            "backend": job.configuration.backend,
            "objective": job.configuration.objective,
            "seed": job.configuration.seed,
            "time_limit": job.configuration.time_limit,
            "threads": job.configuration.threads,
            "memory_limit": job.configuration.memory_limit,
        }
    ).encode("ascii")
    assert stream is not None
    with suppress(OSError, ValueError):
        stream.write(b"%019d\n" % len(text) + text)
        stream.flush()


def _follow(process: subprocess.Popen[bytes], reading: int, job: Job, watch: _Watch) -> None:
    """Read messages until the run ends or must be ended."""
    limit = job.configuration.time_limit
    end = time.perf_counter() + STARTING
    waiting = b""
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        while not _interrupted.is_set():
            ready = selector.select(_LOOK)
            if watch.guard:
                _measure(process.pid, watch)
            memory_limit = job.configuration.memory_limit
            if memory_limit is not None and watch.peak > memory_limit:
                watch.verdict = Outcome.MEMORY, f"more than {memory_limit} bytes resident"
                return
            if ready:
                data = os.read(reading, 1 << 20)
                if not data:
                    _let_it_end(process.pid)
                    return
                *lines, waiting = (waiting + data).split(b"\n")
                for line in lines:
                    was = watch.started
                    _hear(json.loads(line), watch)
                    if was is None and watch.started is not None:
                        end = time.perf_counter() + (
                            float("inf") if limit is None else limit + grace(limit)
                        )
                if watch.answer is not None or watch.verdict is not None:
                    return
            elif time.perf_counter() > end and not watch.solved:
                what = "starting" if watch.started is None else "solving"
                seconds = STARTING if watch.started is None else (limit or 0) + grace(limit or 0)
                watch.verdict = Outcome.TIMEOUT, f"killed after {seconds:.1f} s of {what}"
                return


def _hear(message: dict[str, Any], watch: _Watch) -> None:
    kind = message.pop("kind")
    if kind == "guard":
        watch.guard = message["process"]
    elif kind == "started":
        watch.started, watch.cpu_before = time.perf_counter(), message["cpu"]
    elif kind == "solved":
        watch.solved = True
    elif kind == "progress":
        watch.trace.append(message["point"])
    elif kind == "result":
        watch.trace = message.pop("trace")
        watch.answer = message
    else:
        watch.verdict = Outcome(message["outcome"]), message["message"]


def _finished(job: Job, watch: _Watch, begun: str, times: dict[str, float]) -> Finished:
    found: dict[str, Any] = {}
    layout = None
    if watch.answer is not None:
        found = watch.answer
        layout = found.pop("layout")
        outcome, message = _answered(found["status"]), ""
    else:
        assert watch.verdict is not None
        outcome, message = watch.verdict
        found["times"] = times
    record = Record(
        configuration=job.configuration,
        name=job.name,
        family=job.family,
        source=job.source,
        sizes=job.sizes,
        outcome=outcome,
        message=message,
        trace=tuple((point[0], point[1], point[2]) for point in watch.trace),
        peak_memory=watch.peak,
        started=begun,
        machine=this_machine(),
        **found,
    )
    return record, layout


def _answered(status: str) -> Outcome:
    return {
        "infeasible": Outcome.INFEASIBLE,
        "no_solution": Outcome.NO_SOLUTION,
        "error": Outcome.ERROR,
    }.get(status, Outcome.SOLVED)


def _death(code: int, errors: IO[bytes]) -> tuple[Outcome, str]:
    """What a process that said nothing at its end died of."""
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - 4000))
    last = errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        text = f"killed by {name}"
    else:
        text = f"ended with exit code {code}"
    said = "".join(c if c.isprintable() else " " for c in "".join(last))[:300]
    outcome = Outcome.MEMORY if "bad_alloc" in said or "MemoryError" in said else Outcome.CRASH
    return outcome, f"{text}: {said}" if said else text


def _let_it_end(number: int) -> None:
    """Wait a moment for a process that has closed its pipe: its exit code says why."""
    until = time.perf_counter() + 2.0
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while os.waitid(os.P_PID, number, flags) is None and time.perf_counter() < until:
        time.sleep(0.005)


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _measure(leader: int, watch: _Watch) -> None:
    """Raise the peak to the bytes resident now, over the process and its descendants."""
    pages = 0
    waiting = [leader]
    while waiting:
        number = waiting.pop()
        with suppress(OSError, ValueError, IndexError):
            pages += int(Path(f"/proc/{number}/statm").read_text(encoding="utf-8").split()[1])
            children = (
                Path(f"/proc/{number}/task/{number}/children").read_text(encoding="utf-8").split()
            )
            # The guard shares its pages with the process it was forked from.
            waiting += [int(child) for child in children if int(child) != watch.guard]
    watch.peak = max(watch.peak, pages * _page())


@cache
def _page() -> int:
    return os.sysconf("SC_PAGE_SIZE")


@cache
def this_machine() -> dict[str, str | int]:
    """What ran it: processor, cores, bytes of memory, platform, Python."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return {
        "cpu": name,
        "cores": os.cpu_count() or 1,
        "memory": _page() * os.sysconf("SC_PHYS_PAGES"),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }
