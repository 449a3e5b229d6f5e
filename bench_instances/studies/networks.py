"""All bundled networks under ``copies``, ``bytes`` and ``runs``: what is proven, and how fast.

    python bench_instances/studies/networks.py --time-limit 30

A *part* is a tensor, or several that concatenations link, whose order some access depends on.
Each part is solved by itself and counted as proven or not; then the whole model is solved in one
call, beside the backend ``upscale``. Exit code 1 if a part is not proven.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

from study import (
    NETWORKS,
    Row,
    add_output,
    instance_files,
    progress,
    save,
    short_name,
    show,
)

import reorder_solver as rs
from reorder_solver.presolve import compile_problem, presolve

if TYPE_CHECKING:
    from collections.abc import Iterator

OBJECTIVES = ("copies", "bytes", "runs")
COLUMNS = {
    "instance": "instance",
    "objective": "objective",
    "parts": "parts",
    "proven": "proven",
    "slowest": "slowest part s",
    "cost": "cost",
    "bound": "bound",
    "status": "status",
    "seconds": "model s",
    "cpu": "CPU s",
    "upscale": "upscale",
    "ratio": "cost / upscale",
    "upscale_seconds": "upscale s",
}


def parts_of(instance: rs.Instance, objective: rs.Objective) -> Iterator[rs.Instance]:
    """The instance's independent parts, as instances."""
    for component in presolve(compile_problem(instance, objective).problem).components:
        members = sorted(
            number for access in component.problem.accesses for number in access.members
        )
        yield instance.replace(
            tensors=[instance.tensors[number] for number in component.tensors],
            accesses=[instance.accesses[number] for number in members],
        )


def measured(
    instance: rs.Instance, name: str, objective: rs.Objective, arguments: argparse.Namespace
) -> Row:
    """One row."""
    limit, threads = arguments.time_limit, arguments.threads
    parts = [
        rs.solve(part, objective, time_limit=limit, threads=threads)
        for part in parts_of(instance, objective)
    ]
    whole: list[rs.Result] = []
    busy: list[float] = []
    peers: list[rs.Result] = []
    # Taken in turn, so that both see the same state of the machine.
    for _ in range(arguments.rounds):
        cpu = time.process_time()
        whole.append(rs.solve(instance, objective, time_limit=limit, threads=threads))
        busy.append(time.process_time() - cpu)
        peers.append(rs.solve(instance, objective, "upscale", time_limit=limit))
    result, peer = whole[-1], peers[-1]
    rs.verify(instance, result)
    return {
        "instance": name,
        "objective": objective.value,
        "parts": len(parts),
        "proven": sum(part.status is rs.Status.OPTIMAL for part in parts),
        "slowest": max((part.times["total"] for part in parts), default=0.0),
        "cost": result.cost,
        "bound": result.lower_bound,
        "status": result.status.value,
        "seconds": median(each.times["total"] for each in whole),
        "cpu": median(busy),
        "upscale": peer.cost,
        "ratio": result.cost / peer.cost if result.cost is not None and peer.cost else None,
        "upscale_seconds": median(each.times["total"] for each in peers),
    }


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("paths", nargs="*", metavar="FILE_OR_FOLDER", help="default: the bundled")
    parser.add_argument("--objective", action="append", choices=OBJECTIVES)
    parser.add_argument("--time-limit", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="whole models: medians over these")
    add_output(parser)
    arguments = parser.parse_args(argv)
    # Imports and compilation are paid once per process, not per model.
    warm = rs.Instance("warm", [rs.Tensor("x", 9)], [_pair(number) for number in range(8)])
    for objective in arguments.objective or OBJECTIVES:
        rs.solve(warm, objective)
    rows: list[Row] = []
    for path in instance_files(arguments.paths or [NETWORKS]):
        instance = rs.read_instance(path)
        for objective in arguments.objective or OBJECTIVES:
            chosen = rs.Objective(objective)
            rows.append(measured(instance, short_name(path), chosen, arguments))
            progress(" ".join(str(rows[-1].get(key)) for key in COLUMNS))
    show(f"limit {arguments.time_limit:g} s, {arguments.threads} threads", COLUMNS, rows)
    proven, parts = sum(row["proven"] for row in rows), sum(row["parts"] for row in rows)
    print(f"{proven} of {parts} parts proven optimal")
    print(f"slowest whole model: {max((row['seconds'] for row in rows), default=0.0):.2f} s")
    settings = {"time_limit": arguments.time_limit, "threads": arguments.threads}
    save(arguments.output, "networks", settings | {"rounds": arguments.rounds}, rows)
    return int(proven < parts)


def _pair(number: int) -> rs.Access:
    return rs.Access(f"a{number}", [rs.Part("x", [number, (number + 2) % 9])])


if __name__ == "__main__":
    sys.exit(main())
