"""Shared buffers: both exact methods against all partitions, and what must hold beyond."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from set_partitions import partitions

from formulations import sharing
from formulations.sharing import STAYS, BufferSharing, SharedBuffers
from formulations.sharing_columns import home_cliques, list_columns
from formulations.sharing_model import Sets, conflicting_triples, mask_of, members


def consecutive(wants, readers):
    """Whether some order of the columns makes every row consecutive, by trying all."""
    columns = np.unique(wants[list(readers)], axis=1)
    rows = columns[:, columns.any(axis=0)]
    return any(
        all(
            np.ptp(np.flatnonzero(row)) + 1 == row.sum()
            for row in rows[:, list(order)]
            if row.any()
        )
        for order in permutations(range(rows.shape[1]))
    )


def problem_of(wants, sizes, gathers, **options):
    """A problem whose predicate tries all orders."""
    wants = np.array(wants, dtype=bool).reshape(len(gathers), len(sizes))
    options = {"values": (0,) * len(gathers), "prices": ((0, 1),)} | options
    return BufferSharing(
        wants,
        sizes,
        tuple(gathers),
        compatible=lambda readers: consecutive(wants, readers),
        **options,
    )


def subsets(items):
    """All subsets."""
    for mask in range(1 << len(items)):
        yield [item for place, item in enumerate(items) if mask >> place & 1]


def cheapest_block(problem, block, base, each):
    """Least price of one place that holds a block, by trying which of it are views."""
    channels = int(problem.sizes[problem.wants[block].any(axis=0)].sum()) if block else 0
    gathers = min(
        sum(problem.gathers[i] for i in set(block) - set(views))
        for views in subsets(block)
        if not views or problem.compatible(tuple(views))
    )
    return (base if block else 0) + each * channels + gathers


def enumerated(problem):
    """The least cost over every home and every partition of the others."""
    movable = [i for i, value in enumerate(problem.values) if value != STAYS]
    staying = [i for i, value in enumerate(problem.values) if value == STAYS]
    best = None
    for home in subsets(movable):
        at_home = cheapest_block(problem, sorted(staying + home), 0, problem.home_price)
        for blocks in partitions([i for i in movable if i not in home]):
            cost = at_home
            for block in blocks:
                values = {problem.values[i] for i in block}
                if len(values) > 1 or (len(block) == 1 and not problem.alone[block[0]]):
                    break
                if not problem.home_price and not problem.compatible(tuple(block)):
                    break
                cost += cheapest_block(problem, block, *problem.prices[values.pop()])
            else:
                best = cost if best is None else min(best, cost)
    return best


@st.composite
def problems(draw, most=6, columns=5):
    """Small problems of every kind: two values, staying readers, merged readers, fresh homes."""
    count, width = draw(st.integers(1, most)), draw(st.integers(1, columns))
    is_fresh = draw(st.booleans())
    row = st.lists(st.booleans(), min_size=width, max_size=width)
    wants = np.array(draw(st.lists(row, min_size=count, max_size=count)), dtype=bool)
    values = draw(st.lists(st.sampled_from([0, 0, 0, 1, STAYS]), min_size=count, max_size=count))
    sizes = np.array(draw(st.lists(st.integers(1, 5), min_size=width, max_size=width)))
    each = [draw(st.sampled_from([1, 1, 1, 2, 0])) for _ in range(count)]
    alone = [is_fresh or draw(st.booleans()) for _ in range(count)]
    prices = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(2))
    return problem_of(
        wants,
        sizes,
        [price * int(sizes[row].sum()) for price, row in zip(each, wants, strict=True)],
        values=tuple(values),
        prices=prices,
        alone=tuple(alone),
        home_price=draw(st.integers(1, 2)) if is_fresh else 0,
    )


def recounted(problem, found):
    """Cost of an answer, from the definition alone; every reader has one place and fits there."""
    placed = [*found.home, *found.gathered]
    cost = sum(problem.gathers[i] for i in found.gathered)
    cost += problem.home_price * int(problem.sizes[problem.wants[placed].any(axis=0)].sum())
    assert not found.home or problem.compatible(found.home)
    for buffer in found.buffers:
        inside = [*buffer.views, *buffer.gathered]
        (value,) = {problem.values[i] for i in inside}
        assert value != STAYS
        assert problem.compatible(buffer.views)
        assert len(inside) > 1 or problem.alone[inside[0]]
        assert problem.home_price or not buffer.gathered
        base, each = problem.prices[value]
        cost += base + each * int(problem.sizes[problem.wants[inside].any(axis=0)].sum())
        cost += sum(problem.gathers[i] for i in buffer.gathered)
        placed += inside
    assert sorted(placed) == list(range(len(problem)))
    return cost


@given(problems())
@settings(max_examples=60, deadline=None)
def test_partition_is_the_best_of_all(problem):
    """The dynamic programme finds what enumeration finds; the heuristic is never below."""
    found = sharing.solve(problem)
    assert found.cost == recounted(problem, found) == enumerated(problem)
    assert found.is_optimal
    assert found.is_finished
    heuristic = sharing.search(problem)
    assert heuristic.cost == recounted(problem, heuristic) >= found.cost


@given(problems())
@settings(max_examples=40, deadline=None)
def test_programme_agrees(problem):
    """So does the integer programme, which is exact where the home is free."""
    best = sharing.solve(problem)
    found = sharing.solve(problem, exact_readers=0)
    assert found.cost == recounted(problem, found)
    assert found.lower_bound <= best.cost <= found.cost
    if not problem.home_price:
        assert found.is_optimal


@given(problems(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_names_do_not_matter(problem, random):
    """Readers and columns in another sequence: the same cost."""
    rows, columns = list(range(len(problem))), list(range(problem.sizes.size))
    random.shuffle(rows)
    random.shuffle(columns)
    other = problem_of(
        problem.wants[rows][:, columns],
        problem.sizes[columns],
        [problem.gathers[i] for i in rows],
        values=tuple(problem.values[i] for i in rows),
        prices=problem.prices,
        alone=tuple(problem.alone[i] for i in rows),
        home_price=problem.home_price,
    )
    assert sharing.solve(other).cost == sharing.solve(problem).cost


@given(st.integers(0, 2**15 - 1))
def test_triples(bits):
    """Conflicts of three rows, found all at once, are those that no order avoids."""
    wants = np.array([bits >> place & 1 for place in range(15)], dtype=bool).reshape(3, 5)
    found = conflicting_triples(wants)
    assert found[0, 1, 2] == (not consecutive(wants, (0, 1, 2)))
    assert all(found[order] == found[0, 1, 2] for order in permutations(range(3)))
    assert not found[0, 0].any()


def general(count):
    """Readers in general position: every combination of them wants a column."""
    columns = np.arange(1, 1 << count)
    wants = (columns[None, :] >> np.arange(count)[:, None] & 1).astype(bool)
    return wants, np.ones(columns.size, dtype=np.int64)


def no_three(readers):
    """Of readers in general position, two fit."""
    return len(readers) <= 2


@pytest.mark.parametrize("exact_readers", [0, 12])
def test_three_in_general_position(exact_readers):
    """Two at home and one gathers, or one at home and two share: what is cheaper."""
    wants, sizes = general(3)
    problem = BufferSharing(wants, sizes, (4, 4, 4), (0, 0, 0), ((0, 1),), no_three)
    found = sharing.solve(problem, exact_readers=exact_readers)
    assert (found.cost, found.lower_bound, found.buffers) == (4, 4, ())
    five = BufferSharing(*general(5), (16,) * 5, (0,) * 5, ((0, 1),), no_three)
    found = sharing.solve(five, exact_readers=exact_readers)
    # Two at home, two of the others share 24 of 32 channels.
    assert (found.cost, found.lower_bound) == (24 + 16, 40)
    assert [len(each.views) for each in found.buffers] == [2]


@pytest.mark.parametrize("seed", range(3))
def test_many_readers_are_proven(seed):
    """Random masks leave pairs alone: a matching, proven by the programme."""
    rng = np.random.default_rng(seed)
    wants = rng.random((24, 300)) < 0.5
    gathers = tuple(int(size) for size in wants.sum(axis=1))
    problem = BufferSharing(wants, np.ones(300), gathers, (0,) * 24, ((0, 1),), no_three)
    found = sharing.solve(problem, time_limit=60.0)
    heuristic = sharing.search(problem)
    assert found.is_optimal
    assert found.lower_bound <= found.cost <= heuristic.cost
    assert len(found.home) == 2
    assert len(found.buffers) == 11


def test_nested_readers_share_one_buffer():
    """A chain fits anywhere: with the home taken, all of it shares the largest's copy."""
    chain = np.tril(np.ones((13, 13), dtype=bool))
    wants = np.vstack([chain, np.roll(chain[7], 4)])
    gathers = (*(int(size) for size in chain.sum(axis=1)), 10_000)
    problem = BufferSharing(
        wants,
        np.ones(13),
        gathers,
        (0,) * 13 + (STAYS,),
        ((0, 1),),
        compatible=lambda readers: 13 not in readers,
        at_home=lambda readers: 13 not in readers or len(readers) == 1,
    )
    found = sharing.solve(problem, time_limit=60.0)
    assert found.home == (13,)
    assert [each.views for each in found.buffers] == [tuple(range(13))]
    assert found.lower_bound == found.cost == 13


def test_bound_without_all_columns(monkeypatch):
    """Where columns are missing the bound stays one, and the answer says that it is not proven."""
    rng = np.random.default_rng(3)
    wants = rng.random((8, 6)) < 0.4
    sizes = np.array([3, 1, 4, 1, 5, 9])
    problem = problem_of(wants, sizes, [int(sizes[row].sum()) for row in wants])
    best = sharing.solve(problem)
    monkeypatch.setattr(
        sharing, "list_columns", lambda sets, expired: list_columns(sets, expired, limit=12)
    )
    found = sharing.solve(problem, exact_readers=0)
    assert best.cost > 0
    assert found.lower_bound <= best.cost <= found.cost == recounted(problem, found)


def test_columns_are_all_or_not():
    """The list says whether it is complete, and cliques are cliques."""
    wants, sizes = general(5)
    problem = BufferSharing(wants, sizes, (16,) * 5, (0,) * 5, ((0, 1),), no_three)
    sets = Sets(problem)
    complete = list_columns(sets, lambda: False)
    assert complete.is_complete
    assert complete.prices == {mask_of(pair): 24 for pair in _pairs(5)}
    assert not list_columns(sets, lambda: False, limit=7).is_complete
    assert not list_columns(sets, lambda: True).is_complete
    assert [members(clique) for clique in home_cliques(sets)] == [(0, 1, 2, 3, 4)]


def _pairs(count):
    return [(a, b) for a in range(count) for b in range(a + 1, count)]


def test_no_time_is_an_answer():
    """Out of time at once: everybody has a place, the bound is the trivial one."""
    wants = np.random.default_rng(0).random((30, 200)) < 0.5
    gathers = tuple(int(size) for size in wants.sum(axis=1))
    problem = BufferSharing(wants, np.ones(200), gathers, (0,) * 30, ((0, 1),), no_three)
    found = sharing.solve(problem, time_limit=0.0, start=(3, 4))
    assert not found.is_finished
    assert len(found.home) == 2
    assert found.lower_bound == 0
    assert found.cost == recounted(problem, found) <= sum(gathers) - gathers[3] - gathers[4]
    assert isinstance(found, SharedBuffers)


def test_large_prices_are_exact():
    """Prices past 64 bits are added up as integers."""
    wants, sizes = general(5)
    huge = 10**18
    problem = BufferSharing(wants, sizes, (16 * huge,) * 5, (0,) * 5, ((1, huge),), no_three)
    for exact_readers in (0, 12):
        found = sharing.solve(problem, exact_readers=exact_readers)
        assert found.cost == 40 * huge + 1
        assert found.lower_bound <= found.cost


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wants": np.ones((2, 3))}, "wants must have 3 rows"),
        ({"values": (0, 0)}, "3 entries"),
        ({"gathers": (1, -1, 1)}, "negative"),
        ({"values": (0, 0, 1)}, "needs a price"),
        ({"home_price": 1, "alone": (True, False, True)}, "its own buffer"),
    ],
)
def test_wrong_problems_are_refused(change, message):
    """One line says what is wrong."""
    given = {
        "wants": np.ones((3, 3)),
        "sizes": np.ones(3),
        "gathers": (3, 3, 3),
        "values": (0, 0, 0),
        "prices": ((0, 1),),
        "compatible": no_three,
    }
    with pytest.raises(ValueError, match=message):
        BufferSharing(**(given | change))


def test_a_start_must_fit():
    """A home that is none is refused."""
    wants, sizes = general(3)
    problem = BufferSharing(wants, sizes, (4, 4, 4), (0, 0, 0), ((0, 1),), no_three)
    with pytest.raises(ValueError, match="start"):
        sharing.solve(problem, start=(0, 1, 2))
