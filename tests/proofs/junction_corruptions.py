"""Ways to spoil proofs by junctions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from proven import any_of

from reorder_solver.core.proof import JunctionsPart

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from proven import Proven

    import reorder_solver as rs


def _with_shares(
    rng: np.random.Generator,
    proven: Proven,
    change: Callable[[list[int], int], list[int]],
) -> rs.Result | None:
    """With the shares of one access changed; `change` is also given its price in their units."""
    picked = proven.pick(rng, JunctionsPart)
    if picked is None:
        return None
    number, part = picked
    places = [place for place, shares in enumerate(part.shares) if shares]
    if not places:
        return None
    place = any_of(rng, places)
    weight = sum(
        each.weight
        for each in proven.instance.accesses
        if each.parts == _access(proven, part.accesses[place]).parts
    )
    shares = list(part.shares)
    shares[place] = tuple(change(list(shares[place]), weight << part.exponent))
    return proven.with_part(number, replace(part, shares=tuple(shares)))


def _access(proven: Proven, name: str) -> rs.Access:
    return next(each for each in proven.instance.accesses if each.id == name)


def share_missing(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A junction has no share."""
    return _with_shares(rng, proven, lambda shares, _: shares[:-1])


def share_too_many(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """One junction more than there is."""
    return _with_shares(rng, proven, lambda shares, _: [*shares, 0])


def share_negative(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """One end is to earn less than nothing."""
    return _with_shares(rng, proven, lambda shares, _: [-1, *shares[1:]])


def share_above_the_price(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """One end earns more than the run costs, so the other less than nothing."""
    return _with_shares(rng, proven, lambda shares, whole: [*shares[:-1], whole + 1])


def shares_of_nobody(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A list of shares without an access."""
    picked = proven.pick(rng, JunctionsPart)
    if picked is None:
        return None
    number, part = picked
    return proven.with_part(number, replace(part, shares=(*part.shares, ())))


def exponent_negative(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """Shares are over a fraction."""
    picked = proven.pick(rng, JunctionsPart)
    if picked is None:
        return None
    number, part = picked
    return proven.with_part(number, replace(part, exponent=-1))


def joining_access_twice(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """An access is counted twice within a part."""
    picked = proven.pick(rng, JunctionsPart)
    if picked is None:
        return None
    number, part = picked
    place = int(rng.integers(len(part.accesses)))
    accesses = (*part.accesses, part.accesses[place])
    shares = (*part.shares, part.shares[place])
    return proven.with_part(number, replace(part, accesses=accesses, shares=shares))
