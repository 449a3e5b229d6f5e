"""Reports of exports: made of what was solved and written, printed as tables."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from reorder_solver.cli.output import Column, number, plain, print_line, print_table
from reorder_solver.core.errors import InputError
from reorder_solver.formats.files import label

if TYPE_CHECKING:
    from pathlib import Path

    from reorder_solver.cli.models import Applied, Prepared, Solved
    from reorder_solver.torch_adapter import Report


def _macs(value: object) -> str:
    return plain(value or None)


_COLUMNS = (
    Column("id", "access", style="bold"),
    Column("was", "was"),
    number("bytes_before", "bytes"),
    Column("became", "became"),
    number("wanted", "wanted"),
    number("stored", "stored"),
    number("channels", "of"),
    number("runs", "runs"),
    number("bytes", "bytes"),
    number("macs_before", "MACs before", _macs),
    number("macs", "after", _macs),
)


def report_of(prepared: Prepared, export: str, solved: dict[str, Solved], done: Applied) -> Report:
    """The report of one of the exports solved."""
    from reorder_solver.torch_adapter.describe import describe

    chosen = solved[export]
    layout = chosen.result.layout
    assert layout is not None
    return describe(
        prepared.model,
        prepared.extraction,
        chosen.extraction,
        layout,
        done.written,
        export,
        upscale=solved["upscale"].result.layout,
        error=done.error,
    )


def print_report(report: Report) -> None:
    """Print the totals in words, and a row per access."""
    from reorder_solver.torch_adapter.report import became

    for line in report.summary():
        print_line(line)
    print_line("")
    rows = [asdict(row) | {"became": became(row)} for row in report.accesses]
    print_table(rows, _COLUMNS)
    print_line("")
    for line in report.remarks():
        print_line(line, style="dim")


def check_picture(path: Path) -> None:
    """Raise now if no picture can be written to `path` later.

    Raises
    ------
    InputError
        If its suffix is not that of a picture.
    MissingPackageError
        If matplotlib is missing.
    """
    from reorder_solver.plot import PICTURE_FORMATS, require_matplotlib

    if path.suffix.lower().lstrip(".") not in PICTURE_FORMATS:
        known = ", ".join(f".{each}" for each in PICTURE_FORMATS)
        raise InputError(f"a picture's name must end in one of {known}", source=label(path))
    require_matplotlib()
