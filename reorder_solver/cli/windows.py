"""``reorder-solver windows``: zero-copy pruning of instances with scores and budgets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reorder_solver.cli.exits import ExitCode, complain
from reorder_solver.cli.generate import exact, parsed_parameters
from reorder_solver.cli.options import seed_option, table_format, time_limit_option
from reorder_solver.cli.output import Column, Row, number, percent, print_rows, seconds
from reorder_solver.cli.reports import check_picture
from reorder_solver.cli.targets import check_writable_soon, made_folder
from reorder_solver.core.errors import InputError, VerificationError
from reorder_solver.core.result import StopReason
from reorder_solver.core.verify_windows import verify_windows
from reorder_solver.core.window_result import windows_digest
from reorder_solver.formats import (
    read_windows_instance,
    read_windows_result,
    windows_to_json,
    write_windows_instance,
    write_windows_result,
)
from reorder_solver.formats.files import label, write_bytes
from reorder_solver.solve_windows import solve_windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from reorder_solver.core.window_result import WindowsResult
    from reorder_solver.core.windows import WindowsInstance

_COLUMNS = (
    Column("file", "file", style="bold"),
    number("tensors", "tensors"),
    number("accesses", "accesses"),
    number("importance", "importance"),
    number("upper_bound", "bound"),
    number("gap", "gap", percent),
    number("gathered", "copies"),
    number("seconds", "time", seconds),
    Column("status", "status"),
    Column("backend", "backend"),
)
_POINTS = (
    number("percent", "budget %"),
    number("spent", "spent"),
    number("importance", "importance"),
    number("retained", "retained", percent),
    number("upper_bound", "bound"),
    number("gap", "gap", percent),
    number("gathered", "copies"),
    number("seconds", "time", seconds),
)


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Zero-copy pruning: choose a channel order and one window for every access.

    Instances hold scores instead of masks, and budgets. Every access that does not pay for a copy
    reads one slice. See docs/zero-copy-pruning.md.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _solving(function: Any) -> Any:
    for option in (
        click.option(
            "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="At most."
        ),
        seed_option,
        time_limit_option("Wall time per solve; inf for no limit."),
        click.option(
            "--backend",
            metavar="NAME",
            default="auto",
            show_default=True,
            help="auto, heuristic or exact.",
        ),
    ):
        function = option(function)
    return function


@command.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@_solving
@click.option("--output", type=click.Path(path_type=Path), metavar="RESULT", help="One FILE only.")
@table_format
def solve(
    files: tuple[Path, ...],
    backend: str,
    time_limit: float | None,
    seed: int,
    threads: int,
    output: Path | None,
    form: str,
) -> int:
    """Retain the most importance within the budgets. Every result is checked before it is shown."""
    if output is not None:
        if len(files) > 1:
            raise InputError(f"takes one FILE, got {len(files)}", place="--output")
        check_writable_soon(output)
    instances = [read_windows_instance(path) for path in files]
    rows: list[Row] = []
    code = ExitCode.DONE
    try:
        for path, instance in zip(files, instances, strict=True):
            result = solve_windows(
                instance, backend=backend, time_limit=time_limit, seed=seed, threads=threads
            )
            verify_windows(instance, result)
            rows.append(_row(label(path), instance, result))
            if result.layout is None:
                code = ExitCode.FAILED
            if output is not None:
                write_windows_result(result, output)
            if result.stop_reason is StopReason.INTERRUPTED:
                complain("interrupted: the windows are the best found so far")
                break
    finally:
        # Also on the way out of a failure: what is finished must not be lost.
        if rows:
            print_rows(rows, _COLUMNS, form)
    return code


@command.command()
@click.argument("instance", type=click.Path(path_type=Path), metavar="INSTANCE")
@click.argument("result", type=click.Path(path_type=Path), metavar="RESULT")
@table_format
def verify(instance: Path, result: Path, form: str) -> int:
    """Check that RESULT is what it says: windows of INSTANCE within its budgets, and their sum.

    That the bound is true is not checked again. Exit code 1 if anything disagrees.
    """
    problem = read_windows_instance(instance)
    found = read_windows_result(result)
    try:
        verify_windows(problem, found)
    except VerificationError as error:
        raise VerificationError(f"{label(result)}: {error}") from None
    print_rows([_row(label(result), problem, found)], _COLUMNS, form)
    return 0


@command.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--percents",
    default="10,20,30,40,50,60,70,80,90,100",
    show_default=True,
    metavar="LIST",
    help="Shares of every budget's limit, in percent.",
)
@_solving
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Keep the result of every point here, and take up finished ones again.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the points: .png, .svg or .pdf.",
)
@table_format
def pareto(
    file: Path,
    percents: str,
    backend: str,
    time_limit: float | None,
    seed: int,
    threads: int,
    folder: Path | None,
    plot: Path | None,
    form: str,
) -> int:
    """Importance against budget: solve FILE with a share of its budgets after another.

    Prints the points that no other point dominates.
    """
    from reorder_solver.windows.pareto import pareto_windows

    if plot is not None:
        check_picture(plot)
        check_writable_soon(plot)
    instance = read_windows_instance(file)
    shares = _percents(percents)
    points = pareto_windows(
        instance,
        shares,
        solve=_resuming(folder, backend, time_limit, seed, threads),
    )
    total = sum(int(part.scores.sum()) for one in instance.accesses for part in one.parts)
    rows: list[Row] = []
    for point in points:
        row = _row(label(file), instance, point.result)
        row["percent"] = point.percent
        row["spent"] = sum(point.result.spent.values())
        row["retained"] = (point.result.importance or 0) / total if total else None
        rows.append(row)
    print_rows(rows, _POINTS, form)
    if plot is not None and rows:
        _draw(rows, total, instance.name, plot)
    return ExitCode.DONE if points else ExitCode.FAILED


def _draw(rows: list[Row], total: int, title: str, path: Path) -> None:
    from reorder_solver.plot import draw_trade_off, picture

    keys = ("spent", "importance", "upper_bound")
    spent, importance, bounds = ([row[key] for row in rows] for key in keys)
    figure = draw_trade_off(spent, importance, bounds, total, title=title)
    write_bytes(path, picture(figure, path.suffix.lower().lstrip(".")))


def _percents(text: str) -> list[int]:
    shares: list[int] = []
    for item in text.split(","):
        if not item.strip().isascii() or not item.strip().isdigit():
            raise InputError(f"must be whole numbers and commas, got {item!r}", place="--percents")
        shares.append(int(item))
    if max(shares) > 100_000:
        raise InputError("must be at most 100000", place="--percents")
    return shares


def _resuming(
    folder: Path | None, backend: str, time_limit: float | None, seed: int, threads: int
) -> Callable[[WindowsInstance, int], WindowsResult]:
    """A solver that keeps what is finished in `folder`, under percent and digest."""
    if folder is not None:
        made_folder(folder)

    def solve_point(instance: WindowsInstance, share: int) -> WindowsResult:
        path = None
        if folder is not None:
            path = folder / f"{share:06d}-{windows_digest(instance)[:16]}.json"
            if path.exists():
                kept = read_windows_result(path, instance)
                verify_windows(instance, kept)
                return kept
        result = solve_windows(
            instance, backend=backend, time_limit=time_limit, seed=seed, threads=threads
        )
        verify_windows(instance, result)
        if result.stop_reason is StopReason.INTERRUPTED:
            raise KeyboardInterrupt
        if path is not None:
            write_windows_result(result, path)
        return result

    return solve_point


@command.command()
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same file."
)
@click.option(
    "--param", "parameters", multiple=True, metavar="KEY=VALUE", help="A parameter (repeatable)."
)
@click.option("--parameters", "listing", is_flag=True, help="List the parameters, and do no more.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Else printed.")
@table_format
def generate(
    seed: int, parameters: tuple[str, ...], listing: bool, output: Path | None, form: str
) -> int:
    """Make a random instance: correlated scores, and a window's share of the channels."""
    from reorder_solver.generators import SCORED, generate_windows

    if listing:
        rows: list[Row] = [
            {"parameter": name, "default": one.default, "summary": one.summary}
            for name, one in SCORED.items()
        ]
        columns = (
            Column("parameter", "parameter", style="bold"),
            Column("default", "default", exact, right=True),
            Column("summary", "summary"),
        )
        print_rows(rows, columns, form)
        return 0
    instance = generate_windows(**{**parsed_parameters(parameters), "seed": seed})
    if output is None:
        click.echo(windows_to_json(instance).encode(), nl=False)
        return 0
    write_windows_instance(instance, output)
    row: Row = {
        "output": label(output),
        "tensors": len(instance.tensors),
        "accesses": len(instance.accesses),
        "sha256": windows_digest(instance),
    }
    shown = (Column("output", "written", style="bold"), *_COLUMNS[1:3])
    print_rows([row], shown, form)
    return 0


def _row(name: str, instance: WindowsInstance, result: WindowsResult) -> Row:
    return {
        "file": name,
        "name": instance.name,
        "sha256": result.instance_sha256 or None,
        "tensors": len(instance.tensors),
        "accesses": len(instance.accesses),
        "importance": result.importance,
        "upper_bound": result.upper_bound,
        "gap": result.gap,
        "gathered": len(result.gathered),
        "status": result.status.value,
        "stop_reason": result.stop_reason.value,
        "backend": result.backend,
        "seed": result.seed,
        "seconds": result.times.get("total"),
    }
