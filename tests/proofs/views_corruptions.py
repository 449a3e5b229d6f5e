"""Ways to spoil a proof that accesses cannot all be views."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from proven import any_of

import reorder_solver as rs
from reorder_solver.core.proof import ViewsPart

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from proven import Proven


def constraint_dropped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """Without one of the constraints a cheaper choice will do."""
    found = proven.pick(rng, ViewsPart)
    if found is None or not found[1].constraints:
        return None
    constraints = list(found[1].constraints)
    del constraints[int(rng.integers(len(constraints)))]
    if _cheapest(proven, constraints) >= found[1].bound:
        return None
    return proven.with_part(found[0], replace(found[1], constraints=tuple(constraints)))


def member_dropped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """What is left of a conflict is none."""
    return _with_constraint(
        rng,
        proven,
        lambda members, demand: (_without(rng, members), demand) if len(members) > 1 else None,
    )


def member_replaced(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """With another access, the conflict is none."""
    names = [access.id for access in proven.instance.accesses if not access.required]

    def change(members: tuple[str, ...], demand: int) -> tuple[tuple[str, ...], int] | None:
        others = [name for name in names if name not in members]
        return ((*_without(rng, members), any_of(rng, others)), demand) if others else None

    return _with_constraint(rng, proven, change)


def member_doubled(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A constraint lists an access twice, and asks for one more."""
    return _with_constraint(
        rng, proven, lambda members, demand: ((*members, any_of(rng, members)), demand + 1)
    )


def demand_raised(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A constraint asks for more than it can."""
    return _with_constraint(
        rng,
        proven,
        lambda members, demand: (members, demand + int(rng.integers(1, len(members) + 1))),
    )


def demand_below_one(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A constraint asks for nothing, or less."""
    return _with_constraint(rng, proven, lambda members, _: (members, -int(rng.integers(2))))


def constraint_invented(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """Accesses that can be views together are said not to, and the bound rises with it."""
    found = proven.pick(rng, ViewsPart)
    if found is None:
        return None
    names = [access.id for access in proven.instance.accesses if not access.required]
    members = tuple(rng.permutation(names)[: int(rng.integers(1, 4))].tolist())
    if not proven.fit(members):
        return None
    constraints = (*found[1].constraints, (members, 1))
    bound = max(found[1].bound + 1, _cheapest(proven, list(constraints)))
    return proven.with_part(found[0], ViewsPart(constraints, bound))


def _with_constraint(
    rng: np.random.Generator,
    proven: Proven,
    change: Callable[[tuple[str, ...], int], tuple[tuple[str, ...], int] | None],
) -> rs.Result | None:
    """With a constraint changed to one that does not hold."""
    found = proven.pick(rng, ViewsPart)
    if found is None or not found[1].constraints:
        return None
    constraints = list(found[1].constraints)
    number = int(rng.integers(len(constraints)))
    changed = change(*constraints[number])
    if changed is None:
        return None
    members, demand = changed
    is_well_formed = len(set(members)) == len(members) and 1 <= demand <= len(members)
    if is_well_formed and not any(
        proven.fit(some) for some in combinations(members, len(members) - demand + 1)
    ):
        return None
    constraints[number] = changed
    return proven.with_part(found[0], replace(found[1], constraints=tuple(constraints)))


def _without(rng: np.random.Generator, members: tuple[str, ...]) -> tuple[str, ...]:
    out = any_of(rng, members)
    return tuple(name for name in members if name != out)


def _cheapest(proven: Proven, constraints: list[tuple[tuple[str, ...], int]]) -> int:
    """The cheapest choice that meets all constraints, by trying all."""
    names = sorted({name for members, _ in constraints for name in members})
    prices = {name: _price(proven, name) for name in names}
    return min(
        sum(prices[name] for name in chosen)
        for size in range(len(names) + 1)
        for chosen in combinations(names, size)
        if all(len(set(members) & set(chosen)) >= demand for members, demand in constraints)
    )


def _price(proven: Proven, name: str) -> int:
    parts = next(each.parts for each in proven.instance.accesses if each.id == name)
    return sum(
        1 if proven.result.objective is rs.Objective.COPIES else each.bytes * each.size
        for each in proven.instance.accesses
        if each.parts == parts
    )
