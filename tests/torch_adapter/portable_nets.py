"""Four networks with masks whose exports have, together, everything an export can be made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from adapter_nets import build, conv, image
from conversion import conversion
from torch import nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter import kernels
from reorder_solver.torch_adapter.timing import threads_set_to

if TYPE_CHECKING:
    from collections.abc import Sequence


CONTIGUOUS = torch.contiguous_format


class Branches(nn.Module):
    """Readers of one sum that cannot all be views, and concatenations, norms behind both."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = conv(3, 12, 3), nn.BatchNorm2d(12)
        self.first, self.second = conv(12, 6), conv(12, 6, 3)
        self.third, self.fourth = conv(12, 6), conv(12, 6)
        self.drop = nn.Dropout(0.2)
        self.joined, self.mix = nn.BatchNorm2d(36), conv(36, 8, 3)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm(self.stem(x)))
        pieces = [self.first(x), self.second(x), self.third(x), self.fourth(x), x]
        x = self.act(self.joined(torch.cat(pieces, 1)))
        x = self.act(self.mix(self.drop(x)))
        return self.head(x.mean((2, 3)))


class Groups(nn.Module):
    """Grouped and depthwise convolutions, a shuffle, a scale per channel, two residuals."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = conv(3, 12, 3), nn.BatchNorm2d(12)
        self.grouped, self.depthwise = conv(12, 12, 3, groups=3), conv(12, 12, 3, groups=12)
        self.squeeze, self.excite = conv(12, 4), conv(4, 12)
        self.project, self.after = conv(12, 12), nn.BatchNorm2d(12)
        self.drop = nn.Dropout2d(0.1)
        self.head = conv(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.silu(self.norm(self.stem(x)), inplace=True)
        y = self.depthwise(F.channel_shuffle(self.grouped(x), 3))
        scale = self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1))))
        x = x + self.drop(self.after(self.project(y * scale.sigmoid())))
        return self.head(F.relu(x, inplace=True))


class Stream(nn.Module):
    """Layer norms along a residual stream of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 12, 2, stride=2)
        self.norms = nn.ModuleList(nn.LayerNorm(12) for _ in range(2))
        self.up, self.down = nn.Linear(12, 16), nn.Linear(16, 12)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.drop(self.down(F.gelu(self.up(self.norms[0](x)))))
        return self.head(self.norms[1](x).mean(1))


class Sums(nn.Module):
    """Branches that leave channels of a sum alone, or add constants to them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 12, 3)
        self.writes = nn.ModuleList(conv(12, 12, kernel) for kernel in (3, 1, 1))
        self.norm = nn.BatchNorm2d(12)
        self.drop = nn.Dropout2d(0.1)
        self.head = conv(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.norm(self.writes[0](x)) + x
        x = x + self.drop(self.writes[1](F.relu(x)))
        x = F.relu(x + self.writes[2](x))
        return self.head(x).mean((2, 3))


def _kept(size: int, dropped: Sequence[int]) -> Any:
    return ~np.isin(np.arange(size), dropped)


MASKS: dict[type[nn.Module], dict[str, dict[str, Any]]] = {
    Branches: {
        "stem": {"output": _kept(12, [3, 7])},
        "first": {"input": _kept(12, [0, 1, 2, 6, 7, 8])},
        "second": {"input": _kept(12, [3, 4, 5, 6, 7, 8]), "output": _kept(6, [2])},
        "third": {"input": _kept(12, [0, 2, 4, 6, 8, 10])},
        "fourth": {"input": _kept(12, [0, 3, 4, 7, 8, 11])},
        "mix": {"input": _kept(36, [1, 4, 7, 10, 13, 16, 19, 22, 25, 28])},
    },
    Groups: {
        "stem": {"output": _kept(12, [1, 5])},
        "grouped": {"output": _kept(12, [0, 4, 8])},
        "squeeze": {"input": _kept(12, [2, 3, 7])},
        "project": {"input": _kept(12, [0, 1, 5, 9])},
        "head": {"input": _kept(12, [2, 6, 7, 8])},
    },
    Sums: {
        "writes.0": {"output": _kept(12, [1, 2, 5, 7, 11])},
        "writes.1": {"output": _kept(12, [0, 5, 6, 10]), "input": _kept(12, [3, 4])},
        "writes.2": {"output": _kept(12, range(12))},
        "head": {"input": _kept(12, [2, 9])},
    },
    Stream: {
        "patch": {"output": _kept(12, [0, 5, 7])},
        "down": {"output": _kept(12, [0, 5, 7])},
        "up": {"input": _kept(12, [0, 2, 5, 7])},
        "head": {"input": _kept(12, [0, 1, 5, 7, 10])},
    },
}


@dataclass(frozen=True)
class Portable:
    """An export and what it must equal."""

    net: type[nn.Module]
    reference: nn.Module
    out: ta.Compacted
    key: tuple[Any, ...]

    @property
    def module(self) -> Any:
        """The exported module."""
        return self.out.module


def portable(
    net: type[nn.Module],
    export: str,
    batch: int = 2,
    form: torch.memory_format = CONTIGUOUS,
    how: str = "plain",
) -> Portable:
    """The export of a network with its masks, for a batch size and a memory format.

    If it is "converted", it computes images in the other format than it is given; if "threaded",
    it chooses columns as if they were enough for two threads.
    """
    model = build(net)
    example = image(batch).contiguous(memory_format=form)
    # Under a limit, a first solve that waits for the compiler would not break ties as a later one.
    threads = 2 if how == "threaded" else None
    grain = patch.object(kernels, "_GRAIN", 1 if threads else kernels._GRAIN)
    with conversion(how == "converted"), threads_set_to(threads), grain:
        out = ta.compact(model, example, MASKS[net], export=export, time_limit=None)
    return Portable(net, ta.masked(model, MASKS[net]), out, (net, export, batch, form, how))
