"""Options that several commands share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reorder_solver.core.prices import Objective

if TYPE_CHECKING:
    from collections.abc import Callable

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")

OBJECTIVES = [each.value for each in Objective]


@dataclass(frozen=True, slots=True)
class SolveSettings:
    """How to solve, as asked for on the command line."""

    objective: str
    backend: str
    time_limit: float | None
    seed: int
    threads: int


def table_format(function: Decorated) -> Decorated:
    """``--format table|json|csv``."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json", "csv"]),
        default="table",
        show_default=True,
        help="How to print.",
    )(function)


def input_format(function: Decorated) -> Decorated:
    """``--input-format NAME``."""
    return click.option(
        "--input-format",
        metavar="NAME",
        help="Format of the instance files (json, csv, mtx, orlib, cbm); else told by the name.",
    )(function)


def seed_option(function: Decorated) -> Decorated:
    """``--seed N``."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=0,
        show_default=True,
        help="The same seed gives the same answer.",
    )(function)


def _time_limit(ctx: click.Context, parameter: click.Parameter, value: float) -> float | None:
    if math.isnan(value) or value < 0:
        raise click.BadParameter("must be a number of seconds, at least 0 (inf for no limit)")
    return None if math.isinf(value) else value


def time_limit_option(help: str) -> Callable[[Decorated], Decorated]:
    """``--time-limit SECONDS``, with inf as None."""
    return click.option(
        "--time-limit",
        type=float,
        callback=_time_limit,
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help=help,
    )


def solve_options(function: Decorated) -> Decorated:
    """``--objective --backend --time-limit --seed --threads``, as the argument `settings`."""
    import functools

    @functools.wraps(function)
    def wrapped(*args: Any, **values: Any) -> Any:
        names = SolveSettings.__dataclass_fields__
        settings = SolveSettings(**{name: values.pop(name) for name in names})
        return function(*args, settings=settings, **values)

    options = (
        click.option(
            "--objective",
            type=click.Choice(OBJECTIVES),
            default=Objective.BYTES.value,
            show_default=True,
            help="What to minimise.",
        ),
        click.option(
            "--backend",
            metavar="NAME",
            default="auto",
            show_default=True,
            help="The solver (see 'reorder-solver backends').",
        ),
        time_limit_option("Wall time per instance; inf for no limit."),
        seed_option,
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Use at most this many.",
        ),
    )
    decorated: Any = wrapped
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
