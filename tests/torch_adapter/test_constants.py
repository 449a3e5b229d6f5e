"""What is computed from stored tensors alone is stored, so that computed weights are understood."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from programme_oracles import assert_exports_are_right, prepare, sample, thin_out
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

import reorder_solver as rs
from reorder_solver import torch_adapter as ta


class Standardised(nn.Conv2d):
    """A convolution whose weight is brought to mean zero and variance one per output."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = F.batch_norm(
            self.weight.reshape(1, self.out_channels, -1), None, None, training=True, momentum=0.0
        ).reshape_as(self.weight)
        return F.conv2d(x, weight, self.bias, padding=self.padding)


class Computed(nn.Module):
    """Weights, biases and scales of every kind that are computed from parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.middle = Standardised(3, 8, 3, padding=1), Standardised(8, 6, 1)
        self.gamma = nn.Parameter(torch.ones(6))
        self.gain = nn.Parameter(torch.ones(()))
        self.matrix, self.one = nn.Parameter(torch.ones(9, 6)), nn.Parameter(torch.ones(4))
        self.register_buffer("none", torch.zeros(5))
        self.head = nn.Linear(9, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.middle(F.relu(self.stem(x) * self.gain))
        x = (x * self.gamma.reshape(1, -1, 1, 1)).mean((2, 3))
        bias = torch.cat([self.one, self.none])
        return self.head(torch.tanh(F.linear(x, self.matrix * 2, bias)))


@pytest.mark.parametrize("seed", range(2))
def test_computed_weights_are_understood(seed: int) -> None:
    """Nothing is pinned, and rows of standardised weights can be dropped."""
    net = prepare(Computed(), seed)
    thin_out(net, np.random.default_rng(seed), rows=0.3, columns=0.0)
    net.none.zero_()
    extraction = assert_exports_are_right(net, sample(2, 3, 5, 5))
    assert {pin.reason for pin in extraction.pins} == {"model input", "model output"}
    state = ta.apply(extraction, rs.Layout.identity(extraction.instance)).state_dict()
    assert state["gamma"].ndim == 4
    assert len(state["stem.weight_folded"]) < 8
    assert any("now stored" in note for note in extraction.notes)


def test_folded_tensor_is_part_of_another() -> None:
    """A frozen norm's scale, which is folded, is also part of its shift."""
    norm = FrozenBatchNorm2d(8)
    net = prepare(nn.Sequential(nn.Conv2d(3, 8, 3), norm, nn.ReLU(), nn.Conv2d(8, 6, 1)))
    norm.weight.uniform_(0.5, 2.0)
    norm.running_mean.normal_()
    thin_out(net, np.random.default_rng(0), rows=0.0)
    extraction = assert_exports_are_right(net, sample(2, 3, 5, 5))
    assert {pin.reason for pin in extraction.pins} == {"model input", "model output"}
    assert {"1.weight_folded", "1.bias_folded"} & set(extraction.captured.folded)


def test_folding_is_exact_in_single_precision() -> None:
    """In double precision the export is that of the model in double precision."""
    net = prepare(Computed()).float()
    x = sample(2, 3, 5, 5).float()
    extraction = ta.extract(net, x)
    layout = rs.Layout.identity(extraction.instance)
    assert ta.max_relative_error(net, ta.apply(extraction, layout, dtype=torch.float64), x) <= 1e-12
    single = ta.apply(extraction, layout)
    assert {p.dtype for p in single.parameters()} == {torch.float32}
    assert ta.max_relative_error(net, single, x, torch.float32) <= 1e-4


def test_random_and_growing_computations_are_left_alone() -> None:
    """Noise stays noise; a table that is looked up stays a table."""

    class Tables(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.scale = nn.Parameter(torch.rand(4, 2)), nn.Parameter(torch.rand(6))
            self.register_buffer("index", torch.arange(36).reshape(6, 6) % 4)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            noise = torch.rand_like(self.scale)
            return x + self.table[self.index.view(-1)].sum(1).view(6, 6), x * (self.scale + noise)

    extraction = ta.extract(Tables(), torch.rand(2, 6, 6))
    assert not any("scale" in name for name in extraction.captured.folded)
    names = [str(node.target) for node in extraction.captured.graph.nodes]
    assert "aten.rand_like.default" in names


def test_tokens_join_the_stream_in_its_order() -> None:
    """A class token and a position table pin nothing, and their zeros are known."""

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Linear(5, 8), nn.Linear(8, 3)
            self.norm, self.inner = nn.LayerNorm(8), nn.Linear(8, 8)
            self.token, self.places = (
                nn.Parameter(torch.ones(1, 1, 8)),
                nn.Parameter(torch.ones(1, 5, 8)),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
            return self.head((x + self.inner(self.norm(x)))[:, 0])

    net = prepare(Tokens())
    with torch.no_grad():
        for rows in (net.stem.weight, net.stem.bias, net.inner.weight, net.inner.bias):
            rows[[1, 6]] = 0
        for table in (net.token, net.places):
            table[..., [1, 6]] = 0
        net.inner.weight[:, [1, 6]] = 0
        net.head.weight[:, [1, 6]] = 0
    extraction = assert_exports_are_right(net, sample(2, 4, 5))
    assert {pin.reason for pin in extraction.pins} == {"model input", "model output"}
    state = ta.apply(extraction, rs.Layout.identity(extraction.instance)).state_dict()
    assert state["token"].shape == (1, 1, 6)
    assert state["stem.weight"].shape == (6, 5)


@pytest.mark.parametrize("tied", [False, True])
def test_words_join_the_stream_in_its_order(*, tied: bool) -> None:
    """An embedding pins nothing, its zero columns are dropped, and a head may share its table."""

    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(9, 8), nn.Embedding(4, 8)
            self.norm, self.inner = nn.LayerNorm(8), nn.Linear(8, 8)
            self.head = nn.Linear(8, 9, bias=False)
            if tied:
                self.head.weight = self.words.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.words((x.abs() * 4).long() % 9) + self.places(torch.arange(x.shape[1]))
            return self.head(x + self.inner(self.norm(x)))

    net = prepare(Words())
    with torch.no_grad():
        for table in (net.words.weight, net.places.weight, net.head.weight):
            table[:, [1, 6]] = 0
        net.inner.weight[:, [1, 2, 6]] = 0
        net.inner.weight[[1, 6]] = 0
        net.inner.bias[[1, 6]] = 0
    extraction = assert_exports_are_right(net, sample(2, 4))
    assert {pin.reason for pin in extraction.pins} == {"model output"}, extraction.pins
    state = ta.apply(extraction, rs.Layout.identity(extraction.instance)).state_dict()
    tables = [name for name, table in state.items() if table.shape == (9, 6)]
    assert len(tables) == (1 if tied else 2)


@pytest.mark.parametrize("made", ["new_zeros", "zeros", "ones", "full", "new_full"])
def test_first_states_pin_nothing(made: str) -> None:
    """Numbers that fill a tensor are constants of any channels."""

    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.gate, self.head = (
                nn.Linear(*sizes) for sizes in ((5, 8), (8, 8), (8, 3))
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            size = [x.shape[0], 8]
            number = (0.7,) if "full" in made else ()
            if made.startswith("new"):
                state = getattr(x, made)(size, *number)
            else:
                state = getattr(torch, made)(size, *number, dtype=x.dtype)
            for step in x.unbind(1):
                gate = self.gate(step).sigmoid()
                state = state * gate + (1 - gate) * step
            return self.head(state)

    net = prepare(Steps())
    thin_out(net, np.random.default_rng(3), rows=0.3, columns=0.3)
    extraction = assert_exports_are_right(net, sample(2, 4, 5))
    assert {pin.reason for pin in extraction.pins} == {"model input", "model output"}


@pytest.mark.parametrize("made", ["full", "new_full", "typed"])
def test_numbers_that_a_type_rounds_bug(made: str) -> None:
    """A float32 model has 0.7 rounded to that type, where the type is that of the tensor filled."""

    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.gate = nn.Linear(5, 8), nn.Linear(16, 8)
            self.head = nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            size = (x.shape[0], 8)
            state = {
                "full": lambda: torch.full(size, 0.7),
                "new_full": lambda: x.new_full(size, 0.7),
                "typed": lambda: torch.full(size, 0.7, dtype=torch.float32),
            }[made]()
            return self.head(torch.relu(self.gate(torch.cat([x, state], 1))) + state)

    torch.manual_seed(0)
    masks = {"gate": {"output": np.arange(8) < 5}, "head": {"input": np.arange(8) % 2 == 0}}
    report = ta.compact(Beside(), torch.randn(3, 5), masks).report
    assert report.error is not None
    assert report.error <= 1e-10


def test_a_piece_without_entries_is_no_constant_bug() -> None:
    """Zeros of which a model takes nothing along another axis (a vision model without images)."""

    class Nothing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Linear(5, 8), nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            return self.head(torch.cat([x[:, :0] * 2.0, x], 1))

    net = prepare(Nothing())
    with torch.no_grad():
        for rows in (net.stem.weight, net.stem.bias):
            rows[[1, 6]] = 0
    assert_exports_are_right(net, sample(2, 4, 5))
