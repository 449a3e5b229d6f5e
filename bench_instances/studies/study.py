"""What the studies share: which files, what a count of runs is, tables and JSON."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from reorder_solver.backends.base import package_version
from reorder_solver.formats import FORMATS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    import reorder_solver as rs

Row = dict[str, Any]

NETWORKS = Path(__file__).resolve().parents[1] / "networks"
_PACKAGES = ("reorder-solver", "numpy", "ortools", "pulp", "numba", "scipy")


def instance_files(paths: Iterable[str | Path]) -> list[Path]:
    """Files as given, and those in folders that a reader takes, ``a2`` before ``a10``."""
    suffixes = tuple(form.suffix + packed for form in FORMATS.values() for packed in ("", ".gz"))
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = [each for each in path.iterdir() if each.name.endswith(suffixes)]
            found.extend(sorted(inside, key=_natural))
        elif path.exists():
            found.append(path)
        else:
            sys.exit(f"{path}: no such file or folder")
    return found


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def short_name(path: Path) -> str:
    """The name of a file without its suffixes."""
    name = path.name.removesuffix(".gz")
    return name[: name.rfind(".")] if "." in name else name


def first_runs(instance: rs.Instance) -> int:
    """Weight of the first run of every access: published values count it, the objective not."""
    return sum(access.weight for access in instance.accesses if access.size)


def best_known(path: str | Path | None) -> dict[str, int]:
    """Published numbers of runs by instance, from a table with tabs and ``#`` comments."""
    if path is None:
        return {}
    lines = [line for line in Path(path).read_text("utf-8").splitlines() if line[:1] != "#"]
    head = lines[0].split("\t")
    name, value = head.index("instance"), head.index("concorde_runs")
    cells = [line.split("\t") for line in lines[1:] if line.strip()]
    return {each[name]: int(each[value]) for each in cells if each[value]}


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(1000 * share) * len(ordered) // 1000) - 1)]


def add_output(parser: argparse.ArgumentParser) -> None:
    """``--output FILE.json``."""
    parser.add_argument("--output", metavar="FILE.json", help="write the rows there as well")


def progress(text: str) -> None:
    """One line on the error stream, where a person watches."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def show(title: str, columns: dict[str, str], rows: Sequence[Row]) -> None:
    """Print rows as a table; `columns` maps their keys to headings, numbers to the right."""
    table = Table(title=title, title_justify="left")
    for key, heading in columns.items():
        is_text = any(isinstance(row.get(key), str) for row in rows)
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(row.get(key)) for key in columns))
    # A pipe has no edge to wrap at.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)


def save(path: str | None, study: str, settings: dict[str, Any], rows: Sequence[Row]) -> None:
    """Write rows with the settings and versions behind them; nothing without a path."""
    if path is None:
        return
    versions = {name: package_version(name) for name in _PACKAGES}
    versions["python"] = platform.python_version()
    document = {
        "study": study,
        "settings": settings,
        "versions": versions,
        "machine": {"cpus": os.cpu_count(), "architecture": platform.machine()},
        "rows": list(rows),
    }
    part = Path(f"{path}.part")
    part.write_text(json.dumps(document, indent=1, default=str) + "\n", encoding="utf-8")
    part.replace(path)
