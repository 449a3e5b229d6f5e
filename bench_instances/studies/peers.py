"""Against the TSP codes ``fast-tsp`` and ``elkai`` on the same Hamming matrices at equal time.

    pip install fast-tsp elkai
    python bench_instances/studies/peers.py FOLDER... --time-limit 10 --seeds 3

Licences: fast-tsp is MIT; elkai is LKH, for non-commercial use only, a peer to compare with and
never a dependency.

Time is equal per instance: that of elkai's ``--elkai-runs`` runs, or ``--time-limit`` if that is
longer. Every round solves with each code in turn; values are medians over the rounds. Numbers of
runs include first runs. *Time to its own cost* is, for this package, when its last improvement
was reported; for the peers, which tell nothing on the way, the shortest of budgets halved (elkai:
runs halved) from the full one that gives the same cost again. Only instances that are a single
tour (one tensor, single-part accesses) can be compared; others are skipped with a line. Exit code
1 if this package's cost is above the better peer's.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from study import Row, add_output, first_runs, instance_files, save, short_name, show

import reorder_solver as rs
from reorder_solver.backends.blocks import block_minimisation, refusal
from reorder_solver.presolve import compile_problem, presolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.block_minimisation import BlockMinimisation

COLUMNS = {
    "instance": "instance",
    "classes": "classes",
    "budget": "budget s",
    "cost": "ours",
    "bound": "bound",
    "fast_tsp": "fast-tsp",
    "elkai": "elkai",
    "ratio": "ours / better",
    "spread": "spread",
    "own": "ours: own cost s",
    "fast_tsp_ratio": "/ fast-tsp's",
    "elkai_ratio": "/ elkai's",
}
#: Halvings of the budget in search of the time that a peer needs.
_HALVINGS = 5


class Run(NamedTuple):
    """What one call of a code gave."""

    cost: int
    seconds: float


def required(name: str, package: str) -> Any:
    """A peer's module, or the end of the program with one line."""
    try:
        return import_module(name)
    except ImportError:
        sys.exit(f"{package} is not installed: pip install {package}")


class Problem:
    """One instance as everyone sees it."""

    def __init__(self, instance: rs.Instance, model: BlockMinimisation) -> None:
        self.instance = instance
        self.model = model
        self.distances = model.distances()
        #: Runs of accesses that presolve decided, or merged away, and of the first runs.
        self.offset = first_runs(instance) - model.lowest

    @classmethod
    def of(cls, instance: rs.Instance) -> Problem | None:
        """None if the runs of `instance` are no single tour."""
        components = presolve(compile_problem(instance, rs.Objective.RUNS).problem).components
        if len(components) != 1 or refusal(components[0].problem) is not None:
            return None
        return cls(instance, block_minimisation(components[0].problem))

    def runs_of(self, tour: list[int]) -> int:
        """Runs under the order that a tour stands for, counted in the matrix, not in lengths."""
        zeros = tour.index(self.model.columns)
        return self.model.cost(tour[zeros + 1 :] + tour[:zeros]) + self.offset

    def fast_tsp(self, seconds: float) -> Run:
        """Fast-tsp with this budget."""
        module = required("fast_tsp", "fast-tsp")
        begin = time.perf_counter()
        tour = module.find_tour(self.distances.astype(np.int32), duration_seconds=seconds)
        elapsed = time.perf_counter() - begin
        return Run(self.runs_of([int(node) for node in tour]), elapsed)

    def elkai(self, runs: int) -> Run:
        """Elkai with so many runs of LKH."""
        module = required("elkai", "elkai")
        matrix = module.DistanceMatrix(self.distances.tolist())
        begin = time.perf_counter()
        tour = matrix.solve_tsp(runs=runs)
        elapsed = time.perf_counter() - begin
        # It comes back to where it began.
        return Run(self.runs_of([int(node) for node in tour[:-1]]), elapsed)

    def ours(self, seconds: float, seed: int) -> tuple[Run, rs.Result]:
        """Our cost; the time is that of its last improvement."""
        improved: list[tuple[float, int | None]] = [(0.0, None)]

        def watch(progress: rs.Progress) -> None:
            if progress.cost is not None and progress.cost != improved[-1][1]:
                improved.append((progress.elapsed, progress.cost))

        result = rs.solve(
            self.instance, "runs", time_limit=seconds, seed=seed, threads=1, callback=watch
        )
        rs.verify(self.instance, result)
        assert result.cost is not None
        return Run(result.cost + first_runs(self.instance), improved[-1][0]), result


def own_time(best: Run, again: Callable[[int], Run]) -> float:
    """Shortest of the times, each half the one before, that give a cost no worse than `best`.

    `again` is called with 2, 4, 8 ... , the part of the full effort to spend.
    """
    needed = best.seconds
    for halving in range(1, _HALVINGS + 1):
        found = again(2**halving)
        if found.cost > best.cost:
            break
        needed = min(needed, found.seconds)
    return needed


def compared(problem: Problem, name: str, arguments: argparse.Namespace) -> Row:
    """One row: a round per seed, the codes in turn."""
    effort = arguments.elkai_runs
    ours: list[Run] = []
    fast: list[Run] = []
    lkh: list[Run] = []
    bounds: list[int] = []
    budget = arguments.time_limit
    for seed in range(arguments.seeds):
        lkh.append(problem.elkai(effort))
        budget = max(budget, lkh[-1].seconds)
        fast.append(problem.fast_tsp(budget))
        run, result = problem.ours(budget, seed)
        ours.append(run)
        if result.lower_bound is not None:
            bounds.append(result.lower_bound + first_runs(problem.instance))
    cost = median(run.cost for run in ours)
    fast_cost, lkh_cost = median(run.cost for run in fast), median(run.cost for run in lkh)
    own = median(run.seconds for run in ours)
    best_fast = min(fast)
    fast_own = own_time(best_fast, lambda part: problem.fast_tsp(budget / part))
    lkh_own = own_time(min(lkh), lambda part: problem.elkai(max(1, effort // part)))
    return {
        "instance": name,
        "classes": problem.model.columns,
        "budget": budget,
        "cost": cost,
        "bound": max(bounds, default=None),
        "fast_tsp": fast_cost,
        "elkai": lkh_cost,
        "ratio": cost / min(fast_cost, lkh_cost),
        "spread": f"{min(run.cost for run in ours)}-{max(run.cost for run in ours)}",
        "own": own,
        "fast_tsp_ratio": own / fast_own,
        "elkai_ratio": own / lkh_own,
    }


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("paths", nargs="+", metavar="FILE_OR_FOLDER")
    parser.add_argument("--time-limit", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--elkai-runs", type=int, default=4)
    add_output(parser)
    arguments = parser.parse_args(argv)
    for name, package in (("fast_tsp", "fast-tsp"), ("elkai", "elkai")):
        required(name, package)
    # Imports and compilation are paid once per process, not per instance.
    pairs = [rs.Access(f"a{i}", [rs.Part("x", [i, (i + 2) % 9])]) for i in range(8)]
    rs.solve(rs.Instance("warm", [rs.Tensor("x", 9)], pairs), "runs")
    rows: list[Row] = []
    settings = {key: getattr(arguments, key) for key in ("time_limit", "seeds", "elkai_runs")}
    for path in instance_files(arguments.paths):
        problem = Problem.of(rs.read_instance(path))
        if problem is None:
            print(f"{path.name}: skipped, its runs are no single tour", file=sys.stderr)
            continue
        rows.append(compared(problem, short_name(path), arguments))
        print(" ".join(str(rows[-1][key]) for key in COLUMNS), file=sys.stderr, flush=True)
        # Hours of work: what is finished is kept.
        save(arguments.output, "peers", settings, rows)
    show("runs, one thread each, medians over rounds", COLUMNS, rows)
    worse = [row["instance"] for row in rows if row["ratio"] > 1]
    print(f"worse than the better peer on {len(worse)} of {len(rows)}: {', '.join(worse) or '-'}")
    if rows:
        for key, name in (("fast_tsp_ratio", "fast-tsp"), ("elkai_ratio", "elkai")):
            middle = median(row[key] for row in rows)
            print(f"time to own cost, ours over {name}'s: median {middle:.2f}")
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
