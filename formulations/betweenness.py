"""Consecutive block minimisation as a compact integer programme of betweenness, by PuLP with CBC.

Columns are ``0 .. n-1``, node ``n`` a column of zeros, where the order begins and ends.

    before[i, j]   column i stands before column j, for i < j; one minus it is before[j, i]
    next[i, j]     node j directly follows node i
    minimise       sum starts[i, j] * next[i, j]
    subject to     every node has one successor and one predecessor
                   next[i, j] <= before[i, j]
                   before[i, j] + before[j, k] + before[k, i] + next[j, i] <= 2

``starts[i, j]`` adds up the weights of the rows that want ``j`` and not ``i``. The last family
says two things for all distinct columns: ``before`` has no cycle, so is an order; and if ``i``
directly follows ``j``, no ``k`` is *between* them. Without ``next`` it is the cycle inequality of
the linear ordering problem; this lifting is that of Sarin, Sherali and Bhootra (2005), one of the
strongest compact relaxations of the travelling salesman problem that Oncan, Altinel and
Laporte (2009) compare. Betweenness as the way to consecutive ones: Christof, Oswald and
Reinelt (1998).

References
----------
S. C. Sarin, H. D. Sherali, A. Bhootra, "New tighter polynomial length formulations for the
asymmetric traveling salesman problem with and without precedence constraints", Operations
Research Letters 33 (2005) 62-70, DOI 10.1016/j.orl.2004.03.007.

T. Oncan, I. K. Altinel, G. Laporte, "A comparative analysis of several asymmetric traveling
salesman problem formulations", Computers & Operations Research 36 (2009) 637-654,
DOI 10.1016/j.cor.2007.11.008.

T. Christof, M. Oswald, G. Reinelt, "Consecutive ones and a betweenness problem in computational
biology", IPCO 1998, LNCS 1412, 213-228, DOI 10.1007/3-540-69346-7_17.
"""

from __future__ import annotations

import os
import time
from itertools import combinations, permutations
from math import ceil, inf
from typing import TYPE_CHECKING, Any

from formulations.block_minimisation import (
    BlockMinimisation,
    BlockSolution,
    IntArray,
    checked_start,
    order_of_successors,
)
from formulations.cbc import CbcOutcome, run_cbc
from formulations.engines import import_pulp

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "COST_LIMIT",
    "BlockMinimisation",
    "BlockSolution",
    "solve_pulp",
    "write_lp",
    "write_mps",
]

#: CBC prunes at bounds one unit (less 1e-4) below its best solution; with costs up to here the
#: rounding errors of its bounds stay far below that margin.
COST_LIMIT = 2**26
# PuLP writes numbers with twelve digits.
_WRITTEN_LIMIT = 10**12


def solve_pulp(
    model: BlockMinimisation,
    *,
    start: Iterable[int] | IntArray | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    threads: int = 1,
) -> BlockSolution:
    """Order the columns with the CBC that PuLP ships.

    CBC computes in floating point. Its answer is called optimal only if CBC finished clearly
    before the time limit, without gap, and the order costs what it says.

    Parameters
    ----------
    model : BlockMinimisation
        Of few columns: the programme has their third power of rows.
    start : sequence of int, optional
        The answer is never worse.
    time_limit : float, optional
        Wall-clock seconds, from the call on.
    seed : int
        With one thread and no time limit reached, the same seed gives the same answer.
    threads : int
        Search threads of CBC.

    Returns
    -------
    BlockSolution
        The optimum, or the best order and bound known.

    Raises
    ------
    ValueError
        If `threads` is not positive, `start` no permutation, or some order could cost more than
        2**26 times the weights' common divisor.
    RuntimeError
        If there is no CBC.
    """
    end = inf if time_limit is None else time.monotonic() + time_limit
    if threads < 1:
        raise ValueError(f"the number of threads must be positive, not {threads}")
    if model.largest > COST_LIMIT:
        raise ValueError("the weights are too large for CBC's floating point")
    first = checked_start(model, start)
    trivial = BlockSolution.of(model, [first], model.cost(first) if model.columns <= 2 else 0)
    if trivial.is_optimal:
        return trivial
    problem = _problem(model, end)
    left = end - time.monotonic()
    if problem is None or left <= 0:
        return trivial
    limit = None if left == inf else left
    outcome = run_cbc(problem, time_limit=limit, seed=seed, threads=threads)
    found = _order(outcome, model.columns)
    if found is None:
        return BlockSolution.of(model, [first], _bound(model, outcome, trivial.value))
    # A tie goes to the engine: the answer then does not depend on the start.
    best = BlockSolution.of(model, [found, first])
    if outcome.is_optimal:
        return BlockSolution.of(model, [best.order], model.cost(found))
    return BlockSolution.of(model, [best.order], _bound(model, outcome, best.value))


def _bound(model: BlockMinimisation, outcome: CbcOutcome, value: int) -> int:
    """CBC's bound before it was stopped; it may not close the gap."""
    bound = 0 if outcome.bound is None else ceil(outcome.bound) * model.unit
    return min(bound, value - model.unit)


def _order(outcome: CbcOutcome, columns: int) -> IntArray | None:
    """The order in CBC's solution; None if there is none or it is not nearly integer."""
    if not outcome.has_solution:
        return None
    if any(min(abs(value), abs(value - 1)) > 1e-5 for value in outcome.values.values()):
        return None
    successors = {
        tail: head
        for tail, head in permutations(range(columns + 1), 2)
        if outcome.values.get(_next_name(tail, head), 0.0) > 0.5
    }
    return order_of_successors(successors, columns)


def _next_name(tail: int, head: int) -> str:
    return f"next_{tail}_{head}"


def _problem(model: BlockMinimisation, end: float = inf) -> Any:
    """State the programme as a ``pulp.LpProblem``; None if there is no time for it."""
    programme = _Programme(model)
    programme.add_circuit()
    for first, second in permutations(range(model.columns), 2):
        if time.monotonic() >= end:
            return None
        programme.add_betweenness(first, second)
    programme.forbid_reversal()
    return programme.problem


class _Programme:
    """The variables and rows in PuLP."""

    def __init__(self, model: BlockMinimisation) -> None:
        self._pulp = pulp = import_pulp()
        self._columns = model.columns
        self.problem = pulp.LpProblem("betweenness", pulp.LpMinimize)
        # PuLP 3.3 warns of the constructor that PuLP 2 has only.
        add_variable = getattr(self.problem, "add_variable", pulp.LpVariable)
        self._next = {
            (tail, head): add_variable(_next_name(tail, head), cat=pulp.LpBinary)
            for tail, head in permutations(range(model.columns + 1), 2)
        }
        self._before = {
            (i, j): add_variable(f"before_{i}_{j}", cat=pulp.LpBinary)
            for i, j in combinations(range(model.columns), 2)
        }
        costs = model.starts().tolist()
        self.problem += pulp.LpAffineExpression(
            [(variable, costs[tail][head]) for (tail, head), variable in self._next.items()]
        )

    def _sum(self, terms: Iterable[tuple[Any, int]]) -> Any:
        return self._pulp.LpAffineExpression(list(terms))

    def _term(self, first: int, second: int) -> tuple[tuple[Any, int], int]:
        """``before[first, second]`` as a term and a constant."""
        if first < second:
            return (self._before[first, second], 1), 0
        return (self._before[second, first], -1), 1

    def add_circuit(self) -> None:
        """One successor and one predecessor for every node."""
        nodes = range(self._columns + 1)
        for node in nodes:
            others = [other for other in nodes if other != node]
            out = self._sum((self._next[node, other], 1) for other in others)
            into = self._sum((self._next[other, node], 1) for other in others)
            self.problem += (out == 1, f"out_{node}")
            self.problem += (into == 1, f"into_{node}")

    def add_betweenness(self, i: int, j: int) -> None:
        """What follows comes after; and nothing is between neighbours."""
        (variable, sign), constant = self._term(i, j)
        follows = self._sum([(self._next[i, j], 1), (variable, -sign)])
        self.problem += (follows <= constant, f"order_{i}_{j}")
        for k in range(self._columns):
            if k in (i, j):
                continue
            parts = [self._term(i, j), self._term(j, k), self._term(k, i)]
            cycle = self._sum([*(term for term, _ in parts), (self._next[j, i], 1)])
            room = 2 - sum(constant for _, constant in parts)
            self.problem += (cycle <= room, f"between_{i}_{j}_{k}")

    def forbid_reversal(self) -> None:
        """An order and its reverse cost the same: one of the two is enough."""
        if self._columns >= 2:
            self.problem += (self._sum([(self._before[0, 1], 1)]) == 1, "reversal")


def write_lp(model: BlockMinimisation, path: str | os.PathLike[str]) -> None:
    """Write a model as a CPLEX LP file, by PuLP; costs are in units of the common divisor.

    Raises
    ------
    ValueError
        If a cost has more than the twelve digits that PuLP writes.
    """
    _writable(model).writeLP(os.fspath(path))


def write_mps(model: BlockMinimisation, path: str | os.PathLike[str]) -> None:
    """Write a model as a free MPS file, by PuLP; costs are in units of the common divisor.

    Raises
    ------
    ValueError
        If a cost has more than the twelve digits that PuLP writes.
    """
    _writable(model).writeMPS(os.fspath(path))


def _writable(model: BlockMinimisation) -> Any:
    if sum(model.weights) // model.unit >= _WRITTEN_LIMIT:
        raise ValueError("the weights add up to more than twelve digits")
    return _problem(model)
