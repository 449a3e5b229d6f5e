"""Spans that share a position, choices of options, and groups: all against enumeration."""

from __future__ import annotations

from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from brute_force import brute_force_problem

from reorder_solver import Access, Instance, Objective, Part, PriceList, Tensor
from reorder_solver.backends.base import Task
from reorder_solver.backends.dynamic.anatomy import Anatomy
from reorder_solver.backends.modes import (
    chain_kernels,
    listing_kernels,
    openings,
    single_kernels,
    slot_kernels,
    span_table,
    visit_kernels,
)
from reorder_solver.backends.modes import chains as chains_module
from reorder_solver.backends.modes import sections as sections_module
from reorder_solver.backends.modes import shares as shares_module
from reorder_solver.backends.modes import slots as slots_module
from reorder_solver.backends.modes.assignments import Assignments
from reorder_solver.backends.modes.backend import Modes
from reorder_solver.backends.modes.chains import ChainSearch
from reorder_solver.backends.modes.openings import most_unspanned, most_unwanted
from reorder_solver.backends.modes.options import Option, options_of
from reorder_solver.backends.modes.sections import Sections
from reorder_solver.backends.modes.shares import Shares
from reorder_solver.backends.modes.single_kernels import bound_single, saved_by
from reorder_solver.backends.modes.slots import Cover, Runner, SlotSearch
from reorder_solver.backends.modes.span_table import SpanTable, share_a_position
from reorder_solver.backends.modes.view_fit import ViewFit
from reorder_solver.backends.modes.visits import steps_between
from reorder_solver.core.limits import Deadline
from reorder_solver.generators import generate
from reorder_solver.presolve import Problem, compile_problem, presolve

if TYPE_CHECKING:
    from collections.abc import Sequence

FOREVER = Deadline(None)
HIGH = 10**6


def _gap(order: Sequence[int], sizes: Sequence[int], wanted: frozenset[int]) -> int:
    """Unwanted positions in the span."""
    places = [place for place, each in enumerate(order) if each in wanted]
    inside = order[places[0] : places[-1] + 1]
    return sum(sizes[each] for each in inside if each not in wanted)


def _runs(order: Sequence[int], wanted: frozenset[int]) -> int:
    wants = [each in wanted for each in order]
    return sum(now and not before for before, now in zip([False, *wants], wants, strict=False))


def _crossing(
    rng: np.random.Generator, classes: int, count: int, share: float = 0.6
) -> list[frozenset[int]]:
    """Sets of which any two have a class in common."""
    while True:
        found = [
            frozenset(np.flatnonzero(rng.random(classes) < share).tolist()) for _ in range(count)
        ]
        if all(found) and share_a_position(found):
            return found


def test_sharing_a_position() -> None:
    """Any two of them, not only those next to each other."""
    assert share_a_position([frozenset({0, 1}), frozenset({1, 2}), frozenset({0, 2})])
    assert not share_a_position([frozenset({0, 1}), frozenset({1, 2}), frozenset({2})])


@pytest.mark.parametrize("seed", range(6))
def test_spans_of_all_sets(seed: int) -> None:
    """The table says for every set what its spans cost at least."""
    rng = np.random.default_rng([91, seed])
    for _ in range(6):
        classes, count = int(rng.integers(3, 7)), int(rng.integers(2, 5))
        sizes = rng.integers(1, 4, size=classes).tolist()
        wanted = _crossing(rng, classes, count)
        prices = rng.integers(1, 6, size=count).tolist()
        table = SpanTable(sizes, wanted, prices).least()
        assert table is not None
        gaps = np.array(
            [
                [
                    price * _gap(order, sizes, each)
                    for each, price in zip(wanted, prices, strict=True)
                ]
                for order in permutations(range(classes))
            ]
        )
        for few in range(1 << count):
            chosen = [number for number in range(count) if few >> number & 1]
            assert table[few] == gaps[:, chosen].sum(axis=1).min()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("most", [4, 100_000])
@pytest.mark.parametrize("few", [1, 4])
def test_chains_are_bounds(seed: int, most: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is below the bound, with room for all orders of openings and closings or for few.

    Whether they are listed at once or by what they cost, and visits weighed meanwhile or after.
    Where all are listed, the slot search finds the optimum among them.
    """
    monkeypatch.setattr(chains_module, "_MOST_CHAINS", most)
    monkeypatch.setattr(chains_module, "_FEW_COVERS", few)
    monkeypatch.setattr(slots_module, "_MOST_ROOM", 1 << 14)
    rng = np.random.default_rng([92, seed, most])
    for _ in range(8):
        classes, count = int(rng.integers(3, 7)), int(rng.integers(2, 5))
        sizes = rng.integers(1, 4, size=classes).tolist()
        wanted = _crossing(rng, classes, count)
        covers = [
            Cover(each, None if rng.random() < 0.2 else int(rng.integers(1, 9))) for each in wanted
        ]
        runners = [
            Runner(each, int(rng.choice([1, 2, 5, 30])))
            for each in _crossing(rng, classes, int(rng.integers(0, 4)), 0.5)
        ]
        assert ChainSearch.takes(covers, runners)
        best = min(_paid(order, sizes, covers, runners) for order in permutations(range(classes)))
        first = sum(each.run for each in runners)
        slots = SlotSearch(sizes, covers, runners)
        for limit in (HIGH, best + 1, best, int(rng.integers(1, best + 2))):
            search = ChainSearch(sizes, covers, runners)
            is_whole = bool(rng.random() < 0.5)
            assert search.run(
                *(2 * (limit + first), 2 * first, slots.visits, slots.steps, None),
                is_whole=is_whole,
            )
            bound = -(-search.bound // 2) - first
            assert min(bound, limit) <= best
            known = int(rng.integers(best + 1))
            again = ChainSearch(sizes, covers, runners)
            assert again.run(
                *(2 * (limit + first), 2 * first, slots.visits, slots.steps, None),
                known=2 * (known + first),
            )
            assert min(slots.halved(again.bound), limit) <= best
            if search.is_complete and limit > best:
                slots.take_over(search.sequences, search.bounds, limit)
                found = slots.run(limit, FOREVER)
                assert found.bound == best or not found.is_exact
                assert _paid(search.order(), sizes, covers, runners) >= best


def _paid(
    order: Sequence[int], sizes: Sequence[int], covers: Sequence[Cover], runners: Sequence[Runner]
) -> int:
    """`HIGH` if a view is none."""
    total = 0
    for cover in covers:
        gap = _gap(order, sizes, cover.wanted)
        if gap and cover.gap is None:
            return HIGH
        total += gap * (cover.gap or 0)
    return total + sum(each.run * (_runs(order, each.wanted) - 1) for each in runners)


def test_a_single_runner_beside_spans() -> None:
    """For one order of openings and closings, against all orders of classes that have it.

    With room for all runs it is exact, otherwise never above.
    """
    rng = np.random.default_rng(93)
    for _ in range(25):
        classes, count = 6, 2
        sizes = rng.integers(1, 4, size=classes)
        wanted = _crossing(rng, classes, count)
        covers = [Cover(each, int(rng.integers(1, 6))) for each in wanted]
        runner = Runner(_crossing(rng, classes, 1)[0], int(rng.integers(1, 20)))
        search = ChainSearch(sizes.tolist(), covers, [runner])
        search.run(
            2 * HIGH,
            2 * runner.run,
            (0, 0, 0),
            SlotSearch(sizes.tolist(), covers, [runner]).steps,
            None,
        )
        every = [
            _paid(order, sizes.tolist(), covers, [runner]) for order in permutations(range(classes))
        ]
        assert -(-search.bound // 2) - runner.run == min(every)
        members = np.array(
            [
                sum(1 << n for n, c in enumerate(covers) if each in c.wanted)
                for each in range(classes)
            ]
        )
        wants = np.array([each in runner.wanted for each in range(classes)])
        apart = [span_table.apart_of(members[here], sizes[here], count) for here in (wants, ~wants)]
        prices = np.array([2 * (cover.gap or 0) for cover in covers])
        totals = np.zeros(1 << count, dtype=np.int64)
        chain_kernels.fill_totals(prices, totals)
        dearest = int(sum(p * (apart[0] + apart[1])[1 << n] for n, p in enumerate(prices)))
        for most in (1, 4):
            bounds = np.zeros(search.sequences.shape[0], dtype=np.int64)
            bound_single(
                search.sequences,
                *apart,
                totals,
                2 * runner.run,
                dearest,
                4 * HIGH,
                most,
                False,
                bounds,
            )
            least = -(-int(bounds.min()) // 2) - runner.run
            assert least <= min(every)
            assert most == 1 or least == min(every)


def test_classes_without_a_slot() -> None:
    """What finds no room in the slots visited saves nothing, and says so."""
    sets = np.array([0, 1])
    arguments = (np.array([1, 0]), sets, sets, np.array([0, 2]))
    assert saved_by(np.array([1, 1, 1]), *arguments) == 0
    assert saved_by(np.array([1, 0, 0]), *arguments) < 0


def _drawn(rng: np.random.Generator, accesses: int, channels: int) -> Problem | None:
    """The largest component of one tensor with any modes at small prices."""
    made = []
    for number in range(accesses):
        chosen = np.flatnonzero(rng.random(channels) < rng.choice([0.4, 0.6, 0.8]))
        modes: dict[str, tuple[int, ...]] = {
            "gather": (int(rng.integers(0, 30)), int(rng.integers(0, 6))),
            "cat": (int(rng.integers(0, 25)), int(rng.integers(0, 6)), int(rng.integers(0, 8))),
            "cover": (int(rng.integers(1, 12)),),
            "split": (int(rng.integers(1, 25)),),
        }
        kept = {mode: price for mode, price in modes.items() if rng.random() < 0.6}
        prices = PriceList.from_mapping(kept or {"gather": modes["gather"]})
        if chosen.size:
            required = bool(rng.random() < 0.05)
            part = Part("x", chosen)
            made.append(Access(f"a{number}", [part], prices=prices, required=required))
    instance = Instance("drawn", [Tensor("x", channels)], made)
    found = presolve(compile_problem(instance, Objective.LATENCY).problem).components
    problems = [each.problem for each in found if len(each.problem.accesses) > 1]
    return max(problems, key=lambda problem: len(problem.accesses), default=None)


class _Search:
    """One search over options, from an order drawn at random."""

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        self.problem = problem
        anatomy = Anatomy.of(problem)
        self.options = [
            options_of(*each) for each in zip(problem.accesses, anatomy.shapes, strict=True)
        ]
        self.wanted = [frozenset(access.parts[0][1].tolist()) for access in problem.accesses]
        self.sizes = problem.sizes[0].tolist()
        self.orders = (rng.permutation(len(self.sizes)),)
        cost = problem.cost(self.orders)
        self.known = HIGH if cost.violated else cost.primary
        self.fit = ViewFit(problem)

    def offer(self, order: tuple[int, ...]) -> int | None:
        cost = self.problem.cost((np.array(order),))
        if not cost.violated:
            self.known = min(self.known, cost.primary)
        return self.known

    def search(self) -> Assignments | None:
        if not Assignments.takes(self.sizes, self.wanted, self.known):
            return None
        return Assignments(self.sizes, self.wanted, self.options, self.offer, self.fit.all_views)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize(("seconds", "few_classes"), [(None, 12), (1.0, 0), (0.02, 0)])
def test_choices_of_options(
    seed: int, seconds: float | None, few_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bound on the way is above the optimum; what is exact is the optimum.

    By the table of subsets, or by slots and sequences.
    """
    monkeypatch.setattr(sections_module, "_FEW_CLASSES", few_classes)
    rng = np.random.default_rng([94, seed])
    for _ in range(4):
        problem = _drawn(rng, int(rng.integers(2, 8)), int(rng.integers(4, 8)))
        best = None if problem is None else brute_force_problem(problem)
        if problem is None or best is None or best.violated:
            continue
        case = _Search(problem, rng)
        search = case.search()
        if search is None:
            continue
        reported: list[int] = []
        bound, is_exact = search.run(case.known, Deadline(seconds), reported.append)
        assert max([bound, *reported]) <= best.primary
        assert reported == sorted(reported)
        if is_exact:
            assert bound == case.known == best.primary


def test_a_view_that_nobody_chooses_is_free_bug() -> None:
    """With `split` and no span to pay for, one run costs nothing, however dear a second one."""
    parts = [[0, 2, 3, 4], [1, 3, 4, 5], [1, 2, 3, 4, 5, 6], [0, 1, 2, 5]]
    prices = [
        PriceList(gather=(19, 5), cover=(6,), split=(5,)),
        PriceList(cover=(6,)),
        PriceList(gather=(0, 3), cat=(0, 3, 6), cover=(10,)),
        PriceList(gather=(16, 1), split=(4,)),
    ]
    accesses = [
        Access(f"a{n}", [Part("x", channels)], prices=price)
        for n, (channels, price) in enumerate(zip(parts, prices, strict=True))
    ]
    instance = Instance("bug", [Tensor("x", 7)], accesses)
    (component,) = presolve(compile_problem(instance, Objective.LATENCY).problem).components
    best = brute_force_problem(component.problem)
    assert best is not None
    case = _Search(component.problem, np.random.default_rng(0))
    search = case.search()
    assert search is not None
    bound, is_exact = search.run(HIGH, FOREVER, lambda _bound: None)
    assert is_exact
    assert bound == best.primary


def test_runs_between_views() -> None:
    """Every effort is a bound on the runs of orders that make views of all that must be."""
    rng = np.random.default_rng(95)
    for _ in range(25):
        classes = 6
        wanted = [frozenset({0, 1, 2, 3}), frozenset({0, 1, 2}), *_crossing(rng, classes, 3, 0.5)]
        runs = rng.integers(1, 40, size=3).tolist()
        groups = [(Option(view=True, most_runs=1),)] * 2 + [(Option(run=run),) for run in runs]
        sections = Sections(rng.integers(1, 4, size=classes).tolist(), wanted)
        covers = [Cover(each, None) for each in wanted[:2]]
        runners = [Runner(*each) for each in zip(wanted[2:], runs, strict=True)]
        sizes = [1] * classes
        best = min(_paid(order, sizes, covers, runners) for order in permutations(range(classes)))
        found = [sections.least_runs(groups, HIGH, FOREVER, effort=effort) for effort in range(3)]
        assert found == sorted(found)
        assert found[2] == best
        if best > 1:
            assert sections.least_runs(groups, best - 1, FOREVER, effort=2) == best - 1


@pytest.mark.parametrize("seed", range(8))
def test_groups_of_accesses(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What groups cost adds up to no more than the optimum; every access is in one of them."""
    monkeypatch.setattr(shares_module, "MOST_COVERS", 3)
    rng = np.random.default_rng([96, seed])
    problem = _drawn(rng, 8, 7)
    assert problem is not None
    best = brute_force_problem(problem)
    case = _Search(problem, rng)
    if best is None or best.violated or case.known == HIGH:
        return
    shares = Shares(problem, case.options, case.fit, [0] * len(case.options))
    reported: list[int] = []
    noted: list[tuple[tuple[int, ...], int]] = []
    is_exact = shares.run(
        case.orders,
        FOREVER,
        reported.append,
        case.offer,
        lambda group, least: noted.append((tuple(group), least)),
    )
    assert max(reported) <= best.primary
    if len(problem.accesses) > 3:
        assert not is_exact
        members = [each for group, least in noted for each in group if least]
        assert all(members.count(each) <= 2 for each in range(len(problem.accesses)))
    for order in (rng.permutation(len(case.sizes)) for _ in range(100)):
        facts = problem.facts((order,))
        costs = [access.cost(*fact) for access, fact in zip(problem.accesses, facts, strict=True)]
        for group, least in noted:
            if not any(costs[each].violated for each in group):
                assert least <= sum(costs[each].primary for each in group)


def test_seven_accesses_are_proven() -> None:
    """A residual stream of two blocks: views, spans and copies beside each other."""
    instance = generate(
        "residual", seed=0, stages=1, channels=64, blocks=2, joins=0, resolution=7, priced=True
    )
    (component,) = presolve(compile_problem(instance, Objective.LATENCY).problem).components
    task = Task(component.problem, FOREVER, 0, 1, None, lambda _orders, _bound: None)
    answer = Modes().solve(task)
    assert answer.orders is not None
    assert component.problem.cost(answer.orders).primary == answer.lower_bound


def test_what_any_accesses_leave_unwanted() -> None:
    """The search for sets of a size against enumeration; without the means, it says so."""
    rng = np.random.default_rng(97)
    for _ in range(30):
        count, classes = int(rng.integers(1, 7)), int(rng.integers(1, 9))
        unwanted = (rng.random((count, classes)) < 0.6).astype(np.int64)
        weights = rng.integers(1, 5, size=classes)
        for size in range(1, count + 1):
            best = max(
                int((unwanted[list(few)].prod(axis=0) * weights).sum())
                for few in _subsets(count, size)
            )
            assert most_unwanted(unwanted, weights, size, 0, 10**6) == best
            assert most_unwanted(unwanted, weights, size, best, 10**6) == best
    assert most_unwanted(np.ones((3, 1), dtype=np.int64), np.ones(1, dtype=np.int64), 3, 0, 0) == -1


def _subsets(count: int, size: int) -> list[tuple[int, ...]]:
    return [
        tuple(n for n in range(count) if few >> n & 1)
        for few in range(1 << count)
        if few.bit_count() == size
    ]


@pytest.mark.parametrize("inner", [0, 1, 2])
def test_what_is_left_unspanned(inner: int) -> None:
    """All orders of the classes, accesses that go on past the end beside some that do not."""
    rng = np.random.default_rng([98, inner])
    for number in range(20):
        count, classes = int(rng.integers(2, 5)), int(rng.integers(2, 7))
        wants = rng.random((count, classes)) < 0.6
        wants[np.arange(count), rng.integers(classes, size=count)] = True
        sizes = rng.integers(1, 5, size=classes)
        prices = np.full(count, 3) if number % 2 else rng.integers(1, 9, size=count)
        is_inner = np.arange(count) < inner
        most = most_unspanned(wants, sizes, prices, is_inner, FOREVER)
        assert most is not None
        for order in permutations(range(classes)):
            places = list(order)
            left = 0
            for row, price, ends in zip(wants[:, places], prices, is_inner, strict=True):
                begin = int(row.argmax())
                end = row.size - int(row[::-1].argmax()) if ends else row.size
                inside = np.zeros(row.size, dtype=np.bool_)
                inside[begin:end] = True
                left += int(price) * int(sizes[places][~row & ~inside].sum())
            assert left <= most


def test_warming_up_compiles_what_searches_use() -> None:
    """Any search after it finds its kernels compiled for the types that it has."""
    chains_module._use_kernels()
    span_table._use_kernels()
    openings._use_kernels()
    slots_module._use_kernels()
    kernels: list[Any] = [
        *(chain_kernels.fill_totals, chain_kernels.fill_saved, chain_kernels.fill_ahead),
        *(listing_kernels.list_chains, listing_kernels.bound_ways, chain_kernels.bound_chains),
        *(visit_kernels.find_regrets, visit_kernels.fill_ways, slot_kernels.search_sequence),
        *(single_kernels.bound_single, openings.most_unwanted),
    ]
    compiled = [list(kernel.signatures) for kernel in kernels]
    assert {len(each) for each in compiled} == {1}
    rng = np.random.default_rng(100)
    for seed in range(5):
        problem = _drawn(rng, 6, 7)
        assert problem is not None
        search = _Search(problem, np.random.default_rng(seed)).search()
        if search is not None:
            search.run(HIGH, FOREVER, lambda _bound: None)
    wants = rng.random((4, 6)) < 0.5
    ones = np.ones(6, dtype=np.int64)
    most_unspanned(wants, ones, ones[:4], np.arange(4) < 2, FOREVER)
    assert [kernel.signatures for kernel in kernels] == compiled


@pytest.mark.parametrize("module", [chains_module, span_table, openings])
def test_without_time_to_compile_nothing_is_claimed(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bound, rather than a wait for the compiler."""
    monkeypatch.setattr(module, "kernels_ready", lambda *_: False)
    wanted = [frozenset({0, 1}), frozenset({0, 2})]
    if module is openings:
        ones = np.ones((2, 3), dtype=np.bool_)
        assert most_unspanned(ones, ones[0] * 1, ones[0] * 1, ones[:, 0], FOREVER) is None
        return
    covers = [Cover(each, 1) for each in wanted]
    if module is chains_module:
        steps = np.zeros((1, 1), dtype=np.int64)
        assert not ChainSearch([1, 1, 1], covers, []).run(100, 0, (0, 0, 0), steps, None)
        return
    assert SpanTable([1, 1, 1], wanted, [1, 1]).least() is None
    options = [(Option(gap=1),)] * 2
    search = Assignments([1, 1, 1], wanted, options, lambda _order: None, lambda _few: True)
    assert search.run(5, FOREVER, lambda _bound: None) == (0, False)


def test_a_way_past_missed_visits() -> None:
    """Classes that find their cheapest slots not visited, against all sets of visits."""
    rng = np.random.default_rng(101)
    for _ in range(40):
        slots, count, classes = int(rng.integers(2, 5)), int(rng.choice([2, 4])), 5
        prices = rng.integers(0, 30, size=(classes, slots))
        signatures = rng.integers(count, size=classes)
        runs = rng.integers(1, 12, size=count.bit_length() - 1)
        steps = steps_between(count, runs.tolist())
        regrets = np.zeros((slots, count), dtype=np.int64)
        least = visit_kernels.find_regrets(prices, signatures, regrets)
        assert least == prices.min(axis=1).sum()
        weighed = np.zeros((slots, visit_kernels.MOST_WEIGHED), dtype=np.int64)
        lengths = np.zeros(slots, dtype=np.int64)
        ways = np.zeros((slots, 1 << count, count), dtype=np.int64)
        visit_kernels.fill_ways(regrets, steps, weighed, lengths, ways)
        for _ in range(50):
            stops = [
                (slot, int(signature))
                for slot in range(slots)
                for signature in rng.permutation(count)[: int(rng.integers(count + 1))]
            ]
            path = [0, *(signature for _, signature in stops), 0]
            paid = sum(int(steps[a, b]) for a, b in pairwise(path))
            for row, signature in zip(prices, signatures, strict=True):
                here = [int(row[slot]) for slot, each in stops if each == signature]
                paid += min(here, default=HIGH)
            assert least + ways[0, 0, 0] <= paid


def test_small_groups_say_something_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """While kernels are compiled, threes of accesses have a bound."""
    for module in (chains_module, span_table, slots_module):
        monkeypatch.setattr(module, "kernels_ready", lambda *_: False)
    instance = generate(
        "residual", seed=0, stages=1, channels=64, blocks=2, joins=0, resolution=28, priced=True
    )
    (component,) = presolve(compile_problem(instance, Objective.LATENCY).problem).components
    task = Task(component.problem, Deadline(1.0), 0, 1, None, lambda _orders, _bound: None)
    answer = Modes().solve(task)
    assert answer.orders is not None
    assert answer.lower_bound is not None
    assert 0 < answer.lower_bound <= component.problem.cost(answer.orders).primary
