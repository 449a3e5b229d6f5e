"""A small vision transformer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from reorder_solver.experiments.convolutional import ConvNorm


class Block(nn.Module):
    """Attention and two linear layers, each behind a norm and added to the stream.

    Dosovitskiy et al. 2021, arXiv:2010.11929.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries, self.keys = nn.Linear(width, width), nn.Linear(width, width)
        self.values, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens to tokens."""
        normed = self.norm1(x)
        by_head = [
            layer(normed).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.queries, self.keys, self.values)
        ]
        attended = F.scaled_dot_product_attention(*by_head).transpose(1, 2).flatten(2)
        x = x + self.out(attended)
        changed: torch.Tensor = self.down(F.gelu(self.up(self.norm2(x))))
        return x + changed


class Transformer(nn.Module):
    """Convolutions to tokens of 4x4 pixels (Xiao et al. 2021, arXiv:2106.14881), then blocks."""

    def __init__(self, channels: int, size: int, classes: int) -> None:
        super().__init__()
        width = 64
        self.tokens = nn.Sequential(
            ConvNorm(channels, 24, 3, stride=2), nn.Conv2d(24, width, 3, 2, 1)
        )
        side = (size + 3) // 4
        self.position = nn.Parameter(0.02 * torch.randn(1, side * side, width))
        self.blocks = nn.Sequential(*(Block(width, 4) for _ in range(3)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to scores of classes."""
        tokens = self.tokens(x).flatten(2).transpose(1, 2) + self.position
        scores: torch.Tensor = self.head(self.norm(self.blocks(tokens)).mean(1))
        return scores
