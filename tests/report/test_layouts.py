"""Packed layouts: what the page unpacks is what was packed; budgets; charts."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import random_instance, report_of, run

import reorder_solver as rs
from reorder_solver.bench.store import Store
from reorder_solver.report.layouts import packed
from reorder_solver.report.scaling import count_classes


def unpacked(text):
    """The numbers in a packed text, by another way than the packing."""
    raw = zlib.decompress(base64.b64decode(text), -15)
    numbers, value, shift = [], 0, 0
    for byte in raw:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value, shift = 0, 0
    return numbers


@given(st.lists(st.integers(0, 2**28 - 1), max_size=50))
def test_packed_numbers(numbers):
    assert unpacked(packed(np.array(numbers, np.int64))) == numbers


def orders_of(instance, text):
    steps, place, orders = unpacked(text), 0, []
    for tensor in instance["tensors"]:
        order, channel = [], -1
        for _ in range(tensor["channels"]):
            step = steps[place]
            channel += 1 + (-(step + 1) // 2 if step % 2 else step // 2)
            order.append(channel)
            place += 1
        orders.append(order)
    return orders


def wants_of(instance):
    numbers, found = iter(unpacked(instance["wanted"])), []
    for access in instance["accesses"]:
        parts = []
        for _ in access["parts"]:
            size, channel, channels = next(numbers), -1, []
            for _ in range(size):
                channel += next(numbers) + 1
                channels.append(channel)
            parts.append(channels)
        found.append(parts)
    return found


def test_instances_and_layouts_come_back(solved, solved_report):
    """The explorer has every instance, and the best layout of every solver and objective."""
    shown = {each["name"]: each for each in solved_report.explorer.instances}
    assert list(shown) == ["one-24", "one-48", "three-20"]
    with Store.open(solved, readonly=True) as store:
        for digest, (name, family) in store.instances().items():
            instance, one = store.instance(digest), shown[name]
            assert one["family"] == family
            wants = [[p.channels.tolist() for p in a.parts] for a in instance.accesses]
            assert wants_of(one) == wants
            for layout in one["layouts"]:
                orders = orders_of(one, layout["order"])
                ids = [tensor.id for tensor in instance.tensors]
                found = rs.Layout(dict(zip(ids, orders, strict=True)))
                facts = rs.evaluate(instance, found, layout["objective"])
                assert facts.total == layout["cost"] == sum(layout["costs"])
                assert [f.cost for f in facts.accesses.values()] == layout["costs"]
            solvers = [(each["objective"], each["solver"]) for each in one["layouts"]]
            assert len(solvers) == len(set(solvers)) == 6


def test_best_seed_is_shown(tmp_path):
    instance = random_instance("x", 10, 4, seed=3)
    digest = rs.digest(instance)
    good, bad = rs.solve(instance).layout, rs.Layout.identity(instance)
    path = tmp_path / "seeds.store"
    with Store.open(path) as store:
        store.add_instance(instance, "x", "f")
        for seed, layout in enumerate([bad, good, bad]):
            cost = rs.evaluate(instance, layout).total
            store.add(run(cost=cost, digest=digest, seed=seed, name="x"), layout)
    (shown,) = report_of(path).explorer.instances
    assert [each["seed"] for each in shown["layouts"]] == [1]


def test_budget_keeps_the_smallest(solved, solved_report):
    """What does not fit is left out and named, the largest first."""
    lengths = {each["name"]: len(json.dumps(each)) for each in solved_report.explorer.instances}
    small = min(lengths, key=lengths.get)
    explorer = report_of(solved, budget=lengths[small] + 10).explorer
    assert [each["name"] for each in explorer.instances] == [small]
    assert len(explorer.left_out) == 2
    assert all("no room left" in line for line in explorer.left_out)


def test_a_large_layout_stays_small(tmp_path):
    """4096 channels by 256 accesses take well below a megabyte with two layouts."""
    instance = random_instance("large", 4096, 256, seed=4)
    path = tmp_path / "large.store"
    rng = np.random.default_rng(0)
    with Store.open(path) as store:
        store.add_instance(instance, "large", "f")
        for number in range(2):
            layout = rs.Layout({"t0": rng.permutation(4096)})
            cost = rs.evaluate(instance, layout).total
            store.add(
                run(cost=cost, backend=f"b{number}", digest=rs.digest(instance), name="large"),
                layout,
            )
    explorer = report_of(path).explorer
    assert len(explorer.instances[0]["layouts"]) == 2
    assert len(json.dumps(explorer.instances)) < 500_000


@pytest.mark.parametrize("fixed", [False, True])
def test_wrong_permutation_is_reported(tmp_path, fixed):
    """A stored layout that does not fit its instance is an alarm, never a picture."""
    instance = rs.Instance(
        "x", [rs.Tensor("a", 3, fixed=fixed)], [rs.Access("r", [rs.Part("a", [0, 2])])]
    )
    path = tmp_path / "wrong.store"
    layout = rs.Layout({"a": [1, 0, 2]} if fixed else {"b": [0, 1, 2]})
    with Store.open(path) as store:
        store.add_instance(instance, "x", "f")
        store.add(run(cost=0, digest=rs.digest(instance), name="x"), layout)
    report = report_of(path)
    assert report.explorer.instances == []
    assert len(report.alarms) == 1
    assert "is none" in report.alarms[0]


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 10**6))
def test_classes_are_distinct_columns(channels, accesses, seed):
    """A class per distinct, wanted column of each tensor."""
    instance = random_instance("x", channels, accesses, seed=seed, tensors=2)
    columns = set()
    for tensor in instance.tensors:
        for channel in range(tensor.channels):
            users = tuple(
                access.id
                for access in instance.accesses
                for part in access.parts
                if part.tensor == tensor.id and channel in part.channels
            )
            if users:
                columns.add((tensor.id, users))
    assert count_classes(instance) == len(columns)
