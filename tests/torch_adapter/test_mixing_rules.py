"""Convolutions and linear layers of every kind, against real runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from programme_oracles import (
    assert_constants_are,
    assert_exports_are_right,
    assert_needs_suffice,
    operations_of,
    prepare,
    sample,
    thin_out,
)
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.grouped import GroupedMix
from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.operations import Opaque, PerChannel

if TYPE_CHECKING:
    from collections.abc import Callable

CHANNELS = 12
CONVOLUTIONS: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, Any] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}


class Between(nn.Module):
    """A layer between two others, with a way around it."""

    def __init__(self, layer: nn.Module, spatial: int, made: int, *, relu: bool = True) -> None:
        super().__init__()
        self.stem = CONVOLUTIONS[spatial](3, CHANNELS, 1)
        self.layer = layer
        self.head = CONVOLUTIONS[spatial](made, 4, 1)
        self.other = CONVOLUTIONS[spatial](CHANNELS, 3, 1)
        self.relu = relu

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(x)
        y = torch.relu(x) if self.relu else x
        return self.head(torch.sigmoid(self.layer(y))), self.other(x)


def layer(kind: str, spatial: int, groups: int, made: int, **options: Any) -> nn.Module:
    kinds = TRANSPOSED if kind == "transposed" else CONVOLUTIONS
    return kinds[spatial](CHANNELS, made, 3, groups=groups, **options)


PADDED = {"padding": 1}
CASES = [
    *(("plain", 2, groups, made, PADDED) for groups, made in ((1, 8), (3, 6), (4, 4), (12, 24))),
    ("plain", 1, 3, 12, {"padding": "same", "bias": False}),
    ("plain", 2, 1, 6, {"padding": "same", "bias": False, "dilation": 2}),
    ("plain", 3, 12, 12, {"padding": 1}),
    ("plain", 3, 1, 5, {"padding": "valid", "stride": 2}),
    ("plain", 2, 3, 6, {"padding": "valid"}),
    ("plain", 2, 12, 12, {"padding": "valid"}),
    ("plain", 2, 1, 5, {"padding": 1, "padding_mode": "reflect"}),
    ("plain", 1, 3, 6, {"padding": 2, "padding_mode": "circular", "dilation": 2}),
    *(
        ("transposed", 2, groups, made, {"stride": 2, "padding": 1, "output_padding": 1})
        for groups, made in ((1, 8), (3, 6), (12, 12), (12, 24))
    ),
    ("transposed", 1, 4, 8, {"bias": False}),
    ("transposed", 3, 1, 4, {"stride": 2}),
    ("transposed", 1, 12, 12, {"bias": False}),
]


@pytest.mark.parametrize(("kind", "spatial", "groups", "made", "options"), CASES)
def test_convolutions_are_exported_right(
    kind: str, spatial: int, groups: int, made: int, options: dict[str, Any]
) -> None:
    """Zeros, constants and borders, under any order of everything that is stored."""
    net = prepare(Between(layer(kind, spatial, groups, made, **options), spatial, made))
    thin_out(net, np.random.default_rng(groups + made))
    x = sample(2, 3, *[7] * spatial)
    extraction = assert_exports_are_right(net, x)
    assert {pin.reason for pin in extraction.pins if "groups" not in pin.reason} == {
        "model input",
        "model output",
    }
    assert assert_constants_are(extraction, x) > 0


@pytest.mark.parametrize("spatial", [1, 2])
@pytest.mark.parametrize("kind", ["plain", "transposed"])
@pytest.mark.parametrize("groups", [1, 3])
def test_channels_that_are_not_needed_do_not_matter(kind: str, spatial: int, groups: int) -> None:
    """What a convolution says it does not read changes nothing that is live."""
    net = prepare(Between(layer(kind, spatial, groups, CHANNELS), spatial, CHANNELS, relu=False))
    thin_out(net, np.random.default_rng(spatial), rows=0.4, columns=0.5)
    x = sample(2, 3, *[5] * spatial)
    extraction = ta.extract(net, x)
    operations = operations_of(extraction, GroupedMix if groups > 1 else Mix)
    (operation,) = [one for one in operations if one.module == "layer"]
    assert assert_needs_suffice(extraction, operation, x) > 0


def test_constants_inside_groups_are_folded() -> None:
    """A group whose inputs are constants reads one of them with padding, and none without."""
    for padding, dropped in ((0, 3), (1, 2)):
        net = prepare(Between(layer("plain", 2, 3, 6, padding=padding), 2, 6, relu=False))
        with torch.no_grad():
            net.stem.weight[4:7] = 0
            net.stem.weight[0:3] = 0
            net.stem.weight[8:11] = 0
            net.other.weight[:] = 0
        extraction = assert_exports_are_right(net, sample(2, 3, 6, 6))
        module = ta.apply(extraction, identity(extraction))
        assert module.state_dict()["layer.weight"].shape[1] == 4 - dropped


def identity(extraction: ta.Extraction) -> Any:
    return rs.Layout.identity(extraction.instance)


def test_whole_groups_go_when_nobody_reads_them() -> None:
    """And with them their inputs."""
    net = prepare(Between(layer("plain", 2, 3, 6), 2, 6))
    with torch.no_grad():
        net.head.weight[:, 2:4] = 0
        net.other.weight[:] = 0
    extraction = assert_exports_are_right(net, sample(2, 3, 6, 6))
    state = ta.apply(extraction, identity(extraction)).state_dict()
    assert state["layer.weight"].shape == (4, 4, 3, 3)
    assert state["stem.weight"].shape == (8, 3, 1, 1)


def test_unbatched_inputs_are_left_alone() -> None:
    """A convolution of an image without a batch axis is opaque."""

    class Unbatched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.two(self.one(x[0])).unsqueeze(0) + x.mean()

    net = prepare(Unbatched())
    extraction = ta.extract(net, sample(2, 3, 5, 5))
    assert not operations_of(extraction, Opaque)[0].output
    module = ta.apply(extraction, identity(extraction))
    assert ta.max_relative_error(net, module, sample(3, 3, 5, 5)) <= 1e-12


class Products(nn.Module):
    """A product written out, between two linear layers."""

    def __init__(self, call: Callable[..., torch.Tensor], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(5, 6), nn.Linear(7, 3)
        self.other = nn.Linear(6, 2)
        self.matrix = nn.Parameter(torch.zeros(shape))
        self.shift = nn.Parameter(torch.zeros(7))
        self.call = call

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(x)
        return self.head(torch.tanh(self.call(self, x))), self.other(x)


PRODUCTS: dict[str, tuple[Callable[..., torch.Tensor], tuple[int, ...], int]] = {
    "mm": (lambda net, x: torch.mm(x, net.matrix), (6, 7), 2),
    "addmm": (lambda net, x: torch.addmm(net.shift, x, net.matrix), (6, 7), 2),
    "addmm scaled": (lambda net, x: torch.addmm(net.shift, x, net.matrix, beta=2), (6, 7), 2),
    "matmul": (lambda net, x: x @ net.matrix, (6, 7), 4),
    "matmul transposed": (lambda net, x: x @ net.matrix.t(), (7, 6), 3),
    "matmul from the left": (
        lambda net, x: (net.matrix @ x.transpose(1, 2)).transpose(1, 2), (7, 6), 3,
    ),
    "linear": (lambda net, x: nn.functional.linear(x, net.matrix, net.shift), (7, 6), 5),
    "einsum": (lambda net, x: torch.einsum("bnc,co->bno", x, net.matrix), (6, 7), 3),
    "einsum reversed": (lambda net, x: torch.einsum("oc,bnc->bno", net.matrix, x), (7, 6), 3),
    "einsum to the front": (
        lambda net, x: torch.einsum("bnc,oc->bon", x, net.matrix).transpose(1, 2), (7, 6), 3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_with_stored_matrices_are_exported_right(name: str) -> None:
    """Their constants, columns and rows included."""
    call, shape, rank = PRODUCTS[name]
    net = prepare(Products(call, shape))
    thin_out(net, np.random.default_rng(1), rows=0.3, columns=0.3)
    x = sample(2, *[4] * (rank - 2), 5)
    extraction = assert_exports_are_right(net, x)
    assert_constants_are(extraction, x)
    reasons = {pin.reason for pin in extraction.pins}
    free = reasons == {"model input", "model output"}
    assert free == (name != "addmm scaled")


@pytest.mark.parametrize("seed", range(3))
def test_channels_beside_a_product_are_left_alone(seed: int) -> None:
    """Layers over places, as in an MLP-Mixer, handle each channel by itself."""

    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Conv1d(3, 8, 1), nn.Conv1d(8, 4, 1)
            self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 6)
            self.matrix = nn.Parameter(torch.zeros(6, 6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            x = x + self.second(torch.relu(self.first(x)))
            x = (x @ self.matrix) + torch.einsum("bcn,nm->bcm", x, self.matrix)
            x = (self.matrix @ x.transpose(1, 2)).transpose(1, 2)
            return self.head(x)

    net = prepare(Mixer(), seed)
    thin_out(net, np.random.default_rng(seed))
    extraction = assert_exports_are_right(net, sample(2, 3, 6))
    assert {pin.reason for pin in extraction.pins} == {"model input", "model output"}
    products = [one for one in operations_of(extraction, PerChannel) if "matmul" in one.node.name]
    assert products
    for operation in products:
        assert_needs_suffice(extraction, operation, sample(2, 3, 6))


@pytest.mark.parametrize("groups", [1, 3])
def test_declared_channels_are_read_even_where_their_weights_are_zero(groups: int) -> None:
    """A mask says what is kept; without one, zeros do."""
    net = prepare(Between(layer("plain", 2, groups, 6), 2, 6, relu=False))
    each = CHANNELS // groups
    with torch.no_grad():
        net.layer.weight[:, [0, 2]] = 0
    kept = np.arange(each) != 2
    for masks, count in ((None, each - 2), ({"layer": {"input": np.tile(kept, groups)}}, each - 1)):
        extraction = assert_exports_are_right(net, sample(2, 3, 6, 6), masks)
        state = ta.apply(extraction, identity(extraction)).state_dict()
        assert state["layer.weight"].shape[1] == count
