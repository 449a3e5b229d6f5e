"""Solved samples that several tests share."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest
from proof_samples import proven_samples

if TYPE_CHECKING:
    from proven import Proven


@pytest.fixture(scope="session")
def samples() -> list[Proven]:
    """Thirty results that are proven optimal, of all kinds."""
    return list(islice(proven_samples(), 30))
