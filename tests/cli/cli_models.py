"""Small networks that the commands load by name."""

from __future__ import annotations

import torch
from torch import nn


class Residual(nn.Module):
    """A stem, two branches that read its output, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, padding=1)
        self.first = nn.Conv2d(12, 12, 3, padding=1)
        self.second = nn.Conv2d(12, 12, 1)
        self.head = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add both branches to the stream, one after the other."""
        x = torch.relu(self.stem(x))
        x = x + torch.relu(self.first(x))
        x = x + torch.relu(self.second(x))
        return self.head(x.mean((2, 3)))


def residual() -> nn.Module:
    """A small residual network."""
    return Residual()


def zeroed() -> nn.Module:
    """The same, with zeros in its weights instead of masks."""
    model = Residual()
    with torch.no_grad():
        model.first.weight[:, 1::2] = 0
        model.second.weight[:, ::3] = 0
    return model


def text() -> str:
    """No network."""
    return "no network"


def without_parameters() -> nn.Module:
    """A network without parameters."""
    return nn.ReLU()


def broken() -> nn.Module:
    """Cannot be built."""
    raise RuntimeError("first line\nsecond [red]line[/red]")
