"""Runs of accesses that meet tensors again and again, as after a channel shuffle.

An access has as many runs as its parts have, less one wherever a part ends and the next begins
with a wanted class. The first runs of parts are counted, the junctions chosen
(:mod:`formulations.junctions`). Parts that want one class or all of them have one run in any
order: then that is all, and the optimum. Else it is a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from formulations.junctions import Junction, Junctions
from reorder_solver.backends.base import Answer, Task
from reorder_solver.backends.concatenation import run_weight
from reorder_solver.backends.runs_backend import RunsBackend
from reorder_solver.core.evaluate import runs_and_span
from reorder_solver.core.proof import JunctionsPart
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from formulations.junctions import End, Joined
    from reorder_solver.backends.concatenation import Cut
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Orders, Problem, ProblemAccess
    from reorder_solver.presolve.problem import IntArray

#: Shares of what a junction saves are integers over two to this power.
_EXPONENT = 20
#: What all junctions weigh, in units of the weights' common divisor, is exact in a float.
_MOST_WEIGHT = 2**50
#: Wanted classes over all parts; programmes have an entry for each.
_MOST_WANTED = 1_000_000


class JunctionBound(RunsBackend):
    """The first and last classes of all tensors, for the best."""

    name: ClassVar[str] = "junction-bound"
    summary: ClassVar[str] = "bound on runs by what parts of accesses can join"
    requires: ClassVar[tuple[str, ...]] = ("ortools",)

    def _too_large(self, problem: Problem, weights: list[int]) -> str | None:
        parts = [part for access in problem.accesses for part in access.parts]
        if sum(wanted.size for _, wanted in parts) > _MOST_WANTED:
            return f"its parts want more than {_MOST_WANTED} classes"
        if sum(weights) * len(parts) > _MOST_WEIGHT * gcd(*weights):
            return "the weights are too large for its 64-bit integers"
        return None

    def solve(self, task: Task) -> Answer:
        """Return the best orders found, with a bound and its proof."""
        problem = task.problem
        orders = problem.identity() if task.start is None else task.start
        model = _Model.of(problem)
        part = model.part(task.deadline.limit)
        bound = part.bound
        task.report(orders, bound)
        is_cut_short = task.deadline.expired
        if problem.cost(orders).primary > bound and not is_cut_short:
            joined = model.junctions.solve(
                time_limit=task.deadline.limit, seed=task.seed, threads=task.threads
            )
            orders = min(orders, _with_ends(problem, orders, joined), key=problem.cost)
            is_cut_short = not joined.is_best
            bound = max(bound, model.most - model.unit * joined.most)
            task.report(orders, bound)
        if problem.cost(orders).primary == bound:
            reason = StopReason.PROVEN
        else:
            reason = StopReason.TIME_LIMIT if is_cut_short else StopReason.FINISHED
        return Answer(orders, bound, reason, proof=part if part.bound == bound else None)


class JunctionChoice(JunctionBound):
    """The same where every part has one run in any order, and so the optimum."""

    name: ClassVar[str] = "junctions"
    summary: ClassVar[str] = "proven optimum for runs after channel shuffles (CP-SAT, HiGHS)"
    is_exact: ClassVar[bool] = True

    def supports(self, problem: Problem) -> str | None:
        """Refuse also parts whose runs depend on the order."""
        reason = super().supports(problem)
        if reason is None and not all(
            problem.fixed[tensor] or wanted.size in {0, 1, problem.sizes[tensor].size}
            for access in problem.accesses
            for tensor, wanted in access.parts
        ):
            return "an access wants several classes of a tensor, but not all of them"
        return reason


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A problem as junctions.

    Attributes
    ----------
    junctions : Junctions
        In units of `unit`.
    most : int
        What the problem costs where nothing is joined, and each part has the fewest runs.
    unit : int
        Common divisor of all weights.
    accesses : tuple of int
        That pay for runs.
    places : tuple of tuple of int
        For each of them, where its parts meet, the number of the junction; -1 where a fixed tensor
        keeps them apart.
    fixed_shares : tuple of tuple of int
        Shares there, in units: all to a last class that is fixed and wrong.
    """

    junctions: Junctions
    most: int
    unit: int
    accesses: tuple[int, ...]
    places: tuple[tuple[int, ...], ...]
    fixed_shares: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, problem: Problem) -> _Model:
        """Count runs, and find where parts meet."""
        weights = [run_weight(access) or 0 for access in problem.accesses]
        paying = tuple(number for number, weight in enumerate(weights) if weight)
        unit = gcd(*weights) or 1
        most = 0
        made: list[Junction] = []
        places: list[tuple[int, ...]] = []
        fixed_shares: list[tuple[int, ...]] = []
        for number in paying:
            access, weight = problem.accesses[number], weights[number] // unit
            runs = sum(_runs(problem, *part) for part in access.parts)
            most += unit * weight * max(0, runs - 1)
            here, shares = [], []
            for last, first in meetings(problem, access):
                is_apart = () in (last and last[1], first and first[1])
                here.append(-1 if is_apart else len(made))
                shares.append(weight if last is not None and not last[1] else 0)
                if not is_apart:
                    made.append(Junction(weight, last, first))
            places.append(tuple(here))
            fixed_shares.append(tuple(shares))
        return cls(Junctions(made), most, unit, paying, tuple(places), tuple(fixed_shares))

    def part(self, time_limit: float | None) -> JunctionsPart[int]:
        """What the linear relaxation proves."""
        found = self.junctions.shares(_EXPONENT, time_limit=time_limit)
        shares = tuple(
            tuple(
                self.unit * (found[place] if place >= 0 else fixed << _EXPONENT)
                for place, fixed in zip(here, known, strict=True)
            )
            for here, known in zip(self.places, self.fixed_shares, strict=True)
        )
        saved = self.junctions.most_saved(found, _EXPONENT) >> _EXPONENT
        bound = max(0, self.most - self.unit * saved)
        return JunctionsPart(self.accesses, shares, _EXPONENT, bound)


def kept_apart(
    problem: Problem, cuts: Sequence[Cut], deadline: Deadline, *, seed: int, threads: int
) -> int:
    """What accesses pay at least for being cut, beyond the runs of their pieces.

    Each cut costs the price of a run, unless it is a junction at which two runs join.
    """
    weights = [run_weight(access) or 0 for access in problem.accesses]
    unit = gcd(*weights) or 1
    total = 0
    made: list[Junction] = []
    for number, left, right, can_join in cuts:
        weight = 0 if problem.accesses[number].required else weights[number] // unit
        ends = _end(problem, *left, -1), _end(problem, *right, 0)
        total += weight
        if weight and can_join and not any(end is not None and not end[1] for end in ends):
            made.append(Junction(weight, *ends))
    joined = Junctions(made).solve(time_limit=deadline.limit, seed=seed, threads=threads)
    return unit * (total - joined.most)


def _runs(problem: Problem, tensor: int, wanted: IntArray) -> int:
    """Runs of one part at least; of a fixed tensor, exactly."""
    if not problem.fixed[tensor]:
        return int(wanted.size > 0)
    starts = np.cumsum(problem.sizes[tensor]) - problem.sizes[tensor]
    return runs_and_span(starts[wanted], problem.sizes[tensor][wanted])[0] if wanted.size else 0


def meetings(problem: Problem, access: ProblemAccess) -> Iterator[tuple[End | None, End | None]]:
    """Where two parts meet that both want something: which ends will do.

    An end without any class is one that a fixed tensor does not have.
    """
    parts = [part for part in access.parts if problem.sizes[part[0]].size]
    for (left, wanted), (right, others) in pairwise(parts):
        if wanted.size and others.size:
            yield _end(problem, left, wanted, -1), _end(problem, right, others, 0)


def _end(problem: Problem, tensor: int, wanted: IntArray, place: int) -> End | None:
    classes = problem.sizes[tensor].size
    if wanted.size == classes:
        return None
    if problem.fixed[tensor]:
        return None if place % classes in wanted else (tensor, ())
    return tensor, tuple(wanted.tolist())


def _with_ends(problem: Problem, orders: Orders, joined: Joined) -> Orders:
    """The orders with other classes at their ends."""
    found = list(orders)
    for tensor, order in enumerate(orders):
        if problem.fixed[tensor]:
            continue
        first, last = joined.firsts.get(tensor, -1), joined.lasts.get(tensor, -1)
        inner = order[(order != first) & (order != last)]
        ends = [np.array([one] * (one >= 0), dtype=np.int64) for one in (first, last)]
        if first == last:
            ends[1] = ends[1][:0]
        found[tensor] = np.concatenate([ends[0], inner, ends[1]])
    return tuple(found)
