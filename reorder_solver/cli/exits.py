"""Exit codes, and which failure ends with which; the one place that turns errors into a line."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from enum import IntEnum

import click

from reorder_solver.core.errors import (
    BackendContractError,
    MissingPackageError,
    ReorderSolverError,
    VerificationError,
)


class ExitCode(IntEnum):
    """What the program returns to the shell."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    MISSING_PACKAGE = 3
    INTERRUPTED = 130
    BROKEN_PIPE = 141


#: For the end of the top-level help.
EXIT_CODES_HELP = (
    "Exit codes: 0 done; 1 ran, but there is no solution or a check failed; 2 bad input; "
    "3 an optional package is missing; 130 interrupted before there was a result. "
    "After Ctrl-C, 'solve' still prints and writes the best layout found so far."
)


def explain(error: BaseException) -> tuple[ExitCode, str] | None:
    """Exit code and one line for an expected failure; None for an error of this program."""
    if isinstance(error, click.UsageError):
        return ExitCode.BAD_INPUT, _usage_line(error)
    if isinstance(error, click.ClickException):
        return ExitCode.BAD_INPUT, one_line(error.format_message())
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return ExitCode.INTERRUPTED, "interrupted"
    if isinstance(error, MissingPackageError):
        return ExitCode.MISSING_PACKAGE, one_line(str(error))
    if isinstance(error, VerificationError | BackendContractError):
        return ExitCode.FAILED, one_line(str(error))
    if isinstance(error, ReorderSolverError):
        return ExitCode.BAD_INPUT, one_line(str(error))
    if isinstance(error, OSError):
        return ExitCode.BAD_INPUT, _os_line(error)
    if isinstance(error, MemoryError):
        return ExitCode.FAILED, "out of memory"
    return None


def one_line(text: str) -> str:
    """`text` on one line, with what would upset a terminal written as escapes."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """`text` with every unprintable character written as its escape."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )


def complain(message: str) -> None:
    """Print one line about the program on the error stream."""
    with suppress(OSError):
        click.echo(f"reorder-solver: {message}", err=True)


def give_up_stdout() -> None:
    """Point standard output at nothing, so that no flush at exit can fail again."""
    with suppress(OSError, ValueError, AttributeError):
        target = sys.stdout.fileno()
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, target)
        os.close(nothing)


def is_broken_pipe(error: BaseException) -> bool:
    """Whether the reader of our output has gone away."""
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def _usage_line(error: click.UsageError) -> str:
    message = one_line(error.format_message()).removesuffix(".")
    if error.ctx is None:
        return message
    names = error.ctx.command_path.split(maxsplit=1)
    command = f"{names[1]}: " if len(names) > 1 else ""
    return f"{command}{message} (see '{error.ctx.command_path} --help')"


def _os_line(error: OSError) -> str:
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    name = error.filename
    if name is None:
        # Files are opened, read and written under their names; only the streams have none.
        return one_line(f"standard output: {reason}")
    return one_line(f"{os.fsdecode(name) if isinstance(name, str | bytes) else name}: {reason}")
