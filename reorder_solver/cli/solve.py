"""``reorder-solver solve``: from instance files to verified results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reorder_solver.cli.exits import ExitCode, complain
from reorder_solver.cli.inputs import expand, load, load_layout
from reorder_solver.cli.options import SolveSettings, input_format, solve_options, table_format
from reorder_solver.cli.output import (
    Column,
    Row,
    counted,
    number,
    percent,
    print_line,
    print_rows,
    print_table,
    seconds,
)
from reorder_solver.cli.running import BASELINES, baselines, monitor, solve_verified
from reorder_solver.cli.targets import check_writable_soon, result_paths
from reorder_solver.core.errors import InputError, VerificationError
from reorder_solver.core.result import StopReason
from reorder_solver.formats import write_result
from reorder_solver.formats.files import label

if TYPE_CHECKING:
    from reorder_solver.cli.running import Monitor
    from reorder_solver.core.instance import Instance
    from reorder_solver.core.layout import Layout
    from reorder_solver.core.result import Result

_ONE_FILE = (
    Column("layout", "layout", style="bold"),
    number("cost", "cost"),
    number("lower_bound", "bound"),
    number("gap", "gap", percent),
    number("ratio", "of identity", percent),
    Column("views", "views", right=True),
    number("runs", "runs"),
    number("seconds", "time", seconds),
    Column("status", "status"),
)
_MANY_FILES = (
    Column("file", "file", style="bold"),
    number("accesses", "accesses"),
    number("identity_cost", "identity"),
    number("upscale_cost", "upscale"),
    number("cost", "cost"),
    number("lower_bound", "bound"),
    number("gap", "gap", percent),
    number("views", "views"),
    number("runs", "runs"),
    number("seconds", "time", seconds),
    Column("status", "status"),
)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@solve_options
@input_format
@click.option(
    "--output",
    metavar="PATH",
    help="Write result files: a file for one FILE, else a folder for NAME.layout.json.",
)
@click.option(
    "--warm-start",
    type=click.Path(path_type=Path),
    metavar="RESULT",
    help="Start from the layout of a result file; one FILE only.",
)
@click.option(
    "--baselines/--no-baselines",
    "compare",
    default=True,
    show_default=True,
    help="Compare with the original order and with the paper's.",
)
@click.option(
    "--proof",
    "with_proof",
    is_flag=True,
    help="Write proofs of the bounds into the result files, for 'verify --proof'.",
)
@table_format
def command(
    files: tuple[str, ...],
    settings: SolveSettings,
    input_format: str | None,
    output: str | None,
    warm_start: Path | None,
    compare: bool,
    with_proof: bool,
    form: str,
) -> int:
    """Find the cheapest channel order of instances.

    FILE is an instance file, a folder of them, or a pattern. Every result is checked
    independently before it is printed or written. Ctrl-C prints and writes the best layout found
    so far.
    """
    from reorder_solver.backends import make_backend

    make_backend(settings.backend)
    if with_proof and output is None:
        raise InputError("needs --output: proofs are written into result files", place="--proof")
    paths = expand(files)
    instances = [load(path, input_format, settings.objective) for path in paths]
    start = _start(warm_start, instances)
    outputs = result_paths(paths, output)
    for path in outputs:
        if path is not None:
            check_writable_soon(path)
    batch = _Batch(settings, compare, with_proof, paths, instances, outputs)
    try:
        with monitor([label(path) for path in paths]) as shown:
            code = batch.run(start, shown)
    finally:
        # Also on the way out of a failure: what is finished must not be lost.
        if batch.rows:
            batch.print(form)
    return code


def _start(path: Path | None, instances: list[Instance]) -> Layout | None:
    if path is None:
        return None
    if len(instances) > 1:
        raise InputError(f"takes one FILE, got {len(instances)}", place="--warm-start")
    return load_layout(path, instances[0])


class _Batch:
    """The files of one call."""

    def __init__(
        self,
        settings: SolveSettings,
        compare: bool,
        with_proof: bool,
        paths: list[Path],
        instances: list[Instance],
        outputs: list[Path | None],
    ) -> None:
        self.settings = settings
        self.compare = compare
        self.with_proof = with_proof
        self.paths = paths
        self.instances = instances
        self.outputs = outputs
        self.rows: list[Row] = []

    def run(self, start: Layout | None, shown: Monitor) -> int:
        """Solve one file after the other; the exit code."""
        code = ExitCode.DONE
        for path, instance, output in zip(self.paths, self.instances, self.outputs, strict=True):
            source = label(path)
            try:
                result = solve_verified(
                    instance,
                    self.settings,
                    source=source,
                    warm_start=start,
                    callback=shown.start(source),
                )
            except VerificationError as error:
                raise VerificationError(f"{source}: {error}") from None
            if output is not None:
                write_result(result if self.with_proof else replace(result, proof=None), output)
            self.rows.append(_row(source, instance, result, output))
            if result.layout is None:
                code = ExitCode.FAILED
            try:
                if result.stop_reason is StopReason.INTERRUPTED:
                    raise KeyboardInterrupt
                if self.compare:
                    self.rows[-1].update(baselines(instance, self.settings))
            except KeyboardInterrupt:
                return self._interrupted(code)
            shown.done()
        return code

    def _interrupted(self, code: ExitCode) -> ExitCode:
        left = len(self.paths) - len(self.rows)
        if left:
            complain(f"interrupted: {left} of {len(self.paths)} files not solved")
            return ExitCode.INTERRUPTED
        if code is ExitCode.DONE:
            complain("interrupted: the layout is the best found so far")
            return code
        return ExitCode.INTERRUPTED

    def print(self, form: str) -> None:
        """Print what is finished."""
        if form != "table" or len(self.paths) > 1:
            print_rows(self.rows, _MANY_FILES, form)
            return
        row = self.rows[0]
        print_line(
            f"{row['name'] or row['file']}: {counted(row['tensors'], 'tensor')}, "
            f"{counted(row['channels'], 'channel')}, "
            f"{counted(row['accesses'], 'access', 'accesses')}; objective {row['objective']}"
        )
        print_table(_comparison(row), _ONE_FILE)
        if row["result_file"]:
            print_line(f"result written to {row['result_file']}")


def _row(source: str, instance: Instance, result: Result, output: Path | None) -> Row:
    return {
        "file": source,
        "name": instance.name,
        "sha256": result.instance_sha256,
        "tensors": len(instance.tensors),
        "channels": sum(tensor.channels for tensor in instance.tensors),
        "accesses": len(instance.accesses),
        "objective": result.objective.value,
        "backend": result.backend,
        "seed": result.seed,
        "threads": result.threads,
        "time_limit": result.time_limit,
        "status": result.status.value,
        "stop_reason": result.stop_reason.value,
        "cost": result.cost,
        "lower_bound": result.lower_bound,
        "gap": result.gap,
        "tie_break": result.tie_break if result.layout is not None else None,
        "views": result.views if result.layout is not None else None,
        "runs": result.runs if result.layout is not None else None,
        "seconds": round(result.times["total"], 6),
        "has_proof": result.proof is not None,
        "result_file": None if output is None else label(output),
    }


def _comparison(row: Row) -> list[Row]:
    """The one file's row as lines to compare: the baselines first, the result last."""
    lines: list[Row] = []
    for name in BASELINES:
        if f"{name}_cost" in row and name != row["backend"]:
            lines.append(
                {
                    "layout": name,
                    "cost": row[f"{name}_cost"],
                    "views": row[f"{name}_views"],
                    "runs": row[f"{name}_runs"],
                    "seconds": row.get(f"{name}_seconds"),
                }
            )
    status = row["status"]
    if row["stop_reason"] not in ("proven", "finished"):
        status += f" ({row['stop_reason'].replace('_', ' ')})"
    lines.append({**row, "layout": row["backend"], "status": status})
    base = row.get("identity_cost")
    for line in lines:
        if base and line["cost"] is not None:
            line["ratio"] = line["cost"] / base
        if line["views"] is not None:
            line["views"] = f"{line['views']}/{row['accesses']}"
    return lines
