"""Small networks, each with something that channel flow must get right."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

torch.set_num_threads(1)

#: An export is wrong beyond this share of the output's scale.
TOLERANCE = 1e-10


def conv(channels: int, out: int, kernel: int = 1, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel, padding=kernel // 2, **options)


class Chain(nn.Sequential):
    """Convolutions one behind the other: every reader has a tensor of its own."""

    def __init__(self) -> None:
        super().__init__(conv(3, 8, 3), nn.ReLU(), conv(8, 7), nn.BatchNorm2d(7), conv(7, 4))


class Residual(nn.Module):
    """Three readers of one sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 8, 3)
        self.block = nn.ModuleList(
            nn.Sequential(conv(8, 6), nn.BatchNorm2d(6), nn.ReLU(), conv(6, 8)) for _ in range(2)
        )
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.stem(x))
        for block in self.block:
            x = F.relu(x + block(x))
        return self.head(x.mean((2, 3)))


class Dense(nn.Module):
    """Every layer reads the concatenation of all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 6)
        self.layers = nn.ModuleList(conv(6 + 4 * i, 4, 3) for i in range(3))
        self.norm = nn.BatchNorm2d(18)
        self.head = nn.Linear(18, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(torch.relu(layer(torch.cat(features, 1))))
        x = F.adaptive_avg_pool2d(F.relu(self.norm(torch.cat(features, 1))), 1)
        return self.head(torch.flatten(x, 1))


class SqueezeExcite(nn.Module):
    """A scale per channel, computed from the channels, and a depthwise convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = conv(3, 8)
        self.depthwise = conv(8, 8, 3, groups=8)
        self.fc1, self.fc2 = conv(8, 4), conv(4, 8)
        self.project = conv(8, 6)
        self.head = conv(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.silu(self.depthwise(self.expand(x)), inplace=True)
        scale = torch.sigmoid(self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))))
        return self.head(self.project(scale * x))


class Inception(nn.Module):
    """Four branches of one value, concatenated, pooled, read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 9)
        self.one, self.two = conv(9, 4), nn.Sequential(conv(9, 3), nn.ReLU(), conv(3, 5, 3))
        self.pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(9, 3))
        self.after, self.other = conv(12, 6), conv(12, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.stem(x))
        x = F.max_pool2d(torch.cat([self.one(x), self.two(x), self.pool(x)], 1), 2)
        return self.after(x) + self.other(x)


class Shared(nn.Module):
    """One convolution and one norm called on two different values, and under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = conv(3, 8), conv(3, 8)
        self.norm = nn.BatchNorm2d(8)
        self.both = conv(8, 6)
        self.alias = self.both
        self.head = conv(18, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.norm(self.left(x)), self.norm(self.right(x))
        pieces = [self.both(left), self.both(right), self.alias(F.relu(left))]
        return self.head(torch.cat(pieces, 1))


class FlattenHead(nn.Module):
    """A linear layer on blocks of features, sizes written out, and a norm on the blocks."""

    def __init__(self, size: int = 8) -> None:
        super().__init__()
        self.size = size
        self.features = conv(3, 6, 3)
        self.norm = nn.BatchNorm1d(6 * size * size)
        self.fc = nn.Linear(6 * size * size, 10)
        self.again = nn.Linear(10, 12)
        self.head = conv(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.features(x)).view(-1, 6 * self.size * self.size)
        x = self.again(F.relu(self.fc(self.norm(x)), inplace=True))
        return self.head(x.view(x.shape[0], 3, 2, 2))


class Tokens(nn.Module):
    """Channels on the last axis, with a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = conv(3, 8, 1)
        self.position = nn.Parameter(torch.randn(1, 64, 8))
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        x = x + self.down(F.gelu(self.up(x)))
        return self.head(x.mean(1))


class LayerScale(nn.Module):
    """Parameters and buffers with one entry per channel, or one for all."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body, self.head = conv(3, 8), conv(8, 8), conv(8, 4)
        self.gamma = nn.Parameter(torch.randn(8, 1, 1))
        self.gain = nn.Parameter(torch.randn(1))
        self.slope = nn.PReLU(8)
        self.register_buffer("shift", torch.randn(1, 8, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.slope(self.stem(x)) + self.shift
        return self.head(x + self.gamma * self.body(x) * self.gain)


class Unknown(nn.Module):
    """An operator that mixes channels and has no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = conv(3, 8), conv(8, 8), conv(8, 6)
        self.head = conv(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cumsum(self.first(x), 1)
        return self.head(self.third(F.relu(self.second(x))))


class Grouped(nn.Module):
    """A grouped convolution that is not depthwise, and a depthwise one with a multiplier."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.grouped = conv(3, 8), conv(8, 8, 3, groups=2)
        self.second, self.wide = conv(8, 6), conv(6, 12, groups=6)
        self.head = conv(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.wide(self.second(F.relu(self.grouped(self.first(x))))))


class SameTwice(nn.Module):
    """A concatenation of a value with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mix, self.head = conv(3, 6), conv(12, 6), conv(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.head(F.relu(self.mix(torch.cat([x, torch.tanh(x)], 1))) + x)


class ConcatIntoAdd(nn.Module):
    """A concatenation added to a plain value, and to one made of the same pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = conv(3, 4), conv(3, 4), conv(3, 4), conv(3, 4)
        self.whole, self.head, self.other = conv(3, 8), conv(8, 4), conv(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = torch.cat([self.a(x), self.b(x)], 1)
        second = torch.cat([self.c(x), self.d(x)], 1)
        return self.head(F.relu(first + second)) + self.other(second + self.whole(x))


class ConcatAlike(nn.Module):
    """Two concatenations of the same structure in a sum: their pieces are tied."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = conv(3, 4), conv(3, 5), conv(3, 4), conv(3, 5)
        self.head, self.other = conv(9, 4), conv(9, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, two = torch.cat([self.a(x), self.b(x)], 1), torch.cat([self.c(x), self.d(x)], 1)
        return self.head(F.relu(one + two)) + self.other(two)


class SpatialAttention(nn.Module):
    """One channel that scales many."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.attend, self.head = conv(3, 8), conv(8, 1), conv(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.head(x * torch.sigmoid(self.attend(x)))


class WritesInPlace(nn.Module):
    """Writes to a slice of channels, to a buffer, and in place behind a reader."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mid, self.head = conv(3, 8), conv(8, 8), conv(8, 4)
        self.register_buffer("seen", torch.zeros(8, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        before = self.mid(x)
        x.relu_()
        x.mul_(2.0).add_(before)
        out = self.head(x)
        before[:, 0] = 1.0
        self.seen.add_(1.0)
        return out + self.head(before + self.seen)


class WritesThroughView(nn.Module):
    """Writes to views whose source is read afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head, self.fc = conv(3, 6), conv(6, 4), nn.Linear(384, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x.flatten(2).mul_(2.0)
        flat = x.view(x.shape[0], -1)
        flat.relu_()
        return self.head(x).mean((2, 3)) + self.fc(flat)


class Unread(nn.Module):
    """A branch whose result nobody reads once the masks are known, behind a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.dead, self.live = conv(3, 6), conv(6, 4), conv(6, 5)
        self.norm, self.head = nn.BatchNorm2d(9), conv(9, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        pieces = [F.relu(self.dead(x)), self.live(x)]
        return self.head(F.relu(self.norm(torch.cat(pieces, 1)), inplace=True))


class RawWeight(nn.Module):
    """A weight that is also an ordinary operand, and a functional call with a loose parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = conv(3, 8), conv(8, 4)
        self.loose = nn.Parameter(torch.randn(8, 8, 1, 1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = F.relu(F.conv2d(self.stem(x), self.loose))
        return self.head(x), self.head.weight.square().sum() + self.loose.cumsum(0).sum()


class ManyInOut(nn.Module):
    """Two inputs, and a dictionary of nested outputs, one of them an inner value."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(3, 8), conv(3, 8)
        self.out, self.aux = conv(8, 4), conv(8, 3)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
        inner = F.relu(self.a(x))
        both = inner + self.b(y)
        return OrderedDict(out=self.out(both), aux=(self.aux(self.b(y)), [inner]), size=3)


class InputMixed(nn.Module):
    """The raw input joins an inner value: concatenated and added."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = conv(3, 3), conv(9, 6), conv(6, 4)
        self.c = conv(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.relu(self.b(torch.cat([self.a(x), x, self.c(x) + x], 1))))


class Refuses(nn.Module):
    """Insists on a batch of four."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.fc = conv(3, 6), nn.Linear(6 * 64, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(F.relu(self.stem(x)).reshape(4, 384))


#: Nets that take one image.
NETS: list[Callable[[], nn.Module]] = [
    Chain, Residual, Dense, SqueezeExcite, Inception, Shared, FlattenHead, Tokens, LayerScale,
    Unknown, Grouped, SameTwice, ConcatIntoAdd, ConcatAlike, SpatialAttention, WritesInPlace,
    WritesThroughView, Unread, RawWeight, InputMixed,
]  # fmt: skip


def build(net: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """The net with random weights and random statistics of its norms."""
    torch.manual_seed(seed)
    model = net().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 2.0)
            for tensor in (module.bias, module.running_mean):
                nn.init.uniform_(tensor, -0.3, 0.3)
    return model


def image(batch: int = 2, size: int = 8, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))
