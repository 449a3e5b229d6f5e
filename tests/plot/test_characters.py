"""The character picture: cells, shades and widths."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import reorder_solver as rs
from reorder_solver.plot import character_picture, compare
from reorder_solver.plot.words import breadth


def lines_of(instance, layout=None, **settings):
    """The picture as plain lines."""
    layout = layout or rs.Layout.identity(instance)
    pairs = compare(instance, layout, "bytes")[1]
    return ["".join(each.text for each in line) for line in character_picture(pairs, **settings)]


def one_tensor(channels, rows):
    """One tensor and an access per row."""
    accesses = [rs.Access(f"a{n}", [rs.Part("x", row)]) for n, row in enumerate(rows)]
    return rs.Instance("name", [rs.Tensor("x", channels)], accesses)


def test_a_cell_per_position():
    """Narrow panels show every position."""
    instance = one_tensor(4, [[0, 2], [1, 2, 3]])
    assert lines_of(instance, rs.Layout({"x": [0, 2, 1, 3]})) == [
        "x: 4 channels, 2 accesses",
        "before: cost 2",
        "  a0  █·█·  gather, 2 runs, 2",
        "  a1  ·███  view",
        "after: cost 0",
        "  a0  ██··  view",
        "  a1  ·███  view",
    ]


def test_wide_panels_are_shaded_by_share():
    """A cell that stands for several positions shows how many are wanted."""
    rows = [range(500), [*range(0, 1000, 2)], [999], range(1000)]
    shown = {line.split()[0]: line.split()[1] for line in lines_of(one_tensor(1000, rows))[2:6]}
    assert set(shown["a0"][:10]) == {"█"}
    assert set(shown["a0"][-10:]) == {"·"}
    assert set(shown["a1"]) <= {"▒", "▓"}
    assert shown["a2"].strip("·") == "░"
    assert set(shown["a3"]) == {"█"}


@pytest.mark.parametrize("width", [10, 60, 150])
def test_lines_fit(width):
    """Lines are as wide as asked for, names are cut to make room."""
    rng = np.random.default_rng(0)
    accesses = [
        rs.Access(f"{'long.' * 30}{n}", [rs.Part("x", np.flatnonzero(rng.random(700) < 0.5))])
        for n in range(60)
    ]
    lines = lines_of(rs.Instance("i", [rs.Tensor("x", 700)], accesses), width=width)
    assert max(map(len, lines)) <= max(width, 60)
    assert "  (20 more)" in lines


def test_broad_letters_keep_the_columns():
    """A letter of double breadth counts as two, and long names are cut to their column."""
    names = ["層" * 30, "b", "c層"]
    accesses = [rs.Access(name, [rs.Part("x", [0, 2])]) for name in names]
    accesses.append(rs.Access("d", [rs.Part("x", [1])]))
    lines = lines_of(rs.Instance("i", [rs.Tensor("x", 3)], accesses), width=60)
    cells = [breadth(line[: line.index("█")]) for line in lines if "█·█" in line]
    assert len(set(cells)) == 1


def test_ascii_only():
    """A plain picture is ASCII, whatever the names are."""
    instance = rs.Instance("i", [rs.Tensor("é", 3)], [rs.Access("层", [rs.Part("é", [0, 2])])])
    instance = instance.replace(accesses=(*instance.accesses, rs.Access("b", [rs.Part("é", [1])])))
    lines = lines_of(instance, plain=True)
    assert all(line.isascii() for line in lines)
    assert any("#.#" in line for line in lines)


def test_characters_need_no_matplotlib():
    """The character picture works where matplotlib is not installed."""
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import reorder_solver as rs\n"
        "from reorder_solver.plot import character_picture, compare\n"
        "i = rs.Instance('i', [rs.Tensor('x', 2)], [rs.Access('a', [rs.Part('x', [0])])])\n"
        "print(len(character_picture(compare(i, rs.Layout.identity(i), 'bytes')[1])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == "5\n"
