"""Partial sums: an addition leaves alone what one of its operands is constant in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adapter_nets import TOLERANCE, build, conv, image
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter import prices, pricing
from reorder_solver.torch_adapter.partial_sums import PartialOperand, partial_operands
from reorder_solver.torch_adapter.prices import contest
from reorder_solver.torch_adapter.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Residual(nn.Module):
    """Blocks that add to what they read, and readers of the sums."""

    def __init__(self, *, normed: bool) -> None:
        super().__init__()
        self.stem = conv(3, 16, 3)
        self.inner = nn.ModuleList(conv(16, 10) for _ in range(3))
        # Without a bias, what is masked is zero.
        self.writes = nn.ModuleList(conv(10, 16, bias=False) for _ in range(3))
        norms = (nn.BatchNorm2d(16) if normed else nn.Identity() for _ in range(3))
        self.norms = nn.ModuleList(norms)
        self.head = conv(16, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for inner, write, norm in zip(self.inner, self.writes, self.norms, strict=True):
            x = x + norm(write(F.relu(inner(x))))
        return self.head(x)


class Tokens(nn.Module):
    """The same of tokens, behind a norm over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 16)
        self.norm, self.inner = nn.LayerNorm(16), nn.Linear(16, 12)
        self.writes = nn.ModuleList([nn.Linear(12, 16, bias=False)])
        self.head = nn.Linear(16, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x.flatten(2).transpose(1, 2))
        x = self.writes[0](F.gelu(self.inner(self.norm(x)))) + x
        return self.head(x)


def plain() -> nn.Module:
    return Residual(normed=False)


def normed() -> nn.Module:
    return Residual(normed=True)


NETS: dict[str, Callable[[], nn.Module]] = {"plain": plain, "normed": normed, "tokens": Tokens}


def built(name: str) -> nn.Module:
    return build(NETS[name])


def masks_for(model: Any, seed: int, kept: int = 9) -> Any:
    """Outputs of the layers that write to the sum, and inputs of its reader."""
    rng = np.random.default_rng(seed)
    masks: dict[str, Any] = {
        f"writes.{number}": {"output": rng.permutation(16) < kept}
        for number in range(len(model.writes))
    }
    return masks | {"head": {"input": rng.permutation(16) < 12}}


def with_all_sums(model: nn.Module, masks: Any, inputs: torch.Tensor | None = None) -> Any:
    """The export with every partial sum that there can be."""
    extraction, found = operands(model, masks)
    usage = None if inputs is None else usage_of(inputs)
    problem = extraction.transformed(ta.Transformations(), usage, found)
    layout = rs.solve(problem.instance, "bytes").layout
    assert layout is not None
    return ta.apply(problem, layout)


def operands(model: nn.Module, masks: Any) -> tuple[ta.Extraction, list[PartialOperand]]:
    extraction = ta.extract(model, image(2), masks)
    return extraction, partial_operands(extraction.facts)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("seed", range(4))
def test_partial_sums_are_right(name: str, form: str, seed: int) -> None:
    """Under any layout, for other batches and the other memory format too."""
    model, masks = built(name), None
    masks = masks_for(model, seed, kept=(9, 5, 1, 15)[seed])
    inputs = image(2).contiguous(memory_format=FORMATS[form])
    extraction, found = operands(model, masks)
    assert len(found) == len(masks) - 1
    problem = extraction.transformed(ta.Transformations(), usage_of(inputs), found)
    rng = np.random.default_rng(seed)
    layout = rs.Layout(
        {
            tensor.id: np.arange(tensor.channels)
            if tensor.fixed
            else rng.permutation(tensor.channels)
            for tensor in problem.instance.tensors
        }
    )
    for chosen in (layout, rs.solve(problem.instance, "bytes").layout):
        assert chosen is not None
        module = ta.apply(problem, chosen, dtype=torch.float64)
        reference = ta.masked(model, masks).double()
        for batch in (1, 3):
            for other in FORMATS.values():
                x = image(batch, seed=5).double().contiguous(memory_format=other)
                assert ta.max_relative_error(reference, module, x) <= TOLERANCE


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("form", FORMATS)
def test_partial_sums_are_exported(name: str, form: str) -> None:
    """By torch.export and to ONNX, those that are not in place too."""
    pytest.importorskip("onnx", reason="needs the package onnx")
    pytest.importorskip("onnxscript", reason="needs the package onnxscript")
    runtime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")
    model = built(name)
    masks = masks_for(model, 3)
    inputs = image(2).contiguous(memory_format=FORMATS[form])
    module = with_all_sums(model, masks, inputs)
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    exported = torch.export.export(module, (inputs,), dynamic_shapes=dynamic).module()
    written = torch.onnx.export(module, (inputs,), dynamo=True, dynamic_shapes=dynamic)
    assert written is not None
    session = runtime.InferenceSession(
        written.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (given,) = session.get_inputs()
    for batch in (1, 3):
        x = image(batch, seed=2)
        expected = ta.masked(model, masks)(x)
        torch.testing.assert_close(exported(x), expected, rtol=1e-4, atol=1e-5)
        (other,) = session.run(None, {given.name: x.numpy()})
        torch.testing.assert_close(torch.from_numpy(other), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_layers_write_what_varies(name: str) -> None:
    """The layers in front of the sums have only the rows that are left."""
    model = built(name)
    masks = masks_for(model, 0)
    module = with_all_sums(model, masks)
    for number, one in enumerate(operands(model, masks)[1]):
        rows = len(module.get_parameter(f"writes.{number}.weight"))
        assert rows == one.kept < one.rows


def test_bytes_take_only_what_copies_nothing() -> None:
    """Zeros would have to be added to a copy, constants are added in place; both can be had."""
    for name, expected in (("plain", 0), ("normed", 3)):
        model = built(name)
        masks = masks_for(model, 1)
        module: Any = ta.compact(model, image(2), masks).module
        targets = [str(node.target) for node in module.graph.nodes]
        assert targets.count("aten.index_add_.default") == expected
        assert "aten.index_add.default" not in targets
        assert not [
            each for each in ta.copied_bytes(module, image(2)).copies if "add" in each.caller
        ]


def test_constants_that_nobody_reads_are_no_reason() -> None:
    """They are not added, so the sum would not be in place."""
    model: Any = built("normed")
    for norm in model.norms:
        norm.weight.data.fill_(1.0)
        norm.running_mean.zero_()
        # Channel 3 alone is no zero where it is masked; the head does not read it.
        norm.bias.data.zero_()
        norm.bias.data[3] = 1.0
    read = np.arange(16) != 3
    masks = masks_for(model, 1) | {"head": {"input": read}}
    masks |= {f"inner.{number}": {"input": read} for number in range(3)}
    masks |= {f"writes.{number}": {"output": np.arange(16) > 7} for number in range(3)}
    assert [one.shifts for one in operands(model, masks)[1]] == [False] * 3
    assert not [
        row for row in ta.compact(model, image(2), masks).report.accesses if row.kind == "sum"
    ]


def test_a_switch_for_sums() -> None:
    """Without it, layers write whole operands."""
    model = built("normed")
    masks = masks_for(model, 1)
    macs = {
        sums: ta.compact(
            model, image(2), masks, transformations=ta.Transformations(sums=sums)
        ).report.after.macs
        for sums in (True, False)
    }
    assert macs[True] < macs[False]


@pytest.mark.parametrize("name", NETS)
def test_a_branch_that_writes_nothing_is_gone(name: str) -> None:
    """Only its constants are left."""
    model = built(name)
    masks = masks_for(model, 0, kept=0)
    out = ta.compact(model, image(2), masks)
    assert not [key for key in out.module.state_dict() if key.startswith(("writes", "inner"))]
    assert out.report.error is not None
    assert out.report.error <= TOLERANCE


def test_the_report_has_a_row_for_each() -> None:
    """With what is added, and what is there; nothing of it is copied."""
    model = built("normed")
    masks = masks_for(model, 1)
    report = ta.compact(model, image(2), masks).report
    rows = [row for row in report.accesses if row.kind == "sum"]
    assert [row.mode for row in rows] == ["partial"] * 3
    assert all(0 < row.wanted <= 9 < row.stored for row in rows)
    assert sum(row.bytes for row in rows) == 0
    writes = [row for row in report.accesses if row.id.startswith("writes")]
    # The head does not read all of what the last one writes.
    shares = [row.macs / row.macs_before for row in writes]
    assert shares[:2] == [9 / 16, 9 / 16]
    assert shares[2] < 9 / 16


@pytest.mark.parametrize("slower", [True, False])
@pytest.mark.parametrize("form", FORMATS)
def test_latency_takes_sums_that_save_time(
    monkeypatch: pytest.MonkeyPatch, form: str, slower: bool
) -> None:
    """As measured where the layer that writes reads, with all its rows and with those kept."""
    asked: list[tuple[prices.AccessSite, int]] = []

    def slower_sums(sites: Any, budget_s: float, cache: Any) -> list[bool]:
        # The real measurement runs, too.
        assert len(prices.slower_sums(sites, 0.0, prices.TimingCache(None))) == len(sites)
        asked.extend(sites)
        return [slower] * len(sites)

    monkeypatch.setattr(pricing, "slower_sums", slower_sums)
    model = built("plain")
    masks = masks_for(model, 1, kept=7)
    inputs = image(2).contiguous(memory_format=FORMATS[form])
    out = ta.compact(model, inputs, masks, objective="latency")
    rows = [row for row in out.report.accesses if row.kind == "sum"]
    assert len(rows) == (0 if slower else 3)
    # The head does not read all of what the last one writes.
    assert [kept for _, kept in asked][:2] == [7, 7]
    assert asked[2][1] < 7
    assert all(kept < site.out_channels <= 16 for site, kept in asked)
    assert out.report.error is not None
    assert out.report.error <= TOLERANCE


def test_sums_are_measured_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each share of rows for itself."""
    site = prices.AccessSite("linear", (2, 9, 16), axis=2, channels=8, out_channels=16)
    path = tmp_path / "timings.json"
    sites = [(site, 4), (site, 12)]
    first = prices.slower_sums(sites, 0.0, prices.TimingCache(path))
    monkeypatch.setattr(contest, "timed_in_turn", None)
    # Rows are rounded up to an eighth of all.
    again = prices.slower_sums([*sites, (site, 3)], 0.0, prices.TimingCache(path))
    assert again == [*first, first[0]]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("form", FORMATS)
def test_partial_sums_under_autocast(name: str, form: str) -> None:
    """Where operands may have different types."""
    model = built(name)
    masks = masks_for(model, 2)
    inputs = image(2).contiguous(memory_format=FORMATS[form])
    module, reference = with_all_sums(model, masks, inputs), ta.masked(model, masks)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = module(inputs)
        expected = reference(inputs)
    assert out.dtype == expected.dtype
    error = (out - expected).abs().max() / expected.abs().max()
    assert error < 5e-2


class Mixed(nn.Module):
    """Weights of two types."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 16)
        self.writes = nn.ModuleList([conv(16, 16, bias=False)])
        self.head = conv(16, 4).half()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.writes[0](x)
        return self.head(x.half())


def test_weights_of_two_types() -> None:
    """Then sums stay whole."""
    model = build(Mixed)
    _, found = operands(model, masks_for(model, 0))
    assert found == []


class Shortcut(nn.Module):
    """A sum of two branches: what is added to is read by nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.short = conv(3, 16), conv(16, 16)
        self.writes = nn.ModuleList([conv(16, 16, bias=False)])
        self.head = conv(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.head(self.short(x) + self.writes[0](x))


def test_sums_are_in_place_where_nothing_else_looks() -> None:
    """Asking for its type is no look at a value."""
    model = build(Shortcut)
    masks = masks_for(model, 0)
    module = with_all_sums(model, masks)
    assert [str(node.target) for node in module.graph.nodes].count("aten.index_add_.default") == 1
    assert not ta.copied_bytes(module, image(2)).total
    torch.testing.assert_close(module(image(3)), ta.masked(model, masks)(image(3)))


class Scaled(nn.Module):
    """A weight that is computed, and stored in double precision once that is done."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = conv(3, 16), conv(16, 4)
        self.writes = nn.ModuleList([conv(16, 16, bias=False)])
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.writes[0](x.relu())
        return F.conv2d(x, self.head.weight * self.scale.exp())


def test_weights_that_are_computed() -> None:
    """They have the type that they will have in the export."""
    model = build(Scaled)
    masks = {"writes.0": {"output": np.arange(16) < 9}}
    _, found = operands(model, masks)
    assert [one.kept for one in found] == [9]


class Refused(nn.Module):
    """Sums that keep both operands whole."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.wide = conv(3, 8), conv(8, 1)
        self.writes = nn.ModuleList(conv(8, 8, bias=False) for _ in range(4))
        self.head = conv(8, 4)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.stem(x)
        twice, scaled, shared, narrow = (write(x) for write in self.writes)
        x = twice + twice
        x = torch.add(x, scaled, alpha=2)
        x = x + shared
        x = x + narrow.mean((2, 3), keepdim=True)
        return self.head(x), shared.sigmoid()


def test_which_sums_stay_whole() -> None:
    """A value added to itself, a factor, a second reader, and broadcasting."""
    model = build(Refused)
    masks = masks_for(model, 0)
    kept = {name: {"output": np.arange(8) < 4} for name in masks if name.startswith("writes")}
    _, found = operands(model, kept)
    assert found == []
    out = ta.compact(model, image(2), kept)
    assert out.report.error is not None
    assert out.report.error <= TOLERANCE


@pytest.mark.parametrize("name", NETS)
def test_partial_sums_can_be_trained(name: str) -> None:
    """Their gradients are those of the masked model."""
    model = built(name)
    masks = masks_for(model, 2)
    module, reference = with_all_sums(model, masks), ta.masked(model, masks)
    gradients = []
    for each in (module, reference):
        x = image(3).requires_grad_()
        each(x).square().sum().backward()
        gradients.append(x.grad)
    torch.testing.assert_close(*gradients)
    assert all(parameter.grad is not None for parameter in module.parameters())
