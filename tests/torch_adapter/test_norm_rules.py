"""Normalisations: over channels with constants taken out, by group, by channel."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from programme_oracles import (
    EXACT,
    assert_constants_are,
    assert_exports_are_right,
    assert_needs_suffice,
    facts_of,
    operations_of,
    prepare,
    sample,
    thin_out,
)
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.build import build
from reorder_solver.torch_adapter.facts import Facts
from reorder_solver.torch_adapter.norms import Normalisation
from reorder_solver.torch_adapter.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    Norm = Callable[["Normed", torch.Tensor], torch.Tensor]

CHANNELS = 12


class Normed(nn.Module):
    """A norm between convolutions, with a way around it."""

    def __init__(self, norm: Norm, *, affine: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 1)
        self.head, self.other = nn.Conv2d(CHANNELS, 4, 1), nn.Conv2d(CHANNELS, 3, 1)
        if affine:
            self.weight, self.bias = (
                nn.Parameter(torch.ones(CHANNELS)),
                nn.Parameter(torch.ones(CHANNELS)),
            )
            self.cube = nn.Parameter(torch.ones(CHANNELS, 5, 5))
        self.norm = norm

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(x)
        return self.head(torch.sigmoid(self.norm(self, x))), self.other(x)


def last(x: torch.Tensor) -> torch.Tensor:
    return x.permute(0, 2, 3, 1)


def first(x: torch.Tensor) -> torch.Tensor:
    return x.permute(0, 3, 1, 2)


SHAPE = [CHANNELS]
NORMS: dict[str, Norm] = {
    "layer": lambda net, x: first(F.layer_norm(last(x), SHAPE, net.weight, net.bias, 1e-3)),
    "layer without bias": lambda net, x: first(F.layer_norm(last(x), SHAPE, net.weight)),
    "layer, native": lambda net, x: first(
        torch.native_layer_norm(last(x), SHAPE, net.weight, net.bias, 1e-5)[0]
    ),
    "layer over everything": lambda net, x: F.layer_norm(x, [CHANNELS, 5, 5], net.cube),
    "rms": lambda net, x: first(F.rms_norm(last(x), SHAPE, net.weight, 1e-4)),
    "rms over everything": lambda net, x: F.rms_norm(x, [CHANNELS, 5, 5], net.cube, 1e-4),
    "rms without eps": lambda net, x: first(F.rms_norm(last(x), SHAPE, net.weight)),
    "one group": lambda net, x: F.group_norm(x, 1, net.weight, net.bias),
    "three groups": lambda net, x: F.group_norm(x, 3, net.weight, net.bias, 1e-3),
    "groups, native": lambda net, x: torch.native_group_norm(
        x, net.weight, net.bias, x.shape[0], CHANNELS, 25, 4, 1e-5
    )[0],
    "groups of a vector": lambda net, x: x * F.group_norm(
        x.mean((2, 3)), 3, net.weight, net.bias
    )[:, :, None, None],
    "plain layer": lambda net, x: first(F.layer_norm(last(x), SHAPE)),
    "plain groups": lambda net, x: F.group_norm(x, 4),
}  # fmt: skip
SEPARATE: dict[str, Norm] = {
    "instance": lambda net, x: F.instance_norm(x, None, None, net.weight, net.bias),
    "as many groups": lambda net, x: F.group_norm(x, CHANNELS, net.weight, net.bias, 1e-3),
    "as many groups, native": lambda net, x: torch.native_group_norm(
        x, net.weight, net.bias, x.shape[0], CHANNELS, 25, CHANNELS, 1e-5
    )[0],
    "as many plain groups": lambda net, x: F.group_norm(x, CHANNELS),
    "over places": lambda net, x: F.layer_norm(x, [5, 5]),
}


@pytest.mark.parametrize("name", [*NORMS, *SEPARATE])
def test_norms_are_exported_right(name: str) -> None:
    """With zero and other constants among the channels, dropped or not, in any order."""
    net = prepare(Normed((NORMS | SEPARATE)[name]))
    thin_out(net, np.random.default_rng(len(name)), rows=0.35, columns=0.35)
    if name in ("layer", "one group", "rms"):
        net.stem.bias = None
    x = sample(2, 3, 5, 5)
    extraction = assert_exports_are_right(net, x)
    assert_constants_are(extraction, x)
    if name in NORMS:
        for operation in operations_of(extraction, Normalisation):
            assert_needs_suffice(extraction, operation, x)


@pytest.mark.parametrize("name", SEPARATE)
def test_norms_of_each_channel_by_itself_pin_nothing(name: str) -> None:
    """Groups of one channel among them, which used to stay in order."""
    extraction = ta.extract(prepare(Normed(SEPARATE[name])), sample(2, 3, 5, 5))
    assert {pin.reason for pin in extraction.pins} == {"model input", "model output"}


@pytest.mark.parametrize("name", NORMS)
def test_constant_channels_leave(name: str) -> None:
    """What is constant and not wanted behind the norm is not stored, however small the rest."""
    net = prepare(Normed(NORMS[name]))
    with torch.no_grad():
        net.stem.weight[[1, 4, 5, 8, 9]] = 0
        net.head.weight[:, [1, 4, 5, 8]] = 0
        net.other.weight[:, [1, 4, 5, 8, 9]] = 0
    extraction = assert_exports_are_right(net, sample(2, 3, 5, 5))
    stored = ta.apply(extraction, rs.Layout.identity(extraction.instance)).state_dict()
    groups = operations_of(extraction, Normalisation)[0].setting.groups
    expected = {1: 8, 3: 9, 4: CHANNELS}[groups]
    if name == "rms without eps":
        expected = CHANNELS
    assert len(stored["stem.weight"]) == expected


def test_norms_of_nothing_but_constants() -> None:
    """One channel is still stored, as an operator must read something."""
    for name in ("layer", "rms", "three groups", "one group"):
        net = prepare(Normed(NORMS[name]))
        with torch.no_grad():
            net.stem.weight.zero_()
            net.head.weight[:, 2:] = 0
        assert_exports_are_right(net, sample(2, 3, 5, 5))


def test_compensation_can_be_turned_off() -> None:
    """Then every channel is stored, and the operator stays what it was."""
    net = prepare(Normed(NORMS["layer"]))
    with torch.no_grad():
        net.stem.weight[3:] = 0
        net.head.weight[:, 3:] = 0
        net.other.weight[:, 3:] = 0
    captured = ta.extract(net, sample(2, 3, 5, 5)).captured
    for compensate, count in ((True, 3), (False, CHANNELS)):
        facts = Facts(build(captured, RULES, {}, compensate=compensate), captured.attributes)
        (norm,) = [one for one in facts.program.operations if isinstance(one, Normalisation)]
        assert facts.live(norm.source).sum() == count


def residual() -> nn.Module:
    """A normalised stream of which half the channels are constants."""

    class Stream(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Linear(5, 8), nn.Linear(8, 3)
            self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(3))
            self.first = nn.ModuleList(nn.Linear(8, 9) for _ in range(2))
            self.second = nn.ModuleList(nn.Linear(9, 8) for _ in range(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            for norm, first, second in zip(self.norms, self.first, self.second, strict=False):
                x = x + second(F.gelu(first(norm(x))))
            return self.head(self.norms[-1](x))

    net = prepare(Stream())
    with torch.no_grad():
        for layer in (net.stem, *net.second):
            layer.weight[[0, 3, 4, 6]] = 0
        for layer in (net.head, *net.first):
            layer.weight[:, [0, 3, 4, 6]] = 0
    return net


def exported(net: nn.Module, x: torch.Tensor) -> nn.Module:
    extraction = assert_exports_are_right(net, x)
    assert not np.isnan(
        facts_of(extraction).constants(values_named(extraction, "add")[0])[[0, 3]]
    ).any()
    return ta.apply(extraction, rs.Layout.identity(extraction.instance))


def values_named(extraction: ta.Extraction, name: str) -> list[Any]:
    program = facts_of(extraction).program
    return [value for value in program.values.values() if value.name.startswith(name)]


def test_normalised_streams_shrink() -> None:
    """Channels that are the sum of constants leave the stream, its producers and its norms."""
    module = exported(residual(), sample(2, 4, 5))
    state = module.state_dict()
    assert state["stem.weight"].shape == (4, 5)
    assert state["second.1.weight"].shape == (4, 9)
    assert state["norms.2.weight"].shape == (4,)


def test_compensated_exports_can_be_saved_and_traced() -> None:
    """Nothing but standard operators, for any batch size."""
    net, x = residual(), sample(2, 4, 5)
    module = exported(net, x)
    expected = module(sample(3, 4, 5))
    program = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    stream = io.BytesIO()
    torch.export.save(program, stream)
    stream.seek(0)
    assert torch.equal(torch.export.load(stream).module()(sample(3, 4, 5)), expected)
    assert torch.equal(torch.jit.trace(module, (x,))(sample(3, 4, 5)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_compensated_exports_run_in_other_precisions(dtype: torch.dtype) -> None:
    """They stay in it, and are about as exact as the masked model."""
    net, x = residual(), sample(2, 4, 5)
    module = exported(net, x).to(dtype)
    expected = net(x).detach()
    scale = float(expected.abs().max())
    own = float((net.to(dtype)(x.to(dtype)).double() - expected).abs().max()) / scale
    found = module(x.to(dtype))
    assert found.dtype == dtype
    assert (
        float((found.double() - expected).abs().max()) / scale
        <= 8 * own + 8 * torch.finfo(dtype).eps
    )


def test_tiny_variances_stay_exact() -> None:
    """Where nearly all of the variance is the constants', nothing cancels."""
    net = prepare(Normed(NORMS["layer"]))
    with torch.no_grad():
        net.stem.weight[:6] *= 1e-7
        net.stem.weight[6:] = 0
        net.stem.bias[6:] = 100.0
        net.head.weight[:, 6:] = 0
        net.other.weight[:, 6:] = 0
    extraction = ta.extract(net, sample(2, 3, 5, 5))
    module = ta.apply(extraction, rs.Layout.identity(extraction.instance))
    assert ta.max_relative_error(net, module, sample(2, 3, 5, 5)) <= EXACT
