"""Random problems of every kind the local search takes: parts, seams, spans, sizes, huge prices."""

from __future__ import annotations

from math import factorial, prod
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver import Objective, PriceList
from reorder_solver.backends.local_search import feasible_start
from reorder_solver.presolve import Problem, ProblemAccess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reorder_solver.presolve import Orders

KINDS = ("runs", "bytes", "latency")
#: A factor that takes prices past 64 bits.
HUGE = 2**80
#: Brute force should not take long.
MOST_LAYOUTS = 20_000


def random_prices(rng: np.random.Generator, kind: str, factor: int = 1) -> PriceList:
    """A price list of the modes that `kind` allows."""

    def price(bound: int) -> int:
        return int(rng.integers(0, bound)) * factor

    if kind == "runs":
        return PriceList(split=(price(20),))
    if kind == "bytes":
        return PriceList(gather=(0, price(20)))
    modes = {
        "gather": (price(40), price(5)),
        "cat": (price(20), price(4), price(9)),
        "cover": (price(6),),
        "split": (price(20),),
    }
    chosen = [mode for mode in modes if rng.random() < 0.5] or ["split"]
    return PriceList.from_mapping({mode: modes[mode] for mode in chosen})


def random_problem(
    rng: np.random.Generator, kind: str, most_classes: int = 5, factor: int = 1
) -> Problem:
    """A problem of up to three tensors, some of them fixed or empty, and up to six accesses."""
    tensors = int(rng.integers(1, 4))
    counts = rng.integers(0 if tensors > 1 else 1, most_classes + 1, size=tensors)
    sizes = tuple(rng.integers(1, 4, size=count).astype(np.int64) for count in counts)
    accesses: list[ProblemAccess] = []
    for number in range(int(rng.integers(0, 7))):
        parts = []
        for tensor in rng.integers(0, tensors, size=int(rng.integers(1, 4))):
            density = rng.choice([0.2, 0.5, 0.8, 1.0])
            parts.append((int(tensor), np.flatnonzero(rng.random(counts[tensor]) < density)))
        channels = int(sum(sizes[tensor][wanted].sum() for tensor, wanted in parts))
        if channels == 0:
            continue
        required = bool(rng.random() < 0.15)
        lists = [random_prices(rng, kind, factor) for _ in range(int(rng.integers(1, 3)))]
        tie = 0 if kind == "runs" else int(rng.integers(0, 3)) * factor
        accesses.append(
            ProblemAccess(
                tuple(parts), channels, () if required else tuple(lists), tie, required, (number,)
            )
        )
    fixed = tuple(bool(rng.random() < 0.15) for _ in range(tensors))
    return Problem(Objective.LATENCY, sizes, fixed, tuple(accesses))


def feasible_problems(
    stream: int,
    count: int,
    most_classes: int = 5,
    factor: int = 1,
    most_layouts: float = MOST_LAYOUTS,
) -> Iterator[tuple[Problem, Orders]]:
    """Problems of all kinds in turn, with orders to start from; brute force can solve them."""
    found = 0
    for seed in range(10 * count):
        rng = np.random.default_rng([stream, seed])
        problem = random_problem(rng, KINDS[seed % len(KINDS)], most_classes, factor)
        orders = feasible_start(problem, None)
        if orders is not None and layouts(problem) <= most_layouts:
            yield problem, orders
            found += 1
        if found == count:
            return
    raise AssertionError("too few of the random problems are feasible and small")


def layouts(problem: Problem) -> int:
    """How many choices of orders there are."""
    return prod(
        factorial(sizes.size)
        for sizes, fixed in zip(problem.sizes, problem.fixed, strict=True)
        if not fixed
    )


def random_orders(rng: np.random.Generator, problem: Problem) -> Orders:
    """Random orders of every tensor that is not fixed."""
    return tuple(
        np.arange(sizes.size) if fixed else rng.permutation(sizes.size)
        for sizes, fixed in zip(problem.sizes, problem.fixed, strict=True)
    )


def one_tensor(
    rng: np.random.Generator, classes: int, accesses: int, prices: PriceList, tie: int = 0
) -> Problem:
    """A problem of one tensor whose accesses want half of its classes each."""
    wanted = [np.flatnonzero(rng.random(classes) < 0.5) for _ in range(accesses)]
    return Problem(
        Objective.LATENCY,
        (np.ones(classes, dtype=np.int64),),
        (False,),
        tuple(
            ProblemAccess(((0, each),), each.size, (prices,), tie, False, (number,))
            for number, each in enumerate(wanted)
            if each.size
        ),
    )
