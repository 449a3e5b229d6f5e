"""Summaries of accuracy rows: what one method gains over another, with its spread over seeds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    Row = dict[str, Any]

#: What a pair of rows has in common.
_PAIR = (
    "data",
    "architecture",
    "seed",
    "weights",
    "score",
    "side",
    "budget",
    "amount",
    "statistics",
)


@dataclass(frozen=True, slots=True)
class Gain:
    """Points of top-1 by which one method is ahead of another.

    Attributes
    ----------
    mean : float
        Over everything compared.
    deviation : float
        Of the means of the seeds; 0 for one seed.
    low, high : float
        Of the single comparisons.
    behind : int
        Comparisons with a negative difference.
    count : int
    """

    mean: float
    deviation: float
    low: float
    high: float
    behind: int
    count: int


def paired(rows: Iterable[Row], ahead: str, behind: str) -> list[Row]:
    """Rows of two methods that agree in all else.

    Returns
    -------
    list of dict
        What they have in common, ``unpruned``, ``ahead`` and ``behind`` (top-1 in per cent) and
        their difference ``gain``.
    """
    found: dict[tuple[Any, ...], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row["stage"] == "accuracy":
            found[tuple(row[key] for key in _PAIR)][row["method"]] = row
    return [
        {
            **dict(zip(_PAIR, key, strict=True)),
            "unpruned": 100 * methods[ahead]["unpruned"],
            "ahead": 100 * methods[ahead]["top1"],
            "behind": 100 * methods[behind]["top1"],
            "gain": 100 * (methods[ahead]["top1"] - methods[behind]["top1"]),
        }
        for key, methods in found.items()
        if ahead in methods and behind in methods
    ]


def gain(pairs: Sequence[Row]) -> Gain:
    """The gain over all pairs; seeds count alike."""
    by_seed: dict[Any, list[float]] = defaultdict(list)
    for pair in pairs:
        by_seed[pair["seed"]].append(pair["gain"])
    means = [float(np.mean(each)) for each in by_seed.values()]
    gains = np.array([pair["gain"] for pair in pairs])
    return Gain(
        float(np.mean(means)),
        float(np.std(means, ddof=1)) if len(means) > 1 else 0.0,
        float(gains.min()),
        float(gains.max()),
        int((gains < 0).sum()),
        gains.size,
    )


def grouped(pairs: Iterable[Row], key: Callable[[Row], Hashable]) -> dict[Any, list[Row]]:
    """Pairs by a key, in the order in which keys first occur."""
    found: dict[Any, list[Row]] = {}
    for pair in pairs:
        found.setdefault(key(pair), []).append(pair)
    return found


def curve(pairs: Iterable[Row], method: str) -> tuple[list[float], list[float], list[float]]:
    """Amounts, and mean and deviation over seeds of the top-1 of a method at each."""
    amounts, means, deviations = [], [], []
    for amount, here in sorted(grouped(pairs, lambda pair: pair["amount"]).items()):
        by_seed = [
            float(np.mean([pair[method] for pair in each]))
            for each in grouped(here, lambda pair: pair["seed"]).values()
        ]
        amounts.append(float(amount))
        means.append(float(np.mean(by_seed)))
        deviations.append(float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else 0.0)
    return amounts, means, deviations
