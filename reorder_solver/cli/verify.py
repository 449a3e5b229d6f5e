"""``reorder-solver verify``: re-check a result file from first principles."""

from __future__ import annotations

from pathlib import Path

import click

from reorder_solver.cli.inputs import load_result
from reorder_solver.cli.options import input_format, table_format
from reorder_solver.cli.output import Column, Row, number, percent, print_rows
from reorder_solver.core.errors import VerificationError
from reorder_solver.core.verify import verify
from reorder_solver.formats import read_instance
from reorder_solver.formats.files import label

_COLUMNS = (
    Column("result", "result", style="bold"),
    Column("verified", "verified"),
    Column("bound_proven", "bound proven"),
    Column("objective", "objective"),
    number("cost", "cost"),
    number("lower_bound", "bound"),
    number("gap", "gap", percent),
    number("views", "views"),
    number("accesses", "accesses"),
    number("runs", "runs"),
    Column("status", "status"),
    Column("backend", "backend"),
)


@click.command()
@click.argument("instance", type=click.Path(path_type=Path), metavar="INSTANCE")
@click.argument("result", type=click.Path(path_type=Path), metavar="RESULT")
@click.option(
    "--proof",
    "with_proof",
    is_flag=True,
    help="Prove the lower bound again, from the proof that RESULT carries.",
)
@input_format
@table_format
def command(
    instance: Path, result: Path, with_proof: bool, input_format: str | None, form: str
) -> int:
    """Check that RESULT is what it says it is: a layout of INSTANCE with these facts and cost.

    Every position, run, price and sum is worked out again. That no cheaper layout exists is proven
    again with --proof only, where RESULT carries a proof (see 'solve --proof'). Exit code 1 if
    anything disagrees, or there is no proof to follow.
    """
    from reorder_solver.proofs import check_proof

    problem = read_instance(instance, format=input_format)
    found = load_result(result, problem)
    try:
        (check_proof if with_proof else verify)(problem, found)
    except VerificationError as error:
        raise VerificationError(f"{label(result)}: {error}") from None
    row: Row = {
        "result": label(result),
        "instance": label(instance),
        "verified": True,
        "bound_proven": with_proof,
        "objective": found.objective.value,
        "status": found.status.value,
        "cost": found.cost,
        "lower_bound": found.lower_bound,
        "gap": found.gap,
        "views": found.views,
        "accesses": len(problem.accesses),
        "runs": found.runs,
        "backend": found.backend,
        "sha256": found.instance_sha256 or None,
    }
    print_rows([row], _COLUMNS, form)
    return 0
