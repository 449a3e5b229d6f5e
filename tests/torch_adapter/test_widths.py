"""Graphs that do not depend on how many channels a value has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from masks_and_layouts import layouts
from programme_oracles import assert_exports_are_right, prepare, sample
from torch import nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.capture import capture

if TYPE_CHECKING:
    from collections.abc import Callable

SQUEEZES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "all": lambda x: x.squeeze(),
    "one by one": lambda x: x.squeeze(1).squeeze(-1).squeeze(-1),
    "some": lambda x: x.squeeze((1, 2, 3)),
    "in place": lambda x: (x * 2).squeeze_(),
    "none": lambda x: x.squeeze(1).flatten(1),
}


class Squeezed(nn.Module):
    """Channels of one pixel, read by a linear layer."""

    def __init__(self, squeeze: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.squeeze = SQUEEZES[squeeze]
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.squeeze(self.conv(x).mean((2, 3), keepdim=True)))


@pytest.mark.parametrize("kept", [[2], [1, 4], [0, 1, 2, 3, 4, 5]])
@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_squeezing_leaves_a_lone_channel(squeeze: str, kept: list[int]) -> None:
    """Where pruning left one channel, its axis was squeezed, too, and the export crashed."""
    net = prepare(Squeezed(squeeze))
    masks = {"head": {"input": np.isin(np.arange(6), kept)}}
    x = sample(2, 3, 8, 8)
    extraction = ta.extract(net, x, masks)
    reference = ta.masked(net, masks)
    for layout in layouts(extraction.instance, count=2):
        module = ta.apply(extraction, layout)
        for batch in (1, 2, 3):
            other = sample(batch, 3, 8, 8, seed=batch)
            with torch.no_grad():
                made, expected = module(other), reference(other)
            torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-12)


def test_squeezing_names_its_axes() -> None:
    """What has one entry in the model, and what may have one; nothing that has several."""
    graph = capture(prepare(Squeezed("all")), sample(2, 3, 8, 8)).graph
    axes = [node.args[1] for node in graph.nodes if "squeeze" in str(node.target)]
    assert axes == [[0, 2, 3]]


EMPTY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "slice": lambda x: x[:, 3:3],
    "slice with steps": lambda x: x[:, 1:-5:2],
    "slice behind the end": lambda x: x[:, 7:],
    "piece": lambda x: x.split([6, 0], 1)[1],
}


class WithNothing(nn.Module):
    """A concatenation with a piece without channels."""

    def __init__(self, empty: str) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 4, 1)
        self.empty = EMPTY[empty]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.conv(x)
        return self.head(torch.cat([made, self.empty(made)], 1))


@pytest.mark.parametrize("empty", EMPTY)
def test_pieces_without_channels(empty: str) -> None:
    """Extraction crashed on them."""
    net = prepare(WithNothing(empty))
    assert_exports_are_right(net, sample(2, 3, 8, 8), {"head": {"input": np.arange(6) % 3 > 0}})
