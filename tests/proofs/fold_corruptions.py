"""Ways to spoil a chain that is taken apart: its claims, its goal, its core."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from proof_trees import changed_at, located
from proven import any_of

from reorder_solver.core.proof import Fold, RunsPart

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from proven import Proven

    import reorder_solver as rs
    from reorder_solver.core.proof import Claim

SIDES = ("behind", "before")


def claim_value_raised(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A claim says more than its tree proves."""

    def change(claim: Claim) -> list[Claim]:
        return [replace(claim, value=claim.value + 2 * int(rng.integers(1, 9)))]

    return _spoiled(rng, proven, lambda fold: _with_claim(rng, fold, change))


def claim_value_lowered(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A claim says less, and what follows is as before."""

    def change(claim: Claim) -> list[Claim]:
        return [replace(claim, value=claim.value - 2 * int(rng.integers(1, 9)))]

    return _spoiled(rng, proven, lambda fold: _with_claim(rng, fold, change))


def claim_dropped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """There is no claim of a node where tours may enter."""
    return _spoiled(rng, proven, lambda fold: _with_claim(rng, fold, lambda _: []))


def claim_of_another_node(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A claim, proven for one node, is of another."""

    def change(claim: Claim) -> list[Claim]:
        return [replace(claim, node=claim.node + 1 if claim.node == 0 else claim.node - 1)]

    return _spoiled(rng, proven, lambda fold: _with_claim(rng, fold, change))


def claim_odd(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A claim is odd where all paths are even, or even where they are odd."""

    def change(claim: Claim) -> list[Claim]:
        return [replace(claim, value=claim.value - 1)]

    return _broken(rng, proven, lambda fold: _with_claim(rng, fold, change))


def claim_of_no_node(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A claim is of a node that the tensor does not have."""

    def change(claim: Claim) -> list[Claim]:
        return [replace(claim, node=any_of(rng, (-1, 10**6, 2**64)))]

    return _broken(rng, proven, lambda fold: _with_claim(rng, fold, change))


def claim_twice(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A node has two claims."""
    return _broken(rng, proven, lambda fold: _with_claim(rng, fold, lambda claim: [claim, claim]))


def goal_of_fold_lowered(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """What costs less than is to be proven is not told apart."""
    return _broken(rng, proven, lambda fold: replace(fold, goal=int(rng.integers(2))))


def core_folded_away(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """All tensors are folded, or none."""
    stages = ((),) * 10
    return _broken(
        rng,
        proven,
        lambda fold: replace(fold, **any_of(rng, [{side: stages} for side in SIDES])),
    )


def fold_in_a_fold(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The core is taken apart once more."""
    return _broken(rng, proven, lambda fold: replace(fold, core=fold))


def stages_dropped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The innermost tensor that is folded is said to be of the core, whose tree is as before."""

    def change(fold: Fold) -> Fold | None:
        side = any_of(rng, SIDES)
        stages = getattr(fold, side)
        return replace(fold, **{side: stages[:-1]}) if stages else None

    # With another core, the trees are of other nodes.
    return _broken(rng, proven, change)


def _with_claim(
    rng: np.random.Generator, fold: Fold, change: Callable[[Claim], list[Claim]]
) -> Fold | None:
    places = [
        (side, stage, number)
        for side in SIDES
        for stage, claims in enumerate(getattr(fold, side))
        for number in range(len(claims))
    ]
    if not places:
        return None
    side, stage, number = any_of(rng, places)
    stages = [list(claims) for claims in getattr(fold, side)]
    stages[stage][number : number + 1] = change(stages[stage][number])
    return replace(fold, **{side: tuple(tuple(claims) for claims in stages)})


def _changed(
    rng: np.random.Generator, proven: Proven, change: Callable[[Fold], Fold | None]
) -> tuple[int, RunsPart] | None:
    found = proven.pick(rng, RunsPart)
    if found is None:
        return None
    number, part = found
    places = [path for path, entry in located(part.tree) if isinstance(entry, Fold)]
    tree = changed_at(part.tree, any_of(rng, places), change) if places else None
    return None if tree is None else (number, replace(part, tree=tree))


def _spoiled(
    rng: np.random.Generator, proven: Proven, change: Callable[[Fold], Fold | None]
) -> rs.Result | None:
    """Claiming just more than is proven."""
    changed = _changed(rng, proven, change)
    return None if changed is None else proven.spoiled(*changed)


def _broken(
    rng: np.random.Generator, proven: Proven, change: Callable[[Fold], Fold | None]
) -> rs.Result | None:
    """Against a rule, whatever is claimed."""
    changed = _changed(rng, proven, change)
    return None if changed is None else proven.with_part(*changed)
