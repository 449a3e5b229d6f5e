"""A benchmark undisturbed, killed twice, and on Dask with a worker killed: the same results.

Runs a suite three times. The first run is left alone. The second is killed with SIGKILL when a
third and when two thirds of the runs are in its store, and started again each time. The third
runs on a local Dask cluster, one of whose workers is killed in the middle of a run. The stores are
then compared: identical up to times, or the program ends with code 1.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import study

from reorder_solver.bench.compare import compare_stores
from reorder_solver.bench.plan import make_plan, read_suite
from reorder_solver.bench.store import Store
from reorder_solver.core.errors import InputError

HERE = Path(__file__).resolve().parents[1]
_BENCH = [sys.executable, "-m", "reorder_solver.cli.main", "bench"]


def main() -> None:
    """Run the three benchmarks and compare their stores."""
    arguments = _arguments()
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="killed-benchmark-"))
    folder.mkdir(parents=True, exist_ok=True)
    suite = Path(arguments.suite)
    total = len(make_plan(read_suite(suite)).jobs)
    dice = random.Random(arguments.seed)
    rows = []
    ways: list[tuple[str, Any]] = [("undisturbed", _undisturbed), ("killed twice", _killed)]
    if not arguments.without_dask:
        ways.append(("Dask, worker killed", _dask))
    reference = folder / "undisturbed.db"
    for name, way in ways:
        store = folder / f"{name.replace(',', '').replace(' ', '-')}.db"
        if store.exists():
            sys.exit(f"{store}: is there already; give another --folder")
        begun = time.perf_counter()
        kills = way(suite, store, total, arguments.jobs, dice)
        row = {"run": name, "minutes": (time.perf_counter() - begun) / 60, "kills": kills}
        row |= _compared(reference, store)
        rows.append(row)
        study.progress(f"{name}: {row}")
    columns = {
        "run": "benchmark",
        "runs": "runs",
        "minutes": "minutes",
        "kills": "kills",
        "identical": "identical",
        "same": "same",
        "differences": "differences",
        "cut_same": "cut, same",
        "cut_differ": "cut, differ",
        "missing": "missing",
    }
    study.show(f"{suite.name}, {arguments.jobs} runs side by side", columns, rows)
    study.save(arguments.output, "killed_benchmark", {"suite": suite.name}, rows)
    print(f"stores in {folder}")
    if not all(row["identical"] for row in rows):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default=str(HERE / "quick.toml"), metavar="FILE.toml")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side, and Dask workers")
    parser.add_argument("--folder", help="where the stores go; by default a new temporary one")
    parser.add_argument("--seed", type=int, default=0, help="of the delays before a kill")
    parser.add_argument("--without-dask", action="store_true")
    study.add_output(parser)
    return parser.parse_args()


def _command(suite: Path, store: Path, *more: str) -> list[str]:
    return [*_BENCH, "--suite", str(suite), "--store", str(store), "--format", "json", *more]


def _undisturbed(suite: Path, store: Path, total: int, jobs: int, dice: random.Random) -> int:
    command = _command(suite, store, "--jobs", str(jobs))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 0


def _killed(suite: Path, store: Path, total: int, jobs: int, dice: random.Random) -> int:
    command = _command(suite, store, "--jobs", str(jobs))
    for third in (1, 2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _await_runs(store, third * total // 3, process)
        time.sleep(dice.uniform(0.0, 1.0))
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            sys.exit("the benchmark ended before it could be killed: take a larger suite")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 2


def _dask(suite: Path, store: Path, total: int, jobs: int, dice: random.Random) -> int:
    from distributed import Client, LocalCluster

    workers = max(2, jobs)
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        command = _command(suite, store, "--scheduler", cluster.scheduler_address)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _await_runs(store, total // 2, process)
        time.sleep(dice.uniform(0.0, 1.0))
        with Client(cluster.scheduler_address, set_as_default=False) as client:
            while not (busy := [key for key, tasks in client.processing().items() if tasks]):
                time.sleep(0.01)
            worker = client.run(os.getpid, workers=busy[:1])[busy[0]]
            os.kill(worker, signal.SIGKILL)
        if process.wait() != 0:
            sys.exit("the benchmark on Dask failed")
    return 1


def _await_runs(store: Path, wanted: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until so many runs are in the store."""
    while process.poll() is None and _count(store) < wanted:
        time.sleep(0.1)


def _count(path: Path) -> int:
    try:
        with Store.open(path, readonly=True) as store:
            return len(store.keys())
    except InputError:
        # Not made yet.
        return 0


def _compared(first: Path, second: Path) -> dict[str, Any]:
    with Store.open(first, readonly=True) as one, Store.open(second, readonly=True) as two:
        found = compare_stores(one, two)
        for each in found.differences:
            print(f"{each.label}: {each.field} {each.first} against {each.second}")
        return {
            "runs": len(two.keys()),
            "identical": found.identical,
            "same": found.same,
            "differences": len(found.differences),
            "cut_same": found.cut_same,
            "cut_differ": found.cut_differ,
            "missing": len(found.only_first) + len(found.only_second),
        }


if __name__ == "__main__":
    main()
