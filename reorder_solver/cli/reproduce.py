"""``reorder-solver reproduce``: the paper's claims on networks trained here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reorder_solver.cli.options import table_format
from reorder_solver.cli.output import Column, number, print_rows
from reorder_solver.cli.running import monitor
from reorder_solver.cli.targets import made_folder
from reorder_solver.cli.train import chosen_architectures, names, network_options
from reorder_solver.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reorder_solver.cli.output import Row
    from reorder_solver.experiments.accuracy import Grid
    from reorder_solver.experiments.subjects import Subject

STAGES = ("train", "accuracy", "latency", "tables")


def amounts(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[float, ...]:
    """Shares with commas between."""
    try:
        found = tuple(float(each) for each in value.split(","))
    except ValueError:
        found = (-1.0,)
    if not all(0 <= each <= 1 for each in found):
        raise click.BadParameter("must be numbers from 0 to 1 with commas between, such as 0.1,0.5")
    return tuple(dict.fromkeys(found))


@click.command()
@network_options
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("reproduce"),
    show_default=True,
    metavar="DIR",
    help="Where rows are kept (rows.jsonl) and tables and figures are written.",
)
@click.option(
    "--stage",
    "stages",
    callback=names,
    default=",".join(STAGES),
    show_default=True,
    metavar="A,B,...",
    help="What to do; 'latency' wants a machine with nothing else to do.",
)
@click.option(
    "--scores",
    callback=names,
    default="l1,l2,lamp,fpgm,hrank,taylor",
    show_default=True,
    metavar="A,B,...",
    help="What channels are ranked by.",
)
@click.option(
    "--amounts",
    "shares",
    callback=amounts,
    default="0.1,0.2,0.3,0.4,0.5,0.6,0.7",
    show_default=True,
    metavar="P,P,...",
    help="Shares of the channels to drop.",
)
@click.option(
    "--sides",
    callback=names,
    default="input",
    show_default=True,
    metavar="A,B",
    help="Which channels layers choose among: input, output.",
)
@click.option(
    "--budgets",
    callback=names,
    default="local,global",
    show_default=True,
    metavar="A,B",
    help="A share of each layer, or of all together.",
)
@click.option(
    "--methods",
    callback=names,
    default="unconstrained,constrained",
    show_default=True,
    metavar="A,B,...",
    help="Who decides together; also constrained-by-mean, zero-copy, zero-copy-live-0.75.",
)
@click.option(
    "--statistics",
    callback=names,
    default="kept,renewed",
    show_default=True,
    metavar="A,B",
    help="Those of batch norms after pruning: kept, or renewed from training images.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=5),
    default=50,
    show_default=True,
    help="How often each export is timed.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Images that an export is given at a time while it is timed.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="For the solver, per export.",
)
@click.option(
    "--compile/--no-compile",
    "compiled",
    default=True,
    show_default=True,
    help="Time exports under torch.compile as well, where it works.",
)
@click.option(
    "--available",
    is_flag=True,
    help="Leave out networks that are not trained yet, rather than complain.",
)
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folders train/ and val/ as ImageNet has them, for --architectures torchvision:NAME.",
)
@table_format
def command(
    checkpoints: Path | None,
    architectures: tuple[str, ...],
    data: str,
    seeds: tuple[int, ...],
    output: Path,
    stages: tuple[str, ...],
    scores: tuple[str, ...],
    shares: tuple[float, ...],
    sides: tuple[str, ...],
    budgets: tuple[str, ...],
    methods: tuple[str, ...],
    statistics: tuple[str, ...],
    rounds: int,
    batch: int,
    time_limit: float,
    compiled: bool,
    available: bool,
    images: Path | None,
    form: str,
) -> int:
    """Prune trained networks in every way asked for; tabulate top-1 and latency.

    Every finished row is kept at once: the same command goes on where it was stopped, and a larger
    one adds what is missing. Tables are of all rows in the folder.
    """
    from reorder_solver import torch_adapter as _  # noqa: F401 - says what to install
    from reorder_solver.experiments.accuracy import Grid, run_accuracy
    from reorder_solver.experiments.checkpoints import default_folder
    from reorder_solver.experiments.latency import run_latency
    from reorder_solver.experiments.rows import RowFile
    from reorder_solver.experiments.tables import write_tables

    _check(stages, STAGES, "stage")
    grid = _checked(Grid(scores, shares, sides, budgets, methods, statistics))
    folder = checkpoints or default_folder()
    store = RowFile(made_folder(output) / "rows.jsonl")
    with monitor([str(output)]) as shown:

        def subjects() -> Iterator[Subject]:
            return _subjects(folder, architectures, data, seeds, images, available=available)

        if "train" in stages and images is None:
            _train(folder, architectures, data, seeds, shown.start)
        if "accuracy" in stages:
            for subject in subjects():
                run_accuracy(subject, grid, store, shown.start)
        if "latency" in stages:
            for subject in subjects():
                run_latency(
                    subject,
                    grid,
                    store,
                    shown.start,
                    rounds=rounds,
                    time_limit=time_limit,
                    compiled=compiled,
                    batch=batch,
                )
        written: list[Path] = []
        if "tables" in stages:
            shown.start("writing tables")
            written = write_tables(store.flat(), output)
    files: list[Row] = [{"file": str(store.path), "rows": len(store)}]
    files += [{"file": str(path)} for path in written]
    print_rows(files, [Column("file", "file"), number("rows", "rows")], form)
    return 0


def _train(
    folder: Path,
    architectures: tuple[str, ...],
    data: str,
    seeds: tuple[int, ...],
    say: Callable[[str], object],
) -> None:
    from reorder_solver.experiments.data import load_data
    from reorder_solver.experiments.training import tasks, train_missing

    images = load_data(data)
    for task in tasks(folder, chosen_architectures(architectures), data, seeds):
        say(f"training {task.architecture} {task.seed}")
        train_missing(task, images)


def _subjects(
    folder: Path,
    architectures: tuple[str, ...],
    data: str,
    seeds: tuple[int, ...],
    images: Path | None,
    *,
    available: bool,
) -> Iterator[Subject]:
    from reorder_solver.experiments.checkpoints import path_of
    from reorder_solver.experiments.data import load_data
    from reorder_solver.experiments.subjects import torchvision_subject, trained_here

    if images is not None:
        for name in architectures:
            source, _, model = name.partition(":")
            if source != "torchvision" or not model:
                raise InputError(f"with --images give torchvision:NAME, not {name!r}")
            yield torchvision_subject(model, images)
        return
    loaded = load_data(data)
    for seed in seeds:
        for name in chosen_architectures(architectures):
            if not available or path_of(folder, name, data, seed).exists():
                yield trained_here(folder, name, seed, loaded)


def _checked(grid: Grid) -> Grid:
    from reorder_solver.experiments.accuracy import STATISTICS
    from reorder_solver.experiments.methods import METHODS
    from reorder_solver.torch_adapter.budgets import BUDGETS
    from reorder_solver.torch_adapter.scores import SCORES

    _check(grid.scores, SCORES, "score")
    _check(grid.sides, ("input", "output"), "side")
    _check(grid.budgets, BUDGETS, "budget")
    _check(grid.methods, tuple(METHODS), "method")
    _check(grid.statistics, STATISTICS, "kind of statistics")
    return grid


def _check(given: tuple[Any, ...], known: tuple[str, ...], what: str) -> None:
    for each in given:
        if each not in known:
            raise InputError(f"unknown {what} {each!r}; known: {', '.join(known)}")
