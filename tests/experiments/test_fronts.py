"""Fronts of top-1 over measured time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reorder_solver.experiments.fronts import front_gains, points
from reorder_solver.experiments.latency_tables import (
    copies_section,
    flat_latency,
    front_figures,
    front_section,
)

if TYPE_CHECKING:
    from pathlib import Path

AHEAD = {0.25: (0.75, 0.75), 0.5: (0.5, 0.25)}
#: Amount to time and top-1 of the points below and above the line through (1, 0.875) and AHEAD.
BEHIND = {0.25: (0.875, 0.5), 0.5: (0.625, 0.625), 0.75: (0.25, 0.125)}


def masks(
    method: str, amount: float, top1: float, seed: int = 0, weights: str = "w"
) -> dict[str, Any]:
    return {
        "stage": "accuracy", "data": "d", "architecture": "a", "seed": seed, "score": "l2",
        "weights": weights,
        "side": "input", "budget": "local", "amount": amount, "method": method,
        "statistics": "kept", "top1": top1, "unpruned": 0.875,
    }  # fmt: skip


def timed(
    amount: float, times: dict[str, float], seed: int = 0, weights: str = "w"
) -> dict[str, Any]:
    ms = {"unpruned": 8.0, "naive": 8.0, "oracle": 1.0, **{k: 8 * v for k, v in times.items()}}
    return {
        "stage": "latency", "data": "d", "architecture": "a", "seed": seed, "score": "l2",
        "weights": weights,
        "side": "input", "budget": "local", "amount": amount, "rounds": 5, "batch": 4,
        "copies": {name: {"accesses": 3} for name in times},
        "eager": {
            name: {"ms": [each, each, each], "of_naive": [each / 8] * 3}
            for name, each in ms.items()
        },
        "compiled": {"failed": "RuntimeError: no"},
    }  # fmt: skip


ACCURACY = [
    *(masks("zero-copy", amount, top1) for amount, (_, top1) in AHEAD.items()),
    *(masks("unconstrained", amount, top1) for amount, (_, top1) in BEHIND.items()),
]
LATENCY = [
    flat
    for amount in BEHIND
    for flat in flat_latency(
        timed(
            amount,
            {"optimal": BEHIND[amount][0]}
            | ({"zero-copy": AHEAD[amount][0]} if amount in AHEAD else {}),
        )
    )
]


def test_points_join_times_and_masks() -> None:
    """By everything that both know; neither the oracle nor the unpruned network is a point."""
    found = points(ACCURACY, LATENCY)
    assert {(row["export"], row["amount"]): (row["time"], row["top1"] / 100) for row in found} == {
        **{("zero-copy", amount): point for amount, point in AHEAD.items()},
        **{("optimal", amount): point for amount, point in BEHIND.items()},
        **{("naive", amount): (1.0, top1) for amount, (_, top1) in BEHIND.items()},
    }
    assert points([masks("zero-copy", 0.25, 0.5, seed=1)], LATENCY) == []
    # A network that was trained again is another.
    assert points([masks("zero-copy", 0.25, 0.5, weights="others")], LATENCY) == []


def test_gains_are_read_off_the_line() -> None:
    """Halfway between two points half of both; None where nothing is as fast.

    The first point of the other is below its own front: its second is faster and better.
    """
    gains = front_gains(points(ACCURACY, LATENCY), ["zero-copy"], "optimal")
    assert [row["gain"] for row in gains] == [
        pytest.approx(81.25 - 62.5),
        pytest.approx(50 - 62.5),
        None,
    ]


def test_the_best_point_counts_that_is_as_fast() -> None:
    """A slower amount with less top-1 lowers no front; the unpruned network belongs to it."""
    accuracy = [masks("zero-copy", 0.25, 0.75), masks("zero-copy", 0.5, 0.5)]
    accuracy += [masks("constrained", 0.25, 0.5), masks("constrained", 0.5, 0.5)]
    latency = [
        *flat_latency(timed(0.25, {"zero-copy": 0.5, "constrained": 0.75})),
        *flat_latency(timed(0.5, {"zero-copy": 0.625, "constrained": 1.25})),
    ]
    gains = front_gains(points(accuracy, latency), ["zero-copy"], "constrained")
    # On the way from (1, 87.5) to (0.5, 75), 0.75 is the middle.
    # What is slower than the unpruned network is on no front: there, both have that.
    assert [row["gain"] for row in gains] == [pytest.approx(31.25), pytest.approx(0)]


def test_exports_have_a_front_together() -> None:
    """The best line at each time; a network counts only if it has all of them."""
    accuracy = [masks("zero-copy", 0.5, 0.5), masks("zero-copy-slack-0", 0.5, 0.75)]
    accuracy += [masks("constrained", 0.5, 0.5)]
    times = {"zero-copy": 0.5, "zero-copy-slack-0": 0.75, "constrained": 0.75}
    found = points(accuracy, flat_latency(timed(0.5, times)))
    both = ["zero-copy", "zero-copy-slack-0"]
    assert [row["gain"] for row in front_gains(found, both, "constrained")] == [25.0]
    assert front_gains(found, [*both, "zero-copy-slack-0.5"], "constrained") == []
    text = "\n".join(front_section(found))
    assert text.count("## Front of zero-copy over") == 1
    assert text.count("## Front of zero-copy, any slack over") == 1


def test_nothing_ahead_nothing_compared() -> None:
    """Networks that lack one of the two do not count."""
    rivals = [row for row in ACCURACY if row["method"] != "zero-copy"]
    found = points(rivals, LATENCY)
    assert found
    assert front_gains(found, ["zero-copy"], "optimal") == []
    assert front_section(found) == []


def test_tables_and_pictures(tmp_path: Path) -> None:
    """Means, how often below and never as fast, by network and by amount."""
    found = points(ACCURACY, LATENCY)
    text = "\n".join(front_section(found))
    assert "| points of | a | all |" in text
    assert "| optimal | +3.1 (1, 1, 3) | +3.1 (1, 1, 3) |" in text
    assert "| points of | 0.25 | 0.5 | 0.75 | all |" in text
    assert "| +18.8 (0, 0, 1) | -12.5 (1, 0, 1) | - (0, 1, 1) |" in text
    (picture,) = front_figures(found, tmp_path)
    assert picture.name == "front-input-local-kept-eager-4.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "| a | 3.0 | 3.0 |" in "\n".join(copies_section(LATENCY))
