"""``reorder-solver export``: from a PyTorch model to an instance, and to a compact model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from reorder_solver.cli.models import (
    EXPORTS,
    ModelSettings,
    applied,
    export_rows,
    model_options,
    pins,
    prepare,
    print_exports,
    solve_exports,
)
from reorder_solver.cli.options import SolveSettings, solve_options, table_format
from reorder_solver.cli.output import print_csv, print_json, print_line
from reorder_solver.cli.reports import check_picture, print_report, report_of
from reorder_solver.cli.running import monitor
from reorder_solver.cli.targets import check_writable_soon
from reorder_solver.core.errors import InputError
from reorder_solver.formats import write_instance, write_result
from reorder_solver.formats.files import label


@click.command()
@click.argument("model", metavar="MODEL")
@model_options(default_size=224)
@solve_options
@click.option(
    "--export",
    "chosen",
    type=click.Choice(list(EXPORTS)),
    default="optimal",
    show_default=True,
    help="Which export to check and save: the original order, the paper's, or the best found.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the instance of the chosen export (.json, .json.gz).",
)
@click.option(
    "--result",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the result of the chosen export.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the compact model with torch.export.save (.pt2).",
)
@click.option(
    "--transform/--no-transform",
    default=True,
    show_default=True,
    help="Let the optimal export also move copies to where they cost less, or only order.",
)
@click.option(
    "--report",
    "wants_report",
    is_flag=True,
    help="Print what became of every access of the chosen export; JSON has it in any case.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the chosen export and its copies: .svg, .png or .pdf.",
)
@table_format
def command(
    model: str,
    pruning: ModelSettings,
    settings: SolveSettings,
    chosen: str,
    transform: bool,
    output: Path | None,
    result: Path | None,
    save: Path | None,
    wants_report: bool,
    picture: Path | None,
    form: str,
) -> int:
    """Prune MODEL, extract its channel-ordering problem, and export it without needless copies.

    MODEL is torchvision:NAME (random weights, calibrated on the example inputs), or
    package.module:callable, which returns a module. The export is compared with the masked model
    in float64; exit code 1 if they differ.
    """
    files = {
        "instance": output,
        "result": result,
        "compact model": save,
        "picture": picture,
    }
    for path in files.values():
        if path is not None:
            check_writable_soon(path)
    _check_distinct(*files.values())
    if picture is not None:
        check_picture(picture)
    if save is not None and save.suffix != ".pt2":
        raise InputError("a saved model's name must end in .pt2", source=label(save))
    with monitor([model]) as shown:
        prepared = prepare(model, pruning, settings.seed, shown.start)
        solved = solve_exports(prepared, settings, shown.start, transform=transform)
        if output is not None:
            write_instance(solved[chosen].extraction.instance, output)
        if result is not None:
            write_result(replace(solved[chosen].result, proof=None), result)
        shown.start(f"applying: {chosen}")
        done = applied(prepared, solved[chosen])
        report = report_of(prepared, chosen, solved, done)
        if save is not None:
            from reorder_solver.cli.saving import save_program

            shown.start("saving")
            save_program(done.module, prepared.inputs, save)
        if picture is not None:
            shown.start("drawing")
            report.draw(picture)
    rows = export_rows(prepared, solved, {chosen: done.error})
    if form == "json":
        document = {"model": model, "exports": rows, "pinned": pins(prepared)}
        print_json({**document, "report": report.to_dict()})
    elif form == "csv":
        print_csv(rows)
    else:
        print_exports(prepared, solved, rows, remarks=not wants_report)
        if wants_report:
            print_line("")
            print_report(report)
        for what, path in files.items():
            if path is not None:
                print_line(f"{what} written to {label(path)}")
    return 0


def _check_distinct(*paths: Path | None) -> None:
    given = [path.resolve() for path in paths if path is not None]
    for path in given:
        if given.count(path) > 1:
            raise InputError("is named for two outputs", source=label(path))
