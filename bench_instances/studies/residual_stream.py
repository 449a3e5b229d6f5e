"""Runs on one residual stream, from 2048 channels to 16384: time, memory, gap, and how they grow.

One tensor, read through correlated masks. Every size is solved in a process of its own, so that its
peak memory is its own. The exponents are those of ``channels ** exponent``, fitted to all sizes by
least squares of logarithms.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from typing import Any

COLUMNS = (
    ("channels", "channels", "d"),
    ("accesses", "accesses", "d"),
    ("cost", "cost", "d"),
    ("bound", "bound", "d"),
    ("gap %", "gap", ".3f"),
    ("1 % after s", "near", ".1f"),
    ("total s", "seconds", ".1f"),
    ("CPU s", "processor", ".1f"),
    ("peak MB", "peak", ".0f"),
)


def gap(cost: int, bound: int | None) -> float:
    """Percent by which a cost is above a bound."""
    return 100.0 * (cost / bound - 1.0) if bound else math.inf


def solve_one(arguments: argparse.Namespace, channels: int) -> dict[str, Any]:
    """Make an instance and solve it; what there is to know of that."""
    import reorder_solver as rs
    from reorder_solver.generators import generate

    # A residual block makes three accesses, and one more reads the end of the stream.
    parameters: dict[str, Any] = {"channels": channels, "correlation": arguments.correlation}
    if arguments.family == "residual":
        parameters |= {"stages": 1, "blocks": arguments.accesses // 3}
    else:
        parameters |= {"readers": arguments.accesses}
    instance = generate(arguments.family, seed=arguments.seed, **parameters)
    near = math.nan
    began, used = time.perf_counter(), time.process_time()

    def watch(progress: rs.Progress) -> None:
        nonlocal near
        if math.isnan(near) and progress.cost is not None:
            bound = progress.lower_bound
            if gap(progress.cost, bound) <= 1.0:
                near = time.perf_counter() - began

    result = rs.solve(
        instance,
        objective="runs",
        backend=arguments.backend,
        time_limit=arguments.seconds,
        threads=arguments.threads,
        seed=arguments.seed,
        callback=watch,
    )
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    rs.verify(instance, result)
    return {
        "channels": channels,
        "accesses": len(instance.accesses),
        "cost": result.cost,
        "bound": result.lower_bound,
        "gap": gap(result.cost or 0, result.lower_bound),
        "near": near,
        "seconds": seconds,
        "processor": processor,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def exponent(rows: list[dict[str, Any]], field: str) -> float:
    """Slope of the logarithm of a field over that of the channels."""
    points = [(math.log(row["channels"]), math.log(row[field])) for row in rows if row[field] > 0.0]
    if len({x for x, _ in points}) < 2:
        return math.nan
    middle = sum(x for x, _ in points) / len(points)
    height = sum(y for _, y in points) / len(points)
    across = sum((x - middle) ** 2 for x, _ in points)
    return sum((x - middle) * (y - height) for x, y in points) / across


def main() -> int:
    """Print the table; 1 if a gap is above one percent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, nargs="+", default=[2048, 4096, 8192, 16384])
    parser.add_argument("--accesses", type=int, default=512)
    parser.add_argument("--family", choices=["correlated", "residual"], default="correlated")
    parser.add_argument("--correlation", type=float, default=0.9)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--seconds", type=float, default=180.0, help="time limit of each")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(solve_one(arguments, arguments.channels[0])))
        return 0
    print("  ".join(f"{title:>11}" for title, _, _ in COLUMNS))
    rows: list[dict[str, Any]] = []
    for channels in arguments.channels:
        command = [sys.executable, *sys.argv, "--one", "--channels", str(channels)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
        row = json.loads(done.stdout)
        rows.append(row)
        print("  ".join(f"{row[field]:>11{kind}}" for _, field, kind in COLUMNS), flush=True)
    for title, field in (("time to 1 %", "near"), ("peak memory", "peak")):
        print(f"{title} grows as channels ** {exponent(rows, field):.2f}")
    return int(any(row["gap"] > 1.0 for row in rows))


if __name__ == "__main__":
    sys.exit(main())
