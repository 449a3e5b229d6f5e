"""Tensors that are written anyway, as concatenations are: kept in pieces where that is cheaper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from set_partitions import partitions
from sharing_examples import optimum, optimum_of, venn

import reorder_solver as rs
from reorder_solver.sharing import Source, share_buffers


def stored(plan, tensor):
    """How many channels of a tensor are used."""
    return int(plan.instance.used_channels()[tensor].sum())


def cheapest_written(instance, each):
    """The least price of storing and reading a tensor, over all ways to write it in pieces."""
    best = None
    for blocks in partitions([access for access in instance.accesses if access.size]):
        cost = 0
        for block in blocks:
            piece = instance.replace(accesses=block)
            cost += each * int(piece.used_channels()["x"].sum()) + optimum(piece, "bytes")
        best = cost if best is None else min(best, cost)
    return best


@given(
    st.lists(
        st.tuples(st.lists(st.booleans(), min_size=5, max_size=5), st.integers(1, 3)),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 3),
)
@settings(max_examples=30, deadline=None)
def test_what_is_written_anyway(rows, each):
    """A concatenation is written as the cheapest set of buffers, its own among them."""
    accesses = [
        rs.Access(f"a{number}", [rs.Part("x", np.flatnonzero(row))], bytes=price)
        for number, (row, price) in enumerate(rows)
    ]
    instance = rs.Instance("", [rs.Tensor("x", 5)], accesses)
    plan = share_buffers(instance, sources={"x": Source(each, is_written=True)})
    tensors = [tensor.id for tensor in plan.instance.tensors]
    uncounted = each * sum(stored(plan, tensor) == 1 for tensor in tensors)
    assert plan.is_proven
    assert rs.solve(plan.instance).cost + uncounted == cheapest_written(instance, each)
    assert rs.evaluate(plan.instance, plan.layout).violated == ()
    before = {access.id: access for access in instance.accesses}
    after = {access.id: access for access in plan.instance.accesses}
    for buffer in plan.buffers:
        assert all(
            tensor == buffer.tensor for key in buffer.readers for tensor in plan.reads()[key]
        )
        for key in buffer.readers:
            channels = buffer.channels[after[key].parts[0].channels]
            assert np.array_equal(channels, before[key].parts[0].channels)
        if buffer.channels.size > 1:
            fill = after[buffer.fill]
            assert (fill.role, fill.size) == (rs.Role.WRITE, buffer.channels.size)
            assert {part.tensor for part in fill.parts} == {buffer.tensor}


def test_four_readers_of_a_concatenation():
    """Two written buffers instead of a home and two gathers; with a pass, a home as well."""
    instance = venn(4)
    source = {"layer1": Source(4, is_written=True)}
    plan = share_buffers(instance, sources=source)
    assert [len(buffer.readers) for buffer in plan.buffers] == [2]
    assert (stored(plan, "layer1"), stored(plan, plan.buffers[0].tensor)) == (12, 12)
    assert optimum_of(plan.instance) == 2 * 12 * 4
    first, *rest = instance.accesses
    held = instance.replace(accesses=[replace(first, role=rs.Role.PASS), *rest])
    plan = share_buffers(held, sources=source)
    assert plan.reads()["conv0"] == ("layer1",)
    assert optimum_of(plan.instance) == 2 * 12 * 4
    needed = instance.replace(accesses=[replace(each, required=True) for each in instance.accesses])
    assert share_buffers(needed, sources=source).buffers == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tensors": [rs.Tensor("layer1", 7, fixed=True)]}, "'layer1': a fixed tensor"),
        (
            {"accesses": [rs.Access("two", [rs.Part("layer1", [0]), rs.Part("layer1", [2])])]},
            "access 'two' reads it as one of several",
        ),
    ],
)
def test_what_cannot_be_written_in_pieces(change, message):
    """A pinned tensor and one that is concatenated again."""
    source = {"layer1": Source(4, is_written=True)}
    with pytest.raises(rs.InputError, match=message):
        share_buffers(venn(3).replace(**change), sources=source)
    with pytest.raises(rs.InputError, match="objective bytes"):
        share_buffers(venn(3), sources=source, objective="copies")
