"""What is drawn: panels, rows, runs and coverage against the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from random_instances import random_instance

import reorder_solver as rs
from reorder_solver.plot import choose, compare, note_on_choice, panels


def shuffled(instance, seed):
    """A random layout that keeps fixed tensors."""
    rng = np.random.default_rng(seed)
    return rs.Layout(
        {
            tensor.id: np.arange(tensor.channels)
            if tensor.fixed
            else rng.permutation(tensor.channels)
            for tensor in instance.tensors
        }
    )


@pytest.mark.parametrize("seed", range(40))
def test_rows_show_what_evaluate_says(seed):
    """The runs drawn are the runs counted, on both sides, for every access once."""
    instance = random_instance(np.random.default_rng(seed))
    layout = shuffled(instance, seed)
    before, pairs = compare(instance, layout, "runs")
    facts = {0: before.accesses, 1: rs.evaluate(instance, layout, "runs").accesses}
    for side in (0, 1):
        rows = [row for pair in pairs for row in pair[side].rows]
        assert sorted(row.access.id for row in rows) == sorted(a.id for a in instance.accesses)
        for row in rows:
            runs = row.runs()
            expected = facts[side][row.access.id]
            assert len(runs) == expected.runs
            assert sum(length for _, length in runs) == expected.channels
            if runs:
                assert runs[-1][0] + runs[-1][1] - runs[0][0] == expected.span


@pytest.mark.parametrize("seed", range(20))
def test_full_coverage_is_the_matrix(seed):
    """At full size the coverage is the 0/1 matrix of wanted positions, split by mode."""
    instance = random_instance(np.random.default_rng(seed))
    for pair in compare(instance, shuffled(instance, seed), "bytes")[1]:
        for view in pair:
            total = sum(view.coverage(1000, 1000).values())
            for number, row in enumerate(view.rows):
                expected = np.zeros(max(view.width, 1))
                expected[row.positions] = 1
                assert np.array_equal(total[number], expected)


def test_coverage_averages_over_cells():
    """A smaller grid keeps the share of wanted positions."""
    rng = np.random.default_rng(1)
    accesses = [
        rs.Access(f"a{number}", [rs.Part("x", np.flatnonzero(rng.random(997) < 0.4))])
        for number in range(70)
    ]
    accesses.append(rs.Access("all", [rs.Part("x", range(997))]))
    instance = rs.Instance("big", [rs.Tensor("x", 997)], accesses)
    (view, _), *_ = compare(instance, rs.Layout.identity(instance), "bytes")[1]
    total = sum(view.coverage(7, 100).values())
    assert total.shape == (7, 100)
    assert total.min() > 0.2
    assert total.max() <= 1.0
    wanted = sum(access.size for access in accesses) / (71 * 997)
    assert total.mean() == pytest.approx(wanted, abs=0.02)


def parts(*channels_by_tensor):
    """Parts from pairs of tensor and channels."""
    return [rs.Part(tensor, channels) for tensor, channels in channels_by_tensor]


@pytest.fixture
def mixed():
    """Two tensors, a concatenation both ways round, and a tensor without access."""
    return rs.Instance(
        "mixed",
        [rs.Tensor("x", 4), rs.Tensor("y", 3), rs.Tensor("unread", 2)],
        [
            rs.Access("x1", parts(("x", [0, 2]))),
            rs.Access("xy", parts(("x", [1]), ("y", [0, 2])), bytes=9),
            rs.Access("x2", parts(("x", [3, 1]))),
            rs.Access("yx", parts(("y", [1]), ("x", [0]))),
            rs.Access("y1", parts(("y", [0, 1, 2]))),
        ],
    )


def test_panel_per_tensor_and_concatenation(mixed):
    """Accesses that see the same parts in the same order share a panel."""
    found = {panel.tensors: [each.id for each in panel.accesses] for panel in panels(mixed)}
    assert found == {
        ("x",): ["x1", "x2"],
        ("x", "y"): ["xy"],
        ("y", "x"): ["yx"],
        ("y",): ["y1"],
    }


def test_rows_are_sorted_by_place_after(mixed):
    """Both sides list the accesses by where the layout puts them."""
    layout = rs.Layout({"x": [3, 1, 0, 2], "y": [0, 1, 2], "unread": [0, 1]})
    left, right = compare(mixed, layout, "bytes")[1][0]
    assert [row.access.id for row in right.rows] == ["x2", "x1"]
    assert [row.access.id for row in left.rows] == ["x2", "x1"]


def test_choose_leaves_out_what_is_all_views(mixed):
    """By default only panels with something to see stay; by name any of them."""
    pairs = compare(mixed, rs.Layout.identity(mixed), "bytes")[1]

    def names(chosen):
        return [left.panel.tensors for left, _ in chosen]

    assert names(choose(pairs)) == [("x",), ("x", "y"), ("y", "x")]
    assert names(choose(pairs, most=1)) == [("x", "y")]
    assert names(choose(pairs, ["y"])) == [("x", "y"), ("y", "x"), ("y",)]
    assert note_on_choice(choose(pairs), pairs).endswith("in the others every access is a view")
    assert note_on_choice(choose(pairs, most=1), pairs).startswith("1 of 4 ")
    assert note_on_choice(pairs, pairs) == ""
    with pytest.raises(rs.InputError, match="'unread'"):
        choose(pairs, ["unread"])


def test_all_views_are_drawn_where_there_is_nothing_else():
    """An instance without any copy still has a picture."""
    instance = rs.Instance("i", [rs.Tensor("x", 2)], [rs.Access("a", [rs.Part("x", [0])])])
    pairs = compare(instance, rs.Layout.identity(instance), "bytes")[1]
    assert choose(pairs) == pairs
