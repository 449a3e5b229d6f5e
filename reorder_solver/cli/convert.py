"""``reorder-solver convert``: an instance from one file format to another."""

from __future__ import annotations

from pathlib import Path

import click

from reorder_solver.cli.options import input_format, table_format
from reorder_solver.cli.output import Column, Row, number, print_rows
from reorder_solver.core.digest import digest
from reorder_solver.formats import read_instance, write_instance
from reorder_solver.formats.files import label

_COLUMNS = (
    Column("output", "written", style="bold"),
    Column("name", "name"),
    number("tensors", "tensors"),
    number("channels", "channels"),
    number("accesses", "accesses"),
)


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="IN")
@click.argument("target", type=click.Path(path_type=Path), metavar="OUT")
@input_format
@click.option("--output-format", metavar="NAME", help="Format of OUT; else told by its name.")
@table_format
def command(
    source: Path, target: Path, input_format: str | None, output_format: str | None, form: str
) -> int:
    """Read the instance IN and write it to OUT.

    The suffix decides the format (.json .csv .mtx .txt .cbm, each also with .gz). The matrix
    formats hold one tensor and unit weights only; what they cannot hold is refused, not dropped.
    """
    instance = read_instance(source, format=input_format)
    write_instance(instance, target, format=output_format)
    row: Row = {
        "input": label(source),
        "output": label(target),
        "name": instance.name,
        "tensors": len(instance.tensors),
        "channels": sum(tensor.channels for tensor in instance.tensors),
        "accesses": len(instance.accesses),
        "sha256": digest(instance),
    }
    print_rows([row], _COLUMNS, form)
    return 0
