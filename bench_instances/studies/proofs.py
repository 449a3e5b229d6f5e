"""Solve instance files, and compare cost and bound with the best known values.

    python bench_instances/studies/proofs.py FOLDER... --objective runs --time-limit 120 \
        --best-known best_known.tsv --check

Costs of ``runs`` are printed as numbers of runs, the first run of every access included, as in
the literature. With --check every proof is verified, which does not trust the solver. Exit code 1
if a proof fails, or a cost is above the best known one.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from study import (
    Row,
    add_output,
    best_known,
    first_runs,
    instance_files,
    progress,
    save,
    short_name,
    show,
)

import reorder_solver as rs

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = {
    "instance": "instance",
    "accesses": "accesses",
    "channels": "channels",
    "cost": "cost",
    "best_known": "best known",
    "bound": "bound",
    "status": "status",
    "seconds": "seconds",
    "cpu_seconds": "CPU s",
    "proof": "proof",
    "check_seconds": "check s",
}


def checked(instance: rs.Instance, result: rs.Result) -> str:
    """What the checker says: ``verified``, ``none`` (nothing to check) or why it fails."""
    try:
        rs.verify(instance, result)
        if result.proof is None:
            return "none"
        rs.check_proof(instance, result)
    except rs.VerificationError as error:
        return f"FAILED: {error}"
    return "verified"


def solved(path: Path, arguments: argparse.Namespace, known: dict[str, int]) -> Row:
    """One row."""
    instance = rs.read_instance(path)
    offset = first_runs(instance) if arguments.objective == "runs" else 0
    begin, cpu = time.perf_counter(), time.process_time()
    result = rs.solve(
        instance,
        arguments.objective,
        arguments.backend,
        time_limit=arguments.time_limit,
        seed=arguments.seed,
        threads=arguments.threads,
    )
    row: Row = {
        "instance": short_name(path),
        "accesses": len(instance.accesses),
        "channels": sum(tensor.channels for tensor in instance.tensors),
        "cost": None if result.cost is None else result.cost + offset,
        "best_known": known.get(short_name(path)),
        "bound": None if result.lower_bound is None else result.lower_bound + offset,
        "status": result.status.value,
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": time.process_time() - cpu,
    }
    if arguments.check:
        begin = time.perf_counter()
        row["proof"] = checked(instance, result)
        row["check_seconds"] = time.perf_counter() - begin
    return row


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("paths", nargs="+", metavar="FILE_OR_FOLDER")
    parser.add_argument(
        "--objective", default="runs", choices=[each.value for each in rs.Objective]
    )
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--time-limit", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--best-known", metavar="FILE.tsv")
    parser.add_argument("--check", action="store_true", help="verify every proof")
    add_output(parser)
    arguments = parser.parse_args(argv)
    known = best_known(arguments.best_known)
    rows: list[Row] = []
    for path in instance_files(arguments.paths):
        rows.append(solved(path, arguments, known))
        progress(" ".join(str(rows[-1].get(key)) for key in COLUMNS))
    columns = dict(COLUMNS)
    if not known:
        del columns["best_known"]
    if not arguments.check:
        del columns["proof"], columns["check_seconds"]
    show(f"{arguments.objective}, {arguments.backend}, {arguments.time_limit:g} s", columns, rows)
    proven = sum(row["status"] == rs.Status.OPTIMAL.value for row in rows)
    print(f"{proven} of {len(rows)} proven optimal")
    settings = {key: value for key, value in vars(arguments).items() if key not in _PATHS}
    save(arguments.output, "proofs", settings, rows)
    return int(any(_is_bad(row) for row in rows))


#: Arguments that name files of this machine.
_PATHS = ("paths", "best_known", "output")


def _is_bad(row: Row) -> bool:
    above = None not in (row["cost"], row["best_known"]) and row["cost"] > row["best_known"]
    return above or str(row.get("proof")).startswith("FAILED")


if __name__ == "__main__":
    sys.exit(main())
