"""A real Dask cluster of several worker processes, one of them killed in the middle of a run."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from reorder_solver.bench.compare import compare_stores
from reorder_solver.bench.plan import Grid, make_plan
from reorder_solver.bench.runner import dask_pool, local_pool, run_jobs
from reorder_solver.bench.store import Store
from reorder_solver.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from reorder_solver.bench.record import Record

distributed = pytest.importorskip("distributed", reason="needs distributed")


@pytest.mark.slow
def test_worker_killed(small: Path, backends: Path, tmp_path: Path) -> None:
    """Nothing is lost or doubled when a worker is killed; the results are those of local runs."""
    plan = make_plan([Grid((small,), ("noting", "raising", "greedy"), seeds=tuple(range(8)))])
    with Store.open(tmp_path / "local.db") as store, local_pool(2) as pool:
        run_jobs(plan.jobs, plan, store, pool, lambda record: None)
    backends.unlink()
    cluster = distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None
    )
    kept: list[str] = []
    killed: list[int] = []

    def finished(record: Record) -> None:
        kept.append(record.key)
        if len(kept) == 4 and not killed:
            # Only a worker that is in the midst of a run is worth it.
            client = distributed.Client(cluster.scheduler_address, set_as_default=False)
            while not (busy := [key for key, tasks in client.processing().items() if tasks]):
                time.sleep(0.01)
            killed.append(client.run(os.getpid, workers=busy[:1])[busy[0]])
            os.kill(killed[0], signal.SIGKILL)
            client.close()

    try:
        with (
            Store.open(tmp_path / "dask.db") as store,
            dask_pool(cluster.scheduler_address) as pool,
        ):
            run_jobs(plan.jobs, plan, store, pool, finished)
    finally:
        cluster.close()
    assert killed
    assert sorted(kept) == sorted(job.key for job in plan.jobs)
    one = Store.open(tmp_path / "local.db", readonly=True)
    two = Store.open(tmp_path / "dask.db", readonly=True)
    with one, two:
        found = compare_stores(one, two)
    assert found.identical
    assert found.same == len(plan.jobs)


def test_no_scheduler() -> None:
    """An address where nothing answers, or that is none, gives one line."""
    with (
        pytest.raises(InputError, match="no scheduler answers") as caught,
        dask_pool("nonsense://here"),
    ):
        pass
    assert "\n" not in str(caught.value)
