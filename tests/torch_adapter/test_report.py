"""The report: copies and work as PyTorch itself counts them, and every access accounted for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from adapter_nets import Dense, Residual, build, conv, image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import reorder_solver as rs
from reorder_solver import torch_adapter as ta

if TYPE_CHECKING:
    from pathlib import Path

    from reorder_solver.torch_adapter.compact import Compacted


class Mixed(nn.Module):
    """Strided, dilated, grouped, depthwise and transposed convolutions, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 8, 3, stride=2)
        self.groups = conv(8, 8, 3, groups=2)
        self.depthwise = conv(8, 8, 3, groups=8)
        self.up = nn.ConvTranspose2d(8, 6, 3, stride=2)
        self.up_groups = nn.ConvTranspose2d(6, 6, 2, stride=2, groups=3)
        self.line = nn.Conv2d(6, 4, (1, 5), dilation=2)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.groups(torch.relu(self.stem(x))))
        x = self.up_groups(torch.relu(self.up(self.depthwise(x))))
        return self.head(torch.relu(self.line(x)).permute(0, 2, 3, 1)).mean((1, 2))


class Pooled(nn.Module):
    """A branch that pools what four layers read, as in an inception block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 16, 3)
        self.one, self.two, self.three = (conv(16, 4) for _ in range(3))
        self.pooled = conv(16, 4)
        self.head = conv(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        pooled = self.pooled(torch.max_pool2d(x, 3, 1, 1))
        return self.head(torch.cat([self.one(x), self.two(x), self.three(x), pooled], 1))


def macs(module: nn.Module, batch: int) -> int:
    """Multiply-adds per sample, by PyTorch's counter of two operations for each."""
    precision = next(module.parameters()).dtype
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(image(batch).to(precision))
    return counter.get_total_flops() // (2 * batch)


def compacted(net: type[nn.Module], export: str, seed: int = 1) -> tuple[nn.Module, Compacted]:
    """A masked model and its export."""
    model = build(net)
    masks = ta.prune_inputs(model, image(), "random", 0.5, seed=seed)
    return ta.masked(model, masks), ta.compact(model, image(), masks, export=export)


@pytest.mark.parametrize("net", [Mixed, Residual, Dense, Pooled])
@pytest.mark.parametrize("export", ["naive", "optimal"])
def test_work_and_copies_are_what_pytorch_counts(net: type[nn.Module], export: str) -> None:
    """Multiply-adds before and after, parameters, gathers and concatenations."""
    reference, out = compacted(net, export)
    report = out.report
    assert report.before.macs == macs(reference, 2)
    assert report.after.macs == macs(out.module, 3)
    assert report.before.parameters == sum(each.numel() for each in reference.parameters())
    assert report.after.parameters == sum(each.numel() for each in out.module.parameters())
    counted = ta.copied_bytes(out.module, image(1)).by_kind
    assert report.after.selected == counted.get("gather", 0)
    assert report.after.concatenated == counted.get("cat", 0)


@pytest.mark.parametrize("net", [Mixed, Residual, Dense, Pooled])
@pytest.mark.parametrize("export", ["naive", "upscale", "optimal"])
def test_rows_add_up(net: type[nn.Module], export: str) -> None:
    """Every byte and every multiply-add belongs to a row."""
    report = compacted(net, export)[1].report
    rows = report.accesses
    total = report.after.selected + report.after.concatenated
    assert sum(row.bytes for row in rows) == total
    assert sum(row.macs for row in rows) == report.after.macs
    assert sum(row.macs_before for row in rows) == report.before.macs
    before = report.before.selected + report.before.concatenated
    assert sum(row.bytes_before for row in rows) == before
    assert report.before.selected == report.copied["naive"]
    if export == "naive":
        assert report.after.selected == report.before.selected
        assert report.after.concatenated == report.before.concatenated
        assert all(row.was == row.mode for row in rows if row.mode != "removed")


def test_a_hoisted_choice_and_a_shared_copy_are_named() -> None:
    """Four readers that cannot all be views: two share a copy, one chooses before it pools."""
    model = build(Pooled)
    wanted = {
        "one": [0, 2, 4, 6, 8, 10, 12, 14],
        "two": [0, 1, 4, 5, 8, 9, 12, 13],
        "three": [0, 1, 2, 3, 8, 9, 10, 11],
        "pooled": [0, 3, 5, 6, 9, 10, 12, 15],
    }
    masks = {name: {"input": np.isin(np.arange(16), kept)} for name, kept in wanted.items()}
    # Of a batch, slices would be copied by the pool.
    report = ta.compact(model, image(1), masks).report
    rows = {row.id: row for row in report.accesses}
    assert rows["pooled"].place.startswith("hoisted to max_pool2d")
    copies = [row for row in report.accesses if row.kind == "copy"]
    assert len(copies) == 1
    assert copies[0].mode == "copy"
    assert copies[0].bytes == copies[0].wanted * 4 * 64 == report.after.selected
    sharing = [row for row in report.accesses if row.place.endswith(f"reads {copies[0].id}")]
    assert len(sharing) >= 2
    assert all(row.mode == "view" and row.stored == copies[0].wanted for row in sharing)
    assert f"view (reads {copies[0].id})" in str(report)
    (joined,) = (row for row in report.accesses if row.kind == "concatenation")
    assert joined.was == joined.mode == "cat"
    assert joined.bytes == joined.stored * 4 * 64


def test_layers_that_nobody_reads_are_removed() -> None:
    """Their work is counted before, and gone after."""
    model = build(Pooled)
    masks = {"head": {"input": np.arange(16) >= 4}}
    rows = {row.id: row for row in ta.compact(model, image(), masks).report.accesses}
    assert {name for name, row in rows.items() if row.mode == "removed"} == {"one"}
    assert rows["one"].macs == 0 < rows["one"].macs_before


def test_modes_of_the_latency_objective_show() -> None:
    """A layer that reads a cover, or sums over runs, does the work that this takes."""
    model = build(Residual)
    masks = ta.prune_inputs(model, image(), "random", 0.5, seed=3)
    plain = ta.extract(model, image(), masks)
    layout = rs.Layout.identity(plain.instance)
    from reorder_solver.core.prices import PriceList

    found = {}
    for mode, prices in (
        ("split", PriceList(split=(1,), gather=(10**6, 0))),
        ("cover", PriceList(cover=(1,), gather=(10**6, 0))),
    ):
        found[mode] = _served(model, plain, layout, prices)
    for mode, (report, module) in found.items():
        assert mode in {row.mode for row in report.accesses}
        assert report.after.selected == 0
        assert report.after.macs == macs(module, 2)
    assert found["cover"][0].after.macs > found["split"][0].after.macs


def _served(
    model: nn.Module, plain: ta.Extraction, layout: rs.Layout, prices: object
) -> tuple[ta.Report, nn.Module]:
    from dataclasses import replace

    from reorder_solver.torch_adapter.apply import rewrite
    from reorder_solver.torch_adapter.describe import describe

    accesses = tuple(replace(each, prices=prices) for each in plain.instance.accesses)
    priced = replace(plain, instance=plain.instance.replace(accesses=accesses))
    result = rs.solve(priced.instance, objective="latency", backend="identity")
    assert result.layout is not None
    written = rewrite(priced, result)
    return describe(model, plain, priced, result.layout, written, "naive"), written.module


def test_many_pins_are_grouped_by_reason() -> None:
    """Few are named one by one; of many, the first."""
    report = compacted(Residual, "naive")[1].report
    pins = [ta.Pin(f"t{number}", "sorted") for number in range(9)]
    many = type(report)(
        **{name: getattr(report, name) for name in type(report).__slots__} | {"pins": tuple(pins)}
    )
    assert "pinned 9 tensors (t0, t1, t2, t3 and 5 more): sorted" in str(many)
    assert many.reasons == {"sorted": [pin.tensor for pin in pins]}


def test_the_dictionary_is_plain_data() -> None:
    """It survives JSON, with the picture's boxes and lines."""
    report = compacted(Pooled, "optimal")[1].report
    data = json.loads(json.dumps(report.to_dict()))
    assert data["after"]["macs"] == report.after.macs
    assert len(data["network"]["boxes"]) == len(report.network.boxes)
    assert [row["id"] for row in data["accesses"]] == [row.id for row in report.accesses]


@pytest.mark.parametrize("export", ["naive", "optimal", "oracle"])
@pytest.mark.parametrize("net", [Mixed, Residual, Dense, Pooled])
def test_the_network_shows_every_copy(net: type[nn.Module], export: str) -> None:
    """Bytes of boxes and lines are those of the report, and every layer has a box."""
    report = compacted(net, export)[1].report
    boxes, lines = report.network.boxes, report.network.lines
    drawn = sum(box.bytes for box in boxes) + sum(line.bytes for line in lines)
    assert drawn == report.after.selected + report.after.concatenated
    layers = [row.id for row in report.accesses if row.kind == "layer" and row.mode != "removed"]
    assert sorted(box.label for box in boxes if box.kind == "layer") == sorted(layers)
    assert all(line.source < line.target for line in lines)
    read = {line.target for line in lines}
    assert all(number in read for number, box in enumerate(boxes) if box.kind != "input")


def test_draws_a_picture(tmp_path: Path) -> None:
    """As SVG with the names and sizes as text, the same each time."""
    report = compacted(Residual, "naive")[1].report
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        report.draw(path)
    text = paths[0].read_text(encoding="utf-8")
    assert paths[1].read_text(encoding="utf-8") == text
    copied = [row for row in report.accesses if row.bytes]
    assert copied
    for row in copied:
        assert row.id in text
    report.draw(tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(rs.InputError, match=r"must end in one of \.png, \.svg, \.pdf"):
        report.draw(tmp_path / "c.gif")
