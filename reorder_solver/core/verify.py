"""Verify: an independent re-check of a result.

Nothing here is shared with :mod:`reorder_solver.core.evaluate`, the price lists or any solver:
positions, runs, spans and prices are worked out again, in plain Python, from the definitions.
A mistake in the common code therefore cannot hide itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.core.digest import digest
from reorder_solver.core.errors import VerificationError
from reorder_solver.core.result import Status

if TYPE_CHECKING:
    from reorder_solver.core.instance import Access, Instance
    from reorder_solver.core.result import Result


def verify(instance: Instance, result: Result) -> None:
    """Check `result` against `instance` from first principles.

    Parameters
    ----------
    instance : Instance
    result : Result

    Raises
    ------
    VerificationError
        On any disagreement: a foreign instance, an order that is no permutation, a moved fixed
        tensor, a wrong fact or cost, a required access that is no view, a bound above the cost,
        or a status that cost and bound do not support.

    Notes
    -----
    Proves the cost, not the lower bound: that a bound is below the cost is checked, that no
    cheaper layout exists is not.
    """
    _check_identity(instance, result)
    if result.layout is None:
        _check_without_layout(result)
        return
    rank = _ranks(instance, result)
    total = 0
    if set(result.accesses) != {access.id for access in instance.accesses}:
        raise VerificationError("the facts do not list exactly the instance's accesses")
    for access in instance.accesses:
        total += _check_access(access, rank, result)
    if result.cost != total:
        raise VerificationError(f"cost is {result.cost}, but the layout costs {total}")
    _check_status(result, total)


def _check_identity(instance: Instance, result: Result) -> None:
    if result.instance_sha256 and result.instance_sha256 != digest(instance):
        raise VerificationError("the result is of another instance (sha256 differs)")


def _check_without_layout(result: Result) -> None:
    if result.cost is not None or result.accesses:
        raise VerificationError("a result without a layout must have no cost and no facts")
    if result.status in (Status.OPTIMAL, Status.FEASIBLE):
        raise VerificationError(f"status {result.status.value} without a layout")


def _ranks(instance: Instance, result: Result) -> dict[str, dict[int, int]]:
    """Position of every channel that takes one up, from the definition of dropping."""
    assert result.layout is not None
    if set(result.layout) != {tensor.id for tensor in instance.tensors}:
        raise VerificationError("the layout does not name exactly the instance's tensors")
    wanted: dict[str, set[int]] = {tensor.id: set() for tensor in instance.tensors}
    for access in instance.accesses:
        for part in access.parts:
            wanted[part.tensor].update(part.channels.tolist())
    ranks: dict[str, dict[int, int]] = {}
    for tensor in instance.tensors:
        order = result.layout[tensor.id].tolist()
        if sorted(order) != list(range(tensor.channels)):
            raise VerificationError(f"layout of tensor {tensor.id!r} is no permutation")
        if tensor.fixed and order != sorted(order):
            raise VerificationError(f"layout moves channels of fixed tensor {tensor.id!r}")
        if not tensor.fixed:
            order = [channel for channel in order if channel in wanted[tensor.id]]
        ranks[tensor.id] = {channel: position for position, channel in enumerate(order)}
    return ranks


def _check_access(access: Access, rank: dict[str, dict[int, int]], result: Result) -> int:
    shift = 0
    places: list[int] = []
    for part in access.parts:
        places.extend(shift + rank[part.tensor][channel] for channel in part.channels.tolist())
        shift += len(rank[part.tensor])
    taken = set(places)
    runs = sum(1 for place in taken if place - 1 not in taken)
    span = max(taken) - min(taken) + 1 if taken else 0
    facts = result.accesses[access.id]
    where = f"access {access.id!r}"
    if (facts.channels, facts.runs, facts.span) != (len(places), runs, span):
        raise VerificationError(
            f"{where}: facts say n={facts.channels} runs={facts.runs} span={facts.span}, "
            f"the layout has n={len(places)} runs={runs} span={span}"
        )
    if access.required and runs > 1:
        raise VerificationError(f"{where}: required to be a view but in {runs} runs")
    prices = _prices(access, str(result.objective.value), len(places), runs, span)
    mode = None if facts.mode is None else facts.mode.value
    cheapest = min(prices.values())
    if mode not in prices or prices[mode] != facts.cost or facts.cost != cheapest:
        raise VerificationError(
            f"{where}: served as {mode} for {facts.cost}, but the choices are {prices}"
        )
    return cheapest


def _prices(access: Access, objective: str, n: int, runs: int, span: int) -> dict[str, int]:
    prices: dict[str, int] = {}
    if runs <= 1:
        prices["view"] = 0
    if objective == "copies":
        prices["gather"] = 1
    elif objective == "bytes":
        prices["gather"] = access.bytes * n
    elif objective == "runs":
        prices["split"] = access.weight * (runs - 1) if runs else 0
    elif access.prices is not None:
        given = access.prices
        if given.gather is not None:
            prices["gather"] = given.gather[0] + given.gather[1] * n
        if given.cat is not None:
            prices["cat"] = given.cat[0] + given.cat[1] * n + given.cat[2] * runs
        if given.cover is not None:
            prices["cover"] = given.cover[0] * (span - n)
        if given.split is not None:
            prices["split"] = given.split[0] * (runs - 1) if runs else 0
    if not prices:
        raise VerificationError(f"access {access.id!r}: no way to serve it is priced")
    return prices


def _check_status(result: Result, cost: int) -> None:
    bound = result.lower_bound
    if bound is not None and bound > cost:
        raise VerificationError(f"lower bound {bound} is above the cost {cost}")
    if result.status is Status.OPTIMAL:
        if bound != cost:
            raise VerificationError(f"status optimal, but the bound {bound} is not the cost {cost}")
    elif result.status is not Status.FEASIBLE:
        raise VerificationError(f"status {result.status.value} with a layout")
