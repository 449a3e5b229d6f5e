"""The adversarial instances: how far from what is known each method ends.

    python bench_instances/studies/adversarial.py --time-limit 2

A row per instance and objective, a column per method: its cost over the best known one, where
that is zero its cost with a plus. ``bound`` is the proven bound of ``auto`` in that time over the
best known cost: where it is far below 1 or 0, bounds are weak.
"""

from __future__ import annotations

import argparse
import sys

from study import NETWORKS, Row, add_output, instance_files, progress, save, short_name, show

import reorder_solver as rs
from reorder_solver.bench.best_known import read_best_known

METHODS = ("upscale", "greedy", "local_search", "auto")
OBJECTIVES = (rs.Objective.COPIES, rs.Objective.BYTES, rs.Objective.RUNS)


def shown(cost: int | None, best: int) -> str:
    """A cost beside the best known one."""
    if cost is None:
        return "-"
    return f"{cost / best:.2f}" if best else f"+{cost}"


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--time-limit", type=float, default=2.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0)
    add_output(parser)
    arguments = parser.parse_args(argv)
    folder = NETWORKS.parent
    known = read_best_known(folder / "best_known.csv")
    rows: list[Row] = []
    for path in instance_files([folder / "adversarial"]):
        instance = rs.read_instance(path)
        for objective in OBJECTIVES:
            one = known[rs.digest(instance), objective]
            if one.cost is None:
                continue
            row: Row = {
                "instance": short_name(path),
                "objective": objective.value,
                "best": one.cost,
                "proven": one.proven,
            }
            for method in METHODS:
                result = rs.solve(
                    instance,
                    objective,
                    method,
                    time_limit=arguments.time_limit,
                    seed=arguments.seed,
                )
                rs.verify(instance, result)
                row[method] = shown(result.cost, one.cost)
                if method == "auto" and result.lower_bound is not None:
                    row["bound"] = shown(result.lower_bound, one.cost)
            rows.append(row)
            progress(" ".join(map(str, row.values())))
    columns = ("instance", "objective", "best", "proven", *METHODS, "bound")
    show("cost over the best known cost", {each: each for each in columns}, rows)
    settings = {"time_limit": arguments.time_limit, "seed": arguments.seed}
    save(arguments.output, "adversarial", settings, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
