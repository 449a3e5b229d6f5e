"""Latency at realistic prices: what is proven, and how far bounds are from costs.

Three suites. ``few``: one tensor and up to five accesses, drawn at random, some reads with all
modes and some writes without ``cover`` and ``split``. ``many``: priced instances of the family
``residual``, with 6 and more accesses to a tensor. ``networks``: the exported networks of this
folder, at prices that follow from the bytes of a channel. Prices are those of the family
``residual``: a call costs a microsecond or so, a copy 16 bytes a nanosecond. One row per component.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

import reorder_solver as rs
from reorder_solver.backends import Task, make_backend
from reorder_solver.core.instance import Access, Instance, Part, Role, Tensor
from reorder_solver.core.limits import Deadline
from reorder_solver.generators import generate, model_prices
from reorder_solver.presolve import Problem, compile_problem, presolve

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).resolve().parents[1]
FEW = 5


@dataclass(frozen=True)
class Row:
    """One component, solved."""

    name: str
    problem: Problem
    cost: int
    bound: int
    seconds: float

    @property
    def gap(self) -> float:
        """Of the cost."""
        return (self.cost - self.bound) / self.cost if self.cost else 0.0

    @property
    def is_few(self) -> bool:
        """Whether every tensor has few accesses."""
        counts = [0] * len(self.problem.sizes)
        for access in self.problem.accesses:
            for tensor in {tensor for tensor, _ in access.parts}:
                counts[tensor] += 1
        return max(counts) <= FEW


def few(seeds: int) -> Iterator[Instance]:
    """One tensor, four or five accesses, correlated masks or not."""
    for seed in range(seeds):
        for accesses, reads in ((5, 5), (5, 3), (4, 2)):
            for channels in (64, 256, 1024, 2048):
                for side in (7, 14, 28, 56):
                    yield drawn(accesses, reads, channels, side, seed)


def drawn(accesses: int, reads: int, channels: int, side: int, seed: int) -> Instance:
    """One tensor whose accesses keep a half, or three quarters, of its channels by score."""
    rng = np.random.default_rng([accesses, reads, channels, side, seed])
    keep, share = (0.5, 0.75)[seed % 2], (0.0, 0.6)[seed // 2 % 2]
    latent = rng.normal(size=channels)
    made = []
    for number in range(accesses):
        score = share * latent + np.sqrt(1 - share**2) * rng.normal(size=channels)
        kept = np.sort(np.argsort(-score)[: int(keep * channels)])
        role = Role.READ if number < reads else Role.WRITE
        prices = model_prices(4 * side * side, role)
        made.append(Access(f"a{number}", [Part("x", kept)], role=role, prices=prices))
    name = f"drawn-{accesses}-{reads}-{channels}-{side}-{seed}"
    return Instance(name, [Tensor("x", channels)], made)


def many(seeds: int) -> Iterator[Instance]:
    """Residual streams of 2 to 12 blocks."""
    for seed in range(seeds):
        for blocks in (2, 3, 4, 8, 12):
            for channels in (64, 256, 512):
                for side in (7, 28):
                    found = generate(
                        "residual",
                        seed=seed,
                        stages=1,
                        channels=channels,
                        blocks=blocks,
                        joins=0,
                        resolution=side,
                        priced=True,
                    )
                    yield found.replace(name=f"residual-{blocks}-{channels}-{side}-{seed}")


def networks(_seeds: int) -> Iterator[Instance]:
    """The exported networks, with their model prices."""
    for path in sorted(FOLDER.glob("networks/*.json.gz")):
        yield rs.read_instance(path)


SUITES = {"few": few, "many": many, "networks": networks}


def solved(instance: Instance, limit: float) -> Iterator[Row]:
    """Solve every component on its own."""
    whole = compile_problem(instance, rs.Objective.LATENCY).problem
    for component in presolve(whole).components:
        problem = component.problem
        begin = time.perf_counter()
        task = Task(problem, Deadline(limit), 0, 1, None, lambda _orders, _bound: None)
        answer = make_backend("modes").solve(task)
        seconds = time.perf_counter() - begin
        assert answer.orders is not None
        cost = problem.cost(answer.orders).primary
        yield Row(instance.name, problem, cost, answer.lower_bound or 0, seconds)


def table_of(rows: list[Row], title: str) -> Table:
    """The rows as a table."""
    table = Table(title=title)
    for head in ("component of", "tensors", "accesses", "classes", "cost", "bound", "gap", "s"):
        table.add_column(head, justify="left" if head == "component of" else "right")
    for row in rows:
        problem = row.problem
        figures = (len(problem.sizes), len(problem.accesses), problem.classes, row.cost, row.bound)
        table.add_row(row.name, *map(str, figures), f"{row.gap:.1%}", f"{row.seconds:.1f}")
    return table


def main() -> None:
    """Print a table per suite, and what it comes to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=list(SUITES), help=", ".join(SUITES))
    parser.add_argument("--seeds", type=int, default=1, help="random instances of each kind")
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds per component")
    arguments = parser.parse_args()
    console = Console()
    rows: list[Row] = []
    for suite in arguments.suites:
        found = [
            row
            for instance in SUITES[suite](arguments.seeds)
            for row in solved(instance, arguments.time_limit)
        ]
        console.print(table_of(found, suite))
        rows += found
    small = [row for row in rows if row.is_few]
    large = [row for row in rows if not row.is_few]
    proven = sum(row.cost == row.bound for row in small)
    console.print(f"up to {FEW} accesses per tensor: {proven} of {len(small)} proven")
    if large:
        gaps = [row.gap for row in large]
        console.print(f"elsewhere: {len(large)}, median gap {median(gaps):.1%}")


if __name__ == "__main__":
    main()
