"""Ways to spoil a proof whatever its parts are about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from proven import any_of

from reorder_solver.core.proof import ConstantPart, ViewsPart

if TYPE_CHECKING:
    import numpy as np
    from proven import Proven

    import reorder_solver as rs


def bound_raised(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A part claims more."""
    number = int(rng.integers(len(proven.parts)))
    part = proven.parts[number]
    more = int(rng.choice([1, 2, 10, 10**9]))
    return proven.with_part(number, replace(part, bound=part.bound + more))


def claim_raised(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The result claims more than the parts."""
    found = proven.claiming(proven.parts)
    assert found.lower_bound is not None
    return replace(found, lower_bound=found.lower_bound + int(rng.integers(1, 5)))


def part_dropped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A part is missing."""
    parts = list(proven.parts)
    del parts[int(rng.integers(len(parts)))]
    return replace(proven.claiming(parts), lower_bound=proven.result.lower_bound)


def part_twice(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A part is counted twice."""
    return proven.claiming([*proven.parts, any_of(rng, proven.parts)])


def negative_bound(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A part claims too much and another takes it back."""
    parts = list(proven.parts)
    number = int(rng.integers(len(parts)))
    parts[number] = replace(parts[number], bound=parts[number].bound + 1)
    return proven.claiming([*parts, ConstantPart((), -1)])


def access_in_two_parts(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """An access that is accounted for, or one equal to it, pays once more as a constant."""
    part = any_of(rng, proven.parts)
    names = (
        [name for members, _ in part.constraints for name in members]
        if isinstance(part, ViewsPart)
        else list(part.accesses)
    )
    if not names:
        return None
    name = any_of(rng, names)
    alike = next(each for each in proven.instance.accesses if each.id == name)
    equal = [each.id for each in proven.instance.accesses if each.parts == alike.parts]
    return proven.claiming([*proven.parts, ConstantPart((any_of(rng, equal),), 1)])


def constant_claimed(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The accesses are said to cost the optimum and one more, whatever the layout."""
    names = tuple(access.id for access in proven.instance.accesses)
    assert proven.result.lower_bound is not None
    some = names[: int(rng.integers(1, len(names) + 1))]
    return proven.claiming([ConstantPart(some, proven.result.lower_bound + 1)])


def access_unknown(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A part speaks of an access that there is not."""
    number = int(rng.integers(len(proven.parts)))
    part = proven.parts[number]
    if isinstance(part, ViewsPart):
        return proven.with_part(
            number, replace(part, constraints=(*part.constraints, (("nobody",), 1)))
        )
    return proven.with_part(number, replace(part, accesses=(*part.accesses, "nobody")))


def other_instance(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The proof is of another instance."""
    digest = any_of(rng, "0123456789abcdef") * 64
    return replace(proven.claiming(proven.parts), instance_sha256=digest)
