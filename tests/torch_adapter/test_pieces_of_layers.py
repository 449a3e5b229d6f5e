"""Layers whose channels meet each other: gates, scales and shifts that one layer makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adapter_nets import build, conv, image
from programme_oracles import assert_exports_are_right, prepare, sample, thin_out
from torch import nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter import tensors

Middle = Callable[["Met", torch.Tensor], torch.Tensor]
ENDS = {"model input", "model output"}


class Met(nn.Module):
    """Layers of 8 and of 32 channels, between the first and the last of which something happens."""

    def __init__(self, middle: Middle) -> None:
        super().__init__()
        self.middle = middle
        self.stem, self.wide, self.again = (
            nn.Conv2d(3, 8, 1),
            nn.Conv2d(8, 32, 1),
            nn.Conv2d(8, 8, 1),
        )
        self.norm = nn.BatchNorm2d(32)
        self.table = nn.Embedding(5, 16)
        self.head, self.other = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 3, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(x)
        made = self.middle(self, x)
        return self.head(made), self.other(x + made)


def gates(net: Met, x: torch.Tensor) -> torch.Tensor:
    """As in a recurrent cell of convolutions."""
    keep, take, show, new = net.norm(net.wide(x)).chunk(4, 1)
    return show.sigmoid() * (keep.sigmoid() * x + take.sigmoid() * new.tanh())


def scale_and_shift(net: Met, x: torch.Tensor) -> torch.Tensor:
    """By features of the whole image."""
    scale, shift, more, _ = net.wide(x.mean((2, 3), keepdim=True)).split(8, 1)
    return net.again(x * (1 + scale) + shift) * more + x


def rows(net: Met, x: torch.Tensor) -> torch.Tensor:
    """By a row of a table."""
    chosen = torch.arange(x.shape[0]) * 3 % 5
    scale, shift = net.table(chosen)[:, :, None, None].chunk(2, 1)
    return x * scale + shift


def halves(net: Met, x: torch.Tensor) -> torch.Tensor:
    """A gated linear unit, and its halves halved."""
    first, second = F.glu(net.wide(x), 1).chunk(2, 1)
    return first * second + x


MET: dict[str, Middle] = {
    "gates": gates,
    "scale and shift": scale_and_shift,
    "rows": rows,
    "halves": halves,
}


@pytest.mark.parametrize("name", MET)
def test_pieces_of_a_layer_that_meet_pin_nothing(name: str) -> None:
    """Each is a tensor of its own, laid end to end with the others."""
    net = prepare(Met(MET[name]))
    thin_out(net, np.random.default_rng(len(name)), rows=0.25, columns=0.4)
    x = sample(2, 3, 5, 5)
    extraction = assert_exports_are_right(net, x)
    assert {pin.reason for pin in extraction.pins} == ENDS
    for export in ("naive", "upscale", "optimal", "constrained"):
        out = ta.compact(net, x, export=export, time_limit=2.0)
        assert out.report.error is not None


def test_gates_are_laid_out() -> None:
    """Readers that agree on an order have it; the pieces of a layer used to stay in theirs."""
    net = prepare(Met(gates))
    masks = {name: {"input": np.arange(8) % 2 == 0} for name in ("wide", "head", "other")}
    out = ta.compact(net, sample(1, 3, 5, 5), masks)
    assert ta.copied_bytes(out.module, sample(1, 3, 5, 5)).total == 0


def flipped(net: Met, x: torch.Tensor) -> torch.Tensor:
    made = net.wide(x)
    return made[:, :8].flip(1) * made[:, 4:12]


def overlapping(net: Met, x: torch.Tensor) -> torch.Tensor:
    made = net.wide(x)
    made = made * net.norm(made)
    return made[:, :8] + made[:, 4:12]


def concatenated(net: Met, x: torch.Tensor) -> torch.Tensor:
    made = torch.cat([x, x.roll(1, 1), x, x], 1) * net.wide(x)
    return made[:, :8] * made[:, 8:16]


def strided(net: Met, x: torch.Tensor) -> torch.Tensor:
    made = net.wide(x)
    return made[:, ::4] * made[:, 8:16] + made[:, 16:24]


def unequal(net: Met, x: torch.Tensor) -> torch.Tensor:
    """Cut in one way by one reader, in another by the next."""
    made = net.wide(x)
    return made[:, :8] * made[:, 8:16] + (made[:, 4:16] * made[:, 20:])[:, 2:10]


@pytest.mark.parametrize("middle", [flipped, overlapping, concatenated, strided, unequal])
def test_other_meetings_of_channels(middle: Middle) -> None:
    """Where pieces overlap or do not lie end to end, orders may have to stay; exports are right."""
    net = prepare(Met(middle))
    thin_out(net, np.random.default_rng(2), rows=0.25, columns=0.4)
    assert_exports_are_right(net, sample(2, 3, 5, 5))
    assert ta.compact(net, sample(2, 3, 5, 5), time_limit=2.0).report.error is not None


class Heads(nn.Module):
    """Halves of many heads' channels meet each other, one head after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.wide = conv(3, 6), conv(6, 20 * 8)
        self.head = conv(4, 4)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = self.wide(self.stem(x))
        halves = x.split(4, 1)
        return [
            self.head(one * other) for one, other in zip(halves[::2], halves[1::2], strict=True)
        ]


def test_layers_in_ever_more_pieces_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cutting once more for every meeting took minutes under rotary embeddings."""
    made = []

    class Counted(tensors.Tensors):
        def __init__(self, *args: Any) -> None:
            made.append(args)
            super().__init__(*args)

    monkeypatch.setattr(tensors, "Tensors", Counted)
    model = build(Heads)
    masks = {"wide": {"input": np.arange(6) % 2 == 0}}
    out = ta.compact(model, image(2), masks, export="naive")
    assert 1 < len(made) <= 12
    assert out.report.error is not None
    assert out.report.error <= 1e-10
