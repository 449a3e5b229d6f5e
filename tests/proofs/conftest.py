"""Solved samples that several tests share."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest
from proof_samples import folded_samples, proven_samples, shuffled_samples

if TYPE_CHECKING:
    from proven import Proven


@pytest.fixture(scope="session")
def samples() -> list[Proven]:
    """Results that are proven optimal, of all kinds; a quarter each by folds and by junctions."""
    others, joined = proven_samples(), shuffled_samples()
    return [
        each
        for folded in islice(folded_samples(), 15)
        for each in (next(others), folded, next(others), next(joined))
    ]
