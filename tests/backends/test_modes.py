"""Modes: every part against enumeration, and the whole against the dynamic programme."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from brute_force import brute_force_problem
from random_instances import random_instance

from reorder_solver import Access, Instance, Objective, Part, PriceList, StopReason, Tensor
from reorder_solver.backends.base import Answer, Task
from reorder_solver.backends.dynamic.anatomy import Anatomy
from reorder_solver.backends.dynamic.prefix_table import OutOfTimeError
from reorder_solver.backends.modes import cover_kernels, run_kernels, slot_kernels
from reorder_solver.backends.modes import runs as runs_module
from reorder_solver.backends.modes import single_cover as single_cover_module
from reorder_solver.backends.modes import slots as slots_module
from reorder_solver.backends.modes.backend import Modes
from reorder_solver.backends.modes.groups import least_alone, least_together
from reorder_solver.backends.modes.many import ManyAccesses
from reorder_solver.backends.modes.master import Chosen
from reorder_solver.backends.modes.options import Option, options_of
from reorder_solver.backends.modes.regions import Regions
from reorder_solver.backends.modes.runs import RunSearch
from reorder_solver.backends.modes.sequence_kernels import list_sequences
from reorder_solver.backends.modes.single_cover import SingleCover
from reorder_solver.backends.modes.slots import Cover, Runner, SlotSearch
from reorder_solver.backends.modes.table import table_search
from reorder_solver.backends.modes.vectors import Linear
from reorder_solver.backends.subset_dp import SubsetDP
from reorder_solver.core.limits import Deadline
from reorder_solver.generators import generate
from reorder_solver.presolve import Problem, compile_problem, presolve

NEVER = Deadline(None)
#: More than anything costs here.
HIGH = 10**9


def _task(problem: Problem, deadline: Deadline = NEVER) -> Task:
    return Task(problem, deadline, 0, 1, None, lambda _orders, _bound: None)


def _some(rng: np.random.Generator, classes: int) -> frozenset[int]:
    """A non-empty set of classes."""
    found = frozenset(np.flatnonzero(rng.random(classes) < 0.5).tolist())
    return found or frozenset({int(rng.integers(classes))})


def _price(
    order: tuple[int, ...], sizes: list[int], covers: list[Cover], runners: list[Runner]
) -> int | None:
    """From the definition; None if an access that must be a view is none."""
    total = 0
    for cover in covers:
        places = [place for place, each in enumerate(order) if each in cover.wanted]
        inside = order[places[0] : places[-1] + 1]
        gap = sum(sizes[each] for each in inside if each not in cover.wanted)
        if gap and cover.gap is None:
            return None
        total += gap * (cover.gap or 0)
    for runner in runners:
        wants = [each in runner.wanted for each in order]
        begun = sum(now and not before for before, now in zip([False, *wants], wants, strict=False))
        total += runner.run * (begun - 1)
    return total


def _least(sizes: list[int], covers: list[Cover], runners: list[Runner]) -> int | None:
    prices = (_price(order, sizes, covers, runners) for order in permutations(range(len(sizes))))
    return min((price for price in prices if price is not None), default=None)


def _runners(rng: np.random.Generator, classes: int, count: int) -> list[Runner]:
    # Prices far apart as well: cheap runs beside dear ones have bounds of their own.
    prices = [1, 2, 3, 30, 31, 100] if rng.random() < 0.5 else [3, 4, 5, 6, 7]
    return [Runner(_some(rng, classes), int(rng.choice(prices))) for _ in range(count)]


def test_sequences_of_events() -> None:
    """(2c)! / 2^c sequences, of which those equal to their mirror image count once, not twice."""
    for covers in range(1, 5):
        nothing = np.zeros(0, dtype=np.int64)
        found = np.zeros((2000, 2 * covers), dtype=np.int64)
        prices = np.zeros((1 << covers, 0), dtype=np.int64)
        count = list_sequences(nothing, prices, covers, 1, 10**6, found)
        rows = [tuple(row) for row in found[:count].tolist()]
        every = (
            {order for order in permutations(each for each in range(covers) for _ in range(2))}
            if covers < 4
            else None
        )
        if every is not None:
            assert {*rows, *(row[::-1] for row in rows)} == every
        assert len(set(rows)) == count == [1, 4, 48, 1272][covers - 1]
        assert list_sequences(nothing, prices, covers, 1, 10**6, found[: count - 1]) == -1


@pytest.mark.parametrize("seed", range(8))
def test_slot_search_finds_the_cheapest_order(seed: int) -> None:
    """Bound, order and exactness, with and without a limit that nothing is below."""
    rng = np.random.default_rng([71, seed])
    for _ in range(15):
        classes = int(rng.integers(2, 7 if seed else 6))
        sizes = [int(size) for size in rng.integers(1, 6, size=classes)]
        covers = [
            Cover(_some(rng, classes), None if rng.random() < 0.2 else int(rng.integers(1, 40)))
            for _ in range(int(rng.integers(1, 4)))
        ]
        runners = _runners(rng, classes, int(rng.integers(0, 4)))
        least = _least(sizes, covers, runners)
        search = SlotSearch(sizes, covers, runners)
        assert search.bound(HIGH) <= (HIGH if least is None else least)
        found = search.run(HIGH, NEVER)
        assert found.is_exact
        if least is None:
            assert (found.bound, found.order) == (HIGH, None)
            continue
        assert found.order is not None
        assert found.bound == least == _price(found.order, sizes, covers, runners)
        at_least = SlotSearch(sizes, covers, runners).run(least, NEVER)
        assert (at_least.bound, at_least.order, at_least.is_exact) == (least, None, True)


@pytest.mark.parametrize("room", [8, 1 << 17])
def test_slot_search_of_more_pairs_than_a_word_has_bits(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four runners beside two covers; without room for all states, the bound still holds."""
    monkeypatch.setattr(slots_module, "_FIRST_ROOM", room)
    monkeypatch.setattr(slots_module, "_MOST_ROOM", room)
    rng = np.random.default_rng([82, room])
    short = 0
    for _ in range(12):
        classes = int(rng.integers(4, 7))
        sizes = [int(size) for size in rng.integers(1, 6, size=classes)]
        covers = [Cover(_some(rng, classes), int(rng.integers(1, 40))) for _ in range(2)]
        runners = _runners(rng, classes, 4)
        least = _least(sizes, covers, runners)
        assert least is not None
        search = SlotSearch(sizes, covers, runners)
        assert search.takes(2, 4)
        for limit in (least + 40, least + 1, least):
            found = search.run(limit, NEVER)
            assert found.bound <= min(least, limit)
            if found.is_exact:
                assert found.bound == min(least, limit)
            if found.order is not None:
                assert _price(found.order, sizes, covers, runners) < limit
            short += not found.is_exact
    assert bool(short) == (room == 8)


@pytest.mark.parametrize("table_classes", [1, 16])
def test_run_search_finds_the_cheapest_order(
    table_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the full table, and by the subtour bound with the states it leaves."""
    monkeypatch.setattr(runs_module, "_TABLE_CLASSES", table_classes)
    rng = np.random.default_rng([72, table_classes])
    for _ in range(60):
        classes = int(rng.integers(1, 7))
        runners = _runners(rng, classes, int(rng.integers(1, 5)))
        least = _least([1] * classes, [], runners)
        assert least is not None
        search = RunSearch(classes, runners)
        assert search.bound(HIGH) <= least
        found = search.run(HIGH, NEVER)
        assert found.is_exact
        assert found.order is not None
        assert found.bound == least == _price(found.order, [1] * classes, [], runners)
        at_least = search.run(least, NEVER)
        assert (at_least.bound, at_least.order, at_least.is_exact) == (least, None, True)


def test_run_search_of_more_accesses_than_a_word_has_bits_bug() -> None:
    """What wants a class does not fit 64 bits."""
    rng = np.random.default_rng(73)
    runners = _runners(rng, 6, 70)
    found = RunSearch(6, runners).run(HIGH, NEVER)
    assert found.order is not None
    assert found.is_exact
    assert found.bound == _least([1] * 6, [], runners)
    assert found.bound == _price(found.order, [1] * 6, [], runners)


def _not_ready(*_: object) -> bool:
    return False


@pytest.mark.parametrize("module", ["slots", "single_cover", "runs"])
def test_without_time_to_compile_bounds_hold(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever kernels are missing, what is said of a tensor is true."""
    monkeypatch.setattr(f"reorder_solver.backends.modes.{module}.kernels_ready", _not_ready)
    monkeypatch.setattr(runs_module, "_TABLE_CLASSES", 1)
    rng = np.random.default_rng(74)
    undecided = 0
    for _ in range(20):
        classes = int(rng.integers(3, 7))
        sizes = [int(size) for size in rng.integers(1, 6, size=classes)]
        covers = [Cover(_some(rng, classes), int(rng.integers(1, 40))) for _ in range(2)]
        runners = _runners(rng, classes, 3)
        least_runs = _least([1] * classes, [], runners)
        least_both = _least(sizes, covers, runners)
        least_one = _least(sizes, covers[:1], runners)
        assert least_runs is not None
        assert least_both is not None
        assert least_one is not None
        for found, least in (
            (RunSearch(classes, runners).run(HIGH, NEVER), least_runs),
            (SlotSearch(sizes, covers, runners).run(HIGH, NEVER), least_both),
        ):
            assert found.bound == least if found.is_exact else found.bound <= least
            undecided += not found.is_exact
        assert SlotSearch(sizes, covers, runners).bound(HIGH) <= least_both
        try:
            found = SingleCover(sizes, covers[0], runners).run(HIGH, NEVER)
        except OutOfTimeError:
            undecided += 1
        else:
            assert (found.bound, found.is_exact) == (least_one, True)
    assert undecided


def test_warming_up_compiles_what_searches_use() -> None:
    """Any search after it finds its kernels compiled for the types that it has."""
    for module in (slots_module, single_cover_module, runs_module):
        module._use_kernels()
    kernels: list[Any] = [
        *(slot_kernels.fill_rest, slot_kernels.fill_equal),
        *(slot_kernels.bound_sequences, slot_kernels.search_sequence),
        *(cover_kernels.fill_ways, cover_kernels.fill_left, cover_kernels.fill_right),
        *(cover_kernels.combine, run_kernels.expand, run_kernels.move),
    ]
    compiled = [list(kernel.signatures) for kernel in kernels]
    assert {len(each) for each in compiled} == {1}
    rng = np.random.default_rng(75)
    members = [frozenset(i for i in range(31) if (i + 1) >> bit & 1) for bit in range(5)]
    RunSearch(31, [Runner(each, 4000) for each in members]).run(HIGH, NEVER)
    for _ in range(5):
        covers = [Cover(_some(rng, 6), None), Cover(_some(rng, 6), 7)]
        SlotSearch([1, 2, 3, 4, 5, 6], covers, _runners(rng, 6, 2)).run(HIGH, NEVER)
        SingleCover([1, 2, 3, 4, 5, 6], covers[1], _runners(rng, 6, 2)).run(HIGH, NEVER)
    assert [kernel.signatures for kernel in kernels] == compiled


def _many(problem: Problem, *, is_one_tensor: bool) -> ManyAccesses:
    anatomy = Anatomy.of(problem)
    return ManyAccesses(
        anatomy,
        [options_of(*each) for each in zip(problem.accesses, anatomy.shapes, strict=True)],
        lambda _order: None,
        problem.identity,
        offer_orders=lambda _orders: None,
        is_one_tensor=is_one_tensor,
    )


@pytest.mark.parametrize("is_one_tensor", [True, False])
def test_without_time_no_engine_is_loaded(
    is_one_tensor: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each access costs alone is said all the same."""

    def refuse(*_: object) -> None:
        raise AssertionError("a programme was begun")

    for begun in ("many.Master", "several.LivelySets"):
        monkeypatch.setattr(f"reorder_solver.backends.modes.{begun}", refuse)
    bounds: list[int] = []
    many = _many(_priced(6, 24, 4, 0), is_one_tensor=is_one_tensor)
    assert not many.run(lambda: None, Deadline(0), bounds.append, threads=1, seed=0)
    assert len(bounds) == 1


def test_nothing_is_cut_after_the_deadline_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a set is looked at, whether others were cut before or not."""
    problem = _priced(6, 24, 4, 0)
    many = _many(problem, is_one_tensor=True)
    chosen = [
        Chosen(next(option for option in options_of(*each) if not option.is_flat), 1, 0)
        for each in zip(problem.accesses, Anatomy.of(problem).shapes, strict=True)
    ]
    looked: list[object] = []
    monkeypatch.setattr(many, "_cut_runs", lambda few, _: looked.append(few) or False)
    monkeypatch.setattr(many, "_cut_mixed", lambda few, *_: looked.append(few) or False)
    monkeypatch.setattr(many, "_cut_exactly", lambda few, *_: looked.append(few) or False)
    assert not many._cut(chosen, Deadline(0))
    assert not looked
    assert not many._cut(chosen, NEVER)
    assert looked


def test_all_regions_of_five_accesses() -> None:
    """Every order of all 31 regions crosses them at least as a Gray code does: 16 runs."""
    members = [frozenset(i for i in range(31) if (i + 1) >> bit & 1) for bit in range(5)]
    search = RunSearch(31, [Runner(each, 4000) for each in members])
    assert search.run(44001, NEVER).bound == 44000
    assert search.run(44000, NEVER).is_exact


@pytest.mark.parametrize("seed", range(10))
def test_options_are_what_an_access_pays(seed: int) -> None:
    """The least of the options is the price, and options stop being of use where they say so."""
    for component in _components(73, seed):
        anatomy = Anatomy.of(component)
        for access, shape in zip(component.accesses, anatomy.shapes, strict=True):
            options = options_of(access, shape)
            if access.required or shape is None:
                continue
            for runs, least in enumerate(shape.least_gaps, start=1):
                for gap in {least, (least + shape.most_gap) // 2, shape.most_gap}:
                    if (runs == 1) != (gap == 0):
                        continue
                    paid = access.cost(runs, access.channels + gap).primary
                    prices = {option: _paid(option, runs, gap) for option in options}
                    assert paid == min(price for price in prices.values() if price is not None)
                    useful = [
                        price
                        for option, price in prices.items()
                        if price is not None and (option.view or runs <= option.most_runs)
                    ]
                    assert paid == min(useful)


def _paid(option: Option, runs: int, gap: int) -> int | None:
    if option.view:
        return 0 if runs == 1 else None
    return option.fixed + option.run * (runs - 1) + option.gap * gap


def _components(stream: int, seed: int) -> list[Problem]:
    instance = random_instance(np.random.default_rng([stream, seed]))
    whole = compile_problem(instance, Objective.LATENCY).problem
    return [component.problem for component in presolve(whole).components]


@pytest.mark.parametrize("seed", range(25))
def test_least_runs_of_some_accesses(seed: int) -> None:
    """No order has fewer runs in sum, several parts and fixed tensors included."""
    rng = np.random.default_rng([74, seed])
    for problem in _components(75, seed):
        regions = Regions(problem)
        numbers = range(len(problem.accesses))
        for _ in range(20):
            few = [number for number in numbers if rng.random() < 0.6]
            orders = tuple(
                np.arange(sizes.size) if fixed else rng.permutation(sizes.size)
                for sizes, fixed in zip(problem.sizes, problem.fixed, strict=True)
            )
            facts = problem.facts(orders)
            assert regions.least_runs(few) <= sum(facts[number][0] for number in few)


def test_linear_prices_of_a_vector() -> None:
    """A vector's bound and search against enumeration, cheap runs with few of use included."""
    rng = np.random.default_rng(76)
    for _ in range(40):
        classes = int(rng.integers(2, 6))
        sizes = [int(size) for size in rng.integers(1, 4, size=classes)]
        wanted = [_some(rng, classes) for _ in range(int(rng.integers(1, 5)))]
        vector = tuple(
            Option(
                fixed=int(rng.integers(0, 9)),
                run=int(rng.choice([0, 0, 1, 40])),
                gap=int(rng.choice([0, 0, 2, 9])),
                most_runs=classes,
            )
            for _ in wanted
        )
        linear = Linear(sizes, wanted, vector)
        covers = [Cover(each, o.gap) for each, o in zip(wanted, vector, strict=True) if o.gap]
        runners = [Runner(each, o.run) for each, o in zip(wanted, vector, strict=True) if o.run]
        linear_least = _least(sizes, covers, runners)
        assert linear_least is not None
        least = linear.fixed + linear_least
        assert linear.bound(HIGH) <= least
        assert linear.run(HIGH, NEVER).bound <= least
        exact = linear.run_exactly(HIGH, NEVER)
        assert (exact.bound, exact.is_exact) == (least, True)


@pytest.mark.parametrize("seed", range(30))
def test_programme_is_never_above_the_optimum(seed: int) -> None:
    """Every bound it reports, on one tensor and on several."""
    for problem in _components(77, seed):
        best = brute_force_problem(problem)
        if best is None:
            continue
        anatomy = Anatomy.of(problem)
        options = [
            options_of(access, shape)
            for access, shape in zip(problem.accesses, anatomy.shapes, strict=True)
        ]
        bounds: list[int] = []
        orders = problem.identity()
        cost = problem.cost(orders)
        known = None if cost.violated else cost.primary
        many = ManyAccesses(
            anatomy,
            options,
            lambda order, of=problem, known=known: _lowest(of, order, known),
            lambda orders=orders: orders,
            offer_orders=lambda _orders: None,
            is_one_tensor=len(problem.sizes) == 1
            and not problem.fixed[0]
            and all(len(access.parts) == 1 for access in problem.accesses),
        )
        many.run(lambda known=known: known, Deadline(20), bounds.append, threads=1, seed=0)
        assert all(bound <= best.primary for bound in bounds)


def _lowest(problem: Problem, order: tuple[int, ...], known: int | None) -> int | None:
    cost = problem.cost((np.array(order, dtype=np.int64),))
    found = [known, None if cost.violated else cost.primary]
    return min((each for each in found if each is not None), default=None)


def _priced(accesses: int, channels: int, side: int, seed: int, keep: float = 0.5) -> Problem:
    """Reads with all modes and writes without cover and split, at plausible prices."""
    rng = np.random.default_rng([78, seed])
    copy = max(1, side * side // 4)
    made = []
    for number in range(accesses):
        wanted = np.flatnonzero(rng.random(channels) < keep)
        prices = PriceList(gather=(1500, copy), cat=(900, copy, 150))
        if number % 3:
            prices = PriceList(prices.gather, prices.cat, cover=(2 * copy,), split=(4000,))
        made.append(Access(f"a{number}", [Part("x", wanted)], prices=prices))
    whole = compile_problem(
        Instance("priced", [Tensor("x", channels)], made), Objective.LATENCY
    ).problem
    (component,) = presolve(whole).components
    return component.problem


def _solve(problem: Problem) -> Answer:
    return Modes().solve(_task(problem))


@pytest.mark.parametrize("side", [7, 14, 28, 56])
def test_four_accesses_as_by_the_dynamic_programme(side: int) -> None:
    """Fifteen regions: the two methods have nothing in common and agree."""
    for channels in (48, 256):
        problem = _priced(4, channels, side, channels)
        reference = SubsetDP().solve(_task(problem))
        answer = _solve(problem)
        assert answer.stop_reason is StopReason.PROVEN
        assert answer.lower_bound == reference.lower_bound
        assert answer.orders is not None
        assert problem.cost(answer.orders).primary == answer.lower_bound


@pytest.mark.parametrize("side", [7, 14, 28, 56])
def test_five_accesses_as_by_the_dynamic_programme(side: int) -> None:
    """So few channels that the dynamic programme still takes them."""
    for seed in range(3):
        problem = _priced(5, 16, side, seed)
        reference = SubsetDP().solve(_task(problem))
        answer = _solve(problem)
        assert answer.stop_reason is StopReason.PROVEN
        assert answer.lower_bound == reference.lower_bound


@pytest.mark.parametrize("side", [7, 14, 28, 56])
@pytest.mark.parametrize("channels", [64, 512])
def test_five_accesses_are_proven(channels: int, side: int) -> None:
    """All regions inhabited: 31 classes, far beyond a table of subsets."""
    problem = _priced(5, channels, side, side)
    answer = _solve(problem)
    assert answer.stop_reason is StopReason.PROVEN
    assert answer.orders is not None
    assert problem.cost(answer.orders).primary == answer.lower_bound


def test_many_accesses_have_a_bound() -> None:
    """Within two seconds, above zero and below the cost."""
    problem = _priced(11, 96, 14, 0)
    answer = Modes().solve(_task(problem, Deadline(2.0)))
    assert answer.orders is not None
    assert answer.lower_bound is not None
    assert 0 < answer.lower_bound <= problem.cost(answer.orders).primary


@pytest.mark.parametrize("joins", [2, 5])
def test_many_accesses_to_several_tensors_have_a_bound(joins: int) -> None:
    """What is claimed holds for what is returned, and no single access costs more than all."""
    instance = generate(
        "residual", seed=joins, stages=3, channels=24, blocks=2, joins=joins, priced=True
    )
    whole = compile_problem(instance, Objective.LATENCY).problem
    for component in presolve(whole).components:
        problem = component.problem
        answer = Modes().solve(_task(problem, Deadline(2)))
        assert answer.orders is not None
        assert answer.lower_bound is not None
        assert answer.lower_bound <= problem.cost(answer.orders).primary
        regions = Regions(problem)
        for number, access in enumerate(problem.accesses):
            shape = Anatomy.of(problem).shapes[number]
            alone = least_alone(options_of(access, shape), shape, regions.least_runs([number]))
            assert alone <= answer.lower_bound


def test_table_search_finds_the_cheapest_order() -> None:
    """The table of all subsets, views that cannot be included."""
    rng = np.random.default_rng(79)
    for _ in range(60):
        classes = int(rng.integers(2, 6))
        sizes = [int(size) for size in rng.integers(1, 6, size=classes)]
        covers = [
            Cover(_some(rng, classes), None if rng.random() < 0.3 else int(rng.integers(1, 40)))
            for _ in range(int(rng.integers(1, 4)))
        ]
        runners = _runners(rng, classes, int(rng.integers(0, 3)))
        least = _least(sizes, covers, runners)
        found = table_search(sizes, covers, runners, HIGH, NEVER)
        if found is None:
            continue
        assert found.bound == (HIGH if least is None else least)
        if found.order is not None:
            assert _price(found.order, sizes, covers, runners) == least


@pytest.mark.parametrize("count", [25, pytest.param(240, marks=pytest.mark.slow)])
def test_single_cover_finds_the_cheapest_order(count: int) -> None:
    """One cover, signatures that it does not want itself included."""
    rng = np.random.default_rng(80)
    for _ in range(count):
        classes = int(rng.integers(1, 7))
        sizes = [int(size) for size in rng.integers(1, 6, size=classes)]
        cover = Cover(_some(rng, classes), None if rng.random() < 0.2 else int(rng.integers(1, 40)))
        runners = _runners(rng, classes, int(rng.integers(1, 5)))
        least = _least(sizes, [cover], runners)
        search = SingleCover(sizes, cover, runners)
        found = search.run(HIGH, NEVER)
        assert least is not None
        assert found.is_exact
        assert found.order is not None
        assert found.bound == least == _price(found.order, sizes, [cover], runners)
        at_least = search.run(least, NEVER)
        assert (at_least.bound, at_least.order, at_least.is_exact) == (least, None, True)


@pytest.mark.parametrize("seed", range(20))
def test_what_a_few_accesses_cost_at_least(seed: int) -> None:
    """Alone or together, never above what the best order for just them costs."""
    for problem in _components(81, seed):
        anatomy = Anatomy.of(problem)
        regions = Regions(problem)
        for number, access in enumerate(problem.accesses):
            best = brute_force_problem(replace(problem, accesses=(access,)))
            shape = anatomy.shapes[number]
            if best is None:
                continue
            least = least_alone(options_of(access, shape), shape, regions.least_runs([number]))
            assert least <= best.primary
        few = list(range(0, len(problem.accesses), 2))
        some = tuple(problem.accesses[number] for number in few)
        together = brute_force_problem(replace(problem, accesses=some))
        if together is not None:
            assert least_together(problem, few, NEVER) == together.primary
            assert least_together(problem, few, Deadline(0.0)) <= together.primary
