"""Shared buffers: bytes copied before and after, on bundled networks and generated streams.

    python bench_instances/studies/sharing.py

Each instance is solved with ``auto``, rewritten by ``share_buffers`` from that layout, and solved
again from the layout of the plan. *Exact* says that both results are proven optimal, and the choice
of buffers too. Accesses to concatenations stay as they are, and so do the writes and passes of the
generated residual streams. Exit code 1 if an instance costs more than before.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from study import NETWORKS, Row, add_output, instance_files, progress, save, short_name, show

import reorder_solver as rs
from reorder_solver.generators import generate
from reorder_solver.sharing import share_buffers

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = {
    "instance": "instance",
    "accesses": "accesses",
    "parts": "of parts",
    "naive": "naive",
    "before": "solved",
    "after": "shared",
    "removed": "removed",
    "buffers": "buffers",
    "readers": "readers in them",
    "exact": "exact",
    "plan_seconds": "plan s",
    "before_seconds": "solve s",
    "after_seconds": "solve shared s",
}


def streams() -> Iterator[tuple[str, rs.Instance]]:
    """Generated residual streams: with writes and passes, and with reads alone."""
    for blocks in (3, 6, 16):
        for correlation in (0.0, 0.9):
            parameters = {"stages": 1, "channels": 256, "blocks": blocks, "joins": 0}
            instance = generate("residual", seed=blocks, correlation=correlation, **parameters)
            name = f"residual-{blocks}-{correlation:g}"
            yield name, instance
            reads = [access for access in instance.accesses if access.role is rs.Role.READ]
            yield f"{name}-reads", instance.replace(accesses=reads)


def measured(instance: rs.Instance, name: str, arguments: argparse.Namespace) -> Row:
    """One row."""
    objective, limit, threads = arguments.objective, arguments.time_limit, arguments.threads
    before = rs.solve(instance, objective, time_limit=limit, threads=threads)
    began = time.perf_counter()
    plan = share_buffers(
        instance, objective=objective, time_limit=limit, threads=threads, warm_start=before.layout
    )
    seconds = time.perf_counter() - began
    after = rs.solve(
        plan.instance, objective, time_limit=limit, threads=threads, warm_start=plan.layout
    )
    rs.verify(plan.instance, after)
    assert before.cost is not None
    assert after.cost is not None
    proven = {before.status, after.status} == {rs.Status.OPTIMAL}
    return {
        "instance": name,
        "accesses": len(instance.accesses),
        "parts": sum(len(access.parts) > 1 for access in instance.accesses),
        "naive": rs.evaluate(instance, rs.Layout.identity(instance), objective).total,
        "before": before.cost,
        "after": after.cost,
        "removed": 1 - after.cost / before.cost if before.cost else 0.0,
        "buffers": len(plan.buffers),
        "readers": sum(len(buffer.readers) for buffer in plan.buffers),
        "exact": proven and plan.is_proven,
        "plan_seconds": seconds,
        "before_seconds": before.times["total"],
        "after_seconds": after.times["total"],
    }


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("paths", nargs="*", metavar="FILE_OR_FOLDER", help="default: the bundled")
    parser.add_argument("--objective", choices=("bytes", "copies"), default="bytes")
    parser.add_argument("--time-limit", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--threads", type=int, default=1)
    add_output(parser)
    arguments = parser.parse_args(argv)
    found = [
        (short_name(path), rs.read_instance(path))
        for path in instance_files(arguments.paths or [NETWORKS])
    ]
    if not arguments.paths:
        found += streams()
    # Imports and compilation are paid once per process, not per model.
    rs.solve(found[0][1], arguments.objective)
    rows: list[Row] = []
    for name, instance in found:
        rows.append(measured(instance, name, arguments))
        progress(" ".join(str(rows[-1].get(key)) for key in COLUMNS))
    show(
        f"{arguments.objective}, limit {arguments.time_limit:g} s, {arguments.threads} threads",
        COLUMNS,
        rows,
    )
    before, after = (sum(row[key] for row in rows) for key in ("before", "after"))
    removed = 1 - after / before if before else 0.0
    print(f"{sum(row['exact'] for row in rows)} of {len(rows)} exact; of all copies left by the")
    print(
        f"solver {removed:.1%} removed; slowest plan {max(r['plan_seconds'] for r in rows):.2f} s"
    )
    settings = {key: getattr(arguments, key) for key in ("objective", "time_limit", "threads")}
    save(arguments.output, "sharing", settings, rows)
    return int(any(row["after"] > row["before"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
