"""``reorder-solver bench``: solvers against each other, in a store that survives everything."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reorder_solver.bench.record import Outcome
from reorder_solver.cli.exits import ExitCode, complain
from reorder_solver.cli.options import OBJECTIVES, table_format
from reorder_solver.cli.output import (
    Column,
    Row,
    counted,
    number,
    print_json,
    print_line,
    print_rows,
    print_table,
    seconds,
)
from reorder_solver.core.errors import InputError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from reorder_solver.bench.compare import Comparison
    from reorder_solver.bench.plan import Grid, Plan
    from reorder_solver.bench.record import Record
    from reorder_solver.bench.runner import Pool
    from reorder_solver.bench.store import Store

_SUITE = Path("bench_instances", "suite.toml")

_RUNS = (
    Column("name", "instance", style="bold"),
    Column("family", "family"),
    Column("objective", "objective"),
    Column("backend", "backend"),
    Column("seed", "seed", right=True),
    number("time_limit", "limit", seconds),
    number("cost", "cost"),
    number("lower_bound", "bound"),
    number("seconds", "time", seconds),
    Column("outcome", "outcome"),
    Column("status", "status"),
)
_PLANNED = tuple(
    each for each in _RUNS if each.key not in ("cost", "lower_bound", "seconds", "status")
)
_SUMMARY = (
    Column("backend", "backend", style="bold"),
    Column("objective", "objective"),
    number("runs", "runs"),
    number("optimal", "optimal"),
    number("feasible", "feasible"),
    number("infeasible", "infeasible"),
    number("unsupported", "unsupported"),
    number("failed", "failed"),
    number("median_seconds", "median time", seconds),
)


@click.command()
@click.argument("instances", nargs=-1, metavar="[INSTANCE]...")
@click.option("--suite", type=click.Path(path_type=Path), metavar="FILE", help="A suite (TOML).")
@click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path),
    default=Path("bench.db"),
    show_default=True,
    metavar="FILE",
    help="Where finished runs are kept, and looked up.",
)
@click.option("--backend", "backends", multiple=True, metavar="NAME", help="Several times: each.")
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    type=click.Choice(OBJECTIVES),
    help="Several times: each; by default bytes.",
)
@click.option("--seeds", default="0", show_default=True, metavar="LIST", help="As 0,1,5-9.")
@click.option(
    "--time-limit",
    "time_limits",
    multiple=True,
    type=click.FloatRange(0, 1e9),
    metavar="SECONDS",
    help="Wall time of a run; several times: each; by default 10.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--memory-limit",
    type=click.IntRange(min=1),
    metavar="MIB",
    help="Kill runs that use more, by resident memory.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Runs side by side on this machine.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Run on this Dask cluster instead.")
@click.option(
    "--retry",
    multiple=True,
    type=click.Choice([each.value for each in Outcome]),
    help="Run those with this outcome again.",
)
@click.option("--list", "only_list", is_flag=True, help="Print the plan; run nothing.")
@click.option(
    "--compare",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="STORE STORE",
    help="Say whether two stores are identical up to times; run nothing.",
)
@table_format
def command(
    instances: tuple[str, ...],
    suite: Path | None,
    store_path: Path,
    compare: tuple[Path, Path] | None,
    only_list: bool,
    retry: tuple[str, ...],
    jobs: int,
    scheduler: str | None,
    form: str,
    **options: Any,
) -> int:
    """Run backends on instances and keep what comes of each run.

    INSTANCE is a file, a folder, a pattern, or a manifest.json. Without one, the suite file says
    what to run; in a checkout, that is bench_instances/suite.toml. Runs that the store has are not
    repeated: after Ctrl-C or a crash, the same command goes on where it ended.
    """
    if compare is not None:
        return _compare(*compare, form)
    from reorder_solver.bench.plan import make_plan

    plan = make_plan(_grids(instances, suite, options))
    if only_list:
        print_rows([_planned(plan, number) for number in range(len(plan.jobs))], _PLANNED, form)
        return ExitCode.DONE
    from reorder_solver.bench.runner import dask_pool, local_pool
    from reorder_solver.bench.store import Store

    pools = local_pool(jobs) if scheduler is None else dask_pool(scheduler)
    with Store.open(store_path) as store:
        try:
            _run(plan, store, pools, tuple(Outcome(each) for each in retry))
        except KeyboardInterrupt:
            done = len(store.keys() & {job.key for job in plan.jobs})
            complain(
                f"interrupted: {done} of {counted(len(plan.jobs), 'run')} are in {store_path}; "
                "the same command goes on"
            )
            return ExitCode.INTERRUPTED
        wanted = {job.key for job in plan.jobs}
        records = [record for record in store.records() if record.key in wanted]
    _print(records, form, store_path)
    return ExitCode.DONE


def _grids(instances: tuple[str, ...], suite: Path | None, options: dict[str, Any]) -> list[Grid]:
    from reorder_solver.bench.plan import Grid, parse_seeds, read_suite

    if not instances:
        if suite is None and not _SUITE.is_file():
            raise InputError(f"give INSTANCE or --suite: there is no {_SUITE} here")
        if options["backends"] or options["objectives"]:
            raise InputError("the suite says which backends and objectives; leave them out")
        return read_suite(suite or _SUITE)
    if suite is not None:
        raise InputError("give either INSTANCE or a suite, not both", place="--suite")
    limit = options["memory_limit"]
    grid = Grid(
        tuple(Path(each) for each in instances),
        options["backends"] or ("auto",),
        options["objectives"] or ("bytes",),
        parse_seeds(options["seeds"]),
        options["time_limits"] or (10.0,),
        options["threads"],
        None if limit is None else limit << 20,
    )
    return [grid]


def _run(
    plan: Plan, store: Store, pools: AbstractContextManager[Pool], retry: tuple[Outcome, ...]
) -> None:
    from reorder_solver.bench.runner import pending_jobs, run_jobs

    jobs = pending_jobs(plan, store, retry)
    if not jobs:
        return
    with pools as pool, _progress(len(plan.jobs), len(plan.jobs) - len(jobs)) as finished:
        run_jobs(jobs, plan, store, pool, finished)


def _progress(total: int, done: int) -> AbstractContextManager[Callable[[Record], None]]:
    """A bar with the time left on a terminal, else nothing."""
    if not sys.stderr.isatty():
        return nullcontext(lambda record: None)
    return _bar(total, done)


@contextmanager
def _bar(total: int, done: int) -> Iterator[Callable[[Record], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from reorder_solver.cli.exits import printable

    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        # Runs differ a thousandfold in time: a short window would jump about.
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    console = Console(file=sys.stderr, emoji=False)
    with Progress(*columns, console=console, transient=True, speed_estimate_period=600) as bar:
        task = bar.add_task("", total=total, completed=done)

        def finished(record: Record) -> None:
            made = record.configuration
            text = f"{record.name}  {made.objective}  {made.backend}  {record.outcome.value}"
            bar.update(task, advance=1, description=printable(text))

        yield finished


def _planned(plan: Plan, place: int) -> Row:
    job = plan.jobs[place]
    made = job.configuration
    return {
        "key": job.key,
        "name": job.name,
        "family": job.family,
        "source": job.source,
        "objective": made.objective,
        "backend": made.backend,
        "seed": made.seed,
        "time_limit": made.time_limit,
        "threads": made.threads,
        "memory_limit": made.memory_limit,
    }


def _row(record: Record) -> Row:
    made = record.configuration
    return {
        "key": record.key,
        "name": record.name,
        "family": record.family,
        "source": record.source,
        "sha256": made.instance,
        "objective": made.objective,
        "backend": made.backend,
        "version": made.version,
        "seed": made.seed,
        "time_limit": made.time_limit,
        "threads": made.threads,
        "outcome": record.outcome.value,
        "status": record.status,
        "stop_reason": record.stop_reason,
        "cost": record.cost,
        "lower_bound": record.lower_bound,
        "views": record.views,
        "runs": record.runs,
        "seconds": record.times.get("wall"),
        "cpu_seconds": record.times.get("cpu"),
        "peak_memory": record.peak_memory,
        "message": record.message,
    }


def _print(records: list[Record], form: str, store: Path) -> None:
    rows = [_row(record) for record in records]
    if form != "table":
        print_rows(rows, _RUNS, form)
        return
    print_table(_summary(rows), _SUMMARY)
    for row in rows:
        if row["outcome"] in ("timeout", "memory", "crash", "error"):
            what = f"{row['name']} {row['objective']} {row['backend']} seed {row['seed']}"
            print_line(f"{what}: {row['outcome']}: {row['message']}")
    print_line(f"{counted(len(rows), 'run')} in {store}")


def _summary(rows: list[Row]) -> list[Row]:
    """A line per backend and objective."""
    from statistics import median

    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["objective"], row["backend"]), []).append(row)
    found: list[Row] = []
    for (objective, backend), group in sorted(groups.items()):
        states = [row["status"] for row in group]
        outcomes = [row["outcome"] for row in group]
        times = [row["seconds"] for row in group if row["outcome"] in ("solved", "infeasible")]
        found.append(
            {
                "backend": backend,
                "objective": objective,
                "runs": len(group),
                "optimal": states.count("optimal"),
                "feasible": states.count("feasible"),
                "infeasible": outcomes.count("infeasible"),
                "unsupported": outcomes.count("unsupported"),
                "failed": sum(
                    each in ("timeout", "memory", "crash", "error", "no_solution")
                    for each in outcomes
                ),
                "median_seconds": median(times) if times else None,
            }
        )
    return found


def _compare(first: Path, second: Path, form: str) -> int:
    from reorder_solver.bench.compare import compare_stores
    from reorder_solver.bench.store import Store

    with Store.open(first, readonly=True) as one, Store.open(second, readonly=True) as two:
        found = compare_stores(one, two)
    if form == "json":
        print_json(_comparison_row(found))
    elif form == "csv":
        print_rows([_comparison_row(found)], (), form)
    else:
        for each in found.differences[:20]:
            values = "" if each.field == "layout" else f" {each.first} against {each.second}"
            print_line(f"{each.label}: {each.field}{values}")
        print_line(
            f"{found.same} runs the same, {len(found.differences)} differences; "
            f"cut by the clock: {found.cut_same} the same, {found.cut_differ} not; "
            f"only in {first}: {len(found.only_first)}; only in {second}: {len(found.only_second)}"
        )
    if not found.identical:
        raise VerificationError("the stores are not identical")
    return ExitCode.DONE


def _comparison_row(found: Comparison) -> Row:
    return {
        "identical": found.identical,
        "same": found.same,
        "differences": len(found.differences),
        "cut_same": found.cut_same,
        "cut_differ": found.cut_differ,
        "only_first": len(found.only_first),
        "only_second": len(found.only_second),
    }
