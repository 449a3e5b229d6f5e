"""The trade-off: fronts hold their end points, targets are met, and wrong ones are refused."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from adapter_nets import Chain, Residual

from reorder_solver import torch_adapter as ta
from reorder_solver.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

PRICES = ta.LatencyPrices(mac=1.0, byte=2.0, copy=500.0)


def inputs() -> torch.Tensor:
    return torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def residual() -> Residual:
    torch.manual_seed(0)
    return Residual().eval()


@pytest.fixture(scope="module")
def front() -> ta.Front:
    return ta.pareto(
        residual(),
        inputs(),
        "random",
        amounts=(0.5,),
        lives=(1.0, 0.6),
        paid=(0.5,),
        prices=PRICES,
        time_limit=20,
    )


def test_front_is_never_below_its_end_points(front: ta.Front) -> None:
    """For all that was tried, the front has a point as important and as fast."""
    assert {each.method for each in front.tried} == {
        "constrained",
        "unconstrained",
        "zero-copy",
        "paid",
    }
    for each in front.tried:
        assert any(
            one.importance >= each.importance and one.latency <= each.latency
            for one in front.points
        )
    kept = [each.importance for each in front.points]
    assert kept == sorted(set(kept))


def test_windows_lie_between(front: ta.Front) -> None:
    """Windows keep no less than agreement does, and no more than no constraint; without a copy."""
    by_method = {(each.method, each.amount, each.live): each for each in front.tried}
    for amount in (0.5,):
        zero = by_method["zero-copy", amount, 1.0]
        assert zero.copied == 0
        assert by_method["constrained", amount, 1 - amount].importance <= zero.importance + 1e-6
        assert zero.importance <= by_method["unconstrained", amount, 1.0].importance + 1e-6


def test_pick(front: ta.Front) -> None:
    fastest, best = front.points[0], front.points[-1]
    assert front.pick(importance=0.0) is fastest
    assert front.pick(latency=best.latency) is best
    assert front.pick(macs=max(each.macs for each in front.tried)).importance == best.importance
    with pytest.raises(InputError, match="one target"):
        front.pick(importance=0.5, latency=1.0)
    with pytest.raises(InputError, match="meets the target"):
        front.pick(importance=1.5)


def test_files(front: ta.Front, tmp_path: Path) -> None:
    for name in ("front.json", "front.csv", "front.svg"):
        front.save(tmp_path / name)
    points = json.loads((tmp_path / "front.json").read_text(encoding="utf-8"))["points"]
    rows = list(csv.DictReader((tmp_path / "front.csv").open(encoding="utf-8")))
    assert [each["macs"] for each in points] == [int(row["macs"]) for row in rows]
    assert (tmp_path / "front.svg").read_bytes().startswith(b"<?xml")
    with pytest.raises(InputError, match=r"name a file \.json"):
        front.save(tmp_path / "front.txt")


def test_predicted_latency_counts_copies() -> None:
    report = ta.compact(residual(), inputs(), {}, time_limit=20).report
    assert PRICES.predicted(report) == report.after.macs


@pytest.mark.parametrize("kind", ["macs", "importance"])
def test_targets_are_met(kind: str) -> None:
    model = residual()
    out = ta.compact(model, inputs(), scores="l2", target={kind: 0.7}, time_limit=20)
    assert out.pruning is not None
    assert out.result.cost == 0
    if kind == "macs":
        assert out.report.after.macs <= 0.7 * out.report.before.macs
    else:
        assert out.pruning.importance >= 0.7


def test_as_many_channels_stay_as_is_best() -> None:
    """Without a live share none that could be given does better."""
    model = residual()
    free = ta.compact(model, inputs(), scores="l2", target={"macs": 0.5}, time_limit=20)
    least = ta.compact(model, inputs(), scores="l2", target={"importance": 0.6}, time_limit=20)
    assert free.pruning is not None
    assert least.pruning is not None
    for live in (1.0, 0.7):
        given = {"macs": 0.5, "live": live}
        one = ta.compact(model, inputs(), scores="l2", target=given, time_limit=20)
        assert one.pruning is not None
        assert one.pruning.importance <= free.pruning.importance + 0.02
    given = {"importance": 0.6, "live": 1.0}
    one = ta.compact(model, inputs(), scores="l2", target=given, time_limit=20)
    assert one.report.after.macs > least.report.after.macs
    assert least.pruning.importance >= 0.6


def test_amount_is_the_plain_target() -> None:
    """One call does what two do."""
    out = ta.compact(residual(), inputs(), scores="l1", target=0.4, time_limit=20)
    masks = ta.prune_windows(residual(), inputs(), "l1", 0.4, time_limit=20).masks
    assert out.pruning is not None
    for name, sides in masks.items():
        assert (out.pruning.masks[name]["input"] == sides["input"]).all()
    assert ta.compact(residual(), inputs()).pruning is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": "l2"}, "scores need a target"),
        ({"target": 0.5}, "a target needs scores"),
        ({"scores": "l2", "target": 0.5, "masks": {}}, "not both"),
        ({"scores": "l2", "target": 0.5, "export": "naive"}, "for export 'optimal'"),
        ({"scores": "l2", "target": {"joules": 1}}, "name one of amount, macs"),
        ({"scores": "l2", "target": {"amount": 0.5, "macs": 0.5}}, "name one of"),
        ({"scores": "l2", "target": {"macs": 2}}, "macs must be from 0 to 1"),
        ({"scores": "l2", "target": "half"}, "amount must be from 0 to 1"),
    ],
)
def test_contradictions(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ta.compact(Chain().eval(), inputs(), **arguments)
