"""``reorder-solver report``: what a benchmark found, as a page, Markdown, CSV and a table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reorder_solver.cli.exits import complain
from reorder_solver.cli.options import table_format
from reorder_solver.cli.output import Column, number, percent, print_line, print_rows, seconds
from reorder_solver.cli.targets import check_writable_soon, made_folder
from reorder_solver.core.errors import InputError
from reorder_solver.formats.files import label, write_bytes

if TYPE_CHECKING:
    from reorder_solver.report.content import Report

_COLUMNS = (
    Column("objective", "objective"),
    Column("solver", "solver", style="bold"),
    number("instances", "instances"),
    number("refused", "refused"),
    number("layouts", "layouts"),
    number("best", "best"),
    number("proven", "proven"),
    number("median_gap", "median gap", percent),
    number("proof_time_par2", "time to proof", seconds),
    number("failed_runs", "failed"),
)


@click.command()
@click.argument("store", type=click.Path(path_type=Path), metavar="STORE")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the page; report.html if no other file is asked for.",
)
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write Markdown.")
@click.option(
    "--csv",
    metavar="FILE|FOLDER",
    help="Write a row per run; in a folder (or NAME/) also instances, solvers and pairs.",
)
@click.option(
    "--best-known",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Table of best known values to compare with.",
)
@click.option("--title", metavar="TEXT", help="Title of the page and of the Markdown.")
@click.option(
    "--layouts",
    type=click.IntRange(0, 50),
    default=6,
    show_default=True,
    metavar="MB",
    help="How much room the layouts may take in the page.",
)
@table_format
def command(
    store: Path,
    output: Path | None,
    markdown: Path | None,
    csv: str | None,
    best_known: Path | None,
    title: str | None,
    layouts: int,
    form: str,
) -> int:
    """Report what the benchmark in STORE found.

    The page is one file that loads nothing, with charts and the layouts that were found; it shows
    in any browser. Prints the standing of every solver.
    """
    if output is None and markdown is None and csv is None:
        output = Path("report.html")
    _check_targets(store, output, markdown, csv)
    found = _report(store, best_known, layouts)
    named = {} if title is None else {"title": title}
    written: list[Path] = []
    if output is not None:
        from reorder_solver.report.page import html_page

        write_bytes(output, html_page(found, **named).encode("utf-8"))
        written.append(output)
    if markdown is not None:
        from reorder_solver.report.markdown import markdown as as_markdown

        write_bytes(markdown, as_markdown(found, **named).encode("utf-8"))
        written.append(markdown)
    if csv is not None:
        written += _write_csv(found, csv)
    _print(found, form)
    if form == "table":
        for path in written:
            print_line(f"written: {label(path)}", style="dim")
    for line in found.alarms:
        complain(line)
    return 1 if found.alarms else 0


def _check_targets(
    store: Path, output: Path | None, markdown: Path | None, csv: str | None
) -> None:
    """Raise now for what could not be written later, or would overwrite something else."""
    files = [path for path in (output, markdown) if path is not None]
    if csv is not None and not _is_folder(csv):
        files.append(Path(csv))
    for path in files:
        check_writable_soon(path)
    taken = {os.path.realpath(store)}
    for path in files:
        if os.path.realpath(path) in taken:
            raise InputError("is the store or another file to be written", source=label(path))
        taken.add(os.path.realpath(path))
    if output is not None:
        from reorder_solver.report.page import require_packages

        require_packages()
    elif markdown is not None:
        from reorder_solver.report.page import require_jinja

        require_jinja()


def _is_folder(name: str) -> bool:
    return os.path.isdir(name) or name.endswith(("/", os.sep))


def _report(path: Path, best_known: Path | None, megabytes: int) -> Report:
    from reorder_solver.bench.store import Store
    from reorder_solver.report.content import make_report

    known = None
    if best_known is not None:
        from reorder_solver.bench.best_known import read_best_known

        table = read_best_known(best_known)
        known = {(digest, str(objective.value)): row for (digest, objective), row in table.items()}
    with Store.open(path, readonly=True) as store:
        return make_report(store, label(path), known, budget=megabytes * 1_000_000)


def _write_csv(report: Report, name: str) -> list[Path]:
    from reorder_solver.report.rows import KINDS, csv_text, run_rows

    if not _is_folder(name):
        write_bytes(Path(name), csv_text(run_rows(report)).encode("utf-8", "backslashreplace"))
        return [Path(name)]
    folder = made_folder(Path(name))
    for file, rows in KINDS.items():
        write_bytes(folder / file, csv_text(rows(report)).encode("utf-8", "backslashreplace"))
    return [folder / file for file in KINDS]


def _print(report: Report, form: str) -> None:
    from reorder_solver.report.rows import finite_rows, solver_rows

    print_rows(finite_rows(solver_rows(report)), _COLUMNS, form)
