"""A command group that imports a command's module only when that command is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from reorder_solver.cli.exits import (
    ExitCode,
    complain,
    explain,
    give_up_stdout,
    is_broken_pipe,
)
from reorder_solver.cli.interrupts import persistent_interrupts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class LazyGroup(click.Group):
    """Group whose commands live in modules of their own, named after them.

    Parameters
    ----------
    package : str
        The package that holds the modules; each defines ``command``.
    summaries : mapping of str to str
        Command name to its line in the help, so that the help imports no command.
    """

    def __init__(
        self, *args: Any, package: str, summaries: Mapping[str, str], **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self.package = package
        self.summaries = dict(summaries)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, in the order of the help."""
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None if there is no such command."""
        if cmd_name not in self.summaries:
            return None
        found = import_module(f"{self.package}.{cmd_name}").command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the summaries."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; if the reader of a pipe went away, stop without a word."""
        try:
            value = super().invoke(ctx)
            sys.stdout.flush()
        except OSError as error:
            if not is_broken_pipe(error):
                raise
            give_up_stdout()
            raise click.exceptions.Exit(ExitCode.BROKEN_PIPE) from None
        return value

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run and exit: an expected failure ends with its code and one line, nothing else."""
        for stream in (sys.stdout, sys.stderr):
            # A name that the terminal's encoding lacks must not end the program.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            with persistent_interrupts():
                code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except Exception as error:
            explained = explain(error)
            if explained is None:
                raise
            complain(explained[1])
            _flush_or_give_up()
            sys.exit(explained[0])
        sys.exit(code if isinstance(code, int) else ExitCode.DONE)


def _flush_or_give_up() -> None:
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        give_up_stdout()
