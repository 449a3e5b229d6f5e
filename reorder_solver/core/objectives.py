"""The named objectives as price lists: the one place that says what an access costs under each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.core.errors import InstanceError
from reorder_solver.core.prices import Objective, PriceList

if TYPE_CHECKING:
    from reorder_solver.core.instance import Access

#: Objectives whose ties are broken by the weighted number of runs.
TIE_BROKEN_BY_RUNS = frozenset({Objective.COPIES, Objective.BYTES})


def price_list(access: Access, objective: Objective) -> PriceList:
    """Prices of `access` under `objective`.

    Raises
    ------
    InstanceError
        For ``latency``, if the access has no prices and could cost something.
    """
    if objective is Objective.COPIES:
        return PriceList(gather=(1, 0))
    if objective is Objective.BYTES:
        return PriceList(gather=(0, access.bytes))
    if objective is Objective.RUNS:
        return PriceList(split=(access.weight,))
    if access.prices:
        return access.prices
    if access.required or access.size <= 1:
        return PriceList()
    raise InstanceError(
        "objective latency needs prices: give at least one of gather, cat, cover, split",
        place=f"access {access.id!r}",
    )


def tie_weight(access: Access, objective: Objective) -> int:
    """Price of a run beyond the first in the tie-break of `objective` (0: no tie-break)."""
    return access.weight if objective in TIE_BROKEN_BY_RUNS else 0
