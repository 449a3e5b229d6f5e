"""The process of one run: ``python -m reorder_solver.bench.child``, started by `supervise`.

It reads the run from standard input as JSON and writes messages, one line of JSON
each, to the pipe named in its argument. Standard input stays open as long as the supervisor lives.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import reorder_solver as rs
    from reorder_solver.backends.base import Backend

#: Beyond the memory limit, which the supervisor watches: a net for what grows between two looks.
_NET_BYTES = 1 << 30

#: Six accesses that overlap in part: loads what a backend needs before the clock starts.
_WARM_UP = {
    "format": "channel-ordering",
    "version": 1,
    "name": "warm-up",
    "tensors": [{"id": "t", "channels": 14}],
    "accesses": [
        {
            "id": channels,
            "parts": [{"tensor": "t", "channels": channels}],
            "bytes": 2,
            "prices": {"gather": [10, 1], "cat": [10, 1, 1], "cover": [3], "split": [5]},
        }
        for channels in ("0,3,6-9,12", "1,3,5-6,8", "2,4-7,11", "0-2,9,13", "3-4,8,10", "5,11-13")
    ],
}
#: Seconds that compiling may take where no cache has the kernels yet.
_COMPILING = 150.0


def main() -> None:
    """Solve what standard input says."""
    guard, keeper = _die_with_supervisor()
    os.set_inheritable(int(sys.argv[1]), False)
    pipe = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")

    def send(**message: Any) -> None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    try:
        send(kind="guard", process=guard)
        job = json.loads(_job_text())
        os.close(keeper)
        _run(job, send)
    except MemoryError:
        send(kind="failed", outcome="memory", message="MemoryError")
    except Exception as error:
        send(kind="failed", outcome=_outcome(error), message=_message(error))


def _die_with_supervisor() -> tuple[int, int]:
    """Kill the whole process group once the supervisor is gone, however it went.

    A process of its own, forked before there is any work: a thread would not get its turn while
    compiled code holds the interpreter, and a death signal would spare the solver's children.
    It looks at standard input once the returned file is closed.

    Returns
    -------
    (int, int)
        The number of that process, and the file.
    """
    watched, keeper = os.pipe()
    guard = os.fork()
    if guard == 0:
        os.close(int(sys.argv[1]))
        os.close(keeper)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # The parent reads what was sent; what is left to see here is the end.
        os.read(watched, 1)
        while os.read(0, 1 << 16):
            pass
        os.killpg(0, signal.SIGKILL)
    os.close(watched)
    return guard, keeper


def _job_text() -> bytes:
    """What the supervisor sent: its length in 20 bytes, then so much; nothing beyond is read."""
    return _exactly(int(_exactly(20)))


def _exactly(size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = os.read(0, size - len(data))
        if not piece:
            raise EOFError("the supervisor is gone")
        data += piece
    return bytes(data)


def _run(job: dict[str, Any], send: Callable[..., None]) -> None:
    _limit_memory(job["memory_limit"])
    from reorder_solver.backends.registry import make_backend
    from reorder_solver.core.verify import verify
    from reorder_solver.formats.instance_json import instance_from_json
    from reorder_solver.solve import solve

    instance = instance_from_json(job["instance"])
    backend = make_backend(job["backend"])
    if type(backend).__module__.startswith("reorder_solver."):
        _warm_up(job, backend, solve)
    trace: list[tuple[float, int | None, int | None]] = []

    def improved(progress: rs.Progress) -> None:
        # At once: a run that is killed later must not lose its last improvement.
        trace.append((round(progress.elapsed, 6), progress.cost, progress.lower_bound))
        send(kind="progress", point=trace[-1])

    send(kind="started", cpu=_cpu())
    wall, cpu = time.perf_counter(), _cpu()
    result = solve(
        instance,
        objective=job["objective"],
        backend=backend,
        time_limit=job["time_limit"],
        seed=job["seed"],
        threads=job["threads"],
        callback=improved,
    )
    wall, cpu = time.perf_counter() - wall, _cpu() - cpu
    send(kind="solved")
    verify(instance, result)
    send(kind="result", trace=trace, **_answer(result, wall, cpu))


def _answer(result: rs.Result, wall: float, cpu: float) -> dict[str, Any]:
    layout = result.layout
    found = layout is not None
    return {
        "status": result.status.value,
        "stop_reason": result.stop_reason.value,
        "cost": result.cost,
        "lower_bound": result.lower_bound,
        "tie_break": result.tie_break if found else None,
        "views": result.views if found else None,
        "runs": result.runs if found else None,
        "times": {**result.times, "wall": wall, "cpu": cpu},
        "versions": dict(result.versions),
        "layout": None
        if layout is None
        else {tensor: order.tolist() for tensor, order in layout.items()},
    }


def _warm_up(job: dict[str, Any], backend: Backend, solve: Callable[..., rs.Result]) -> None:
    from contextlib import suppress

    from formulations.warm_up import wait_for_all
    from reorder_solver.core.errors import ReorderSolverError
    from reorder_solver.core.limits import Deadline
    from reorder_solver.formats.instance_json import instance_from_json

    if backend.leaves_ties or "numba" in backend.requires:
        from reorder_solver.backends.search.warm_up import kernels_ready

        kernels_ready(Deadline(_COMPILING))
    tiny = instance_from_json(json.dumps(_WARM_UP))
    with suppress(ReorderSolverError):
        solve(tiny, objective=job["objective"], backend=backend, time_limit=30.0)
    wait_for_all()


def _limit_memory(limit: int | None) -> None:
    if limit is None:
        return
    import resource

    # Not RLIMIT_AS: compilers and thread pools reserve address space that they never touch.
    resource.setrlimit(resource.RLIMIT_DATA, (limit + _NET_BYTES, limit + _NET_BYTES))


def _cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _outcome(error: Exception) -> str:
    from reorder_solver.core.errors import UnsupportedError

    return "unsupported" if isinstance(error, UnsupportedError) else "error"


def _message(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


if __name__ == "__main__":
    main()
