"""Fronts: the top-1 that a way to prune and export reaches in no more than some time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from reorder_solver.experiments.summary import grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reorder_solver.experiments.summary import Row

#: Exports whose method has another name. The oracle's outputs are not right; it is no way to run.
_METHODS = {
    "naive": "unconstrained",
    "upscale": "unconstrained",
    "optimal": "unconstrained",
    "oracle": None,
    "unpruned": None,
}
_POINT = ("data", "architecture", "seed", "score", "side", "budget", "amount")
#: What the points of a front have in common.
FRONT = (
    "data", "architecture", "seed", "score", "side", "budget", "statistics", "kind", "batch",
)  # fmt: skip


def points(accuracy: Iterable[Row], latency: Iterable[Row]) -> list[Row]:
    """Top-1 and time of every export that was timed and whose masks were judged.

    Parameters
    ----------
    accuracy, latency : iterable of dict
        One row per masks, and one per export and way of running it.

    Returns
    -------
    list of dict
        The keys of :data:`FRONT`, ``amount``, ``export``, ``top1`` and ``unpruned`` (per cent),
        ``time`` over that of the unpruned network, timed in turn with it. What was timed more
        than once has one point for each.
    """
    judged = grouped(accuracy, lambda row: (*(row[key] for key in _POINT), row["method"]))
    found: list[Row] = []
    for row in latency:
        method = _METHODS.get(row["export"], row["export"])
        key = tuple(row[name] for name in _POINT)
        for masks in judged.get((*key, method), []):
            found.append(
                {
                    **dict(zip(_POINT, key, strict=True)),
                    "statistics": masks["statistics"],
                    "kind": row["kind"],
                    "batch": row["batch"],
                    "export": row["export"],
                    "top1": 100 * masks["top1"],
                    "unpruned": 100 * masks["unpruned"],
                    "time": row["of_unpruned"],
                }
            )
    return found


def front_gains(found: Iterable[Row], ahead: str, behind: str) -> list[Row]:
    """By how much the front of one export is above each point of another's.

    Parameters
    ----------
    found : iterable of dict
        See :func:`points`.
    ahead, behind : str
        Exports.

    Returns
    -------
    list of dict
        The points of ``behind`` of networks for which both have any, each with ``gain``: the
        best top-1 that ``ahead`` has in no more time, minus its own; None where it is never as
        fast. The front starts from the unpruned network, and is a straight line between
        neighbouring amounts, since every amount between can be had.
    """
    gains: list[Row] = []
    for here in grouped(found, lambda row: tuple(row[key] for key in FRONT)).values():
        by_export = grouped(here, lambda row: row["export"])
        front = sorted(by_export.get(ahead, []), key=lambda row: row["amount"])
        if front:
            start = {"time": 1.0, "top1": front[0]["unpruned"]}
            for row in by_export.get(behind, []):
                best = _best([start, *front], row["time"])
                gains.append({**row, "gain": None if best is None else best - row["top1"]})
    return gains


def _best(front: Sequence[Row], time: float) -> float | None:
    """The best top-1 on a line through points, in no more than some time."""
    reached = [each["top1"] for each in front if each["time"] <= time]
    for one, other in pairwise(front):
        low, high = sorted((one, other), key=lambda row: float(row["time"]))
        if low["time"] < time < high["time"]:
            share = (time - low["time"]) / (high["time"] - low["time"])
            reached.append(low["top1"] + share * (high["top1"] - low["top1"]))
    return max(reached, default=None)
