"""Polishing ties: fewer runs without touching the primary cost."""

from __future__ import annotations

import numpy as np
import pytest
from brute_force import brute_force_problem
from local_search_problems import feasible_problems, one_tensor, random_orders

from reorder_solver import Objective, PriceList
from reorder_solver.backends.search.tie_break import polish_ties, tie_break_problem
from reorder_solver.core.limits import Deadline
from reorder_solver.presolve import ViewSet

FOREVER = Deadline(None)


def test_polished_orders_cost_no_more() -> None:
    """Whatever the prices, neither the primary cost nor, at the same primary, the tie rises."""
    rng = np.random.default_rng(41)
    for problem, _ in feasible_problems(41, 40):
        orders = random_orders(rng, problem)
        if problem.cost(orders).violated == 0:
            assert problem.cost(polish_ties(problem, orders, FOREVER, 0)) <= problem.cost(orders)


@pytest.mark.parametrize("prices", [PriceList(gather=(1, 0)), PriceList(gather=(0, 5))])
def test_primary_of_flat_problems_stays(prices: PriceList) -> None:
    """With gathers only, every solution of the tie problem costs no more than the orders."""
    for seed in range(10):
        rng = np.random.default_rng([42, seed])
        problem = one_tensor(rng, 6, 4, prices, tie=1)
        views = ViewSet(problem)
        for number in range(len(problem.accesses)):
            views.add(number)
        orders = views.orders()
        cost = problem.cost(orders)
        ties = tie_break_problem(problem, orders)
        assert ties.objective is Objective.RUNS
        polished = problem.cost(polish_ties(problem, orders, FOREVER, 0))
        assert polished.primary == cost.primary
        assert polished.tie <= cost.tie
        best = brute_force_problem(ties)
        assert best is not None
        assert polished.tie == best.primary


def test_primary_cost_of_the_tie_problem_is_the_tie() -> None:
    """As long as the views stay views."""
    rng = np.random.default_rng(43)
    problem = one_tensor(rng, 8, 5, PriceList(gather=(2, 3)), tie=4)
    orders = random_orders(rng, problem)
    ties = tie_break_problem(problem, orders)
    assert ties.cost(orders).primary == problem.cost(orders).tie
    assert [access.required for access in ties.accesses] == [
        runs <= 1 for runs, _ in problem.facts(orders)
    ]


def test_nothing_to_polish() -> None:
    """Orders without a tie, or that break a required access, come back as they are."""
    rng = np.random.default_rng(44)
    problem = one_tensor(rng, 6, 3, PriceList(gather=(1, 0)))
    orders = random_orders(rng, problem)
    assert polish_ties(problem, orders, FOREVER, 0) is orders
