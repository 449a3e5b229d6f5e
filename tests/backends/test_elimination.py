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
