"""Checking what a covering programme costs at least: by duality in integers, else by an engine.

At least ``demand`` of the members of every constraint are to be paid for. Whatever numbers
``y >= 0`` the constraints are given, a choice that meets them all costs at least ::

    sum(demand * y) - sum over accesses of max(0, sum of y of its constraints - weight)

by linear programming duality. A floating point solver proposes ``y``; the sum is taken in
integers. Where it falls short, cases are told apart: an access pays, or it does not.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from formulations.covering import Covering, greedy_cover
from formulations.enumeration import can_enumerate, solve_by_enumeration
from formulations.hitting_set import solve_cpsat, solve_pulp
from reorder_solver.core.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Constraint: TypeAlias = tuple[tuple[int, ...], int]

#: Most cases told apart before the rest is left to an engine.
MOST_CASES = 400
#: Wall-clock seconds for each engine.
ENGINE_SECONDS = 30.0
# Dual values are rounded to so many binary digits below the largest weight.
_DIGITS = 40


def check_covering(
    weights: Sequence[int],
    constraints: Sequence[Constraint],
    bound: int,
    *,
    prefers_cpsat: bool,
) -> None:
    """Raise :class:`VerificationError` unless meeting `constraints` costs `bound` or more.

    Parameters
    ----------
    weights : sequence of int
        Not negative.
    constraints : sequence of (tuple of int, int)
        Items and how many of them at least.
    bound : int
    prefers_cpsat : bool
        Which engine to ask where duality and cases do not settle it: CP-SAT, else CBC; and then
        the other. Last comes enumeration, exact but the solver's own.
    """
    model = Covering(tuple(weights), tuple(constraints))
    cover = model.cost(greedy_cover(model))
    if bound > cover:
        raise VerificationError(f"claims {bound}, but a choice that costs {cover} will do")
    if _Cases(model, bound).settle():
        return
    engines = (solve_cpsat, solve_pulp) if prefers_cpsat else (solve_pulp, solve_cpsat)
    least = 0
    for engine in engines:
        least = max(least, engine(model, time_limit=ENGINE_SECONDS).lower_bound)
        if least >= bound:
            return
    if can_enumerate(model) and solve_by_enumeration(model).lower_bound >= bound:
        return
    raise VerificationError(f"claims {bound}, but only {least} is proven")


class _Cases:
    """Branching, every case closed by an exact dual bound."""

    def __init__(self, model: Covering, bound: int) -> None:
        self._model = model
        self._bound = bound
        self._unit = gcd(*model.weights) or 1

    def settle(self) -> bool:
        """Prove the bound; False if there are too many cases.

        Raises
        ------
        VerificationError
            If there is a cheaper choice.
        """
        open_cases: list[tuple[frozenset[int], frozenset[int]]] = [(frozenset(), frozenset())]
        for _ in range(MOST_CASES):
            if not open_cases:
                return True
            paying, free = open_cases.pop()
            paid = self._model.cost(paying)
            asking = _left(self._model.constraints, paying, free)
            if asking is None or self._round_up(paid) >= self._bound:
                continue
            values, duals = _relaxation(self._model.weights, asking)
            if (
                self._round_up(paid + _dual_bound(self._model.weights, asking, duals))
                >= self._bound
            ):
                continue
            chosen = paying | {item for item, value in values.items() if value > 0.5}
            cost = self._model.cost(chosen)
            if cost < self._bound and self._model.is_covered(chosen):
                raise VerificationError(
                    f"claims {self._bound}, but a choice that costs {cost} will do"
                )
            item = min(values, key=lambda each: (abs(values[each] - 0.5), each))
            open_cases.append((paying | {item}, free))
            open_cases.append((paying, free | {item}))
        return not open_cases

    def _round_up(self, cost: Fraction | int) -> int:
        """The least cost that a choice can have from `cost` on."""
        return -(-cost // self._unit) * self._unit


def _left(
    constraints: Sequence[Constraint], paying: frozenset[int], free: frozenset[int]
) -> list[Constraint] | None:
    """What is still asked where some items pay and some do not; None if it cannot be met."""
    asking: list[Constraint] = []
    for members, demand in constraints:
        missing = demand - sum(1 for item in members if item in paying)
        if missing <= 0:
            continue
        others = tuple(item for item in members if item not in paying and item not in free)
        if missing > len(others):
            return None
        asking.append((others, missing))
    return asking


def _relaxation(
    weights: Sequence[int], asking: Sequence[Constraint]
) -> tuple[dict[int, float], list[float]]:
    """Values of items and dual values of constraints, by HiGHS; approximate, and not relied on."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    items = sorted({item for members, _ in asking for item in members})
    place = {item: number for number, item in enumerate(items)}
    columns = [place[item] for members, _ in asking for item in members]
    starts = np.cumsum([0, *(len(members) for members, _ in asking)])
    rows = csr_array((-np.ones(len(columns)), columns, starts), shape=(len(asking), len(items)))
    largest = max(weights)
    solved = linprog(
        [float(Fraction(weights[item], largest or 1)) for item in items],
        A_ub=rows,
        b_ub=[-float(demand) for _, demand in asking],
        bounds=(0.0, 1.0),
        method="highs",
    )
    if solved.x is None:
        return dict.fromkeys(items, 0.5), [0.0] * len(asking)
    values: npt.NDArray[np.float64] = solved.x
    duals: npt.NDArray[np.float64] = -solved.ineqlin.marginals
    return dict(zip(items, values.tolist(), strict=True)), [
        value if np.isfinite(value) and value > 0.0 else 0.0 for value in duals.tolist()
    ]


def _dual_bound(
    weights: Sequence[int], asking: Sequence[Constraint], duals: Sequence[float]
) -> Fraction:
    """What dual values, in shares of the largest weight, prove; exact."""
    largest = max(weights, default=0)
    total = 0
    pressed: dict[int, int] = {}
    for (members, demand), dual in zip(asking, duals, strict=True):
        value = int(Fraction(dual) * largest * 2**_DIGITS)
        total += demand * value
        for item in members:
            pressed[item] = pressed.get(item, 0) + value
    for item, sum_of_duals in pressed.items():
        total -= max(0, sum_of_duals - (weights[item] << _DIGITS))
    return Fraction(total, 2**_DIGITS)
