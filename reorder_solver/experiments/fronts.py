"""Fronts: the top-1 that a way to prune and export reaches in no more than some time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from reorder_solver.experiments.summary import grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reorder_solver.experiments.summary import Row

#: Exports whose method has another name. The oracle's outputs are not right; it is no way to run.
_METHODS = {
    "naive": "unconstrained",
    "upscale": "unconstrained",
    "optimal": "unconstrained",
    "oracle": None,
    "unpruned": None,
}
_POINT = ("data", "architecture", "seed", "weights", "score", "side", "budget", "amount")
#: What the points of a front have in common.
FRONT = (
    "data", "architecture", "seed", "weights", "score", "side", "budget", "statistics", "kind",
    "batch",
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


def front_gains(found: Iterable[Row], ahead: Sequence[str], behind: str) -> list[Row]:
    """By how much the front of some exports is above that of another, at each of its points.

    Parameters
    ----------
    found : iterable of dict
        See :func:`points`.
    ahead : sequence of str
        Exports that have one front together.
    behind : str
        Another.

    Returns
    -------
    list of dict
        The points of ``behind`` of networks for which all have any, each with ``gain``: the
        best top-1 that ``ahead`` has in no more time, minus the best that ``behind`` has; None
        where ``ahead`` is never as fast. Each export goes in straight lines from the unpruned
        network through its amounts, since every amount between can be had.
    """
    gains: list[Row] = []
    for here in grouped(found, lambda row: tuple(row[key] for key in FRONT)).values():
        by_export = grouped(here, lambda row: row["export"])
        lines = [_line(by_export.get(name, [])) for name in ahead]
        if all(lines):
            other = _line(by_export.get(behind, []))
            for row in by_export.get(behind, []):
                own = max(_reached(other, row["time"]))
                best = max(
                    (top1 for line in lines for top1 in _reached(line, row["time"])), default=None
                )
                gains.append({**row, "gain": None if best is None else best - own})
    return gains


def _line(rows: Iterable[Row]) -> list[tuple[float, float]]:
    """Times and top-1 of an export by amount, from those of the unpruned network on."""
    ordered = sorted(rows, key=lambda row: float(row["amount"]))
    start = [(1.0, row["unpruned"]) for row in ordered[:1]]
    return start + [(row["time"], row["top1"]) for row in ordered]


def _reached(line: Sequence[tuple[float, float]], time: float) -> Iterator[float]:
    """Top-1 of the points on a line that take no more than some time: corners and crossings."""
    yield from (top1 for each, top1 in line if each <= time)
    for pair in pairwise(line):
        (low, below), (high, above) = sorted(pair)
        if low < time < high:
            yield below + (time - low) / (high - low) * (above - below)
