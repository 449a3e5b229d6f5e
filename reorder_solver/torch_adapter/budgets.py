"""Budgets: how many channels to drop where, by one share for each layer or for all together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]
    BoolArray = npt.NDArray[np.bool_]

BUDGETS = ("local", "global")


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Things of one layer, of which the least important may be dropped.

    Attributes
    ----------
    scores : ndarray of float64, shape (things,)
        What is dropped first within the pool.
    costs : ndarray of int64, shape (things,)
        Channels that go with each.
    ranks : ndarray of float64, shape (things,)
        What is dropped first among all pools.
    """

    scores: FloatArray
    costs: IntArray
    ranks: FloatArray


def dropped(pools: Sequence[Pool], amount: float, budget: str) -> list[BoolArray]:
    """Per pool, what to drop; equal scores go in the order given.

    Parameters
    ----------
    pools : sequence of Pool
    amount : float
        From 0 to 1. ``local``: of the things of each pool, rounded down. ``global``: of the
        channels of all pools together, taken by rank until the next would be one too many; the
        last of each pool stays.
    budget : {"local", "global"}

    Raises
    ------
    InputError
        If the amount or the budget is wrong.
    """
    if not 0 <= amount <= 1:
        raise InputError(f"amount must be from 0 to 1, got {amount!r}")
    if budget not in BUDGETS:
        raise InputError(f"unknown budget {budget!r}; known: {', '.join(BUDGETS)}")
    if budget == "global":
        return _globally(pools, amount)
    found = [np.zeros(pool.scores.size, dtype=np.bool_) for pool in pools]
    for pool, each in zip(pools, found, strict=True):
        each[np.argsort(pool.scores, kind="stable")[: int(amount * each.size)]] = True
    return found


def _globally(pools: Sequence[Pool], amount: float) -> list[BoolArray]:
    found = [np.zeros(pool.scores.size, dtype=np.bool_) for pool in pools]
    if not pools:
        return found
    things = [np.argsort(pool.ranks, kind="stable")[:-1] for pool in pools]
    where = np.repeat(np.arange(len(pools)), [each.size for each in things])
    ranks = np.concatenate([pool.ranks[each] for pool, each in zip(pools, things, strict=True)])
    costs = np.concatenate([pool.costs[each] for pool, each in zip(pools, things, strict=True)])
    order = np.argsort(ranks, kind="stable")
    limit = int(amount * sum(int(pool.costs.sum()) for pool in pools))
    taken = order[: int(np.searchsorted(np.cumsum(costs[order]), limit, side="right"))]
    counts = np.bincount(where[taken], minlength=len(pools))
    for each, lowest, count in zip(found, things, counts, strict=True):
        each[lowest[:count]] = True
    return found
