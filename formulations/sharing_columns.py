"""Shared buffers as an integer programme: one column per buffer, no-goods of the home on demand.

Every reader is a view of the home, a gather, or in exactly one column. The sets that cannot all be
views of the home are not listed: a solution is tested, and what it violates is added (implicit
hitting sets). Where there are too many columns to list, readers may also pay their share of the
dearest-shared buffer there could be, which keeps the bound valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from formulations.engines import import_cp_model
from formulations.interruptible import solve_interruptibly
from formulations.sharing_model import STAYS, mask_of, members

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ortools.sat.python import cp_model

    from formulations.sharing_model import BufferSharing, Sets

#: Most sets of readers looked at for columns.
MOST_COLUMNS = 40_000
#: Most sets of pairwise conflicting triples given to the first programme.
_MOST_CLIQUES = 100
# Sums of coefficients up to here stay clear of CP-SAT's overflow checks.
_CPSAT_LIMIT = 2**60


@dataclass(frozen=True, slots=True)
class Columns:
    """Buffers that cost less than gathers, with their prices; and whether these are all."""

    prices: dict[int, int]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Master:
    """What a programme says: a partition that may not fit at home, and a bound."""

    home: int
    groups: tuple[int, ...]
    bound: int
    has_solution: bool


def list_columns(sets: Sets, expired: Callable[[], bool], limit: int = MOST_COLUMNS) -> Columns:
    """All useful buffers, small ones first: a set fits only if all its subsets do.

    Parameters
    ----------
    sets : Sets
    expired : callable
        True ends the search; then the list is not complete.
    limit : int
        Most sets that fit, useful or not.
    """
    problem = sets.problem
    order = range(len(problem))
    level = [1 << i for i in order if problem.values[i] != STAYS]
    fitting = list(level)
    while level and len(fitting) <= limit:
        bigger: list[int] = []
        for mask in level:
            if expired() or len(fitting) + len(bigger) > limit:
                return Columns(_useful(sets, fitting + bigger), is_complete=False)
            bigger += [mask | 1 << i for i in _extensions(sets, mask)]
        fitting += bigger
        level = bigger
    return Columns(_useful(sets, fitting), is_complete=not level)


def _extensions(sets: Sets, mask: int) -> list[int]:
    """Later readers that fit along with the set."""
    problem = sets.problem
    inside = members(mask)
    candidates = np.array(problem.values) == problem.values[inside[0]]
    candidates[: inside[-1] + 1] = False
    if len(inside) > 1 and sets.knows_triples:
        candidates &= ~sets.triples()[np.ix_(inside, inside)].any(axis=(0, 1))
    return [int(i) for i in np.flatnonzero(candidates) if sets.fits(mask | 1 << int(i))]


def _useful(sets: Sets, fitting: list[int]) -> dict[int, int]:
    found = {}
    for mask in fitting:
        price = sets.buffer(mask)
        if price is not None and (sets.problem.home_price or price < sets.gathers(mask)):
            found[mask] = price
    return found


def home_cliques(sets: Sets) -> list[int]:
    """Sets in which every triple conflicts, so that at most two of each are views of the home."""
    if not sets.knows_triples:
        return []
    uncovered = sets.triples().copy()
    found: list[int] = []
    while len(found) < _MOST_CLIQUES and uncovered.any():
        seed = np.unravel_index(int(np.argmax(uncovered)), uncovered.shape)
        clique = grown_clique(sets, [int(i) for i in seed])
        uncovered[np.ix_(clique, clique, clique)] = False
        found.append(mask_of(clique))
    return found


def grown_clique(sets: Sets, clique: list[int]) -> list[int]:
    """Add to a conflicting triple, dear readers first, whatever conflicts with every pair."""
    triples = sets.triples()
    clique = list(clique)
    allowed = np.ones(len(sets.problem), dtype=np.bool_)
    for a, b in combinations(clique, 2):
        allowed &= triples[a, b]
    for i in sorted(np.flatnonzero(allowed), key=lambda i: -sets.problem.gathers[i]):
        if allowed[i]:
            allowed &= triples[i][clique].all(axis=0)
            clique.append(int(i))
    return clique


def minimal_conflicts(sets: Sets, home: int) -> list[int]:
    """Sets of which each cannot be at home, but every proper subset can; none if `home` fits."""
    found = []
    base = 0
    for i in members(home):
        bit = 1 << i
        if sets.fits_home(base | bit):
            base |= bit
            continue
        conflict = base | bit
        for j in members(base):
            if not sets.fits_home(conflict ^ 1 << j):
                conflict ^= 1 << j
        found.append(conflict)
    return found


class SharingProgram:
    """The integer programme, which grows by no-goods.

    Parameters
    ----------
    sets : Sets
    columns : Columns
    """

    def __init__(self, sets: Sets, columns: Columns) -> None:
        self._sets = sets
        self._columns = columns
        cp = import_cp_model()
        self._model: cp_model.CpModel = cp.CpModel()
        count = len(sets.problem)
        self._terms: list[tuple[int, cp_model.IntVar]] = []
        self._views = [self._model.new_bool_var("") for _ in range(count)]
        self._buffers = {
            mask: self._variable(price) for mask, price in self._columns.prices.items()
        }
        self._gathered = {i: self._variable(sets.problem.gathers[i]) for i in self._gatherers()}
        self._shares = (
            {}
            if columns.is_complete
            else {i: self._variable(share) for i, share in least_shares(sets.problem).items()}
        )
        self._cover(count)
        if sets.problem.home_price:
            self._price_home()
        self._unit = self._set_objective(cp)
        for clique in home_cliques(sets):
            self.forbid(clique, 2)

    def _variable(self, price: int) -> cp_model.IntVar:
        variable = self._model.new_bool_var("")
        self._terms.append((price, variable))
        return variable

    def _gatherers(self) -> list[int]:
        """Readers for which a gather may pay. With a priced home its channels are not charged."""
        problem, prices = self._sets.problem, self._columns.prices
        return [
            i
            for i, gather in enumerate(problem.gathers)
            if not problem.home_price
            or problem.values[i] == STAYS
            or gather < prices.get(1 << i, gather + 1)
        ]

    def _cover(self, count: int) -> None:
        places = [[variable] for variable in self._views]
        for mask, variable in self._buffers.items():
            for i in members(mask):
                places[i].append(variable)
        for more in (self._gathered, self._shares):
            for i, variable in more.items():
                places[i].append(variable)
        for i in range(count):
            self._model.add_exactly_one(places[i])

    def _price_home(self) -> None:
        problem = self._sets.problem
        price = problem.home_price
        if not problem.staying and all(not base and each <= price for base, each in problem.prices):
            # A home that nobody must read is one more buffer, and as dear.
            self._model.add_bool_and([~view for view in self._views])
            return
        for column, size in zip(problem.wants.T, problem.sizes.tolist(), strict=True):
            stored = self._variable(price * size)
            for i in np.flatnonzero(column).tolist():
                self._model.add_implication(self._views[i], stored)
                if problem.values[i] == STAYS:
                    self._model.add_implication(self._gathered[i], stored)

    def _set_objective(self, cp: ModuleType) -> int:
        prices = [price for price, _ in self._terms]
        unit = max(gcd(*prices), 1)
        unit *= max(1, -(-sum(prices) // unit // _CPSAT_LIMIT))
        variables = [variable for _, variable in self._terms]
        scaled = [price // unit for price in prices]
        self._model.minimize(cp.LinearExpr.weighted_sum(variables, scaled))
        return unit

    def forbid(self, readers: int, most: int) -> None:
        """Allow only so many of these readers to be views of the home."""
        self._model.add(sum(self._views[i] for i in members(readers)) <= most)

    def hint(self, views: int, gathered: int, groups: tuple[int, ...]) -> None:
        """Start from a partition."""
        self._model.clear_hints()  # type: ignore[no-untyped-call]
        for i, variable in enumerate(self._views):
            self._model.add_hint(variable, bool(views >> i & 1))
        for i, variable in self._gathered.items():
            self._model.add_hint(variable, bool(gathered >> i & 1))
        for mask, variable in self._buffers.items():
            self._model.add_hint(variable, mask in groups)

    def solve(self, seconds: float | None, seed: int, threads: int) -> Master:
        """Solve what there is of the programme, or bound it."""
        cp = import_cp_model()
        solver = cp.CpSolver()
        parameters = solver.parameters
        parameters.num_workers = threads
        parameters.random_seed = seed % 2**31
        parameters.linearization_level = 2
        parameters.absolute_gap_limit = 0.0
        parameters.relative_gap_limit = 0.0
        if seconds is not None:
            parameters.max_time_in_seconds = seconds
        status = solve_interruptibly(solver, self._model)
        if status in (cp.MODEL_INVALID, cp.INFEASIBLE):
            raise RuntimeError(f"CP-SAT refused the programme: {self._model.validate()}")
        bound = max(0, int(solver.response_proto.inner_objective_lower_bound)) * self._unit
        if status == cp.UNKNOWN:
            return Master(0, (), bound, has_solution=False)
        home = mask_of(i for i, each in enumerate(self._views) if solver.boolean_value(each))
        groups = [mask for mask, each in self._buffers.items() if solver.boolean_value(each)]
        return Master(home, tuple(groups), bound, has_solution=True)


def least_shares(problem: BufferSharing) -> dict[int, int]:
    """Per reader that may leave the home, what it pays at least of any buffer, evenly shared.

    The price of a channel, shared by all readers of the value that want it: the shares of the
    members of a buffer never come to more than its price.
    """
    values = np.array(problem.values)
    found = {}
    for value, (_, each) in enumerate(problem.prices):
        readers = np.flatnonzero(values == value)
        counts = problem.wants[readers].sum(axis=0)
        for i in readers.tolist():
            wanted = problem.wants[i]
            by_count = np.zeros(readers.size + 1, dtype=np.int64)
            np.add.at(by_count, counts[wanted], problem.sizes[wanted])
            share = sum(Fraction(size, many) for many, size in enumerate(by_count.tolist()) if many)
            found[i] = int(each * share)
    return found
