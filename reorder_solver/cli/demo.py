"""``reorder-solver demo``: the main job on a real network, end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reorder_solver.cli.inputs import RESULT_SUFFIX
from reorder_solver.cli.models import (
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
from reorder_solver.cli.reports import report_of
from reorder_solver.cli.running import monitor
from reorder_solver.cli.targets import made_folder
from reorder_solver.formats import write_instance, write_result
from reorder_solver.formats.files import label, write_bytes

if TYPE_CHECKING:
    from reorder_solver.cli.models import Prepared, Solved
    from reorder_solver.torch_adapter import Report


@click.command()
@click.option(
    "--model",
    default="torchvision:resnet18",
    show_default=True,
    metavar="MODEL",
    help="torchvision:NAME or package.module:callable.",
)
@model_options(default_size=224)
@solve_options
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write the instances, the results, the reports and pictures there.",
)
@table_format
def command(
    model: str,
    pruning: ModelSettings,
    settings: SolveSettings,
    output_dir: Path | None,
    form: str,
) -> int:
    """Prune a real network, reorder its channels, and check that nothing changed.

    Builds the model, lets every layer drop its own input channels, finds the order that leaves
    the fewest bytes to copy, exports the network in the original order, in the paper's and in
    this one, and compares each with the masked model in float64.
    """
    if output_dir is not None:
        from reorder_solver.plot import require_matplotlib

        require_matplotlib()
        made_folder(output_dir)
    with monitor([model]) as shown:
        prepared = prepare(model, pruning, settings.seed, shown.start)
        solved = solve_exports(prepared, settings, shown.start)
        errors: dict[str, float] = {}
        reports: dict[str, Report] = {}
        for export, found in solved.items():
            shown.start(f"applying: {export}")
            done = applied(prepared, found)
            errors[export] = done.error
            reports[export] = report_of(prepared, export, solved, done)
        files: list[Path] = []
        if output_dir is not None:
            shown.start("writing")
            files = _write(output_dir, prepared, solved, reports)
    rows = export_rows(prepared, solved, errors)
    if form == "json":
        names = [label(path) for path in files]
        print_json({"model": model, "exports": rows, "pinned": pins(prepared), "files": names})
    elif form == "csv":
        print_csv(rows)
    else:
        print_exports(prepared, solved, rows)
        print_line("Every export equals the masked model (largest relative error above).")
        for path in files:
            print_line(f"written: {label(path)}")
    return 0


def _write(
    folder: Path, prepared: Prepared, solved: dict[str, Solved], reports: dict[str, Report]
) -> list[Path]:
    from reorder_solver.cli.show import write_picture

    name = prepared.spec.rpartition(":")[2]
    files: list[Path] = []
    for export, found in solved.items():
        instance_path = folder / f"{name}.{export}.json"
        result_path = folder / f"{name}.{export}{RESULT_SUFFIX}"
        write_instance(found.extraction.instance, instance_path)
        write_result(replace(found.result, proof=None), result_path)
        report_path = folder / f"{name}.{export}.report.json"
        network_path = folder / f"{name}.{export}.svg"
        text = json.dumps(reports[export].to_dict(), indent=1, allow_nan=False)
        write_bytes(report_path, f"{text}\n".encode())
        reports[export].draw(network_path)
        files += [instance_path, result_path, report_path, network_path]
    picture_path = folder / f"{name}.png"
    best = solved["optimal"]
    write_picture(best.extraction.instance, best.result, picture_path)
    return [*files, picture_path]
