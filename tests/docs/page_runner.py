"""Running the blocks of a page, in order, in a folder of their own."""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import click
import yaml
from click.testing import CliRunner
from page_blocks import ROOT, Block, Command, blocks, commands, write_file
from page_exceptions import STAND_INS, exception_for

from reorder_solver.cli.main import main

_STAND_IN = "#!/bin/sh\necho 'not run here' >&2\n"
_OUTPUT = doctest.OutputChecker()
_LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_page(page: str, folder: Path, *, slow: bool = False) -> list[dict[str, Any]]:
    """Run all blocks of a page; the names that exist after each Python block.

    Parameters
    ----------
    page
        Path from the top of the repository.
    folder
        An empty folder, which becomes the working directory for the time of the call.
    slow
        Run the commands, too, that :mod:`page_exceptions` calls slow.
    """
    _furnish(folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        return _run(page, blocks(page), folder, slow)
    finally:
        os.chdir(before)


def _run(page: str, found: list[Block], folder: Path, slow: bool) -> list[dict[str, Any]]:
    names: dict[str, Any] = {"__name__": "__page__"}
    states: list[dict[str, Any]] = []
    printed = io.StringIO()
    for block in found:
        where = f"{page}, line {block.line}"
        write_file(block, folder)
        if block.language == "python":
            # As many blank lines before it as in the page: tracebacks then show the page's lines.
            text = "\n" * block.line + block.text
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(text, str(ROOT / page), "exec"), names)
            states.append(dict(names))
        elif block.language in ("sh", "console"):
            for command in commands(block):
                exception = exception_for(page, command.text)
                if exception is None or (slow and exception.slow):
                    _execute(command, folder, where)
                else:
                    check_options(command.text)
        elif block.language == "output":
            _compare(block.text, printed.getvalue(), where)
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "yaml":
            yaml.safe_load(block.text)
    return states


def check_options(text: str) -> None:
    """Check the programs, subcommands and options of a command line without running it."""
    for one in text.split("&&"):
        words = shlex.split(one, comments=True)
        if words[0] == "reorder-solver":
            with click.Context(main) as context:
                name, command, rest = main.resolve_command(context, words[1:])
            assert command is not None, one
            try:
                command.make_context(name, rest)
            except click.BadParameter as error:
                # What is not run may speak of files that only the reader has.
                if "does not exist" not in error.message:
                    raise
        elif words[0] == "python":
            shown = _help_of(words[1])
            for word in words[2:]:
                if word.startswith("--"):
                    assert word.partition("=")[0] in shown, one
        else:
            assert words[0] in STAND_INS, one


@cache
def _help_of(script: str) -> str:
    """What a script prints when asked for help; in this process, as its imports take long."""
    path = ROOT / script
    arguments, places = sys.argv, list(sys.path)
    sys.argv, sys.path[0:0] = [str(path), "--help"], [str(path.parent)]
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.argv, sys.path[:] = arguments, places
    return printed.getvalue()


def _furnish(folder: Path) -> None:
    """Give a page what a checkout has, and the programs that it may call."""
    shutil.copytree(
        ROOT / "bench_instances",
        folder / "bench_instances",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    programs = folder / ".programs"
    programs.mkdir()
    for name, call in (("reorder-solver", " -m reorder_solver.cli.main"), ("python", "")):
        _script(programs / name, f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{call} "$@"\n')
    for name in STAND_INS:
        _script(programs / name, _STAND_IN)


def _script(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _execute(command: Command, folder: Path, where: str) -> None:
    environment = {
        "PATH": f"{folder / '.programs'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")])
        ),
        "COLUMNS": "140",
        # Prices that were measured by a test must not be found by others.
        "XDG_CACHE_HOME": str(folder / ".cache"),
    }
    words = command.text.split()
    if words[0] == "reorder-solver" and not set(command.text) & set("&|;<>$*`"):
        # In this process: the imports of a new one would take most of the time.
        arguments = shlex.split(command.text, comments=True)[1:]
        invoked = CliRunner().invoke(main, arguments, env=environment, prog_name="reorder-solver")
        code, printed, complaint = invoked.exit_code, invoked.stdout, invoked.stderr
        if invoked.exception is not None and not isinstance(invoked.exception, SystemExit):
            raise invoked.exception
    else:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command.text],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        code, printed, complaint = done.returncode, done.stdout, done.stderr
    # A page that shows what comes out may show how the program complains.
    shown_failure = command.expected is not None and "reorder-solver: " in command.expected
    assert code == 0 or shown_failure, f"{where}: {command.text}\n{complaint}"
    if command.expected is not None:
        printed += complaint if code else ""
        _compare(command.expected, printed, f"{where}: {command.text}")


def _compare(expected: str, printed: str, where: str) -> None:
    """Compare loosely: blanks, times and ``...`` aside."""
    same = _OUTPUT.check_output(_without_noise(expected), _without_noise(printed), _LOOSELY)
    assert same, f"{where}\nthe page says:\n{expected}\nprinted:\n{printed}"


def _without_noise(text: str) -> str:
    """The text without what differs from run to run: times, rounding errors, rules of tables."""
    text = re.sub(r"\d+\.\d+ m?s\b", "TIME", text)
    text = re.sub(r"\d\.\de-\d\d\b", "ERROR", text)
    return re.sub(r"─+", "─", text)
