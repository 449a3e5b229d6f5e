"""Elimination: against the table of all choices."""

from __future__ import annotations

import numpy as np
import pytest

from reorder_solver.backends.dynamic.elimination import Factor, largest_table, least_sum


@pytest.mark.parametrize("kind", [np.int64, np.object_])
def test_least_sum_is_that_of_the_joint_table(kind: type) -> None:
    """Random factors of up to three axes, scalars and axes of one entry included."""
    rng = np.random.default_rng(91)
    for _ in range(60):
        sizes = {axis: int(rng.integers(1, 4)) for axis in range(int(rng.integers(0, 6)))}
        scopes: list[tuple[int, ...]] = [(axis,) for axis in sizes]
        for _ in range(int(rng.integers(0, 5))):
            count = int(rng.integers(0, min(3, len(sizes)) + 1))
            scopes.append(tuple(int(each) for each in rng.permutation(len(sizes))[:count]))
        factors = [
            Factor(scope, rng.integers(-9, 9, size=[sizes[a] for a in scope]).astype(kind))
            for scope in scopes
        ]
        least, chosen = least_sum(factors)
        assert chosen.keys() == sizes.keys()
        totals = {
            choice: sum(int(f.values[tuple(choice[a] for a in f.axes)]) for f in factors)
            for choice in np.ndindex(*sizes.values())
        }
        assert least == min(totals.values())
        assert least == totals[tuple(chosen[axis] for axis in sizes)]


def test_largest_table_along_a_chain() -> None:
    """A chain needs three axes at a time at most, a full graph all of them."""
    sizes = dict.fromkeys(range(8), 10)
    chain = [(axis, axis + 1) for axis in range(7)]
    full = [(a, b) for a in range(8) for b in range(a)]
    assert largest_table(chain, sizes) == 100
    assert largest_table(full, sizes) == 10**8


def test_many_factors_of_the_same_axes_along_a_long_chain() -> None:
    """As if they were added up before; going through all of them per axis would take minutes."""
    rng = np.random.default_rng(92)
    alike = rng.integers(-9, 9, size=(200, 40, 3, 3))
    factors = [
        Factor((axis, axis + 1), values) for axis, tables in enumerate(alike) for values in tables
    ]
    best = np.zeros(3, dtype=np.int64)
    for table in alike.sum(axis=1):
        best = (best[:, None] + table).min(axis=0)
    least, chosen = least_sum(factors)
    assert least == best.min()
    assert least == sum(int(f.values[chosen[f.axes[0]], chosen[f.axes[1]]]) for f in factors)
