"""What an access pays, from the definitions once more: exact integers, no code shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.core.errors import VerificationError

if TYPE_CHECKING:
    from reorder_solver.core.instance import Access
    from reorder_solver.core.prices import Objective


def price(access: Access, objective: Objective, runs: int, span: int) -> int:
    """The cheapest way to serve `access` where it is in so many runs over such a span.

    Required accesses pay nothing: a layout in which they are no views is no solution.

    Raises
    ------
    VerificationError
        If there is no way.
    """
    if access.required or runs <= 1:
        return 0
    n = sum(int(part.channels.size) for part in access.parts)
    if objective.value == "copies":
        return 1
    if objective.value == "bytes":
        return access.bytes * n
    if objective.value == "runs":
        return access.weight * (runs - 1)
    ways: list[int] = []
    given = access.prices
    if given is not None:
        if given.gather is not None:
            ways.append(given.gather[0] + given.gather[1] * n)
        if given.cat is not None:
            ways.append(given.cat[0] + given.cat[1] * n + given.cat[2] * runs)
        if given.cover is not None:
            ways.append(given.cover[0] * (span - n))
        if given.split is not None:
            ways.append(given.split[0] * (runs - 1))
    if not ways:
        raise VerificationError(f"access {access.id!r}: no way to serve it is priced")
    return min(ways)


def price_as_no_view(access: Access, objective: Objective) -> int:
    """The least that `access` pays in a layout in which it is no view.

    Then it has two runs or more and covers a channel more than it wants, at least; no price falls
    with either.
    """
    n = sum(int(part.channels.size) for part in access.parts)
    return price(access, objective, runs=2, span=n + 1)


def price_of_a_run(access: Access, objective: Objective) -> int | None:
    """What each run of `access` beyond the first adds to the cost; None if runs do not add up."""
    if access.required:
        return 0
    if objective.value == "runs":
        return access.weight
    given = access.prices
    if objective.value == "latency" and given is not None and given.split is not None:
        is_only = given.gather is None and given.cat is None and given.cover is None
        return given.split[0] if is_only else None
    return None
