"""The entry point: ``reorder-solver COMMAND ...``."""

from __future__ import annotations

import click

from reorder_solver import __version__
from reorder_solver.cli.exits import EXIT_CODES_HELP
from reorder_solver.cli.lazy import LazyGroup

SUMMARIES = {
    "solve": "Find the cheapest channel order of instances, and prove it.",
    "verify": "Check a result file against its instance, independently.",
    "show": "Draw who reads which channels, before and after.",
    "convert": "Read an instance in any format and write it in another.",
    "generate": "Make an instance of a family, reproducibly.",
    "bench": "Run solvers against each other; resumes where it ended.",
    "backends": "List the solvers and what each can do.",
    "export": "Turn a PyTorch model into an instance, and into a compact model.",
    "calibrate": "Time what serving each access costs on this machine.",
    "report": "Turn a benchmark into a page with charts, tables and layouts.",
    "train": "Train the small networks that 'reproduce' prunes.",
    "reproduce": "Prune trained networks in every way, and tabulate accuracy and latency.",
    "pareto": "Importance against predicted latency of a PyTorch model, over ways to prune it.",
    "windows": "Zero-copy pruning: one window for every layer, from scores and budgets.",
    "demo": "Prune, reorder and check a real network, end to end.",
}


@click.group(
    cls=LazyGroup,
    package="reorder_solver.cli",
    summaries=SUMMARIES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES_HELP,
)
@click.version_option(__version__, prog_name="reorder-solver", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Reorder the channels of pruned networks so that layers read slices, not copies."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


if __name__ == "__main__":
    main()
