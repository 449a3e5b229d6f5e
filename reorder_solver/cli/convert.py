"""``reorder-solver convert``: an instance in another file format, or as a programme for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reorder_solver.cli.options import (
    OBJECTIVES,
    input_format,
    seed_option,
    table_format,
    time_limit_option,
)
from reorder_solver.cli.output import Column, Row, number, print_rows
from reorder_solver.cli.targets import check_writable_soon
from reorder_solver.core.digest import digest
from reorder_solver.core.errors import InputError
from reorder_solver.core.prices import Objective
from reorder_solver.formats import read_instance, write_instance
from reorder_solver.formats.files import label, write_bytes

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance
    from reorder_solver.programmes import Programme

_COLUMNS = (
    Column("output", "written", style="bold"),
    Column("name", "name"),
    number("tensors", "tensors"),
    number("channels", "channels"),
    number("accesses", "accesses"),
)
_PROGRAMME_COLUMNS = (
    Column("output", "written", style="bold"),
    Column("name", "name"),
    Column("objective", "objective"),
    Column("model", "model"),
    number("columns", "columns"),
    Column("cost", "cost of a solution"),
    Column("is_complete", "complete"),
)


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="IN")
@click.argument("target", type=click.Path(path_type=Path), metavar="OUT")
@input_format
@click.option("--output-format", metavar="NAME", help="Format of OUT; else told by its name.")
@click.option(
    "--to",
    "kind",
    type=click.Choice(["tsplib", "lp", "mps"]),
    help="Write a mathematical programme instead, for other solvers.",
)
@click.option(
    "--objective",
    type=click.Choice(OBJECTIVES),
    help="With --to: what the programme minimises (runs for tsplib, else bytes by default).",
)
@click.option("--tensor", metavar="ID", help="With --to and runs: the tensor to be ordered.")
@time_limit_option("With --to and copies or bytes: wall time to find all no-goods.")
@seed_option
@table_format
def command(
    source: Path,
    target: Path,
    input_format: str | None,
    output_format: str | None,
    kind: str | None,
    objective: str | None,
    tensor: str | None,
    time_limit: float | None,
    seed: int,
    form: str,
) -> int:
    """Read the instance IN and write it to OUT.

    The suffix decides the format (.json .csv .mtx .txt .cbm, each also with .gz). The matrix
    formats hold one tensor and unit weights only; what they cannot hold is refused, not dropped.

    With --to, OUT is a programme that any other solver can be pointed at: the runs of one tensor
    as a travelling salesman problem (tsplib) or as an integer programme (lp, mps), copies and
    bytes as a covering programme (lp, mps). What is printed says how to read a solution's value;
    --format json lists the channels or accesses behind every node or variable.
    """
    if kind is None:
        if objective is not None or tensor is not None:
            raise click.UsageError("--objective and --tensor go with --to")
        instance = read_instance(source, format=input_format)
        write_instance(instance, target, format=output_format)
        row = {"input": label(source), "output": label(target), **_sizes(instance)}
        print_rows([row], _COLUMNS, form)
        return 0
    if output_format is not None:
        raise click.UsageError("--output-format and --to exclude each other")
    instance = read_instance(source, format=input_format)
    check_writable_soon(target)
    chosen = Objective(objective or ("runs" if kind == "tsplib" else "bytes"))
    programme = _programme(instance, kind, chosen, tensor, time_limit, seed)
    write_bytes(target, programme.data)
    row = {"input": label(source), "output": label(target), "objective": chosen.value}
    row |= _sizes(instance) | _reading(programme)
    if form == "json":
        row["members"] = [list(each) for each in programme.columns]
    print_rows([row], _PROGRAMME_COLUMNS, form)
    return 0


def _sizes(instance: Instance) -> Row:
    return {
        "name": instance.name,
        "tensors": len(instance.tensors),
        "channels": sum(tensor.channels for tensor in instance.tensors),
        "accesses": len(instance.accesses),
        "sha256": digest(instance),
    }


def _programme(
    instance: Instance,
    kind: str,
    objective: Objective,
    tensor: str | None,
    time_limit: float | None,
    seed: int,
) -> Programme:
    # Loads the backends, which a mere conversion can do without.
    from reorder_solver.programmes import runs_programme, tour_programme, views_programme

    if kind == "tsplib":
        if objective is not Objective.RUNS:
            raise InputError(f"a tour counts runs, not {objective.value}")
        return tour_programme(instance, tensor)
    if objective is Objective.RUNS:
        return runs_programme(instance, kind, tensor)
    if tensor is not None:
        raise InputError(f"--tensor goes with runs, not with {objective.value}")
    return views_programme(instance, kind, objective, time_limit, seed)


def _reading(programme: Programme) -> Row:
    """How to read a solution, as fields and as a formula."""
    scale = f"{programme.unit} x " if programme.unit > 1 else ""
    half = " / 2" if programme.halves == 2 else ""
    sign = "+" if programme.offset >= 0 else "-"
    return {
        "model": programme.model,
        "columns": len(programme.columns),
        "unit": programme.unit,
        "halves": programme.halves,
        "offset": programme.offset,
        "cost": f"{scale}value{half} {sign} {abs(programme.offset)}",
        "is_complete": programme.is_complete,
    }
