"""The coordinator: hands runs to an executor, keeps what comes back, and is the only writer."""

from __future__ import annotations

from collections import deque
from concurrent.futures import FIRST_COMPLETED, CancelledError, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from reorder_solver.bench.record import Outcome, Record
from reorder_solver.bench.supervise import allow_runs, interrupt_runs, run_job, this_machine
from reorder_solver.core.errors import InputError, MissingPackageError
from reorder_solver.core.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from reorder_solver.bench.plan import Job, Plan
    from reorder_solver.bench.store import Store
    from reorder_solver.bench.supervise import Finished

#: How often a run is handed out again after the worker that had it was lost.
_HAND_OUTS = 4


class Pool(Protocol):
    """An executor and how many runs it takes at a time."""

    executor: Executor
    slots: Callable[[], int]


class _Pool:
    def __init__(self, executor: Executor, slots: Callable[[], int]) -> None:
        self.executor = executor
        self.slots = slots


@contextmanager
def local_pool(jobs: int) -> Iterator[Pool]:
    """`jobs` runs side by side on this machine.

    Threads suffice: each does nothing but supervise the process of its run, and a process that is
    killed harms no other.
    """
    allow_runs()
    executor = ThreadPoolExecutor(jobs)
    try:
        yield _Pool(executor, lambda: jobs)
    except BaseException:
        interrupt_runs()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def dask_pool(address: str) -> Iterator[Pool]:
    """The workers of the Dask cluster whose scheduler is at `address`.

    Raises
    ------
    MissingPackageError
        If Dask is not installed.
    InputError
        If nothing answers at the address.
    """
    try:
        import distributed
    except ImportError:
        raise MissingPackageError(
            "--scheduler needs distributed: pip install 'reorder-solver[dask]'"
        ) from None
    try:
        # Its functions are not annotated.
        client: Any = distributed.Client(address, timeout=10, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"no scheduler answers: {reason}", source=address) from None
    try:
        executor = client.get_executor(pure=False)
        yield _Pool(executor, lambda: max(1, sum(client.nthreads().values())))
        executor.shutdown()
    finally:
        # Not waiting: what runs on is given up by the workers when their client leaves.
        client.close(timeout=5)


def pending_jobs(plan: Plan, store: Store, retry: Sequence[Outcome] = ()) -> list[Job]:
    """Runs of `plan` that the store lacks, and those whose outcome is in `retry`."""
    again = set()
    if retry:
        again = {each.key for each in store.records() if each.outcome in retry}
    done = store.keys() - again
    return [job for job in plan.jobs if job.key not in done]


def run_jobs(
    jobs: Iterable[Job],
    plan: Plan,
    store: Store,
    pool: Pool,
    finished: Callable[[Record], None],
    work: Callable[[Job], Finished] = run_job,
) -> None:
    """Run `jobs` and keep what comes of each as soon as it is known.

    Parameters
    ----------
    jobs : iterable of Job
    plan : Plan
        For the instances, which are kept as well.
    store : Store
        Open for writing.
    pool : Pool
    finished : callable
        Told of every record once it is kept.
    work : callable
        What does a job, in a worker.
    """
    waiting = deque((job, 1) for job in jobs)
    for key in dict.fromkeys(job.configuration.instance for job, _ in waiting):
        case = plan.cases[key]
        store.add_instance(case.instance, case.name, case.family)
    flying: dict[Future[Any], tuple[Job, int]] = {}
    try:
        while waiting or flying:
            # A few more than there are slots: enough to keep all busy, few to lose.
            while waiting and len(flying) < 2 * pool.slots():
                job, turn = waiting.popleft()
                flying[pool.executor.submit(work, job)] = job, turn
            # With an end, so that Ctrl-C is seen on every system.
            done, _ = wait(flying, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                job, turn = flying.pop(future)
                ended = _ended(future, job, turn)
                if ended is None:
                    waiting.appendleft((job, turn + 1))
                    continue
                _keep(store, *ended)
                finished(ended[0])
    except BaseException:
        for future in flying:
            future.cancel()
        raise


def _keep(store: Store, record: Record, orders: dict[str, list[int]] | None) -> None:
    layout = None
    if orders is not None:
        layout = Layout({key: np.array(order, dtype=np.int64) for key, order in orders.items()})
    store.replace(record, layout)


def _ended(future: Future[Any], job: Job, turn: int) -> Finished | None:
    """What came of a run; None if its worker was lost and it is to be handed out again."""
    try:
        found: Finished = future.result()
    except (Exception, CancelledError) as error:
        # Runs that fail return a record: what is raised is the trouble of the worker.
        if turn < _HAND_OUTS:
            return None
        text = " ".join(f"worker lost {turn} times: {type(error).__name__}: {error}".split())
        return _lost(job, text[:400]), None
    return found


def _lost(job: Job, message: str) -> Record:
    return Record(
        configuration=job.configuration,
        name=job.name,
        family=job.family,
        source=job.source,
        sizes=job.sizes,
        outcome=Outcome.CRASH,
        message="".join(c if c.isprintable() else " " for c in message),
        machine=this_machine(),
    )
