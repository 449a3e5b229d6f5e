"""The program as a whole: help, exit codes, streams, and what it loads."""

from __future__ import annotations

import errno
import subprocess
import sys

import click
import pytest
from cli_helpers import command_line

import reorder_solver as rs
from reorder_solver.cli.exits import ExitCode, explain, one_line
from reorder_solver.cli.main import SUMMARIES, main

HEAVY = {"torch", "torchvision", "ortools", "pulp", "numba", "scipy", "matplotlib", "rich"}


def test_help_lists_every_command(run):
    """The help names all commands and explains the exit codes."""
    result = run("--help")
    assert result.exit_code == 0
    for name, summary in SUMMARIES.items():
        assert name in result.stdout
        assert summary.split()[0] in result.stdout
    assert "130" in result.stdout


def test_no_command_prints_the_help(run):
    """Without a command the help is printed."""
    assert run().stdout == run("--help").stdout


@pytest.mark.parametrize("name", SUMMARIES)
def test_command_has_help(run, name):
    """Every command has a help text and understands -h."""
    result = run(name, "-h")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: reorder-solver {name}")


@pytest.mark.parametrize("name", SUMMARIES)
def test_command_prints_tables_json_and_csv(name):
    """Every command has --format with the three forms."""
    command = main.get_command(click.Context(main), name)
    for one in command.commands.values() if isinstance(command, click.Group) else [command]:
        choices = next(option.type.choices for option in one.params if option.name == "form")
        assert set(choices) >= {"table", "json", "csv"} or name == "generate"


def test_version(run):
    """The version is the package's."""
    assert run("--version").stdout == f"reorder-solver {rs.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["solve", "--help"]])
def test_help_is_light(arguments):
    """Neither the help nor the version loads a heavy package."""
    code = (
        "import sys\n"
        "from reorder_solver.cli.main import main\n"
        f"try:\n    main({arguments!r})\n"
        "except SystemExit:\n    pass\n"
        "print(' '.join(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not loaded & HEAVY


def test_unknown_command_is_bad_input(refused):
    """An unknown command is refused with one line that points to the help."""
    assert "No such command 'fly' (see 'reorder-solver --help')" in refused("fly")


def test_unknown_option_is_bad_input(refused):
    """An unknown option is refused with one line that names the command."""
    assert "solve: No such option" in refused("solve", "--fly", "x.json")


@pytest.mark.parametrize(
    "option",
    [
        ("--objective", "beauty"),
        ("--time-limit", "-1"),
        ("--time-limit", "nan"),
        ("--time-limit", "soon"),
        ("--seed", "-1"),
        ("--seed", "1.5"),
        ("--seed", str(1 << 40)),
        ("--threads", "0"),
        ("--format", "xml"),
    ],
)
def test_bad_option_value_is_bad_input(refused, small, option):
    """A value out of range is refused with one line that names the option."""
    assert option[0] in refused("solve", small, *option)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (rs.InputError("wrong", source="file"), ExitCode.BAD_INPUT),
        (rs.UnknownBackendError("no such"), ExitCode.BAD_INPUT),
        (rs.UnsupportedError("cannot"), ExitCode.BAD_INPUT),
        (rs.MissingPackageError("pip install x"), ExitCode.MISSING_PACKAGE),
        (rs.VerificationError("differs"), ExitCode.FAILED),
        (rs.BackendContractError("lies"), ExitCode.FAILED),
        (PermissionError(errno.EACCES, "Permission denied", "a\nb"), ExitCode.BAD_INPUT),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (click.Abort(), ExitCode.INTERRUPTED),
        (MemoryError(), ExitCode.FAILED),
    ],
)
def test_expected_failures_have_a_code_and_a_line(error, code):
    """Every expected failure maps to its code and one printable line."""
    found = explain(error)
    assert found is not None
    assert found[0] is code
    assert found[1]
    assert found[1].isprintable()


def test_errors_of_the_program_are_not_hidden():
    """A bug keeps its traceback."""
    assert explain(RuntimeError("bug")) is None


def test_one_line_has_no_control_characters():
    """Whatever is in a message, the terminal sees plain text."""
    assert one_line("a\n b\x1b[31m\u202ec\udcff") == "a b\\x1b[31m\\u202ec\\udcff"


def test_full_disk_is_one_line(shell, small):
    """Output that cannot be written ends with one line and code 2."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = shell(
            "solve",
            small,
            "--backend",
            "identity",
            "--no-baselines",
            capture_output=False,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 2
    assert done.stderr == "reorder-solver: standard output: no space left on device\n"


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_broken_pipe_is_quiet(small, form):
    """A reader that goes away ends the program without a word."""
    arguments = ["solve", small, "--backend", "identity", "--no-baselines", "--format", form]
    process = subprocess.Popen(
        command_line(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == ExitCode.BROKEN_PIPE


def test_output_fits_any_encoding(shell, crowd, monkeypatch):
    """A terminal without Unicode gets plain characters, not a traceback."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")
    done = shell("show", crowd, "--backend", "identity")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.isascii()
    assert "#" in done.stdout
