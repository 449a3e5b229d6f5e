"""Time limits under stress: how far solves overrun them, interrupted and robbed of children too.

    python bench_instances/studies/limits.py --pairs 200 --seed 0

Random pairs of an instance and a limit between 0.1 s and 30 s (log-uniform), objectives and
backends mixed, each solved in a process of its own. In a share of them Ctrl-C (SIGINT) arrives
at a random moment within the limit; in another, every child process (CBC) is killed as it
appears, where the system lists children under /proc. Wall time counts from the call of ``solve``,
lazy imports included, to its return; after Ctrl-C, from the signal. *Too late* is more than 10 %
of the limit and more than 0.5 s. On a busy machine wall time says little: *by CPU* counts those
that are too late in CPU time per thread as well. *Raised* are interrupts before there was any
layout, which come out of ``solve`` as KeyboardInterrupt. Every result is verified. Exit code 1 if
any is wrong or late.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from study import (
    NETWORKS,
    Row,
    add_output,
    instance_files,
    progress,
    quantile,
    save,
    short_name,
    show,
)

import reorder_solver as rs

SHORTEST, LONGEST = 0.1, 30.0
_BACKENDS = {
    "copies": ("auto", "exact", "exact-pulp", "local_search", "greedy", "upscale"),
    "bytes": ("auto", "exact", "exact-pulp", "local_search", "greedy", "upscale"),
    "runs": (
        "auto",
        "branch-and-cut",
        "circuit",
        "circuits",
        "junctions",
        "betweenness",
        "local_search",
        "greedy",
    ),
    "latency": ("auto", "modes", "local_search", "subset-dp", "greedy"),
}
#: Shares of pairs that are interrupted, and that lose their children.
_INTERRUPTED, _ROBBED = 0.3, 0.1
COLUMNS = {
    "backend": "backend",
    "pairs": "pairs",
    "refused": "refused",
    "interrupted": "Ctrl-C",
    "raised": "raised",
    "robbed": "robbed",
    "killed": "children killed",
    "median": "median s",
    "late99": "99 % s",
    "late100": "max s",
    "late": "too late",
    "late_by_cpu": "by CPU",
    "wrong": "wrong",
}
#: The process that solves; the reading comes before the clock starts.
_CHILD = """
import json, signal, sys, time
import reorder_solver as rs
job = json.loads(sys.argv[1])
instance = rs.read_instance(job["path"])
print("begin", flush=True)
begin, cpu = time.monotonic(), time.process_time()
try:
    result = rs.solve(instance, job["objective"], job["backend"], time_limit=job["limit"],
                      seed=job["seed"], threads=job["threads"])
except rs.UnsupportedError:
    print(json.dumps({"refused": True}))
    sys.exit()
except KeyboardInterrupt:
    result = None
end, cpu = time.monotonic(), time.process_time() - cpu
signal.signal(signal.SIGINT, signal.SIG_IGN)
wrong, status, reason = "", "raised", "raised"
if result is not None:
    status, reason = result.status.value, result.stop_reason.value
    try:
        rs.verify(instance, result)
    except rs.VerificationError as error:
        wrong = str(error)
print(json.dumps({"begin": begin, "end": end, "cpu": cpu, "wrong": wrong, "status": status,
                  "stop_reason": reason}))
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """An instance, a limit, and what happens meanwhile."""

    path: Path
    objective: str
    backend: str
    limit: float
    seed: int
    threads: int
    interrupt_after: float | None = None
    kill_children: bool = False

    def job(self) -> str:
        """What the solving process is told."""
        names = ("objective", "backend", "limit", "seed", "threads")
        values = {name: getattr(self, name) for name in names}
        return json.dumps({"path": str(self.path), **values})


def child_labour(folder: Path) -> Path:
    """A file of an instance whose runs keep CBC, a child process, busy for long."""
    rng = np.random.default_rng(0)
    parts = [rs.Part("x", np.flatnonzero(rng.random(20) < 0.5)) for _ in range(10)]
    accesses = [rs.Access(f"a{number}", [part]) for number, part in enumerate(parts)]
    path = folder / "child-labour.json"
    rs.write_instance(rs.Instance("child labour", [rs.Tensor("x", 20)], accesses), path)
    return path


def draw(paths: list[Path], labour: Path, count: int, seed: int) -> list[Pair]:
    """Random pairs, the same for the same seed and files; those that lose children on `labour`."""
    rng = np.random.default_rng(seed)
    pairs = []
    for number in range(count):
        path = paths[int(rng.integers(len(paths)))]
        objectives = ["copies", "bytes", "runs"]
        if all(access.prices for access in rs.read_instance(path).accesses):
            objectives.append("latency")
        objective = str(rng.choice(objectives))
        # Every other one is what users call.
        names = _BACKENDS[objective]
        backend = "auto" if rng.random() < 0.5 else str(rng.choice(names[1:]))
        limit = float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST))))
        fate, moment = rng.random(), float(rng.random())
        if fate > 1 - _ROBBED:
            pairs.append(Pair(labour, "runs", "betweenness", limit, number, 1, None, True))
            continue
        threads = 1 + int(rng.random() < 0.3)
        interrupt = moment * limit if fate < _INTERRUPTED else None
        pairs.append(Pair(path, objective, backend, limit, number, threads, interrupt))
    return pairs


def killing(parent: int, is_over: threading.Event, killed: list[int]) -> None:
    """Kill every child of a process until told that it is over."""
    while not is_over.wait(0.02):
        for listing in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                for child in listing.read_text(encoding="utf-8").split():
                    os.kill(int(child), signal.SIGKILL)
                    killed.append(int(child))


def measured(pair: Pair) -> Row:
    """Run one pair; what happened, and by how many seconds it was late."""
    command = [sys.executable, "-c", _CHILD, pair.job()]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    assert child.stdout is not None
    is_over, killed, signalled = threading.Event(), list[int](), None
    try:
        if child.stdout.readline() != "begin\n":
            errors = child.communicate()[1]
            return _row(pair, f"crashed ({child.returncode}): {_last_line(errors)}")
        if pair.kill_children:
            threading.Thread(target=killing, args=(child.pid, is_over, killed)).start()
        if pair.interrupt_after is not None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(pair.interrupt_after)
            if child.poll() is None:
                signalled = time.monotonic()
                child.send_signal(signal.SIGINT)
        text, errors = child.communicate(timeout=10 * pair.limit + 60)
    except subprocess.TimeoutExpired:
        child.kill()
        return _row(pair, "never came back")
    finally:
        is_over.set()
    # Not the return code: an interrupt caught within an import still makes Python exit with one.
    if not text.strip():
        return _row(pair, f"crashed ({child.returncode}): {_last_line(errors)}")
    outcome: dict[str, Any] = json.loads(text)
    if "refused" in outcome:
        return _row(pair, "", refused=True)
    late = outcome["end"] - outcome["begin"] - pair.limit
    if signalled is not None and signalled < outcome["end"]:
        late = min(late, outcome["end"] - signalled)
    return _row(
        pair,
        outcome["wrong"],
        late=late,
        signalled=signalled is not None and signalled < outcome["end"],
        cpu=outcome["cpu"],
        killed=len(set(killed)),
        status=outcome["status"],
        stop_reason=outcome["stop_reason"],
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"


def _row(pair: Pair, wrong: str, **facts: Any) -> Row:
    row: Row = {
        "instance": short_name(pair.path),
        "objective": pair.objective,
        "backend": pair.backend,
        "limit": pair.limit,
        "seed": pair.seed,
        "threads": pair.threads,
        "interrupt_after": pair.interrupt_after,
        "kill_children": pair.kill_children,
        "wrong": wrong,
        "refused": False,
        "killed": 0,
        "late": None,
        **facts,
    }
    late = row["late"]
    allowed = max(0.5, 0.1 * pair.limit)
    row["too_late"] = late is not None and late > allowed
    busy = row.get("cpu", 0.0) / pair.threads - pair.limit
    row["too_late_by_cpu"] = row["too_late"] and busy > allowed
    return row


def summary(name: str, rows: list[Row]) -> Row:
    """Rows of one backend as one row."""
    late = [row["late"] for row in rows if row["late"] is not None]
    return {
        "backend": name,
        "pairs": len(rows),
        "refused": sum(row["refused"] for row in rows),
        "interrupted": sum(row["interrupt_after"] is not None for row in rows),
        "raised": sum(row.get("status") == "raised" for row in rows),
        "robbed": sum(row["kill_children"] for row in rows),
        "killed": sum(row["killed"] for row in rows),
        "median": quantile(late, 0.5) if late else None,
        "late99": quantile(late, 0.99) if late else None,
        "late100": max(late, default=None),
        "late": sum(row["too_late"] for row in rows),
        "late_by_cpu": sum(row["too_late_by_cpu"] for row in rows),
        "wrong": sum(bool(row["wrong"]) for row in rows),
    }


def main(argv: list[str] | None = None) -> int:
    """Print the distribution by backend, and every pair that was late or wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("paths", nargs="*", metavar="FILE_OR_FOLDER", help="beside the bundled")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    add_output(parser)
    arguments = parser.parse_args(argv)
    bundled = [
        NETWORKS,
        NETWORKS.parent / "generated",
        NETWORKS.parent / "tiny",
        NETWORKS.parent / "residual",
    ]
    files = instance_files([*bundled, *arguments.paths])
    rows = []
    with TemporaryDirectory() as folder:
        for pair in draw(files, child_labour(Path(folder)), arguments.pairs, arguments.seed):
            rows.append(measured(pair))
            progress(f"{rows[-1]}")
    names = sorted({row["backend"] for row in rows})
    groups = [summary(name, [row for row in rows if row["backend"] == name]) for name in names]
    show("seconds beyond the limit (negative: before it)", COLUMNS, [*groups, summary("all", rows)])
    for row in rows:
        if row["too_late"] or row["wrong"]:
            print(json.dumps(row))
    settings = {"pairs": arguments.pairs, "seed": arguments.seed}
    save(arguments.output, "limits", settings, rows)
    return int(any(row["too_late"] or row["wrong"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
