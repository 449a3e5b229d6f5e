"""What accesses save together: limits against layouts, and the programme against enumeration."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from brute_force import brute_force_problem
from random_instances import random_instance

from reorder_solver import Access, Instance, Objective, Part, PriceList, Tensor
from reorder_solver.backends.dynamic.anatomy import Anatomy
from reorder_solver.backends.modes import suffixes as suffixes_module
from reorder_solver.backends.modes.items import NEVER, Item, dearest, items_of, most_saved
from reorder_solver.backends.modes.lively import LivelySets
from reorder_solver.backends.modes.options import options_of
from reorder_solver.backends.modes.oracles import ByRuns, ByTables, ByTours, ByWalks
from reorder_solver.backends.modes.regions import Regions
from reorder_solver.backends.modes.savings import Savings
from reorder_solver.backends.modes.suffixes import (
    BySuffixes,
    by_wanted,
    cheapest_openings,
    most_gained,
)
from reorder_solver.core.limits import Deadline
from reorder_solver.presolve import Orders, Problem, compile_problem, presolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.backends.modes.lively import Oracle

FOREVER = Deadline(None)


class _Case:
    """A problem, its items, and all who know limits of them."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.anatomy = anatomy = Anatomy.of(problem)
        self.options = [
            options_of(*each) for each in zip(problem.accesses, anatomy.shapes, strict=True)
        ]
        regions = Regions(problem)
        self.tops = [dearest(*each) for each in zip(self.options, anatomy.shapes, strict=True)]
        self.items = [
            item
            for number, each in enumerate(zip(self.options, anatomy.shapes, strict=True))
            for item in items_of(number, *each, regions.least_runs([number]))
        ]
        self.offered: list[Orders] = []
        self.suffixes = BySuffixes(self.items, anatomy)
        settled: set[tuple[int, ...]] = set()
        self.oracles: list[Oracle] = [
            ByRuns(self.items, regions),
            self.suffixes,
            ByWalks(self.items, anatomy, settled, lambda: 0, self.offered.append),
            ByTables(self.items, problem, (1, 2, 3), self.offered.append, settled),
            ByTours(self.items, problem),
            ByTables(self.items, problem, (4,), self.offered.append, settled),
        ]

    def saved(self, orders: Orders) -> dict[int, int]:
        """By item, what the lively ones save under some orders."""
        found = {}
        for number, (runs, span) in enumerate(self.problem.facts(orders)):
            access = self.problem.accesses[number]
            saved = self.tops[number] - access.cost(runs, span).primary
            if saved > 0:
                found[self._item(number, runs, span - access.channels, saved)] = saved
        return found

    def _item(self, access: int, runs: int, gap: int, saved: int) -> int:
        for number, item in enumerate(self.items):
            if item.access == access:
                prices = [
                    o.fixed + o.run * (runs - 1) + o.gap * gap for o in item.options if not o.view
                ]
                is_it = not item.spans if runs == 1 else item.top - saved in prices
                if is_it:
                    assert item.spans or saved <= item.saved[runs]
                    return number
        raise AssertionError("an access saves something without an item for it")


def _problems(stream: int, seed: int) -> list[Problem]:
    instance = random_instance(np.random.default_rng([stream, seed]))
    whole = compile_problem(instance, Objective.LATENCY).problem
    return [component.problem for component in presolve(whole).components]


def _random_orders(problem: Problem, rng: np.random.Generator) -> Orders:
    return tuple(
        np.arange(sizes.size) if fixed else rng.permutation(sizes.size)
        for sizes, fixed in zip(problem.sizes, problem.fixed, strict=True)
    )


def joined(seed: int, tensors: int = 3, accesses: int = 4, channels: int = 4) -> Problem:
    """Reads of several tensors end to end, each from its own on, at prices that compete."""
    rng = np.random.default_rng([83, seed])
    made = []
    for number in range(accesses):
        first = int(rng.integers(0, 2))
        parts = [
            Part(f"t{tensor}", np.flatnonzero(rng.random(channels) < 0.6))
            for tensor in range(first, tensors)
        ]
        size = sum(len(part.channels) for part in parts)
        prices = PriceList(
            gather=(int(rng.integers(5, 40)), 1),
            cat=(4, 1, 3),
            cover=(int(rng.integers(1, 9)),),
            split=(int(rng.integers(2, 12)),),
        )
        if size:
            made.append(Access(f"a{number}", parts, prices=prices))
    instance = Instance("joined", [Tensor(f"t{n}", channels) for n in range(tensors)], made)
    whole = compile_problem(instance, Objective.LATENCY).problem
    return max((c.problem for c in presolve(whole).components), key=lambda p: len(p.accesses))


@pytest.mark.parametrize("seed", range(30))
def test_limits_hold_for_all_layouts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says that lively items save less than they do, or never are lively."""
    monkeypatch.setattr(suffixes_module, "MOST_OPEN", 2)
    rng = np.random.default_rng([84, seed])
    for problem in (*_problems(85, seed), joined(seed)):
        case = _Case(problem)
        for _ in range(15):
            saved = case.saved(_random_orders(problem, rng))
            lively = tuple(sorted(saved))
            for size in range(1, len(lively) + 1):
                for few in combinations(lively, size):
                    total = sum(saved[each] for each in few)
                    for oracle in case.oracles:
                        if few in set(oracle.sets(lively)):
                            assert oracle.ask(few, FOREVER) >= total
            for few, most in case.suffixes.groups(FOREVER):
                assert sum(saved.get(each, 0) for each in few) <= most
            for few, bases, most in case.suffixes.budgets(FOREVER):
                found = [saved.get(each, 0) for each in few]
                idle = [not each for each in found]
                assert _above(found, bases, idle, range(len(few))) <= most


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("seconds", [None, 0.05])
def test_the_most_that_all_save(
    seed: int, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never less than the best layout saves, with time for everything or for next to nothing."""
    monkeypatch.setattr(suffixes_module, "MOST_OPEN", 2)
    for problem in (*_problems(86, seed), joined(seed, tensors=2, accesses=5)):
        best = brute_force_problem(problem)
        if best is None:
            continue
        case = _Case(problem)
        saved = sum(case.tops) - best.primary
        reported: list[int] = []
        lively = LivelySets(case.items, case.oracles)
        for few, bases, above in case.suffixes.budgets(FOREVER):
            lively.budget(few, bases, above)
        lively.run(lambda: 0, Deadline(seconds), reported.append, threads=1, seed=0)
        assert all(most >= saved for most in reported)
        assert reported == sorted(reported, reverse=True)


@pytest.mark.parametrize("seed", range(8))
def test_three_accesses_are_proven(seed: int) -> None:
    """Tables say exactly what three of them save together, and offer an order that does."""
    case = _Case(joined(seed, tensors=2, accesses=3))
    best = brute_force_problem(case.problem)
    assert best is not None

    def cheapest() -> int:
        return min((case.problem.cost(orders).primary for orders in case.offered), default=10**6)

    is_proven = LivelySets(case.items, case.oracles).run(
        lambda: max(0, sum(case.tops) - cheapest()), FOREVER, lambda _most: None, threads=1, seed=0
    )
    assert is_proven
    assert min(cheapest(), sum(case.tops)) == best.primary


def test_a_set_may_save_most_with_few_of_it_lively() -> None:
    """Limits on sets that are lively as a whole, cliques, forbidden sets: against enumeration."""
    rng = np.random.default_rng(87)
    for _ in range(20):
        most = [int(each) for each in rng.integers(1, 20, size=5)]
        programme = Savings(most)
        lively: dict[tuple[int, ...], int] = {}
        any_of: dict[tuple[int, ...], int] = {}
        for few in combinations(range(5), 2):
            lively[few] = int(rng.integers(-1, sum(most[each] for each in few)))
            any_of[few] = max(lively[few], *(most[each] for each in few))
            if lively[few] < 2:
                programme.forbid(few)
            else:
                programme.limit(few, lively[few], any_of[few])
        programme.limit_number((0, 1, 2, 3), 3, 30)
        best = 0
        for size in range(1, 6):
            for chosen in combinations(range(5), size):
                pairs = list(combinations(chosen, 2))
                if any(lively[pair] < 2 for pair in pairs) or set(chosen) >= {0, 1, 2, 3}:
                    continue
                best = max(best, _most_within(chosen, most, {p: lively[p] for p in pairs}))
        solved = programme.solve(FOREVER, threads=1, seed=0)
        assert solved.is_best
        assert solved.most == best
        assert programme.solve(FOREVER, more_than=best, threads=1, seed=0).most == best


def test_a_budget_for_what_is_above_bases() -> None:
    """Lively ones have their bases, which may be negative; against enumeration."""
    rng = np.random.default_rng(99)
    for _ in range(20):
        most = [int(each) for each in rng.integers(1, 8, size=3)]
        bases = [int(each) for each in rng.integers(-4, 8, size=3)]
        above = int(rng.integers(0, 12))
        uneven = [each for each in range(3) if rng.random() < 0.5]
        programme = Savings(most, uneven)
        programme.budget((0, 1, 2), bases, above)
        best = max(
            sum(saved)
            for saved in np.ndindex(*(each + 1 for each in most))
            for idle in np.ndindex(2, 2, 2)
            if not any(s and i for s, i in zip(saved, idle, strict=True))
            and _above(saved, bases, idle, uneven) <= above
            # No uneven one alone has more either.
            and all(idle[n] or saved[n] - bases[n] <= above for n in uneven)
        )
        assert programme.solve(FOREVER, threads=1, seed=0).most == best


def _above(
    saved: Sequence[int], bases: Sequence[int], idle: Sequence[int], uneven: Sequence[int]
) -> int:
    """What the lively ones save above their bases; what uneven ones are short of does not count."""
    above = [
        0 if is_idle else each - base
        for each, base, is_idle in zip(saved, bases, idle, strict=True)
    ]
    return sum(max(0, a) if n in uneven else a for n, a in enumerate(above))


def _most_within(
    chosen: tuple[int, ...], most: list[int], pairs: dict[tuple[int, ...], int]
) -> int:
    """By enumeration of what each saves."""
    best = 0
    ranges = [range(1, most[each] + 1) for each in chosen]
    grids = np.meshgrid(*ranges, indexing="ij", sparse=True)
    value = dict(zip(chosen, grids, strict=True))
    fits = np.ones(tuple(len(each) for each in ranges), dtype=np.bool_)
    for (a, b), limit in pairs.items():
        fits &= value[a] + value[b] <= limit
    first = [value[each] for each in chosen if each < 4]
    if first:
        fits &= sum(first) <= 30
    total = sum(value.values()) + np.zeros(fits.shape, dtype=np.int64)
    if fits.any():
        best = int(total[fits].max())
    return best


def test_openings_of_suffixes() -> None:
    """The tables against all orders of the classes."""
    rng = np.random.default_rng(88)
    for _ in range(30):
        count, classes = int(rng.integers(1, 5)), int(rng.integers(1, 6))
        wants = rng.random((count, classes)) < 0.5
        sizes = rng.integers(1, 5, size=classes)
        prices, gains = rng.integers(1, 9, size=count), rng.integers(-5, 60, size=count)
        paid = np.array(
            [
                _spanned(wants[:, list(order)], sizes[list(order)], prices)
                for order in permutations(range(classes))
            ]
        )
        arrays = by_wanted(wants, sizes), prices
        room = np.zeros(1 << count, dtype=np.int64)
        assert cheapest_openings(*arrays, (1 << count) - 1, room) == paid.sum(axis=1).min()
        gained = np.maximum(gains - paid, 0).sum(axis=1)
        assert most_gained(*arrays, gains) == gained.max()


def _spanned(wants: np.ndarray, sizes: np.ndarray, prices: np.ndarray) -> list[int]:
    """What every access pays."""
    found = []
    for row, price in zip(wants, prices, strict=True):
        begin = int(row.argmax()) if row.any() else row.size
        found.append(int(price) * int(sizes[begin:][~row[begin:]].sum()))
    return found


def test_fewest_runs_together() -> None:
    """The best division of the runs, against enumeration."""
    rng = np.random.default_rng(89)
    for _ in range(50):
        items = []
        for _ in range(int(rng.integers(1, 4))):
            saved = np.sort(rng.integers(1, 30, size=int(rng.integers(1, 6))))[::-1]
            never = int(rng.integers(0, saved.size))
            table = np.array([NEVER] * (never + 1) + saved[never:].tolist(), dtype=np.int64)
            items.append(Item(0, False, (), 30, table))
        least = int(rng.integers(0, 12))
        ways = [(0, 0)]
        for item in items:
            ways = [
                (runs + more, total + int(item.saved[more]))
                for runs, total in ways
                for more in range(item.saved.size)
                if item.saved[more] != NEVER
            ]
        best = max((total for runs, total in ways if runs >= least), default=-1)
        assert most_saved(items, least) == best
        for item in items:
            begin, weight = item.line()
            for runs in range(item.saved.size):
                assert item.saved[runs] <= begin - weight * (runs - 1)


def test_a_shuffle_needs_a_run_for_nearly_every_part() -> None:
    """A tensor met again and again has one first class and one last one."""
    parts = [Part("xy"[place % 2], [place // 2]) for place in range(12)]
    prices = PriceList(gather=(20, 1), split=(5,))
    instance = Instance(
        "shuffle", [Tensor("x", 6), Tensor("y", 6)], [Access("a", parts, prices=prices)]
    )
    problem = compile_problem(instance, Objective.LATENCY).problem
    assert Regions(problem).least_runs([0]) == 10
    rng = np.random.default_rng(90)
    fewest = min(problem.facts(_random_orders(problem, rng))[0][0] for _ in range(3000))
    assert fewest >= 10
    (component,) = presolve(problem).components
    assert not _Case(component.problem).items
