"""The parts of subset DP: joint minima, prefix tables, tariffs and conflict bounds."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dynamic_problems import NEVER, ExpiresAfter, merged_problem

from reorder_solver import Access, Instance, Objective, Part, PriceList, Tensor
from reorder_solver.backends.dynamic import prefix_table
from reorder_solver.backends.dynamic.anatomy import Anatomy
from reorder_solver.backends.dynamic.conflict_pool import ConflictPool
from reorder_solver.backends.dynamic.joint import VIEW, Charge, minimise
from reorder_solver.backends.dynamic.prefix_table import Item, OutOfTimeError, PrefixTable
from reorder_solver.backends.dynamic.tariff import Choice, Views
from reorder_solver.presolve import Problem, ProblemAccess, ViewSet, compile_problem

if TYPE_CHECKING:
    from reorder_solver.backends.dynamic.anatomy import Shape
    from reorder_solver.presolve import Orders


def _least_charge(problem: Problem, anatomy: Anatomy, charges: list[Charge]) -> int | None:
    """The least total charge, by enumeration of all orders."""
    tables = [
        [np.arange(sizes.size)] if fixed else [np.array(p) for p in _permutations(sizes.size)]
        for sizes, fixed in zip(problem.sizes, problem.fixed, strict=True)
    ]
    totals = (_charged(problem, anatomy, charges, each) for each in itertools.product(*tables))
    return min((total for total in totals if total is not None), default=None)


def _permutations(count: int) -> list[list[int]]:
    return [list(each) for each in itertools.permutations(range(count))]


def _charged(
    problem: Problem, anatomy: Anatomy, charges: list[Charge], orders: Orders
) -> int | None:
    total = 0
    for access, shape, charge, (runs, span) in zip(
        problem.accesses, anatomy.shapes, charges, problem.facts(orders), strict=True
    ):
        if shape is None:
            continue
        gap = span - access.channels
        assert 1 <= runs <= shape.most_runs
        assert shape.least_gaps[runs - 1] <= gap <= shape.most_gap
        if charge.view and runs > 1:
            return None
        if not charge.view:
            total += charge.fixed + charge.run * (runs - 1) + charge.gap * gap
    return total


def test_linear_charges_are_minimised_exactly() -> None:
    """Any mix of linear charges and forced views, on one or several tensors, in both integers."""
    none = 0
    for seed in range(150):
        rng = np.random.default_rng([45, seed])
        problem = merged_problem(rng)
        if problem.classes > 5:
            continue
        anatomy = Anatomy.of(problem)
        scale = 10**25 if seed % 4 == 0 else 1
        charges = [
            VIEW
            if rng.random() < 0.2
            else Charge(*(int(value) * scale for value in rng.integers(0, 6, size=3)))
            for _ in problem.accesses
        ]
        least = _least_charge(problem, anatomy, charges)
        found = minimise(anatomy, charges, NEVER)
        if found is None:
            none += 1
            assert least is None
            continue
        assert found[0] == least
        assert _charged(problem, anatomy, charges, found[1]) == least
    assert none, "some draws must rule out all orders"


def test_compiled_and_plain_tables_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled loop, the one in numpy and the one in Python integers fill the same table."""
    for seed in range(80):
        rng = np.random.default_rng([46, seed])
        count = int(rng.integers(2, 8))
        items = [
            Item(
                mask=int(rng.integers(1, 1 << count)),
                before=bool(rng.random() < 0.2),
                after=bool(rng.random() < 0.2),
                run=int(rng.integers(0, 5)),
                gap=int(rng.integers(0, 3)),
                view=bool(rng.random() < 0.15),
            )
            for _ in range(int(rng.integers(0, 7)))
        ]
        sizes = rng.integers(1, 5, size=count)
        first = int(rng.integers(1, 1 << count))
        tables = []
        for compiled_from, infinity in ((2, 1 << 58), (99, 1 << 58), (99, 1 << 70)):
            monkeypatch.setattr(prefix_table, "_COMPILED_FROM", compiled_from)
            table = PrefixTable(sizes, items, infinity)
            by_last = table.fill(first, NEVER)
            finite = [None if cost >= infinity else int(cost) for cost in by_last]
            last = int(by_last.argmin())
            tables.append((finite, table.order(last).tolist() if finite[last] is not None else []))
        assert tables[0] == tables[1] == tables[2]


def test_plain_table_stops_at_the_deadline() -> None:
    """The loop over subsets looks at the clock."""
    table = PrefixTable(np.ones(10, dtype=np.int64), [Item(7, False, False, 1, 0, False)], 1 << 70)
    with pytest.raises(OutOfTimeError):
        table.fill((1 << 10) - 1, ExpiresAfter(4))


def test_relaxed_prices_are_never_above_the_true_ones() -> None:
    """At all facts a choice allows; and equal to them once nothing is left to split."""
    for seed in range(400):
        rng = np.random.default_rng([47, seed])
        problem = merged_problem(rng)
        for access, shape in zip(problem.accesses, Anatomy.of(problem).shapes, strict=True):
            choice = Choice.of(access, shape)
            if shape is None or access.required or shape.most_runs < 2:
                continue
            for runs, gap in _corners(choice, shape):
                assert choice.pays(runs, gap) == access.cost(runs, access.channels + gap).primary
            children: tuple[Choice, ...] | None = (choice,)
            while children:
                choice = children[int(rng.integers(len(children)))]
                _check_relaxation(choice, shape, rng)
                children = choice.split(2, shape.least_gaps[1])


def _corners(choice: Choice, shape: Shape) -> list[tuple[int, int]]:
    """Runs and gaps that an access within the choice may have, the extreme gaps only."""
    facts = [] if choice.views is Views.NEVER else [(1, 0)]
    if choice.views is not Views.MUST:
        for runs, least in enumerate(shape.least_gaps[1:], start=2):
            facts += [(runs, least), (runs, shape.most_gap)]
    return facts


def _check_relaxation(choice: Choice, shape: Shape, rng: np.random.Generator) -> None:
    scale = int(rng.integers(1, 500))
    paid = int(rng.integers(0, choice.entry(shape) + 1)) * scale
    charge = choice.relax(shape, scale, paid)
    for runs, gap in _corners(choice, shape):
        relaxed = charge.fixed + charge.run * (runs - 1) + charge.gap * gap
        true = scale * choice.pays(runs, gap)
        assert relaxed + (paid if runs > 1 else 0) <= true
        if choice.split(runs, gap) is None:
            assert relaxed == true


def test_children_of_a_choice_make_it_up() -> None:
    """The cheaper of two children costs what the parent costs, wherever both are allowed."""
    lists = PriceList(gather=(7, 1), cat=(2, 0, 3), split=(4,), cover=(3,))
    access = ProblemAccess(((0, np.array([0, 2, 4])),), 3, (lists, lists), 0, False, (0,))
    problem = Problem(Objective.LATENCY, (np.ones(7, dtype=np.int64),), (False,), (access,))
    (shape,) = Anatomy.of(problem).shapes
    assert shape is not None
    choice = Choice.of(access, shape)
    must, choice = choice.split(3, 2) or (None, choice)
    assert must is not None
    assert must.views is Views.MUST
    while (children := choice.split(3, 2)) is not None:
        for runs in (2, 3):
            for gap in range(shape.least_gaps[runs - 1], shape.most_gap + 1):
                assert choice.pays(runs, gap) == min(each.pays(runs, gap) for each in children)
        choice = children[1]


def test_conflict_bound_is_a_bound() -> None:
    """Never above what the cheapest set of non-views pays, whatever is decided."""
    for seed in range(80):
        rng = np.random.default_rng([48, seed])
        problem = compile_problem(
            Instance(
                "random",
                [Tensor("x", 6)],
                [
                    Access(f"a{i}", [Part("x", np.flatnonzero(rng.random(6) < 0.5))])
                    for i in range(6)
                ],
            ),
            Objective.COPIES,
        ).problem
        views = ViewSet(problem)
        prices = [int(value) for value in rng.integers(1, 9, size=6)]
        pool = ConflictPool(problem, views, range(6))
        must = {number for number in range(6) if rng.random() < 0.2}
        never = {number for number in range(6) if rng.random() < 0.2} - must
        if not _fits(views, must):
            continue
        total, paid = pool.bound(prices, must, never)
        assert sum(paid) >= total
        assert all(0 <= part <= price for part, price in zip(paid, prices, strict=True))
        undecided = [number for number in range(6) if number not in must | never]
        cheapest = min(
            sum(prices[number] for number in out)
            for size in range(len(undecided) + 1)
            for out in itertools.combinations(undecided, size)
            if _fits(views, must | (set(undecided) - set(out)))
        )
        assert total <= cheapest
        for number in pool.excluded(must):
            assert not _fits(views, must | {number})


def _fits(views: ViewSet, numbers: set[int]) -> bool:
    trial = views.copy()
    return all(trial.add(number) for number in sorted(numbers))
