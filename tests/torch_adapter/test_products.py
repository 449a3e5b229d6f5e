"""Products of matrices that are no faster than convolutions are left alone, where time counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from adapter_nets import TOLERANCE, build, conv, image
from torch import nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter import optimise, prices, pricing
from reorder_solver.torch_adapter.hidden import copied_share
from reorder_solver.torch_adapter.prices import AccessSite, TimingCache, contest, slower_products
from reorder_solver.torch_adapter.pricing import with_faster_kernels
from reorder_solver.torch_adapter.usage import Usage

if TYPE_CHECKING:
    from pathlib import Path

SITE = AccessSite(
    "conv2d",
    (2, 16, 5, 5),
    axis=1,
    channels=8,
    out_channels=4,
    kernel=(1, 1),
    stride=(1, 1),
    padding=(0, 0),
    dilation=(1, 1),
    multiplied=True,
)


def test_measured_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And kept apart from what prices are made from."""
    path = tmp_path / "timings.json"
    (first,) = slower_products([SITE], 0.0, TimingCache(path))
    monkeypatch.setattr(contest, "timed_in_turn", None)
    assert slower_products([SITE, SITE], 0.0, TimingCache(path)) == [first, first]
    assert slower_products([], 0.0, TimingCache(path)) == []
    assert TimingCache(path).get(SITE.rounded()) is None


@pytest.mark.parametrize(("product", "slower"), [(80_000, False), (95_000, True), (120_000, True)])
def test_a_product_must_save_time(
    monkeypatch: pytest.MonkeyPatch, product: int, slower: bool
) -> None:
    """More than its calls cost within a network."""
    times = np.array([[product, 100_000.0], [product + 5e4, 100_500.0]])
    monkeypatch.setattr(contest, "timed_in_turn", lambda *_, **__: times)
    assert slower_products([SITE], cache=TimingCache(None)) == [slower]


class Readers(nn.Module):
    """Two pointwise convolutions that read slices, and one that reads everything."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 16, 3)
        self.reads = nn.ModuleList([conv(16, 6), conv(16, 6)])

    def forward(self, x: torch.Tensor) -> Any:
        x = self.stem(x).relu()
        return [read(x) for read in self.reads]


MASKS = {
    "reads.0": {"input": np.arange(16) < 10},
    "reads.1": {"input": np.arange(16) > 7},
}


@pytest.mark.parametrize("slower", [True, False])
def test_exports_for_latency_use_what_is_faster(
    monkeypatch: pytest.MonkeyPatch, slower: bool
) -> None:
    """Prices, plans and the module written agree on it; the result is the same."""
    model, inputs = build(Readers), image(4)
    monkeypatch.setattr(pricing, "slower_products", lambda sites, *_: [slower] * len(sites))
    asked = []

    def calibrated(sites: list[AccessSite], budget_s: float, cache: TimingCache | None) -> Any:
        asked.extend(sites)
        return prices.calibrate_sites(sites, 0.0, TimingCache(None))

    monkeypatch.setattr(pricing, "calibrate_sites", calibrated)
    out = ta.compact(model, inputs, MASKS, objective="latency")
    module: Any = out.module
    assert {site.multiplied for site in asked if site.kernel == (1, 1)} == {not slower}
    assert (torch.baddbmm in {node.target for node in module.graph.nodes}) is not slower
    for batch in (1, 4):
        reference = ta.masked(model, MASKS)
        assert ta.max_relative_error(reference, module, image(batch, seed=3)) <= TOLERANCE


def test_only_for_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured where only bytes count."""
    monkeypatch.setattr(optimise, "with_faster_kernels", None)
    module: Any = ta.compact(build(Readers), image(4), MASKS).module
    assert torch.baddbmm in {node.target for node in module.graph.nodes}


def test_what_is_convolved_copies_its_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is known to."""
    monkeypatch.setattr(pricing, "slower_products", lambda sites, *_: [True] * len(sites))
    extraction = ta.extract(build(Readers), image(4), MASKS)
    usage = Usage(4)
    found = with_faster_kernels(extraction, usage)
    assert len(found.convolved) == 2
    for node in found.convolved:
        assert copied_share(node, usage) == 0
        assert copied_share(node, found) == 1
