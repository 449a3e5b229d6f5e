"""Checking that accesses cost what they cost whatever the layout."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.errors import VerificationError

if TYPE_CHECKING:
    from reorder_solver.core.proof import ConstantPart
    from reorder_solver.proofs.groups import Group, Groups


def check_constant(part: ConstantPart[str], groups: Groups, taken: set[int]) -> None:
    """Raise :class:`VerificationError` unless the accesses of `part` cost its bound in any layout.

    That is so where each of their parts wants nothing, everything, or channels of a tensor that
    is fixed: then the original order has the runs and span that all layouts have.
    """
    total = 0
    for group in groups.take(part.accesses, taken):
        for tensor, wanted in group.parts:
            if not groups.fixed[tensor] and 0 < wanted.size < groups.placed[tensor].size:
                raise VerificationError(
                    f"{group.name} wants some channels of tensor {tensor!r}, which is not fixed"
                )
        total += group.price(*_facts(group, groups))
    if part.bound > total:
        raise VerificationError(f"claims {part.bound}, but the accesses cost {total}")


def _facts(group: Group, groups: Groups) -> tuple[int, int]:
    """Runs and span in the original order."""
    shift = 0
    places: list[int] = []
    for tensor, wanted in group.parts:
        placed = groups.placed[tensor]
        places.extend((np.searchsorted(placed, wanted) + shift).tolist())
        shift += placed.size
    if not places:
        return 0, 0
    gaps = sum(1 for one, following in pairwise(places) if following != one + 1)
    return 1 + gaps, places[-1] - places[0] + 1
