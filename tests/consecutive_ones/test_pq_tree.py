"""The PQ-tree against brute force, planted instances and the properties it must have."""

from __future__ import annotations

import random
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reorder_solver.consecutive_ones import PQTree, consecutive_order

PERMUTATIONS = {n: list(permutations(range(n))) for n in range(8)}


def keeps(order, row):
    """Whether the leaves of a row stand side by side in an order."""
    places = [place for place, leaf in enumerate(order) if leaf in row]
    return not places or places[-1] - places[0] + 1 == len(places)


def assert_keeps_all(order, rows):
    """Check in numpy that an order is a permutation and keeps each of many rows consecutive."""
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    assert np.array_equal(order[place], np.arange(order.size))
    for row in rows:
        if len(row):
            assert np.ptp(place[row]) == len(row) - 1


def random_rows(rng, n, n_rows):
    """Rows of any size, the empty and the full one included."""
    return [rng.sample(range(n), rng.randint(0, n)) for _ in range(n_rows)]


def planted(seed, n, n_rows, shortest, longest):
    """Intervals of a hidden order, each in random order."""
    rng = np.random.default_rng(seed)
    hidden = rng.permutation(n)
    lengths = rng.integers(shortest, longest, size=n_rows, endpoint=True)
    return [
        rng.permutation(hidden[start : start + length])
        for length in lengths
        for start in [int(rng.integers(0, n - length, endpoint=True))]
    ]


def laminar(seed, n):
    """All sets of a random nested family: each set is split into two of the family."""
    rng = np.random.default_rng(seed)
    family, pending = [], [rng.permutation(n)]
    while pending:
        part = pending.pop()
        if part.size > 1:
            family.append(part)
            cut = int(rng.integers(1, part.size))
            pending += [part[:cut], part[cut:]]
    return family


@pytest.mark.parametrize("seed", range(8))
def test_number_of_orders_equals_brute_force(seed):
    """After every row the tree admits as many orders as brute force finds, its own among them."""
    rng = random.Random(seed)
    for _ in range(300):
        n = rng.choice([0, 1, 2, 3, 4, 5, 5, 6, 6, 7])
        tree, admitted = PQTree(n), PERMUTATIONS[n]
        for row in random_rows(rng, n, rng.randint(1, 8)):
            left = [order for order in admitted if keeps(order, set(row))]
            before = str(tree)
            assert tree.reduce(row) == bool(left)
            if left:
                admitted = left
            else:
                assert str(tree) == before
            assert tree.n_orders == len(admitted)
            assert tuple(tree.frontier().tolist()) in admitted


def orders_in_brackets(text):
    """All orders that the bracket notation stands for, by its own little parser."""
    words = text.replace("(", " ( ").replace("[", " [ ").replace(")", " ) ").replace("]", " ] ")
    stack = [[]]
    for word in words.split():
        if word in "([":
            stack.append([])
        elif word in ")]":
            parts = stack.pop()
            arranged = permutations(parts) if word == ")" else (parts, parts[::-1])
            stack[-1].append({tuple(done) for parts in arranged for done in chained(parts)})
        else:
            stack[-1].append({(int(word),)})
    return stack[0][0]


def chained(parts):
    """All ways to take one sequence of each part and lay them end to end."""
    if not parts:
        return [()]
    rest = chained(parts[1:])
    return [head + tail for head in parts[0] for tail in rest]


@pytest.mark.parametrize("seed", range(4))
def test_admitted_set_equals_brute_force(seed):
    """The orders written in the bracket notation are exactly those of brute force."""
    rng = random.Random(seed)
    for _ in range(150):
        n = rng.randint(1, 6)
        tree, admitted = PQTree(n), set(PERMUTATIONS[n])
        for row in random_rows(rng, n, rng.randint(1, 6)):
            left = {order for order in admitted if keeps(order, set(row))}
            if tree.reduce(row):
                admitted = left
        assert orders_in_brackets(str(tree)) == admitted


@pytest.mark.parametrize(
    ("n", "n_rows", "shortest", "longest"),
    [(4096, 512, 1, 2048), (4096, 4096, 2, 20), (16384, 256, 1, 8192), (300, 2000, 1, 300)],
)
def test_planted_intervals_are_all_kept(n, n_rows, shortest, longest):
    """Instances of realistic size that have a solution are solved, whatever the row lengths."""
    rows = planted(7, n, n_rows, shortest, longest)
    order = consecutive_order(n, rows)
    assert order is not None
    assert order.dtype == np.int64
    assert_keeps_all(order, rows)


@pytest.mark.parametrize("shuffled", [False, True])
def test_laminar_family_gives_one_binary_tree(shuffled):
    """A complete nested family leaves two orders at each of its n - 1 sets, in any row order."""
    n = 1024
    rows = laminar(3, n)
    if shuffled:
        random.Random(5).shuffle(rows)
    tree = PQTree(n)
    assert all(tree.reduce(row) for row in rows)
    assert tree.n_orders == 2 ** (n - 1)
    assert_keeps_all(tree.frontier(), rows)


@pytest.mark.parametrize("pairs_from_outside", [False, True])
def test_deep_nesting_needs_no_recursion(pairs_from_outside):
    """A tree thousands of levels deep is built, printed, copied, counted and flattened again."""
    n = 2000
    tree = PQTree(n)
    assert all(tree.reduce(range(size)) for size in range(2, n))
    assert str(tree).startswith("(1999 (1998 (1997 (")
    assert tree.n_orders == 2 ** (n - 1)
    deep = tree.copy()
    pairs = [(i, i + 1) for i in range(1, n - 1)]
    assert all(tree.reduce(pair) for pair in (pairs[::-1] if pairs_from_outside else pairs))
    assert tree.n_orders == 2
    assert deep.n_orders == 2 ** (n - 1)
    assert_keeps_all(tree.frontier(), [np.arange(size) for size in range(2, n, 97)])
    assert deep.reduce([0, n - 1])
    assert deep.n_orders == 2
    assert not deep.reduce([1, n - 1])


def test_long_chain_of_pairs_leaves_two_orders():
    """The pairs of a hidden path, in random order, leave the path and its reverse only."""
    n = 4096
    rng = np.random.default_rng(11)
    hidden = rng.permutation(n)
    pairs = np.stack([hidden[:-1], hidden[1:]], axis=1)
    tree = PQTree(n)
    assert all(tree.reduce(pair) for pair in rng.permutation(pairs))
    assert tree.n_orders == 2
    order = tree.frontier()
    assert np.array_equal(order, hidden) or np.array_equal(order, hidden[::-1])


def test_failed_rows_leave_a_large_tree_unchanged():
    """A tree that refused many rows equals, to the letter, one that was never asked."""
    n = 1000
    rows = planted(1, n, 60, 1, 500)
    rng = np.random.default_rng(2)
    tree, calm = PQTree(n), PQTree(n)
    refused = 0
    for row in rows:
        assert tree.reduce(row)
        assert calm.reduce(row)
        wild = rng.choice(n, size=int(rng.integers(3, 500)), replace=False)
        kept = tree.copy()
        if tree.reduce(wild):
            tree = kept
        else:
            refused += 1
        assert str(tree) == str(calm)
        assert tree.n_orders == calm.n_orders
    assert refused > 30


@pytest.mark.parametrize(
    ("n", "rows"),
    [
        (3, [(0, 1), (1, 2), (0, 2)]),
        (4, [(0, 1), (0, 2), (0, 3)]),
        (5, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]),
        (6, [(0, 1), (2, 3), (4, 5), (0, 2, 4)]),
        (6, [(0, 1), (2, 3), (0, 1, 2, 3), (4, 0, 2, 3), (5, 0, 2)]),
        (7, [(0, 2, 4, 6), (1, 2, 5, 6), (3, 4, 5, 6)]),
    ],
)
def test_known_obstructions_are_refused(n, rows):
    """Cycles, Tucker's small obstructions and three sets in general position do not fit."""
    assert consecutive_order(n, rows) is None
    assert not any(all(keeps(order, set(row)) for row in rows) for order in PERMUTATIONS[n])


def test_bracket_notation():
    """P nodes print in round brackets, Q nodes in square ones, and small trees read as expected."""
    assert str(PQTree(0)) == "()"
    assert str(PQTree(1)) == "0"
    tree = PQTree(5)
    assert str(tree) == "(0 1 2 3 4)"
    assert tree.reduce([1, 2])
    assert tree.reduce([2, 3])
    assert str(tree) == "(0 4 [1 2 3])"
    assert repr(tree) == "<PQTree (0 4 [1 2 3])>"
    assert tree.n_orders == 12
    assert len(tree) == 5


def test_rows_that_ask_for_nothing():
    """Rows of no, one or all leaves succeed and change nothing, also where there are no leaves."""
    tree = PQTree(4)
    for row in ([], [2], range(4), np.arange(4)[::-1], np.array([])):
        assert tree.reduce(row)
    assert tree.n_orders == 24
    assert PQTree(0).reduce([])
    assert PQTree(0).n_orders == PQTree(1).n_orders == 1
    assert consecutive_order(0, []).shape == (0,)
    assert consecutive_order(3, []).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ([0, 1, 0], ValueError, "leaf 0 occurs more than once"),
        (np.array([3, 2, 3, 1]), ValueError, "leaf 3 occurs more than once"),
        ([0, 4], ValueError, "leaf 4 is not one of the 4 leaves"),
        ([-1, 2], ValueError, "leaf -1 is not one of the 4 leaves"),
        ([4], ValueError, "leaf 4 is not one of the 4 leaves"),
        (np.array([True, False, True, True]), TypeError, "bool"),
        (np.array([0.0, 1.0]), TypeError, "float64"),
        (np.array([[0, 1]]), TypeError, "2-d"),
        ([0.0, 1.0], TypeError, "float"),
    ],
)
def test_bad_rows_are_errors(row, error, message):
    """A bad row raises one line that names the fault, and the tree stays as it was."""
    tree = PQTree(4)
    with pytest.raises(error, match=message) as caught:
        tree.reduce(row)
    assert "\n" not in str(caught.value)
    assert tree.n_orders == 24


def test_negative_size_is_an_error():
    """There is no tree with fewer than no leaves."""
    with pytest.raises(ValueError, match="-1 leaves"):
        PQTree(-1)


def test_integer_types_are_all_accepted():
    """Unsigned and small integer arrays, numpy scalars, ranges and generators mean the same row."""
    rows = [np.array([1, 3], dtype=np.uint8), (np.int32(i) for i in (1, 3)), range(1, 4, 2), {1, 3}]
    trees = [PQTree(5) for _ in rows]
    for tree, row in zip(trees, rows, strict=True):
        assert tree.reduce(row)
    assert {str(tree) for tree in trees} == {"(0 2 4 (1 3))"}


def test_copies_are_independent():
    """Reducing a copy, or the tree it was made of, never shows in the other."""
    rng = random.Random(4)
    for _ in range(300):
        n = rng.randint(2, 7)
        tree = PQTree(n)
        for row in random_rows(rng, n, 3):
            tree.reduce(row)
        before, copy = str(tree), tree.copy()
        for row in random_rows(rng, n, 3):
            copy.reduce(row)
        assert str(tree) == before
        after = str(copy)
        for row in random_rows(rng, n, 3):
            tree.reduce(row)
        assert str(copy) == after


def test_same_rows_give_the_same_tree():
    """Two runs over the same rows agree to the letter."""
    rows = planted(9, 500, 80, 1, 250)
    first, second = PQTree(500), PQTree(500)
    assert [first.reduce(row) for row in rows] == [second.reduce(row) for row in rows]
    assert str(first) == str(second)
    assert np.array_equal(first.frontier(), second.frontier())


@st.composite
def systems(draw):
    """A number of leaves and rows over them; about half of the systems have planted rows."""
    n = draw(st.integers(1, 24))
    if draw(st.booleans()):
        ends = st.tuples(st.integers(0, n), st.integers(0, n))
        spans = draw(st.lists(ends, max_size=12))
        hidden = draw(st.permutations(range(n)))
        return n, [hidden[min(span) : max(span)] for span in spans]
    return n, draw(st.lists(st.lists(st.integers(0, n - 1), unique=True), max_size=6))


@given(systems(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(system, rng):
    """Feasibility and the number of orders depend on the set of rows, not on their sequence."""
    n, rows = system
    tree, other = PQTree(n), PQTree(n)
    fits = all([tree.reduce(row) for row in rows])
    shuffled = rng.sample(rows, len(rows))
    assert all([other.reduce(row) for row in shuffled]) == fits
    if fits:
        assert tree.n_orders == other.n_orders
        order = tree.frontier()
        assert all(other.reduce(pair) for pair in pairwise(order))


@given(systems(), st.randoms(use_true_random=False))
def test_relabelling_does_not_matter(system, rng):
    """New names for the leaves change neither the answers nor the number of orders."""
    n, rows = system
    names = rng.sample(range(n), n)
    tree, other = PQTree(n), PQTree(n)
    for row in rows:
        renamed = [names[leaf] for leaf in rng.sample(row, len(row))]
        assert tree.reduce(row) == other.reduce(renamed)
    assert tree.n_orders == other.n_orders


@given(systems())
def test_repeated_rows_change_nothing(system):
    """A row that was accepted is kept by the frontier and accepted again without any change."""
    n, rows = system
    tree = PQTree(n)
    accepted = [row for row in rows if tree.reduce(row)]
    before = str(tree)
    order = tree.frontier().tolist()
    for row in accepted:
        assert keeps(order, set(row))
        assert tree.reduce(row)
    assert str(tree) == before
