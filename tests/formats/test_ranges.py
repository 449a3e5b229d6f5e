"""Range strings: shortest form, exact inverse, and bounded work."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reorder_solver as rs
from reorder_solver.formats.ranges import format_ranges, parse_ranges


@given(channels=st.sets(st.integers(0, 40) | st.integers(0, 2**20 - 1)))
def test_format_and_parse_are_inverse(channels: set[int]) -> None:
    """Any set of channels survives its range string."""
    ordered = np.array(sorted(channels), dtype=np.int64)
    back = parse_ranges(format_ranges(ordered), 2**20)
    assert back.dtype == np.int64
    assert back.tolist() == ordered.tolist()


@pytest.mark.parametrize(
    ("channels", "text"),
    [
        ([], ""),
        ([7], "7"),
        ([0, 1], "0-1"),
        ([0, 2], "0,2"),
        ([0, 1, 2, 3, 7, *range(10, 256)], "0-3,7,10-255"),
    ],
)
def test_ranges_are_compact(channels: list[int], text: str) -> None:
    """A run of two or more is one range, a single channel a single number."""
    assert format_ranges(np.array(channels, dtype=np.int64)) == text


def test_absurd_ranges_are_refused_without_being_expanded() -> None:
    """Neither a huge range nor a huge number of full ranges takes memory or time."""
    for text in ("0-999999999999999999", "999999999999-0", "0-" + "9" * 100_000):
        with pytest.raises(rs.InputError, match=r"is outside 0\.\.9"):
            parse_ranges(text, 10)
    with pytest.raises(rs.InputError, match="more than the 2097152 there are"):
        parse_ranges(",".join(["0-2097151"] * 100_000), 1 << 21)
