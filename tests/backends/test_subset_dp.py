"""Subset DP: exact against enumeration, from its parts to the whole."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from brute_force import brute_force_problem
from random_instances import random_instance

from reorder_solver import Access, Instance, Objective, Part, PriceList, StopReason, Tensor
from reorder_solver.backends.base import Answer, Task
from reorder_solver.backends.dynamic import prefix_table
from reorder_solver.backends.dynamic.anatomy import Anatomy
from reorder_solver.backends.dynamic.conflict_pool import ConflictPool
from reorder_solver.backends.dynamic.joint import VIEW, Charge, minimise
from reorder_solver.backends.dynamic.prefix_table import Item, OutOfTimeError, PrefixTable
from reorder_solver.backends.dynamic.tariff import Choice, Views
from reorder_solver.backends.subset_dp import MOST_CLASSES, SubsetDP
from reorder_solver.core.limits import Deadline
from reorder_solver.presolve import (
    Problem,
    ProblemAccess,
    ViewSet,
    compile_problem,
    presolve,
)

if TYPE_CHECKING:
    from reorder_solver.backends.dynamic.anatomy import Shape
    from reorder_solver.presolve import Cost, Orders

NEVER = Deadline(None)


class _ExpiresAfter(Deadline):
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


def _task(
    problem: Problem,
    deadline: Deadline = NEVER,
    start: Orders | None = None,
    log: list[tuple[Cost | None, int | None]] | None = None,
) -> Task:
    def report(orders: Orders | None, bound: int | None) -> None:
        if log is not None:
            log.append((None if orders is None else problem.cost(orders), bound))

    return Task(problem, deadline, 0, 1, start, report)


def _solve(problem: Problem) -> Answer:
    backend = SubsetDP()
    assert backend.supports(problem) is None
    return backend.solve(_task(problem))


def _problems(stream: int, seed: int, objective: Objective) -> list[Problem]:
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


def _merged_problem(rng: np.random.Generator, scale: int = 1) -> Problem:
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


def _check(problem: Problem) -> None:
    best = brute_force_problem(problem)
    answer = _solve(problem)
    assert answer.stop_reason is StopReason.PROVEN
    if best is None:
        assert answer.infeasible
        assert answer.orders is None
        return
    assert answer.orders is not None
    cost = problem.cost(answer.orders)
    assert (cost.violated, cost.primary) == (0, best.primary)
    assert answer.lower_bound == best.primary
    assert cost.tie == best.tie, "small enough for the tie-break to be searched to the end"


@pytest.mark.parametrize("objective", Objective)
def test_optimum_of_random_instances(objective: Objective) -> None:
    """Cost, bound and tie-break are the brute-force ones, before and after presolve."""
    for seed in range(60):
        for problem in _problems(41, seed, objective):
            _check(problem)


@pytest.mark.slow
@pytest.mark.parametrize("objective", Objective)
def test_optimum_of_random_instances_often(objective: Objective) -> None:
    """The same on 2000 instances."""
    for seed in range(2000):
        for problem in _problems(42, seed, objective)[1:]:
            _check(problem)


@pytest.mark.parametrize("scale", [1, 2**70])
def test_optimum_with_several_price_lists(scale: int) -> None:
    """Accesses that sum minima over several lists, over classes of several channels."""
    for seed in range(60):
        _check(_merged_problem(np.random.default_rng([43, seed]), scale))


@pytest.mark.slow
def test_optimum_with_several_price_lists_often() -> None:
    """The same on 2000 problems."""
    for seed in range(2000):
        _check(_merged_problem(np.random.default_rng([44, seed])))


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
        problem = _merged_problem(rng)
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


def test_relaxed_prices_are_never_above_the_true_ones() -> None:
    """At all facts a choice allows; and equal to them once nothing is left to split."""
    for seed in range(400):
        rng = np.random.default_rng([47, seed])
        problem = _merged_problem(rng)
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


def _latency_problem(seed: int, classes: int, accesses: int) -> Problem:
    rng = np.random.default_rng(seed)
    prices = PriceList(gather=(1200, 31), cat=(900, 31, 150), cover=(95,), split=(4000,))
    problem = compile_problem(
        Instance(
            "latency",
            [Tensor("x", classes * 5)],
            [
                Access(
                    f"a{i}",
                    [Part("x", np.flatnonzero(np.repeat(rng.random(classes) < 0.5, 5)))],
                    prices=prices,
                )
                for i in range(accesses)
            ],
        ),
        Objective.LATENCY,
    ).problem
    return presolve(problem).components[0].problem


@pytest.mark.parametrize("objective", [Objective.COPIES, Objective.LATENCY])
def test_answer_at_any_moment_is_honest(objective: Objective) -> None:
    """However early time runs out: valid orders, a bound below the optimum, and it says so."""
    reasons = set()
    for seed in range(4):
        problem = replace(_latency_problem(seed, 8, 6), objective=objective)
        if objective is Objective.COPIES:
            problem = _with_prices(problem, PriceList(gather=(1, 0)))
        optimum = _solve(problem).lower_bound
        assert optimum is not None
        for questions in [*range(0, 40, 2), 100, 10**6]:
            reported: list[tuple[Cost | None, int | None]] = []
            answer = SubsetDP().solve(_task(problem, _ExpiresAfter(questions), log=reported))
            assert answer.orders is not None
            cost = problem.cost(answer.orders)
            assert cost.violated == 0
            assert answer.lower_bound is not None
            assert answer.lower_bound <= optimum <= cost.primary
            costs = [cost for cost, _ in reported if cost is not None]
            bounds = [bound for _, bound in reported if bound is not None]
            assert costs == sorted(costs, reverse=True)
            assert costs[-1] == cost
            assert bounds == sorted(bounds)
            reasons.add(answer.stop_reason)
            if answer.stop_reason is StopReason.PROVEN:
                assert answer.lower_bound == cost.primary
        assert answer.stop_reason is StopReason.PROVEN
    assert reasons == {StopReason.PROVEN, StopReason.TIME_LIMIT}


def _with_prices(problem: Problem, prices: PriceList) -> Problem:
    accesses = tuple(replace(access, prices=(prices,), tie_weight=1) for access in problem.accesses)
    return replace(problem, accesses=accesses)


def test_plain_table_stops_at_the_deadline() -> None:
    """The loop over subsets looks at the clock."""
    table = PrefixTable(np.ones(10, dtype=np.int64), [Item(7, False, False, 1, 0, False)], 1 << 70)
    with pytest.raises(OutOfTimeError):
        table.fill((1 << 10) - 1, _ExpiresAfter(4))


def test_warm_start_is_never_made_worse() -> None:
    """With no time at all, the warm start comes back unless something else is cheaper."""
    problem = _latency_problem(4, 9, 6)
    best = _solve(problem).orders
    assert best is not None
    answer = SubsetDP().solve(_task(problem, Deadline(0), best))
    assert answer.orders is not None
    assert problem.cost(answer.orders) == problem.cost(best)


def test_same_answer_twice() -> None:
    """Neither hash order nor what was solved before matters."""
    for objective in Objective:
        for problem in _problems(49, 5, objective):
            first, second = _solve(problem), _solve(problem)
            assert (first.orders is None) == (second.orders is None)
            for one, other in zip(first.orders or (), second.orders or (), strict=True):
                assert one.tolist() == other.tolist()


def test_too_many_classes_are_refused() -> None:
    """Classes of fixed tensors, and tensors of one class, do not count."""
    backend = SubsetDP()
    sizes = tuple(np.ones(count, dtype=np.int64) for count in (MOST_CLASSES, 500, 1))
    problem = Problem(Objective.RUNS, sizes, (False, True, False), ())
    assert backend.supports(problem) is None
    larger = Problem(Objective.RUNS, sizes, (False, False, False), ())
    reason = backend.supports(larger)
    assert reason is not None
    assert f"at most {MOST_CLASSES}" in reason


def test_eighteen_classes_of_one_tensor() -> None:
    """At the limit of size, scattered intervals are put back together at no cost."""
    rng = np.random.default_rng(7)
    hidden = rng.permutation(18)
    accesses = [
        Access(f"a{i}", [Part("x", hidden[begin : begin + 2 + i % 5])])
        for i, begin in enumerate(range(13))
    ]
    problem = compile_problem(
        Instance("intervals", [Tensor("x", 18)], accesses), Objective.RUNS
    ).problem
    answer = _solve(problem)
    assert answer.lower_bound == 0
    assert answer.orders is not None
    assert problem.cost(answer.orders).primary == 0


def test_fixed_tensor_with_many_classes() -> None:
    """A long fixed tensor beside a short free one: its runs count, its order stays."""
    wanted = np.arange(0, 300, 3)
    instance = Instance(
        "beside",
        [Tensor("long", 300, fixed=True), Tensor("short", 4)],
        [
            Access("both", [Part("long", [*wanted, 299]), Part("short", [1, 3])], weight=2),
            Access("other", [Part("short", [0, 1])]),
        ],
    )
    problem = compile_problem(instance, Objective.RUNS).problem
    answer = _solve(problem)
    assert answer.orders is not None
    assert answer.orders[0].tolist() == list(range(300))
    # 101 runs in the long tensor, the last of which goes on into the short one.
    assert answer.lower_bound == problem.cost(answer.orders).primary == 2 * 100
