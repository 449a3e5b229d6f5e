"""Views that spread channels over several axes while they recast other axes, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from programme_oracles import assert_exports_are_right, prepare, sample, thin_out
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    View = Callable[[torch.Tensor], torch.Tensor]


def rows(x: torch.Tensor) -> torch.Tensor:
    """Batch, height, channels, width."""
    return x.permute(0, 2, 1, 3)


def tokens(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(2).transpose(1, 2)


#: From (batch, 8, 4, 6); the channels are on the last axis behind each.
VIEWS: dict[str, View] = {
    "samples take half of the rows": lambda x: (
        rows(x).reshape(-1, 2, 2, 4, 6).permute(0, 1, 4, 3, 2).flatten(3)
    ),
    "areas of tokens, in heads": lambda x: (
        tokens(x).reshape(4 * x.shape[0], 6, 2, 4).permute(0, 2, 1, 3).softmax(-1)
        .transpose(1, 2).reshape(x.shape[0], 24, 8)
    ),
    "rows and columns change, channels split": lambda x: (
        x.reshape(-1, 2, 4, 6, 4).permute(0, 3, 4, 2, 1).flatten(3)
    ),
    "the same, back again": lambda x: (
        x.reshape(-1, 2, 4, 2, 12).transpose(1, 2).reshape(-1, 8, 4, 6).permute(0, 2, 3, 1)
    ),
    "rows and columns change between two splits": lambda x: (
        x.unflatten(1, (2, 4)).transpose(1, 2).reshape(-1, 4, 2, 3, 8).flatten(1, 2)
        .permute(0, 2, 3, 1)
    ),
}  # fmt: skip


class Viewed(nn.Module):
    """A convolution, a view and a reader."""

    def __init__(self, view: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.view = VIEWS[view]
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        viewed = self.view(self.conv(x))
        return viewed, self.head(viewed)


@pytest.mark.parametrize("view", VIEWS)
def test_other_axes_may_change_with_the_channels(view: str) -> None:
    """As many other axes of other sizes were taken for the same: exports had wrong shapes."""
    x = sample(2, 3, 4, 6)
    net = prepare(Viewed(view))
    assert_exports_are_right(net, x)
    assert_exports_are_right(net, x, {"head": {"input": torch.arange(8) % 3 != 1}})
    assert_exports_are_right(thin_out(net, np.random.default_rng(0)), x)
