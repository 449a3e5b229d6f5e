"""``reorder-solver show``: a picture of who reads which channels, before and after."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from reorder_solver.cli.exits import complain
from reorder_solver.cli.inputs import load, load_result
from reorder_solver.cli.options import SolveSettings, input_format, solve_options
from reorder_solver.cli.output import Column, Row, number, print_line, print_rows, stdout_console
from reorder_solver.cli.reports import check_picture
from reorder_solver.cli.running import monitor, solve_verified
from reorder_solver.cli.targets import check_writable_soon
from reorder_solver.core.errors import VerificationError
from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.layout import Layout
from reorder_solver.core.verify import verify
from reorder_solver.formats import read_instance
from reorder_solver.formats.files import label, write_bytes

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance
    from reorder_solver.core.result import Result
    from reorder_solver.plot import Segment

_COLUMNS = (
    Column("access", "access", style="bold"),
    Column("tensors", "tensors"),
    number("channels", "channels"),
    number("before_runs", "runs before"),
    number("runs", "after"),
    Column("before_mode", "mode before"),
    Column("mode", "after"),
    number("before_cost", "cost before"),
    number("cost", "after"),
)


@click.command()
@click.argument("instance", type=click.Path(path_type=Path), metavar="INSTANCE")
@click.argument("result", type=click.Path(path_type=Path), required=False, metavar="[RESULT]")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the picture: .png, .svg or .pdf.",
)
@click.option(
    "--tensor",
    "tensors",
    multiple=True,
    metavar="ID",
    help="Draw what touches this tensor (repeatable); else what is not all views.",
)
@click.option(
    "--panels",
    type=click.IntRange(1, 60),
    default=12,
    show_default=True,
    help="Draw at most this many tensors and concatenations, the costliest ones.",
)
@solve_options
@input_format
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "table", "json", "csv"]),
    default="text",
    show_default=True,
    help="Print a picture of characters, or the facts of every access.",
)
def command(
    instance: Path,
    result: Path | None,
    output: Path | None,
    tensors: tuple[str, ...],
    panels: int,
    settings: SolveSettings,
    input_format: str | None,
    form: str,
) -> int:
    """Draw the accesses of INSTANCE over the positions of their channels, before and after.

    "After" is the layout of RESULT, a result file; without one the instance is solved first.
    Bars are runs, coloured by how the access is served.
    """
    if output is not None:
        check_picture(output)
        check_writable_soon(output)
    if result is None:
        problem = load(instance, input_format, settings.objective)
        found = _solved(problem, settings, label(instance))
    else:
        _refuse_solve_options()
        problem = read_instance(instance, format=input_format)
        found = load_result(result, problem)
        try:
            verify(problem, found)
        except VerificationError as error:
            raise VerificationError(f"{label(result)}: {error}") from None
    if found.layout is None:
        complain(f"there is no layout to show (status {found.status.value})")
        return 1
    if output is not None:
        write_picture(problem, found, output, tensors, panels)
    if form != "text":
        print_rows(_rows(problem, found), _COLUMNS, form)
    elif output is None:
        print_picture(problem, found, tensors, panels)
    else:
        print_line(f"picture written to {label(output)}")
    return 0


def write_picture(
    instance: Instance,
    result: Result,
    path: Path,
    tensors: tuple[str, ...] = (),
    most: int | None = 12,
) -> None:
    """Draw `result` into a file, at once or not at all; the suffix says which kind."""
    from reorder_solver.plot import draw, picture

    assert result.layout is not None
    bound = "no lower bound" if result.lower_bound is None else f"bound {result.lower_bound:,}"
    figure = draw(
        instance,
        result.layout,
        result.objective,
        title=f"{result.backend}: {result.status.value}, {bound}",
        tensors=tensors,
        most=most,
    )
    write_bytes(path, picture(figure, path.suffix.lower().lstrip(".")))


def print_picture(
    instance: Instance, result: Result, tensors: tuple[str, ...] = (), most: int | None = 12
) -> None:
    """Print the picture as characters, coloured on a terminal."""
    from reorder_solver.plot import character_picture, choose, compare, note_on_choice

    assert result.layout is not None
    every = compare(instance, result.layout, result.objective)[1]
    pairs = choose(every, tensors, most)
    lines = character_picture(
        pairs,
        width=shutil.get_terminal_size((100, 24)).columns,
        fixed=[tensor.id for tensor in instance.tensors if tensor.fixed],
        plain=not _encodes("█·…"),
    )
    before, after = (sum(pair[side].cost for pair in every) for side in (0, 1))
    print_line(f"{instance.name or 'instance'}: {result.objective.value} {before:,} to {after:,}")
    _print_segments(lines)
    note = note_on_choice(pairs, every)
    if note and not tensors:
        print_line(f"{note} (see --tensor, --panels)", style="dim")


def _solved(instance: Instance, settings: SolveSettings, source: str) -> Result:
    with monitor([source]) as shown:
        return solve_verified(instance, settings, source=source, callback=shown.start(source))


def _refuse_solve_options() -> None:
    context = click.get_current_context()
    for name in SolveSettings.__dataclass_fields__:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} has no meaning beside a RESULT")


def _rows(instance: Instance, result: Result) -> list[Row]:
    before = evaluate(instance, Layout.identity(instance), result.objective)
    rows: list[Row] = []
    for access in instance.accesses:
        first, last = before.accesses[access.id], result.accesses[access.id]
        rows.append(
            {
                "access": access.id,
                "role": access.role.value,
                "required": access.required,
                "tensors": " + ".join(part.tensor for part in access.parts),
                "channels": access.size,
                "before_runs": first.runs,
                "before_span": first.span,
                "before_mode": None if first.mode is None else first.mode.value,
                "before_cost": None if first.mode is None else first.cost,
                "runs": last.runs,
                "span": last.span,
                "mode": None if last.mode is None else last.mode.value,
                "cost": last.cost,
            }
        )
    return rows


def _print_segments(lines: list[list[Segment]]) -> None:
    from rich.text import Text

    from reorder_solver.plot import COLOURS

    styles = {"title": "bold", "head": "dim", "text": "", "empty": "dim"}
    text = Text(no_wrap=True, overflow="ignore")
    for line in lines:
        for segment in line:
            if segment.kind != "served":
                style = styles[segment.kind]
            elif segment.mode is None:
                style = "bold red"
            else:
                style = COLOURS[segment.mode]
            text.append(segment.text, style=style)
        text.append("\n")
    stdout_console().print(text, end="", soft_wrap=True)


def _encodes(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
