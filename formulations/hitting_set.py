"""Minimum weight hitting set, with demands: the master problem of the implicit hitting set method.

Two engines solve a :class:`Covering`: CP-SAT (integer arithmetic, the one to use) and the CBC that
PuLP ships. Both are given weights that they represent exactly, divided by their common divisor
and, where that is not enough, rounded down. The cost of a solution is always recomputed in Python
integers, and a solution is called optimal only if it costs what the lower bound says.

References
----------
J. Davies, F. Bacchus, "Solving MAXSAT by solving a sequence of simpler SAT instances", CP 2011,
LNCS 6876, 225-239, DOI 10.1007/978-3-642-23786-7_19 (implicit hitting sets for MaxSAT).
"""

from __future__ import annotations

import os
import time
from math import ceil
from typing import TYPE_CHECKING, Any

from formulations.cbc import CbcOutcome, run_cbc
from formulations.covering import (
    Baseline,
    Covering,
    CoveringSolution,
    ScaledCovering,
)
from formulations.engines import import_cp_model, import_pulp
from formulations.interruptible import solve_interruptibly

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ortools.sat.python import cp_model

__all__ = [
    "Covering",
    "CoveringSolution",
    "solve_cpsat",
    "solve_pulp",
    "write_lp",
    "write_mps",
]

# Sums of weights up to here stay clear of the overflow checks on CP-SAT's 64-bit integers.
_CPSAT_LIMIT = 2**60
# CBC prunes at bounds one unit (less 1e-4) below its best solution; with sums of weights up to
# here the rounding errors of its bounds stay far below that margin.
_CBC_LIMIT = 2**26
# PuLP writes numbers with twelve digits.
_WRITTEN_LIMIT = 10**12
# Without the LP relaxation of all clauses (level 2) CP-SAT is lost on covering problems: 100
# items and 200 random constraints take more than 10 s instead of 20 ms. Its default portfolio for
# several threads has no such worker either.
_LINEARIZATION_LEVEL = 2
_PORTFOLIO = ("max_lp", "reduced_costs", "lb_tree_search")


def solve_cpsat(
    model: Covering,
    *,
    time_limit: float | None = None,
    effort: float | None = None,
    seed: int = 0,
    threads: int = 1,
    hint: Iterable[int] | None = None,
) -> CoveringSolution:
    """Solve a covering programme with CP-SAT.

    Parameters
    ----------
    model : Covering
    time_limit : float, optional
        Wall-clock seconds, from the call on.
    effort : float, optional
        A limit in CP-SAT's deterministic time, which is about seconds.
    seed : int
        With one thread and no time limit reached, the same seed gives the same answer.
    threads : int
        Search workers.
    hint : iterable of int, optional
        Items of a good solution, from which the search starts. It need not cover; the answer
        is never worse than its completion.

    Returns
    -------
    CoveringSolution
        The optimum, or after `time_limit` the best solution and bound so far. If the weights sum
        to more than 2**60 times their common divisor, the bound is that of rounded weights.

    Raises
    ------
    ValueError
        If `threads` is not positive or `hint` names no item.
    """
    start = time.monotonic()
    _check_threads(threads)
    hinted = None if hint is None else set(hint)
    if hinted and not (min(hinted) >= 0 and max(hinted) < len(model.weights)):
        raise ValueError(f"the hint has a member outside the {len(model.weights)} items")
    baseline = Baseline.of(model, hinted)
    if baseline.value == baseline.bound:
        return baseline.conclude()
    scaled = ScaledCovering.of(model, _CPSAT_LIMIT)
    program, variables = _cpsat_model(scaled, set(baseline.chosen))
    left = None if time_limit is None else time_limit - (time.monotonic() - start)
    if left is not None and left <= 0:
        return baseline.conclude(gave_up=True)
    chosen, bound, gave_up = _run_cpsat(program, variables, left, effort, seed, threads)
    items = None if chosen is None else [scaled.items[variable] for variable in chosen]
    return baseline.conclude(items, scaled.unit * bound, gave_up=gave_up)


def _cpsat_model(
    scaled: ScaledCovering, start: set[int]
) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    cp_model = import_cp_model()
    program = cp_model.CpModel()
    variables = [program.new_bool_var("") for _ in scaled.items]
    for members, demand in scaled.constraints:
        literals = [variables[variable] for variable in members]
        if demand == 1:
            program.add_bool_or(literals)
        else:
            program.add(cp_model.LinearExpr.sum(literals) >= demand)
    program.minimize(cp_model.LinearExpr.weighted_sum(variables, scaled.weights))
    for item, variable in zip(scaled.items, variables, strict=True):
        program.add_hint(variable, item in start)
    return program, variables


def _run_cpsat(
    program: cp_model.CpModel,
    variables: list[cp_model.IntVar],
    seconds: float | None,
    effort: float | None,
    seed: int,
    threads: int,
) -> tuple[list[int] | None, int, bool]:
    """Return the variables that are one in the best solution, the bound, and if a limit was hit."""
    cp_model = import_cp_model()
    solver = cp_model.CpSolver()
    parameters = solver.parameters
    parameters.num_workers = threads
    parameters.random_seed = seed % 2**31
    parameters.linearization_level = _LINEARIZATION_LEVEL
    # Gaps are measured in floats, where two large integers can look equal.
    parameters.absolute_gap_limit = 0.0
    parameters.relative_gap_limit = 0.0
    if threads > 1:
        parameters.subsolvers.extend(_PORTFOLIO)
    if seconds is not None:
        parameters.max_time_in_seconds = seconds
    if effort is not None:
        parameters.max_deterministic_time = effort
    status = solve_interruptibly(solver, program)
    if status == cp_model.MODEL_INVALID:
        raise RuntimeError(f"CP-SAT refused the model: {program.validate()}")
    if status == cp_model.INFEASIBLE:  # choosing all items always covers
        return None, 0, False
    # The bound of the response is an integer, that of the solver a float.
    bound = int(solver.response_proto.inner_objective_lower_bound)
    if status == cp_model.UNKNOWN:
        return None, bound, True
    chosen = [number for number, variable in enumerate(variables) if solver.boolean_value(variable)]
    return chosen, bound, status != cp_model.OPTIMAL


def solve_pulp(
    model: Covering, *, time_limit: float | None = None, seed: int = 0, threads: int = 1
) -> CoveringSolution:
    """Solve a covering programme with the CBC that PuLP ships.

    CBC computes in floating point. Its answer is called optimal only if CBC finished clearly
    before the time limit, without gap, and the solution survives an exact check.

    Parameters
    ----------
    model : Covering
    time_limit : float, optional
        Wall-clock seconds, from the call on.
    seed : int
        With one thread and no time limit reached, the same seed gives the same answer.
    threads : int
        Search threads of CBC.

    Returns
    -------
    CoveringSolution
        The optimum, or the best solution and bound known. If the weights sum to more than 2**26
        times their common divisor, the bound is that of rounded weights.

    Raises
    ------
    ValueError
        If `threads` is not positive.
    RuntimeError
        If there is no CBC.
    """
    start = time.monotonic()
    _check_threads(threads)
    baseline = Baseline.of(model)
    if baseline.value == baseline.bound:
        return baseline.conclude()
    scaled = ScaledCovering.of(model, _CBC_LIMIT)
    program = _pulp_problem(scaled.weights, scaled.constraints)
    left = None if time_limit is None else time_limit - (time.monotonic() - start)
    if left is not None and left <= 0:
        return baseline.conclude()
    outcome = run_cbc(program, time_limit=left, seed=seed, threads=threads)
    chosen = _rounded(outcome, len(scaled.items))
    items = None if chosen is None else [scaled.items[variable] for variable in chosen]
    if outcome.is_optimal and chosen is not None and items is not None and model.is_covered(items):
        value = sum(scaled.weights[variable] for variable in chosen)
        return baseline.conclude(items, scaled.unit * value)
    bound = 0 if outcome.bound is None else ceil(outcome.bound)
    return baseline.conclude(items, scaled.unit * bound, is_proof=False)


def _rounded(outcome: CbcOutcome, n_items: int) -> list[int] | None:
    """List the variables that are one; None if there is no solution or it is not nearly integer."""
    if not outcome.has_solution:
        return None
    chosen: list[int] = []
    for variable in range(n_items):
        value = outcome.values.get(f"x{variable}", 0.0)
        if min(abs(value), abs(value - 1)) > 1e-5:
            return None
        if value > 0.5:
            chosen.append(variable)
    return chosen


def _pulp_problem(
    weights: tuple[int, ...], constraints: tuple[tuple[tuple[int, ...], int], ...]
) -> Any:
    """State a covering programme as a ``pulp.LpProblem`` with variables x0, x1, ..."""
    pulp = import_pulp()
    problem = pulp.LpProblem("covering", pulp.LpMinimize)
    # PuLP 3.3 warns of the constructor that PuLP 2 has only.
    add_variable = getattr(problem, "add_variable", pulp.LpVariable)
    variables = [add_variable(f"x{item}", cat=pulp.LpBinary) for item in range(len(weights))]
    problem += pulp.LpAffineExpression(list(zip(variables, weights, strict=True)))
    for number, (members, demand) in enumerate(constraints):
        total = pulp.LpAffineExpression([(variables[item], 1) for item in members])
        problem += (total >= demand, f"c{number}")
    return problem


def write_lp(model: Covering, path: str | os.PathLike[str]) -> None:
    """Write a model as a CPLEX LP file, by PuLP, with variables x0, x1, ...

    Raises
    ------
    ValueError
        If a weight has more than the twelve digits that PuLP writes.
    """
    _writable(model).writeLP(os.fspath(path))


def write_mps(model: Covering, path: str | os.PathLike[str]) -> None:
    """Write a model as a free MPS file, by PuLP, with variables x0, x1, ...

    Raises
    ------
    ValueError
        If a weight has more than the twelve digits that PuLP writes.
    """
    _writable(model).writeMPS(os.fspath(path))


def _writable(model: Covering) -> Any:
    for item, weight in enumerate(model.weights):
        if weight >= _WRITTEN_LIMIT:
            raise ValueError(f"the weight {weight} of item {item} has more than twelve digits")
    asking = tuple(pair for pair in model.constraints if pair[1] > 0)
    return _pulp_problem(model.weights, asking)


def _check_threads(threads: int) -> None:
    if threads < 1:
        raise ValueError(f"the number of threads must be positive, not {threads}")
