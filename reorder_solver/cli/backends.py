"""``reorder-solver backends``: the solvers, and what each can do here."""

from __future__ import annotations

import click

from reorder_solver.cli.exits import one_line
from reorder_solver.cli.options import table_format
from reorder_solver.cli.output import Column, Row, print_rows
from reorder_solver.core.errors import ReorderSolverError
from reorder_solver.core.prices import Objective

_COLUMNS = (
    Column("name", "backend", style="bold"),
    Column("summary", "summary"),
    Column("exact", "exact"),
    Column("objectives", "objectives"),
    Column("available", "available"),
    Column("detail", "packages"),
    Column("licence", "licence"),
)


@click.command()
@table_format
def command(form: str) -> int:
    """List the solvers: what each does, takes and needs, and whether it can run here."""
    from reorder_solver.backends import backend_names

    rows = [_row(name) for name in backend_names()]
    if form == "table":
        rows = [row | {"objectives": _short(row["objectives"])} for row in rows]
    elif form == "csv":
        rows = [row | {"objectives": " ".join(row["objectives"] or ())} for row in rows]
    print_rows(rows, _COLUMNS, form)
    return 0


def _row(name: str) -> Row:
    from reorder_solver.backends import backend_class

    row: Row = {
        "name": name,
        "summary": None,
        "exact": None,
        "objectives": None,
        "available": False,
        "detail": None,
        "licence": None,
    }
    try:
        found = backend_class(name)
    except (ImportError, ReorderSolverError) as error:
        # One broken plug-in must not hide the others.
        return row | {"detail": one_line(str(error))}
    missing = found.missing_packages()
    versions = ", ".join(f"{key} {value}" for key, value in sorted(found.versions().items()))
    install = f"missing: pip install {' '.join(missing)}"
    return row | {
        "summary": found.summary,
        "exact": found.is_exact,
        "objectives": sorted(each.value for each in found.objectives),
        "available": not missing,
        "licence": found.licence,
        "detail": install if missing else versions or None,
    }


def _short(objectives: list[str] | None) -> str | None:
    if objectives is None:
        return None
    return "all" if len(objectives) == len(Objective) else ", ".join(objectives)
