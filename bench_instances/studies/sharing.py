"""Shared buffers: bytes copied before and after, on bundled networks and generated streams.

    python bench_instances/studies/sharing.py

Each instance is solved with ``auto``, rewritten by ``share_buffers`` from that layout, and solved
again from the layout of the plan. *Exact* says that both results are proven optimal, and the choice
of buffers too. Accesses to concatenations stay as they are, and so do the writes and passes of the
generated residual streams. Exit code 1 if an instance costs more than before.

With ``--written``, the concatenations of each network instead: every list of tensors that two or
more accesses read end to end, as one tensor that is written anyway. *Upscale* writes it once, from
tensors as that backend orders them, and gathers what is no view; *whole* does so in the best of all
orders; *each its own* writes for every reader what it wants; *shared* is the cheapest set of
buffers. All in bytes moved, what is written included.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from study import NETWORKS, Row, add_output, instance_files, progress, save, short_name, show

import reorder_solver as rs
from reorder_solver.generators import generate
from reorder_solver.sharing import Source, share_buffers

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


WRITTEN = {
    "instance": "instance",
    "lists": "concatenations",
    "accesses": "accesses",
    "upscale": "upscale",
    "whole": "whole",
    "own": "each its own",
    "after": "shared",
    "ratio": "shared / best other",
    "peer": "shared / upscale",
    "tensors": "tensors written",
    "exact": "exact",
    "plan_seconds": "plan s",
}


def concatenations(instance: rs.Instance) -> rs.Instance | None:
    """Lists of tensors that several accesses read, as tensors; None if there are none."""
    widths = {tensor.id: tensor.channels for tensor in instance.tensors}
    lists: dict[tuple[str, ...], list[rs.Access]] = {}
    for access in instance.accesses:
        if len(access.parts) > 1:
            lists.setdefault(tuple(part.tensor for part in access.parts), []).append(access)
    tensors: list[rs.Tensor] = []
    accesses: list[rs.Access] = []
    for names, readers in lists.items():
        if len(readers) < 2:
            continue
        starts = np.cumsum([0, *(widths[name] for name in names)])
        joined = rs.Tensor(f"concatenation{len(tensors)}", int(starts[-1]))
        tensors.append(joined)
        for access in readers:
            channels = [
                part.channels + start for part, start in zip(access.parts, starts[:-1], strict=True)
            ]
            accesses.append(replace(access, parts=(rs.Part(joined.id, np.concatenate(channels)),)))
    return rs.Instance(instance.name, tensors, accesses) if tensors else None


def written(instance: rs.Instance, name: str, arguments: argparse.Namespace) -> Row | None:
    """One row of the second table; None without concatenations."""
    joined = concatenations(instance)
    if joined is None:
        return None
    limit, threads = arguments.time_limit, arguments.threads
    each = {part.tensor: 0 for access in joined.accesses for part in access.parts}
    for access in joined.accesses:
        each[access.parts[0].tensor] = max(each[access.parts[0].tensor], access.bytes)
    used = joined.used_channels()
    views = rs.solve(joined, "bytes", time_limit=limit, threads=threads)
    assert views.cost is not None
    began = time.perf_counter()
    sources = {key: Source(price, is_written=True) for key, price in each.items()}
    plan = share_buffers(joined, sources, time_limit=limit, threads=threads)
    seconds = time.perf_counter() - began
    after = rs.solve(
        plan.instance, "bytes", time_limit=limit, threads=threads, warm_start=plan.layout
    )
    assert after.cost is not None
    stored = sum(price * int(used[key].sum()) for key, price in each.items())
    whole = stored + views.cost
    peer = rs.solve(instance, "bytes", "upscale", time_limit=limit)
    upscale = stored + sum(peer.accesses[access.id].cost for access in joined.accesses)
    own = sum(each[access.parts[0].tensor] * access.size for access in joined.accesses)
    return {
        "instance": name,
        "lists": len(joined.tensors),
        "accesses": len(joined.accesses),
        "upscale": upscale,
        "whole": whole,
        "own": own,
        "before": min(whole, own),
        "after": after.cost,
        "ratio": after.cost / min(whole, own),
        "peer": after.cost / upscale,
        "tensors": sum(bool(channels.any()) for channels in plan.instance.used_channels().values()),
        "exact": plan.is_proven and after.status is rs.Status.OPTIMAL,
        "plan_seconds": seconds,
    }


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("paths", nargs="*", metavar="FILE_OR_FOLDER", help="default: the bundled")
    parser.add_argument("--objective", choices=("bytes", "copies"), default="bytes")
    parser.add_argument("--written", action="store_true", help="concatenations; bytes only")
    parser.add_argument("--time-limit", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--threads", type=int, default=1)
    add_output(parser)
    arguments = parser.parse_args(argv)
    if arguments.written and arguments.objective != "bytes":
        parser.error("what is written is counted in bytes")
    found = [
        (short_name(path), rs.read_instance(path))
        for path in instance_files(arguments.paths or [NETWORKS])
    ]
    if not arguments.paths and not arguments.written:
        found += streams()
    # Imports and compilation are paid once per process, not per model.
    rs.solve(found[0][1], arguments.objective)
    rows: list[Row] = []
    columns = WRITTEN if arguments.written else COLUMNS
    for name, instance in found:
        row = (written if arguments.written else measured)(instance, name, arguments)
        if row is not None:
            rows.append(row)
            progress(" ".join(str(row.get(key)) for key in columns))
    title = f"limit {arguments.time_limit:g} s, {arguments.threads} threads"
    show(f"{arguments.objective}, {title}", columns, rows)
    before, after = (sum(row[key] for row in rows) for key in ("before", "after"))
    removed = 1 - after / before if before else 0.0
    slowest = max((row["plan_seconds"] for row in rows), default=0.0)
    print(f"{sum(row['exact'] for row in rows)} of {len(rows)} exact")
    print(f"{removed:.1%} less is moved than before; slowest plan {slowest:.2f} s")
    settings = {key: getattr(arguments, key) for key in ("objective", "time_limit", "threads")}
    save(arguments.output, "sharing", settings, rows)
    return int(any(row["after"] > row["before"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
