"""Reduced costs over all edges, over a list of edges, and with numbers of any size, agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import reorder_solver as rs
from formulations.subtour_certificate import Certificate, exact_bound
from reorder_solver.core.proof import Leaf, RunsPart
from reorder_solver.proofs import reduced_costs
from reorder_solver.proofs.groups import Groups
from reorder_solver.proofs.reduced_costs import DualSolution, FreeEdges
from reorder_solver.proofs.runs import check_runs
from reorder_solver.proofs.tours import Tours


def _example(seed: int, channels: int = 60, most: int = 9) -> tuple[Groups, RunsPart]:
    """An instance of one tensor, and numbers for all nodes and some sets, large ones as well."""
    rng = np.random.default_rng(seed)
    accesses = [
        rs.Access(
            f"a{number}",
            [rs.Part("x", np.flatnonzero(rng.random(channels) < 0.4))],
            weight=int(rng.integers(1, most)),
        )
        for number in range(12)
    ]
    groups = Groups(rs.Instance("", [rs.Tensor("x", channels)], accesses), rs.Objective.RUNS)
    nodes = tuple(("x", int(channel)) for channel in groups.placed["x"])
    sets = []
    for size in (1, 2, 3, 10, len(nodes) // 2, len(nodes) - 1, len(nodes)):
        members = np.sort(rng.choice(len(nodes), size=size, replace=False)).tolist()
        sets.append((tuple(members), int(rng.integers(0, 5000))))
    numbers = tuple(rng.integers(-2000, 9000, size=len(nodes) + 1).tolist())
    leaf = Leaf(numbers, tuple(sets), 8)
    return groups, RunsPart(tuple(one.id for one in accesses), ("x",), nodes, leaf, 0)


def _tours(groups: Groups, part: RunsPart) -> Tours:
    return Tours(part, groups, set())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("block", [1, 100, 1 << 21])
def test_all_ways_agree(seed: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of any size, a list of all edges, kept distances or not, and the formulation."""
    monkeypatch.setattr(reduced_costs, "_BLOCK", block)
    groups, part = _example(seed)
    tours = _tours(groups, part)
    duals = DualSolution(tours, part.tree)
    everything = FreeEdges(tours)
    total = everything.negative_part(duals)
    assert total < 0
    assert everything.sifted(duals, 10**12).negative_part(duals) == total
    monkeypatch.setattr(reduced_costs, "_KEPT", 0)
    assert FreeEdges(tours).negative_part(duals) == total
    distances = tours.distances(slice(None), slice(None), pairs=False)
    members = np.zeros((len(part.tree.sets), tours.count), dtype=np.bool_)
    for row, (inside, _) in zip(members, part.tree.sets, strict=True):
        row[list(inside)] = True
    certificate = Certificate(
        np.array(part.tree.nodes),
        np.array([number for _, number in part.tree.sets]),
        members,
        part.tree.exponent,
    )
    assert exact_bound(distances, certificate) == duals.constant + total


def test_large_numbers_are_worked_out_in_python() -> None:
    """Numbers beyond 64 bits give what small ones give, times the same factor."""
    groups, part = _example(7)
    tours = _tours(groups, part)
    duals = DualSolution(tours, part.tree)
    leaf = part.tree
    longer = Leaf(
        tuple(number << 90 for number in leaf.nodes),
        tuple((members, number << 90) for members, number in leaf.sets),
        leaf.exponent + 90,
    )
    large = DualSolution(tours, longer)
    assert (duals.kind, large.kind) == (np.int64, object)
    free = FreeEdges(tours)
    assert free.negative_part(large) == free.negative_part(duals) << 90
    listed = free.sifted(large, 10**40)
    assert listed.negative_part(large) == free.negative_part(duals) << 90
    edges = [(0, 1), (2, tours.count - 1)]
    assert large.reduced_costs(edges) == [cost << 90 for cost in duals.reduced_costs(edges)]


def test_large_weights_are_added_up_exactly() -> None:
    """Distances are sums of weights of any size."""
    groups, part = _example(9, channels=20, most=2)
    members = groups.all
    weights = [10**25 + 7**number for number in range(len(members))]
    accesses = [
        replace(group.members[0], weight=weight)
        for group, weight in zip(members, weights, strict=True)
    ]
    instance = rs.Instance("", [rs.Tensor("x", 20)], accesses)
    groups = Groups(instance, rs.Objective.RUNS)
    tours = _tours(groups, part)
    distances = tours.distances(slice(None), slice(None), pairs=False)
    wanted = [set(group.parts[0][1].tolist()) for group in groups.all]
    columns = [{row for row, w in enumerate(wanted) if c in w} for _, c in part.nodes] + [set()]
    assert tours.unit == 1
    for i, one in enumerate(columns):
        for j, other in enumerate(columns):
            assert distances[i, j] == sum(weights[row] for row in one ^ other)


def test_two_nodes_use_their_edge_twice() -> None:
    """One class: every access has one run, and the tour of two nodes says just that."""
    instance = rs.Instance("", [rs.Tensor("x", 1)], [rs.Access("a", [rs.Part("x", [0])], weight=3)])
    groups = Groups(instance, rs.Objective.RUNS)
    part = RunsPart(("a",), ("x",), (("x", 0),), Leaf((0, 1), (), 0), 0)
    check_runs(part, groups, set())
    with pytest.raises(rs.VerificationError, match="proves tours of 2 or more, but 4 is needed"):
        check_runs(replace(part, bound=1), groups, set())
    nothing = RunsPart(("a",), ("x",), (), Leaf((5,), (), 0), 0)
    with pytest.raises(rs.VerificationError, match="proves tours of 0 or more"):
        check_runs(nothing, groups, set())


def test_accesses_that_cost_nothing_prove_nothing() -> None:
    """Without weights there is nothing to bound."""
    instance = rs.Instance(
        "", [rs.Tensor("x", 3)], [rs.Access("a", [rs.Part("x", [0, 2])], weight=0)]
    )
    groups = Groups(instance, rs.Objective.RUNS)
    part = RunsPart(("a",), ("x",), (("x", 0),), Leaf((0, 0), (), 0), 0)
    check_runs(part, groups, set())
    with pytest.raises(rs.VerificationError, match="cost nothing"):
        check_runs(replace(part, bound=1), groups, set())


@pytest.mark.slow
def test_thousands_of_nodes_are_checked() -> None:
    """All edges of a few thousand nodes, as blocks and as a list."""
    groups, part = _example(1, channels=3000)
    tours = _tours(groups, part)
    duals = DualSolution(tours, part.tree)
    total = FreeEdges(tours).negative_part(duals)
    assert FreeEdges(tours).sifted(duals, 10**12).negative_part(duals) == total
