"""Networks made of the examples of single operators."""

from __future__ import annotations

from typing import Any

import torch
from operator_examples import CHANNELS, SIZE, example
from torch import nn

_CHOSEN = torch.tensor([5, 0, 0, 7, -1])
_PICKS = torch.tensor([[0, 2], [1, 5]])


class Item(nn.Module):
    """Two convolutions, some of whose channels are constants, and an operator on their results."""

    def __init__(self, name: str, seed: int) -> None:
        super().__init__()
        self.example = example(name)
        generator = torch.Generator().manual_seed(seed)
        self.one, self.two = nn.Conv2d(3, CHANNELS, 1), nn.Conv2d(3, CHANNELS, 1)
        self.shift = nn.Parameter(torch.randn(CHANNELS, 1, 1, generator=generator))
        self.register_buffer("number", torch.tensor(0.4))
        self.register_buffer("chosen", _CHOSEN)
        self.register_buffer("order", _CHOSEN[:4])
        self.register_buffer("picks", _PICKS)
        self.register_buffer("grid", torch.rand(1, 4, 3, 2, generator=generator) - 0.5)
        self.register_buffer("deep", torch.rand(1, 2, 4, 3, 3, generator=generator) - 0.5)
        with torch.no_grad():
            for module, constants in ((self.one, (0.0, 1.5, 0.0)), (self.two, (0.0, 1.5, -0.7))):
                module.weight.copy_(torch.randn(module.weight.shape, generator=generator))
                module.bias.copy_(torch.randn(CHANNELS, generator=generator))
                for channel, constant in zip((1, 4, 6), constants, strict=True):
                    module.weight[channel] = 0.0
                    module.bias[channel] = constant

    def forward(self, x: torch.Tensor) -> Any:
        return self.example(self, self.one(x), self.two(x))


class Items(nn.Module):
    """Several examples side by side, each with a reader of its channels if it has any."""

    def __init__(self, names: list[str], axes: list[int | None] | None = None) -> None:
        super().__init__()
        self.items = nn.ModuleList(Item(name, seed) for seed, name in enumerate(names))
        self.heads = nn.ModuleList(nn.Identity() for _ in names)
        self.axes = axes or [None] * len(names)
        if axes is not None:
            x = torch.zeros(3, 3, SIZE, SIZE)
            for number, axis in enumerate(axes):
                if axis is not None:
                    with torch.no_grad():
                        width = self.items[number](x).shape[axis]
                    self.heads[number] = nn.Linear(width, 4)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        results = []
        for item, head, axis in zip(self.items, self.heads, self.axes, strict=True):
            made = item(x)
            if axis is not None:
                made = head(made.movedim(axis, -1).to(x.dtype))
            results.append(made)
        return results
