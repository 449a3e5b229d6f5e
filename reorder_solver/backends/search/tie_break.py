"""Better ties at the same primary cost: fewer runs for accesses that are no views anyway."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reorder_solver.backends.search.improve import improve
from reorder_solver.core.prices import Objective, PriceList
from reorder_solver.presolve import Problem

if TYPE_CHECKING:
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Orders


#: Perturbations spent on ties, times classes. Ties come second: a proof should not wait for them,
#: and the first descent, before any perturbation, wins most of what there is.
_EFFORT = 4000


def tie_break_problem(problem: Problem, orders: Orders) -> Problem:
    """The problem of lowering the tie of `orders` while its views stay views.

    Where every access costs the same however many runs beyond the first it has, as under
    ``copies`` and ``bytes``, no solution of it costs more of the primary than `orders`.

    Parameters
    ----------
    problem : Problem
    orders : Orders

    Returns
    -------
    Problem
        Accesses that are views under `orders` are required, the others cost their tie weight for
        every run beyond the first. A solution's primary cost is its tie in `problem`.
    """
    accesses = tuple(
        replace(
            access,
            prices=() if runs <= 1 else (PriceList(split=(access.tie_weight,)),),
            tie_weight=0,
            required=access.required or runs <= 1,
        )
        for access, (runs, _) in zip(problem.accesses, problem.facts(orders), strict=True)
    )
    return Problem(Objective.RUNS, problem.sizes, problem.fixed, accesses)


def polish_ties(problem: Problem, orders: Orders, deadline: Deadline, seed: int) -> Orders:
    """Orders that cost no more than `orders`, and often less of the tie.

    Parameters
    ----------
    problem : Problem
    orders : Orders
        Must not break a required access.
    deadline : Deadline
    seed : int

    Returns
    -------
    Orders
        `orders` itself if nothing better was found.
    """
    cost = problem.cost(orders)
    if cost.violated or not cost.tie:
        return orders
    polished, _, _ = improve(
        tie_break_problem(problem, orders),
        orders,
        deadline=deadline,
        seed=seed,
        max_iterations=_EFFORT // max(1, problem.classes),
    )
    return polished if problem.cost(polished) < cost else orders
