"""``reorder-solver generate``: an instance of a family, the same for the same seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from reorder_solver.cli.options import table_format
from reorder_solver.cli.output import Column, Row, number, plain, print_rows
from reorder_solver.core.digest import digest
from reorder_solver.core.errors import InputError
from reorder_solver.formats import instance_to_json, write_instance
from reorder_solver.formats.files import label


def exact(value: object) -> str:
    """Defaults and bounds as they are typed, without thousands separators."""
    return plain(value) if isinstance(value, bool) or value is None else str(value)


_FAMILY_COLUMNS = (
    Column("family", "family", style="bold"),
    Column("parameter", "parameter"),
    Column("default", "default", exact, right=True),
    Column("minimum", "from", exact, right=True),
    Column("maximum", "to", exact, right=True),
    Column("summary", "summary"),
)
_COLUMNS = (
    Column("output", "written", style="bold"),
    Column("name", "name"),
    number("tensors", "tensors"),
    number("channels", "channels"),
    number("accesses", "accesses"),
)


@click.command()
@click.argument("family", required=False, metavar="[FAMILY]")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same seed gives the same instance, on every machine.",
)
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter of the family (repeatable).",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the instance here, in the format its name says; else print it as JSON.",
)
@table_format
def command(
    family: str | None,
    seed: int,
    parameters: tuple[str, ...],
    output: Path | None,
    form: str,
) -> int:
    """Make an instance of FAMILY; without one, list the families and their parameters."""
    from reorder_solver.generators import generate

    if family == "scored":
        raise InputError("scored makes windows instances; use 'reorder-solver windows generate'")
    if family is None:
        if parameters or output is not None:
            raise click.UsageError("--param and --output need a FAMILY")
        print_rows(_families(), _FAMILY_COLUMNS, form)
        return 0
    instance = generate(family, **{**parsed_parameters(parameters), "seed": seed})
    if output is None:
        click.echo(instance_to_json(instance).encode(), nl=False)
        return 0
    write_instance(instance, output)
    row: Row = {
        "output": label(output),
        "name": instance.name,
        "tensors": len(instance.tensors),
        "channels": sum(tensor.channels for tensor in instance.tensors),
        "accesses": len(instance.accesses),
        "sha256": digest(instance),
    }
    print_rows([row], _COLUMNS, form)
    return 0


def parsed_parameters(parameters: tuple[str, ...]) -> dict[str, Any]:
    """Keys and values; a value is a number, ``true`` or ``false``."""
    found: dict[str, Any] = {}
    for text in parameters:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"must be KEY=VALUE, got {text!r}", place="--param")
        if key in ("seed", "family"):
            raise InputError(f"{key} has a place of its own on the command line", place="--param")
        if key in found:
            raise InputError(f"{key} is given twice", place="--param")
        try:
            found[key] = json.loads(value)
        except ValueError:
            raise InputError(
                f"the value of {key} must be a number, true or false, got {value[:40]!r}",
                place="--param",
            ) from None
    return found


def _families() -> list[Row]:
    from reorder_solver.generators import FAMILIES

    rows: list[Row] = []
    for family in FAMILIES.values():
        rows.append({"family": family.name, "summary": family.summary})
        rows += [
            {
                "family": family.name,
                "parameter": name,
                "default": one.default,
                "minimum": None if one.kind is bool else one.minimum,
                "maximum": None if one.kind is bool else one.maximum,
                "summary": one.summary,
            }
            for name, one in family.parameters.items()
        ]
    return rows
