"""``reorder-solver pareto``: importance against predicted latency of a model, pruned."""

from __future__ import annotations

from pathlib import Path

import click

from reorder_solver.cli.exits import ExitCode
from reorder_solver.cli.options import seed_option, table_format, time_limit_option
from reorder_solver.cli.output import Column, number, percent, print_rows
from reorder_solver.cli.running import monitor
from reorder_solver.cli.targets import check_writable_soon
from reorder_solver.core.errors import InputError

_COLUMNS = (
    Column("method", "method", style="bold"),
    number("amount", "amount", percent),
    number("live", "live", percent),
    number("paid", "paid", percent),
    number("importance", "importance", percent),
    number("latency", "predicted ns"),
    number("macs", "MACs"),
    number("copied", "bytes copied"),
)


def _shares(context: click.Context, option: click.Parameter, text: str) -> tuple[float, ...]:
    del context
    try:
        found = tuple(float(each) for each in text.split(","))
    except ValueError:
        found = (-1.0,)
    if not all(0 <= each <= 1 for each in found):
        raise InputError(f"--{option.name} must be numbers from 0 to 1 with commas, got {text!r}")
    return found


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--size", type=click.IntRange(min=1), default=224, show_default=True, help="Pixels.")
@click.option("--score", default="l2", show_default=True, help="l1, l2, lamp, fpgm or random.")
@click.option(
    "--amounts",
    default="0.1,0.3,0.5,0.7",
    show_default=True,
    callback=_shares,
    help="Shares of its channels that each layer drops.",
)
@click.option(
    "--lives",
    default="1,0.75",
    show_default=True,
    callback=_shares,
    help="Shares of each tensor's channels that stay at most.",
)
@click.option(
    "--paid",
    default="0.5",
    show_default=True,
    callback=_shares,
    help="Shares of the layers that pay for a copy.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the front: .json, .csv, or a picture (.svg, .png, .pdf).",
)
@seed_option
@time_limit_option("Seconds for each solve.")
@table_format
def command(
    model: str,
    size: int,
    score: str,
    amounts: tuple[float, ...],
    lives: tuple[float, ...],
    paid: tuple[float, ...],
    save: Path | None,
    seed: int,
    time_limit: float | None,
    form: str,
) -> int:
    """Sweep over ways to prune MODEL, from constrained to unconstrained, and print the front.

    MODEL is torchvision:NAME (random weights), or package.module:callable, which returns a
    module that takes images of 3 channels.
    """
    if save is not None:
        if save.suffix not in (".json", ".csv", ".svg", ".png", ".pdf"):
            raise InputError("name a file .json, .csv, .svg, .png or .pdf", source=str(save))
        check_writable_soon(save)
    with monitor([model]) as shown:
        shown.start("loading")
        from reorder_solver import torch_adapter as ta
        from reorder_solver.torch_adapter.models import random_images

        network = ta.load_model(model, seed=seed).eval()
        images = random_images(size, seed)
        shown.start("sweeping")
        front = ta.pareto(
            network,
            images,
            score,
            amounts=amounts,
            lives=lives,
            paid=paid,
            time_limit=time_limit,
            seed=seed,
        )
    if save is not None:
        front.save(save)
    print_rows([each.to_dict() for each in front.points], _COLUMNS, form)
    return ExitCode.DONE
