"""Walk the path of a newcomer, in an environment of its own, exactly as the pages print it.

    python tests/newcomer/run.py

makes a virtual environment and a copy of the checkout in a temporary folder, runs every command
and every Python block of the README, both tutorials and the how-to pages there, one page after
the other, and prints what passed. The exit code is 1 if anything failed. Installs what the pages
install: PyTorch takes a while and 5 GB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "docs"))

from page_blocks import blocks, commands, write_file  # noqa: E402

PAGES = (
    "docs/tutorial-instance.md",
    "README.md",
    "docs/tutorial-model.md",
    "docs/adding-a-backend.md",
    "docs/own-pruner.md",
    "docs/own-instances.md",
)


@dataclass
class Step:
    """A command of a page, or the script that its Python blocks are."""

    page: str
    line: int
    text: str
    outcome: str = "not reached"
    seconds: float = 0.0
    said: str = ""


def steps(page: str, folder: Path) -> list[tuple[Step, list[str]]]:
    """The steps of a page with their command lines; Python blocks build on those before them.

    Blocks with the name of a file as title become files in the folder.
    """
    found: list[tuple[Step, list[str]]] = []
    script = ""
    for block in blocks(page):
        write_file(block, folder)
        if block.language == "python":
            script += block.text
            shown = f"Python: {block.text.strip().splitlines()[-1]}"
            found.append((Step(page, block.line, shown), ["python", "-c", script]))
        elif block.language in ("sh", "console"):
            for command in commands(block):
                line = ["bash", "-euo", "pipefail", "-c", command.text]
                found.append((Step(page, block.line, command.text), line))
    return found


def main() -> int:
    """Run all steps; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    parser.add_argument("--page", action="append", help="only this page (repeatable)")
    chosen = parser.parse_args()
    room = Path(tempfile.mkdtemp(prefix="newcomer-"))
    try:
        done = _walk(room, chosen.page or list(PAGES))
    finally:
        if not chosen.keep:
            shutil.rmtree(room, ignore_errors=True)
    _print(done)
    return 0 if all(step.outcome == "passed" for step in done) else 1


def _walk(room: Path, pages: list[str]) -> list[Step]:
    checkout = room / "checkout"
    hidden = (".*", "__pycache__", "build", "dist", "*.egg-info")
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(*hidden))
    venv.create(room / "venv", with_pip=True)
    programs = room / "venv" / "bin"
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "NUMBA_CACHE_DIR")
    }
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    environment["COLUMNS"] = "140"
    done: list[Step] = []
    for page in pages:
        for step, line in steps(page, checkout):
            _take(step, line, checkout, environment)
            done.append(step)
    return done


def _take(step: Step, line: list[str], folder: Path, environment: dict[str, str]) -> None:
    print(f"{step.page}:{step.line}: {step.text}", flush=True)
    start = time.monotonic()
    finished = subprocess.run(
        line, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    step.seconds = time.monotonic() - start
    step.outcome = "FAILED" if finished.returncode else "passed"
    if finished.returncode:
        step.said = (finished.stderr.strip() or finished.stdout.strip() or "?").splitlines()[-1]


def _print(done: list[Step]) -> None:
    table = Table("page", "line", "step", "time", "outcome", title="newcomer's path")
    for step in done:
        text = step.text if len(step.text) < 70 else f"{step.text[:67]}..."
        outcome = f"{step.outcome} {step.said}".strip()
        table.add_row(step.page, str(step.line), text, f"{step.seconds:.1f} s", outcome)
    console = Console(markup=False, width=160)
    console.print(table)
    failed = sum(step.outcome != "passed" for step in done)
    console.print(f"{len(done) - failed} of {len(done)} steps passed")


if __name__ == "__main__":
    sys.exit(main())
