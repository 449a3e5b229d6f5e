"""Random networks: any operators in any order, understood or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[[torch.Tensor], torch.Tensor]

SIZE = 6
_SHAPELESS: list[Step] = [
    F.relu,
    torch.sigmoid,
    lambda x: F.max_pool2d(x, 3, 1, 1),
    lambda x: F.pad(x, (1, 1, 0, 0))[..., 1:-1],
    lambda x: x.flatten(2).reshape(x.shape),
    lambda x: x.reshape(x.shape[0], x.shape[1] * SIZE, SIZE).view(-1, x.shape[1], SIZE, SIZE),
    lambda x: x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2),
    lambda x: x.transpose(2, 3),
    lambda x: x.clone().mul_(0.5),
    lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(),
    lambda x: x.amax(1, keepdim=True) + x,
    lambda x: x.flip(1),
    lambda x: x.cumsum(1),
    lambda x: x.roll(1, 2),
    lambda x: torch.cat([x, x * 2], 3)[..., ::2],
    lambda x: x + x.mean(),
]


class RandomNet(nn.Module):
    """Each step makes a new value from one or two of the values before it."""

    def __init__(self, seed: int, steps: int = 14) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        self.layers = nn.ModuleList()
        self.program: list[tuple[str, tuple[int, ...], int]] = []
        widths = [3]
        for _ in range(steps):
            self._add_step(rng, widths)
        used = {index for _, inputs, _ in self.program for index in inputs}
        ends = [index for index in range(1, len(widths)) if index not in used]
        self.ends = ends
        self.head = nn.Conv2d(sum(widths[index] for index in ends), 5, 1)
        self.fc = nn.Linear(widths[-1] * SIZE * SIZE, 4)

    def _add_step(self, rng: np.random.Generator, widths: list[int]) -> None:
        one, other = (int(index) for index in rng.integers(max(0, len(widths) - 5), len(widths), 2))
        width = widths[one]
        kind = str(
            rng.choice(
                ["conv", "depthwise", "norm", "plain", "cat", "add", "grouped", "relu_", "scale"],
                p=[0.3, 0.08, 0.1, 0.15, 0.13, 0.13, 0.02, 0.05, 0.04],
            )
        )
        if kind == "add" and widths[other] != width:
            kind = "cat"
        if one == 0 or width > 24 or (kind == "cat" and width + widths[other] > 24):
            kind = "conv"
        detail = len(self.layers)
        if kind == "conv":
            width = int(rng.choice([4, 6, 6, 9]))
            self.layers.append(nn.Conv2d(widths[one], width, 3, padding=1))
        elif kind in ("depthwise", "grouped"):
            groups = width if kind == "depthwise" or width % 2 else 2
            self.layers.append(nn.Conv2d(width, width, 3, padding=1, groups=groups))
        elif kind == "norm":
            self.layers.append(nn.BatchNorm2d(width))
        elif kind == "scale":
            self.layers.append(nn.PReLU(width))
        elif kind == "plain":
            detail = int(rng.integers(len(_SHAPELESS)))
        elif kind == "cat":
            width += widths[other]
        self.program.append((kind, (one, other) if kind in ("cat", "add") else (one,), detail))
        widths.append(width)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values = [x]
        for kind, inputs, detail in self.program:
            operands = [values[index] for index in inputs]
            values.append(self._step(kind, operands, detail))
        pieces = torch.cat([values[index] for index in self.ends], 1)
        return self.head(F.relu(pieces)), self.fc(values[-1].flatten(1))

    def _step(self, kind: str, operands: list[torch.Tensor], detail: int) -> torch.Tensor:
        if kind == "plain":
            return _SHAPELESS[detail](operands[0])
        if kind == "cat":
            return torch.cat(operands, 1)
        if kind == "add":
            return operands[0] + operands[1]
        if kind == "relu_":
            return operands[0].relu_()
        result: torch.Tensor = self.layers[detail](operands[0])
        return result
