"""Small problems for subset DP, and deadlines that pass at a given question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from random_instances import random_instance

from reorder_solver import Objective, PriceList
from reorder_solver.backends.base import Answer, Task
from reorder_solver.backends.subset_dp import SubsetDP
from reorder_solver.core.limits import Deadline
from reorder_solver.presolve import Problem, ProblemAccess, compile_problem, presolve

if TYPE_CHECKING:
    from reorder_solver.presolve import Cost, Orders

NEVER = Deadline(None)


class ExpiresAfter(Deadline):
    """A deadline that is over once it has been asked a number of times."""

    def __init__(self, questions: int) -> None:
        super().__init__(None)
        self._left = questions

    @property
    def expired(self) -> bool:
        self._left -= 1
        return self._left < 0

    @property
    def remaining(self) -> float:
        return 1.0


def task_of(
    problem: Problem,
    deadline: Deadline = NEVER,
    start: Orders | None = None,
    log: list[tuple[Cost | None, int | None]] | None = None,
) -> Task:
    def report(orders: Orders | None, bound: int | None) -> None:
        if log is not None:
            log.append((None if orders is None else problem.cost(orders), bound))

    return Task(problem, deadline, 0, 1, start, report)


def solve_plainly(problem: Problem) -> Answer:
    backend = SubsetDP()
    assert backend.supports(problem) is None
    return backend.solve(task_of(problem))


def random_problems(stream: int, seed: int, objective: Objective) -> list[Problem]:
    """A random instance as it is, and as presolve leaves it."""
    whole = compile_problem(
        random_instance(np.random.default_rng([stream, seed])), objective
    ).problem
    return [whole, *(component.problem for component in presolve(whole).components)]


def _prices(rng: np.random.Generator, scale: int) -> PriceList:
    while True:
        given = {
            mode: [int(value) * scale for value in rng.integers(0, 12, size=arity)]
            for mode, arity in (("gather", 2), ("cat", 3), ("cover", 1), ("split", 1))
            if rng.random() < 0.6
        }
        if given:
            return PriceList.from_mapping(given)


def merged_problem(rng: np.random.Generator, scale: int = 1) -> Problem:
    """Classes of several channels, several price lists per access, all at once."""
    shapes = [(5,), (6,), (3, 3), (4, 2), (2, 2, 2), (3, 2, 1)]
    shape = shapes[int(rng.integers(len(shapes)))]
    sizes = tuple(rng.integers(1, 5, size=count) for count in shape)
    accesses = []
    for number in range(int(rng.integers(1, 6))):
        chosen = rng.integers(len(shape), size=int(rng.choice([1, 1, 2, 3])))
        parts = tuple(
            (int(tensor), np.flatnonzero(rng.random(shape[tensor]) < rng.choice([0.3, 0.6, 1.0])))
            for tensor in chosen
        )
        required = bool(rng.random() < 0.1)
        accesses.append(
            ProblemAccess(
                parts=parts,
                channels=sum(int(sizes[tensor][wanted].sum()) for tensor, wanted in parts),
                prices=()
                if required
                else tuple(_prices(rng, scale) for _ in range(int(rng.integers(1, 4)))),
                tie_weight=0,
                required=required,
                members=(number,),
            )
        )
    fixed = tuple(bool(rng.random() < 0.15) for _ in shape)
    return Problem(Objective.LATENCY, sizes, fixed, tuple(accesses))
