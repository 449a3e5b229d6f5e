"""Rewritten instances: never dearer, truthful, and as good as the best plan there is."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sharing_examples import optimum, optimum_of, venn
from strategies import instances

import reorder_solver as rs
from reorder_solver.sharing import SharingPlan, Source, share_buffers

OBJECTIVES = st.sampled_from(["bytes", "copies"])


def enumerable(plan):
    """Whether few enough layouts are left to try them all."""
    layouts = 1
    for placed in plan.instance.placed_channels().values():
        layouts *= int(np.prod(np.arange(1, placed.sum() + 1)))
    return layouts <= 150_000


def check_wiring(plan: SharingPlan):
    """Every access still reads the channels it read, through the buffers where it moved."""
    before = {access.id: access for access in plan.original.accesses}
    after = {access.id: access for access in plan.instance.accesses}
    buffers = {buffer.tensor: buffer for buffer in plan.buffers}
    assert set(after) - set(before) == {buffer.fill for buffer in plan.buffers}
    assert plan.reads().keys() == before.keys()
    for key, access in before.items():
        moved = after[key]
        buffer = buffers.get(plan.reads()[key][0])
        if buffer is None:
            assert moved == access
            continue
        assert key in buffer.readers
        assert (access.role, len(access.parts), access.required) == (rs.Role.READ, 1, False)
        assert access.parts[0].tensor == buffer.source
        assert np.array_equal(buffer.channels[moved.parts[0].channels], access.parts[0].channels)
        assert replace(moved, parts=access.parts) == access
    for buffer in plan.buffers:
        assert len(buffer.readers) >= 2
        fill = after[buffer.fill]
        assert {part.tensor for part in fill.parts} == {buffer.source}
        wanted = np.sort(np.concatenate([part.channels for part in fill.parts]))
        assert np.array_equal(wanted, buffer.channels)
        assert fill.role is rs.Role.READ
        reads = [before[key].parts[0].channels for key in buffer.readers]
        assert np.array_equal(np.unique(np.concatenate(reads)), buffer.channels)


@given(
    instances(tensors=(1, 2), channels=(1, 5), accesses=(2, 6), max_parts=2, prices="none"),
    OBJECTIVES,
)
@settings(max_examples=60, deadline=None)
def test_never_dearer(instance, objective):
    """Fixed tensors, required accesses, several parts and equal reads included."""
    plan = share_buffers(instance, objective=objective)
    check_wiring(plan)
    assert plan.is_proven
    before = optimum(instance, objective)
    planned = rs.evaluate(plan.instance, plan.layout, objective)
    if before is None:
        assert rs.solve(plan.instance, objective).cost is None
        return
    if enumerable(plan):
        after = optimum(plan.instance, objective)
        assert after <= before
    after = rs.solve(plan.instance, objective)
    rs.verify(plan.instance, after)
    assert after.cost <= before
    if planned.total is not None:
        assert after.cost <= planned.total


def every_choice(instance, objective):
    """The least optimum over all ways to put disjoint groups of reads into buffers, rewritten."""
    readers = [access.id for access in instance.accesses if access.size >= 2]
    known = {access.id: access for access in instance.accesses}
    best = rs.solve(instance, objective).cost
    for size in range(2, len(readers) + 1):
        for group in combinations(readers, size):
            if len({known[key].parts[0].tensor for key in group}) > 1:
                continue
            source = known[group[0]].parts[0].tensor
            rows = [known[key].parts[0].channels for key in group]
            union = np.unique(np.concatenate(rows))
            buffer = rs.Instance(
                "",
                [rs.Tensor("b", union.size)],
                [
                    rs.Access(key, [rs.Part("b", np.searchsorted(union, row))], required=True)
                    for key, row in zip(group, rows, strict=True)
                ],
            )
            if rs.solve(buffer, objective, time_limit=5.0).cost is None:
                continue
            left = [access for access in instance.accesses if access.id not in group]
            width = union.size if objective == "bytes" else 1
            each = max(known[key].bytes for key in readers if known[key].parts[0].tensor == source)
            fill = width * (each if objective == "bytes" else 1)
            best = min(best, fill + every_choice(instance.replace(accesses=left), objective))
    return best


@given(st.data(), OBJECTIVES)
@settings(max_examples=25, deadline=None)
def test_best_of_every_choice(data, objective):
    """A proven plan, solved, costs what the best of all choices of buffers costs."""
    rows = data.draw(
        st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=2, max_size=5)
    )
    accesses = [
        rs.Access(f"a{number}", [rs.Part("x", np.flatnonzero(row))], bytes=3)
        for number, row in enumerate(rows)
    ]
    instance = rs.Instance("", [rs.Tensor("x", 5)], accesses)
    plan = share_buffers(instance, objective=objective)
    solved = rs.solve(plan.instance, objective, warm_start=plan.layout)
    assert solved.status is rs.Status.OPTIMAL
    planned = rs.evaluate(plan.instance, plan.layout, objective).total
    assert solved.cost == planned or (not plan.buffers and solved.cost < planned)
    assert solved.cost == every_choice(instance, objective)


def test_general_position():
    """With a third access at home, two of the others share the union instead of paying both."""
    instance = venn(5)
    plan = share_buffers(instance)
    before, after = rs.solve(instance), rs.solve(plan.instance)
    assert (before.cost, after.cost, after.status) == (3 * 16 * 4, (24 + 16) * 4, "optimal")
    (buffer,) = plan.buffers
    assert (buffer.tensor, buffer.fill) == ("layer1/buffer1", "layer1/buffer1/fill")
    assert plan.instance.tensors[-1] == rs.Tensor("layer1/buffer1", 24)
    check_wiring(plan)
    rs.verify(plan.instance, after)
    if after.proof is not None:
        rs.check_proof(plan.instance, after)


def test_staying_accesses_make_three_strictly_cheaper():
    """A pass holds the home with one reader; the two others share."""
    instance = venn(4)
    first, *rest = instance.accesses
    heavy = replace(first, role=rs.Role.PASS, bytes=1000)
    instance = instance.replace(accesses=[heavy, *rest])
    plan = share_buffers(instance)
    before, after = optimum_of(instance), optimum_of(plan.instance)
    assert (before, after) == (2 * 8 * 4, 12 * 4)
    assert [len(buffer.readers) for buffer in plan.buffers] == [2]
    assert plan.reads()["conv0"] == ("layer1",)


def test_a_fill_is_never_free():
    """Three readers do not become free by a buffer whose channels are consecutive at the source."""
    instance = venn(3)
    plan = share_buffers(instance)
    assert plan.instance is instance
    assert plan.buffers == ()
    forced = share_buffers(instance, stays=["conv0"])
    assert optimum_of(forced.instance) == optimum_of(instance) == 16
    fixed = instance.replace(tensors=[rs.Tensor("layer1", 7, fixed=True)])
    plan = share_buffers(fixed)
    assert [set(buffer.readers) for buffer in plan.buffers] == [{"conv0", "conv1"}]
    facts = rs.evaluate(plan.instance, rs.Layout.identity(plan.instance)).accesses
    assert facts["layer1/buffer1/fill"].cost == 4 * plan.buffers[0].channels.size


def test_equal_reads_share_what_they_want():
    """Two accesses that want the same are one reader, and may have a buffer to themselves."""
    instance = venn(3)
    double = [replace(access, id=f"{access.id}.twin") for access in instance.accesses]
    instance = instance.replace(accesses=[*instance.accesses, *double])
    plan = share_buffers(instance)
    (buffer,) = plan.buffers
    assert buffer.readers[1] == f"{buffer.readers[0]}.twin"
    assert buffer.channels.size == 4
    assert (optimum_of(instance), optimum_of(plan.instance)) == (32, 16)


def test_what_stays_and_where_buffers_may_be():
    """Tensors without permission, writes, passes, parts and named accesses are left alone."""
    instance = venn(5)
    assert share_buffers(instance, sources={}).instance is instance
    assert share_buffers(instance, stays=[a.id for a in instance.accesses]).buffers == ()
    for role in (rs.Role.WRITE, rs.Role.PASS):
        assert share_buffers(venn(5, role=role)).buffers == ()
    dear = share_buffers(instance, sources={"layer1": 9})
    cheap = share_buffers(instance, sources={"layer1": Source(1)})
    assert dear.buffers == ()
    assert len(cheap.buffers) == 2
    assert optimum_of(cheap.instance) < optimum_of(share_buffers(instance).instance)


def test_names_are_new_and_contents_are_channels():
    """Ids that exist already are passed over; contents name the source's channels."""
    instance = venn(5)
    taken = rs.Tensor("layer1/buffer1", 2)
    fill = rs.Access("layer1/buffer2/fill", [rs.Part("layer1/buffer1", [0, 1])])
    instance = instance.replace(
        tensors=[*instance.tensors, taken], accesses=[*instance.accesses, fill]
    )
    plan = share_buffers(instance)
    (buffer,) = plan.buffers
    assert (buffer.tensor, buffer.fill) == ("layer1/buffer2", "layer1/buffer2/fill2")
    contents = plan.contents(plan.layout)
    assert sorted(contents[buffer.tensor]) == buffer.channels.tolist()
    for key in buffer.readers:
        wanted = next(a for a in instance.accesses if a.id == key).parts[0].channels
        places = np.flatnonzero(np.isin(contents[buffer.tensor], wanted))
        assert np.ptp(places) + 1 == wanted.size
    long = venn(5).replace(tensors=[rs.Tensor("x" * 512, 31)], accesses=[])
    renamed = [
        replace(access, parts=[rs.Part("x" * 512, access.parts[0].channels)])
        for access in venn(5).accesses
    ]
    assert share_buffers(long.replace(accesses=renamed)).buffers[0].tensor.endswith("/buffer1")


@given(st.integers(0, 200), OBJECTIVES)
@settings(max_examples=10, deadline=None)
def test_a_start_is_not_lost(seed, objective):
    """Even with no time at all, the plan's layout costs at most what the given layout costs."""
    rng = np.random.default_rng(seed)
    accesses = [
        rs.Access(f"a{number}", [rs.Part("x", np.flatnonzero(rng.random(40) < 0.4))])
        for number in range(14)
    ]
    instance = rs.Instance("", [rs.Tensor("x", 40)], accesses)
    start = rs.solve(instance, objective, "greedy")
    plan = share_buffers(instance, objective=objective, time_limit=0.0, warm_start=start.layout)
    check_wiring(plan)
    assert rs.evaluate(plan.instance, plan.layout, objective).total <= start.cost
    assert plan.contents(plan.layout).keys() == plan.layout.keys()


def test_thousands_of_channels():
    """Classes, not channels, are what is looked at; the layout of the plan is optimal."""
    rng = np.random.default_rng(1)
    accesses = [
        rs.Access(f"a{number}", [rs.Part("x", np.flatnonzero(rng.random(8192) < 0.5))], bytes=4)
        for number in range(10)
    ]
    instance = rs.Instance("", [rs.Tensor("x", 8192)], accesses)
    plan = share_buffers(instance, time_limit=60.0)
    assert plan.is_proven
    assert len(plan.buffers) == 4
    planned = rs.evaluate(plan.instance, plan.layout).total
    assert planned == rs.solve(plan.instance, warm_start=plan.layout).lower_bound
    assert planned < 0.8 * rs.solve(instance).lower_bound


def test_concatenations_stay():
    """An access with parts is left alone, and what it needs of the home is respected."""
    instance = venn(5)
    channels = instance.accesses[0].parts[0].channels
    other = rs.Tensor("y", 3)
    joined = rs.Access("joined", [rs.Part("layer1", channels), rs.Part("y", [0, 2])], bytes=1000)
    instance = instance.replace(
        tensors=[*instance.tensors, other], accesses=[*instance.accesses, joined]
    )
    plan = share_buffers(instance)
    assert plan.is_proven
    assert plan.reads()["joined"] == ("layer1", "y")
    assert optimum_of(plan.instance) < optimum_of(instance)
    facts = rs.solve(plan.instance).accesses["joined"]
    assert facts.cost == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "runs"}, "bytes or copies"),
        ({"objective": "latency"}, "bytes or copies"),
        ({"stays": ["nobody"]}, "unknown access 'nobody'"),
        ({"sources": {"layer9": 4}}, "unknown tensor 'layer9'"),
        ({"sources": {"layer1": 4.5}}, "bytes of a source must be an integer"),
        ({"time_limit": -1}, "time limit"),
    ],
)
def test_wrong_arguments(options, message):
    """One line each."""
    with pytest.raises(rs.InputError, match=message):
        share_buffers(venn(3), **options)
