"""Weighted covering in exact integers: the model, its simple bounds, and what engines are fed.

Nothing here needs an engine. :mod:`formulations.hitting_set` solves the models.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import gcd
from operator import index
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Constraint = tuple[tuple[int, ...], int]


@dataclass(frozen=True, slots=True)
class Covering:
    """Minimise ``weights . x`` over binary ``x`` with ``sum(x[members]) >= demand`` throughout.

    With demands of one this is the minimum weight hitting set problem.

    Parameters
    ----------
    weights : tuple of int
        Non-negative, of any size.
    constraints : tuple of (tuple of int, int)
        Members (items, each at most once) and demand of each constraint. A demand of zero or less
        asks for nothing.

    Raises
    ------
    ValueError
        If a weight is negative, a member is no item or occurs twice, or a demand exceeds the
        number of members.
    TypeError
        If a number is no integer.
    """

    weights: tuple[int, ...]
    constraints: tuple[Constraint, ...]

    def __post_init__(self) -> None:
        # Plain ints throughout: numpy's would overflow without a word.
        weights = tuple(map(index, self.weights))
        constraints = tuple(
            (tuple(map(index, members)), index(demand)) for members, demand in self.constraints
        )
        for item, weight in enumerate(weights):
            if weight < 0:
                raise ValueError(f"item {item} has the negative weight {weight}")
        for number, (members, demand) in enumerate(constraints):
            if len(set(members)) < len(members):
                raise ValueError(f"constraint {number} lists an item twice")
            if members and not (min(members) >= 0 and max(members) < len(weights)):
                raise ValueError(
                    f"constraint {number} has a member outside the {len(weights)} items"
                )
            if demand > len(members):
                raise ValueError(
                    f"constraint {number} demands {demand} of only {len(members)} members"
                )
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "constraints", constraints)

    def cost(self, chosen: Iterable[int]) -> int:
        """Return the exact weight of some items."""
        return sum(self.weights[item] for item in chosen)

    def is_covered(self, chosen: Iterable[int]) -> bool:
        """Tell whether some items satisfy every constraint."""
        taken = set(chosen)
        return all(
            len(taken.intersection(members)) >= demand for members, demand in self.constraints
        )


@dataclass(frozen=True, slots=True)
class CoveringSolution:
    """What is known of a :class:`Covering` after solving it.

    Parameters
    ----------
    chosen : tuple of int, or None
        The items with ``x = 1``, sorted; None if no solution is known.
    value : int or None
        Their exact weight.
    lower_bound : int
        A proven lower bound on the optimum, at least zero.
    is_optimal : bool
        Whether `value` is proven to be the optimum, and so equal to `lower_bound`.
    gave_up : bool
        Whether the engine stopped at a limit, so that more time or effort could tell more.
    """

    chosen: tuple[int, ...] | None
    value: int | None
    lower_bound: int
    is_optimal: bool
    gave_up: bool = False


@dataclass(frozen=True, slots=True)
class ScaledCovering:
    """A covering whose weights fit an engine; its optimum bounds that of the original.

    Parameters
    ----------
    items : tuple of int
        The items of the original that occur in a constraint: the engine's variables.
    weights : tuple of int
        ``weights[i] * unit`` is at most the weight of ``items[i]``, and equal to it where no
        scaling beyond the common divisor was needed.
    constraints : tuple of (tuple of int, int)
        Over the engine's variables; those that ask for nothing, and repetitions, are left out.
    unit : int
        Whatever costs at least ``v`` here costs at least ``unit * v`` in the original.
    """

    items: tuple[int, ...]
    weights: tuple[int, ...]
    constraints: tuple[Constraint, ...]
    unit: int

    @classmethod
    def of(cls, model: Covering, limit: int) -> ScaledCovering:
        """Restate `model` with weights whose sum is at most `limit`."""
        asking = dict.fromkeys(pair for pair in model.constraints if pair[1] > 0)
        items = tuple(sorted({item for members, _ in asking for item in members}))
        unit = gcd(*(model.weights[item] for item in items)) or 1
        total = sum(model.weights[item] // unit for item in items)
        # Rounding every weight down keeps the bound valid.
        unit *= max(1, -(-total // limit))
        place = {item: variable for variable, item in enumerate(items)}
        return cls(
            items=items,
            weights=tuple(model.weights[item] // unit for item in items),
            constraints=tuple(
                (tuple(place[item] for item in members), demand) for members, demand in asking
            ),
            unit=unit,
        )


def greedy_cover(model: Covering, start: Iterable[int] = ()) -> tuple[int, ...]:
    """Cover greedily by weight per demand met, then drop what is not needed.

    Parameters
    ----------
    model : Covering
    start : iterable of int
        Items to begin with.

    Returns
    -------
    tuple of int
        Items that satisfy every constraint, sorted.

    References
    ----------
    V. Chvatal, "A greedy heuristic for the set-covering problem", Mathematics of Operations
    Research 4 (1979) 233-235, DOI 10.1287/moor.4.3.233.
    """
    memberships = _memberships(model)
    missing = [demand for _, demand in model.constraints]
    chosen = set(start)
    for item in chosen:
        for number in memberships[item]:
            missing[number] -= 1
    meets = [sum(1 for number in numbers if missing[number] > 0) for numbers in memberships]
    # Integers in place of quotients: weights may exceed every float.
    heap = [
        ((weight << 32) // meets[item], item)
        for item, weight in enumerate(model.weights)
        if meets[item] and item not in chosen
    ]
    heapify(heap)
    while heap:
        price, item = heappop(heap)
        if not meets[item]:
            continue
        now = (model.weights[item] << 32) // meets[item]
        if now > price:
            heappush(heap, (now, item))
            continue
        chosen.add(item)
        for number in memberships[item]:
            missing[number] -= 1
            if not missing[number]:
                for member in model.constraints[number][0]:
                    meets[member] -= 1
    return _without_redundant(model, chosen, memberships)


def without_redundant(model: Covering, chosen: Iterable[int]) -> tuple[int, ...]:
    """Drop items of a cover, the heaviest first, for as long as it remains one."""
    return _without_redundant(model, set(chosen), _memberships(model))


def _without_redundant(
    model: Covering, chosen: set[int], memberships: list[list[int]]
) -> tuple[int, ...]:
    heaviest_first = sorted(chosen, key=lambda item: (-model.weights[item], item))
    spare = [-demand for _, demand in model.constraints]
    for item in heaviest_first:
        for number in memberships[item]:
            spare[number] += 1
    kept: list[int] = []
    for item in heaviest_first:
        if all(spare[number] > 0 for number in memberships[item]):
            for number in memberships[item]:
                spare[number] -= 1
        else:
            kept.append(item)
    return tuple(sorted(kept))


def dual_bound(model: Covering) -> int:
    """Bound the optimum from below by splitting every weight among the constraints.

    Each constraint in turn takes what it can use of its members' remaining weights; it then
    costs at least the sum of its `demand` smallest shares. In exact integers, so a proof.
    """
    return dual_support(model)[0]


def dual_support(model: Covering) -> tuple[int, list[int]]:
    """The bound of :func:`dual_bound`, and which constraints by themselves give as much."""
    left = list(model.weights)
    bound = 0
    used: list[int] = []
    ranked = sorted(enumerate(model.constraints), key=lambda pair: len(pair[1][0]) - pair[1][1])
    for number, (members, demand) in ranked:
        if demand <= 0:
            continue
        smallest = sorted(left[item] for item in members)[:demand]
        if not smallest[-1]:
            continue
        bound += sum(smallest)
        used.append(number)
        for item in members:
            left[item] -= min(left[item], smallest[-1])
    return bound, used


@dataclass(frozen=True, slots=True)
class Baseline:
    """A cover and a lower bound that need no engine.

    Parameters
    ----------
    model : Covering
    chosen : tuple of int
        A cover, sorted.
    value : int
        Its weight.
    bound : int
        A proven lower bound on the optimum.
    """

    model: Covering
    chosen: tuple[int, ...]
    value: int
    bound: int

    @classmethod
    def of(cls, model: Covering, hint: Iterable[int] | None = None) -> Baseline:
        """Compute the greedy cover, or complete the hint if that is cheaper, and the dual bound."""
        chosen = greedy_cover(model)
        if hint is not None:
            chosen = min(chosen, greedy_cover(model, hint), key=model.cost)
        return cls(model, chosen, model.cost(chosen), dual_bound(model))

    def conclude(
        self,
        chosen: Iterable[int] | None = None,
        bound: int = 0,
        *,
        is_proof: bool = True,
        gave_up: bool = False,
    ) -> CoveringSolution:
        """Combine with an engine's answer, believed only as far as it can be true.

        Parameters
        ----------
        chosen : iterable of int, optional
            The engine's solution; ignored if it does not cover.
        bound : int
            The engine's lower bound, in the weights of the model; ignored if a cover refutes it.
        is_proof : bool
            Whether the bound may close the gap.
        gave_up : bool
            Whether the engine stopped at a limit.
        """
        best, value = self.chosen, self.value
        if chosen is not None and self.model.is_covered(taken := set(chosen)):
            lean = without_redundant(self.model, taken)
            cost = self.model.cost(lean)
            # A tie goes to the engine: the answer then is the same with any baseline.
            if cost <= value:
                best, value = lean, cost
        unit = gcd(*self.model.weights) or 1
        if bound > value:
            bound = 0
        if not is_proof:
            bound = min(bound, value - unit)
        bound = max(bound, self.bound)
        # Every cost is a multiple of the common divisor.
        bound = -(-bound // unit) * unit
        is_optimal = value == bound
        return CoveringSolution(best, value, bound, is_optimal, gave_up and not is_optimal)


def _memberships(model: Covering) -> list[list[int]]:
    """List, for each item, the constraints that it is a member of."""
    memberships: list[list[int]] = [[] for _ in model.weights]
    for number, (members, _) in enumerate(model.constraints):
        for item in members:
            memberships[item].append(number)
    return memberships
