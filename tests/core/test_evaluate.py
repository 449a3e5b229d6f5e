"""Facts and costs, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

import reorder_solver as rs
from reorder_solver import Access, Instance, Layout, Mode, Part, PriceList, Tensor


def one_tensor(*accesses: Access, channels: int = 6, fixed: bool = False) -> Instance:
    return Instance("t", [Tensor("x", channels, fixed=fixed)], accesses)


def test_runs_and_span_by_hand() -> None:
    """Channels 0, 2, 3 of 0..5 in place: two runs over four positions."""
    instance = one_tensor(Access("a", [Part("x", [0, 2, 3])]), Access("all", [Part("x", range(6))]))
    facts = rs.evaluate(instance, Layout.identity(instance), "runs").accesses["a"]
    assert (facts.channels, facts.runs, facts.span) == (3, 2, 4)


def test_unused_channels_take_up_no_room() -> None:
    """Channel 1 is wanted by nobody, so 0 and 2 are neighbours; not so in a fixed tensor."""
    access = Access("a", [Part("x", [0, 2])])
    free, fixed = one_tensor(access, channels=3), one_tensor(access, channels=3, fixed=True)
    assert rs.evaluate(free, Layout.identity(free)).total == 0
    assert rs.evaluate(fixed, Layout.identity(fixed)).total == 2


def test_unused_channels_may_stand_anywhere() -> None:
    """Moving unused channels does not change any fact."""
    instance = one_tensor(Access("a", [Part("x", [0, 2])]), channels=4)
    layout = Layout({"x": [3, 0, 1, 2]})
    assert rs.evaluate(instance, layout) == rs.evaluate(instance, layout.unused_last(instance))
    assert layout.unused_last(instance)["x"].tolist() == [0, 2, 1, 3]


def test_parts_are_laid_end_to_end() -> None:
    """A suffix of the first part and a prefix of the second form one run."""
    tensors = [Tensor("x", 3), Tensor("y", 3)]
    whole = [Access(t, [Part(t, range(3))]) for t in "xy"]
    join = Access("join", [Part("x", [1, 2]), Part("y", [0])])
    instance = Instance("t", tensors, [join, *whole])
    layout = Layout.identity(instance)
    assert rs.evaluate(instance, layout).accesses["join"].mode is Mode.VIEW
    turned = Layout({"x": [0, 1, 2], "y": [1, 0, 2]})
    facts = rs.evaluate(instance, turned).accesses["join"]
    assert (facts.runs, facts.span) == (2, 4)


def test_empty_middle_part_is_a_gap() -> None:
    """A part of which nothing is wanted still separates its neighbours, if it has any room."""
    tensors = [Tensor("x", 1), Tensor("y", 2), Tensor("z", 1)]
    wanted = Access("a", [Part("x", [0]), Part("y", []), Part("z", [0])])
    alive = Access("b", [Part("y", [0, 1])])
    with_room = Instance("t", tensors, [wanted, alive])
    facts = rs.evaluate(with_room, Layout.identity(with_room)).accesses["a"]
    assert (facts.runs, facts.span) == (2, 4)
    without = Instance("t", tensors, [wanted])
    assert rs.evaluate(without, Layout.identity(without)).accesses["a"].runs == 1


def test_same_tensor_twice() -> None:
    """A tensor concatenated with itself is counted at both places."""
    access = Access("a", [Part("x", [2]), Part("x", [0])])
    instance = one_tensor(access, Access("all", [Part("x", [0, 1, 2])]), channels=3)
    facts = rs.evaluate(instance, Layout.identity(instance)).accesses["a"]
    assert (facts.channels, facts.runs, facts.span) == (2, 1, 2)


@pytest.mark.parametrize(
    ("objective", "cost"), [("copies", 1), ("bytes", 3 * 40), ("runs", 7), ("latency", 95)]
)
def test_named_objectives(objective: str, cost: int) -> None:
    """N = 3, r = 2, s = 4 under each price list."""
    prices = PriceList(gather=(100, 10), cat=(50, 20, 1), cover=(95,), split=(96,))
    access = Access("a", [Part("x", [0, 2, 3])], bytes=40, weight=7, prices=prices)
    free = Access("all", [Part("x", range(6))], prices=prices)
    instance = one_tensor(access, free)
    found = rs.evaluate(instance, Layout.identity(instance), objective)
    assert found.total == cost
    assert found.tie_break == (7 if objective in ("copies", "bytes") else 0)


def test_prices_by_mode() -> None:
    """Each mode's formula, and the cheapest is taken."""
    n, r, s = 5, 3, 9
    assert PriceList(gather=(100, 10)).cheapest(n, r, s) == (150, Mode.GATHER)
    assert PriceList(cat=(50, 10, 7)).cheapest(n, r, s) == (121, Mode.CAT)
    assert PriceList(cover=(11,)).cheapest(n, r, s) == (44, Mode.COVER)
    assert PriceList(split=(3,)).cheapest(n, r, s) == (6, Mode.SPLIT)
    both = PriceList(gather=(100, 10), split=(3,))
    assert both.cheapest(n, r, s) == (6, Mode.SPLIT)
    assert both.cheapest(n, 1, n) == (0, Mode.VIEW)


def test_costs_past_64_bits_are_exact() -> None:
    """Prices are Python integers: nothing wraps around."""
    huge = 2**70 + 1
    access = Access("a", [Part("x", [0, 2])], bytes=huge)
    instance = one_tensor(access, Access("all", [Part("x", range(6))]))
    found = rs.evaluate(instance, Layout.identity(instance))
    assert found.total == 2 * huge


def test_required_access_that_is_no_view() -> None:
    """A layout that breaks a required access has no cost and is named."""
    access = Access("must", [Part("x", [0, 2])], required=True)
    instance = one_tensor(access, Access("all", [Part("x", range(6))]))
    found = rs.evaluate(instance, Layout.identity(instance))
    assert found.total is None
    assert found.violated == ("must",)


def test_latency_without_prices() -> None:
    """Latency needs prices and says which access lacks them."""
    instance = one_tensor(Access("bare", [Part("x", [0, 2])]))
    with pytest.raises(rs.InstanceError, match="access 'bare': objective latency needs prices"):
        rs.evaluate(instance, Layout.identity(instance), "latency")


@pytest.mark.parametrize(
    ("orders", "phrase"),
    [
        ({"x": [0, 1, 1]}, "no permutation"),
        ({"x": [0, 1, 3]}, "each of 0..2 once"),
        ({"x": [0.0, 1.0, 2.0]}, "flat list of integers"),
        ({"x": [0, 1]}, "2 channels instead of 3"),
        ({}, "is missing"),
        ({"x": [0, 1, 2], "z": [0]}, "unknown tensor 'z'"),
        ({"x": [1, 0, 2]}, "fixed tensor"),
    ],
)
def test_wrong_layouts(orders: dict[str, list[int]], phrase: str) -> None:
    """A layout that does not belong to the instance is refused, in one line."""
    instance = one_tensor(Access("a", [Part("x", [0, 2])]), channels=3, fixed=True)
    with pytest.raises(rs.LayoutError, match=phrase):
        rs.evaluate(instance, Layout(orders))


def test_layout_is_a_value() -> None:
    """Layouts compare by value and cannot be written to."""
    layout = Layout({"x": np.array([1, 0])})
    assert layout == Layout({"x": [1, 0]})
    assert hash(layout) == hash(Layout({"x": [1, 0]}))
    with pytest.raises(ValueError, match="read-only"):
        layout["x"][0] = 0
