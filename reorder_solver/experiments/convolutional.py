"""Small convolutional networks, one for each way in which layers share activations.

Each takes images of any size from 8x8 and has fewer than 400 000 parameters.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation and, unless told otherwise, a rectifier."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        active: bool = True,
    ) -> None:
        convolution = nn.Conv2d(
            inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        layers: list[nn.Module] = [convolution, nn.BatchNorm2d(outputs)]
        super().__init__(*layers, *([nn.ReLU()] if active else []))


class Bottleneck(nn.Module):
    """Narrow, filter, widen, and add to what was read (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvNorm(inputs, middle),
            ConvNorm(middle, middle, 3, stride=stride),
            ConvNorm(middle, outputs, active=False),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity() if same else ConvNorm(inputs, outputs, stride=stride, active=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to images."""
        return F.relu(self.shortcut(x) + self.layers(x))


class Classifier(nn.Module):
    """Features, their mean over the image, and a linear layer."""

    def __init__(self, features: nn.Module, channels: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to scores of classes."""
        scores: torch.Tensor = self.head(self.features(x).mean((2, 3)))
        return scores


def residual(channels: int, size: int, classes: int) -> nn.Module:
    """Bottleneck blocks on a stream of 64, then 128 channels."""
    features = nn.Sequential(
        ConvNorm(channels, 64, 3, stride=2),
        Bottleneck(64, 16, 64, 1),
        Bottleneck(64, 16, 64, 1),
        Bottleneck(64, 32, 128, 2),
        Bottleneck(128, 32, 128, 1),
        Bottleneck(128, 32, 128, 1),
    )
    return Classifier(features, 128, classes)


class PreActivation(nn.Module):
    """Norm and rectifier before each convolution (He et al. 2016, arXiv:1603.05027)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to images."""
        active = F.relu(self.norm1(x))
        kept = x if self.shortcut is None else self.shortcut(active)
        changed: torch.Tensor = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return kept + changed


def preactivation(channels: int, size: int, classes: int) -> nn.Module:
    """Every reader of the stream has a norm of its own."""
    features = nn.Sequential(
        nn.Conv2d(channels, 24, 3, 2, 1, bias=False),
        PreActivation(24, 24, 1),
        PreActivation(24, 48, 2),
        PreActivation(48, 48, 1),
        PreActivation(48, 64, 2),
        nn.BatchNorm2d(64),
        nn.ReLU(),
    )
    return Classifier(features, 64, classes)


class DenseBlock(nn.Module):
    """Each layer reads what all before it wrote (Huang et al. 2017, arXiv:1608.06993)."""

    def __init__(self, inputs: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(inputs + growth * number),
                nn.ReLU(),
                ConvNorm(inputs + growth * number, 2 * growth),
                nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False),
            )
            for number in range(layers)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to images of more channels."""
        found = [x]
        for layer in self.layers:
            found.append(layer(torch.cat(found, 1)))
        return torch.cat(found, 1)


def dense(channels: int, size: int, classes: int) -> nn.Module:
    """Two dense blocks of growth 16 with a transition between."""
    features = nn.Sequential(
        ConvNorm(channels, 32, 3, stride=2),
        DenseBlock(32, 16, 2),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Conv2d(64, 48, 1, bias=False),
        nn.AvgPool2d(2),
        DenseBlock(48, 16, 5),
        nn.BatchNorm2d(128),
        nn.ReLU(),
    )
    return Classifier(features, 128, classes)


class Branches(nn.Module):
    """Four branches laid end to end (Szegedy et al. 2015, arXiv:1409.4842)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        half = width // 2
        self.point = ConvNorm(inputs, width)
        self.three = nn.Sequential(ConvNorm(inputs, half), ConvNorm(half, width, 3))
        self.twice = nn.Sequential(
            ConvNorm(inputs, half), ConvNorm(half, half, 3), ConvNorm(half, half, 3)
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), ConvNorm(inputs, half))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to images of three times the width."""
        return torch.cat([self.point(x), self.three(x), self.twice(x), self.pool(x)], 1)


def inception(channels: int, size: int, classes: int) -> nn.Module:
    """A module on the larger images, two on the smaller ones."""
    features = nn.Sequential(
        ConvNorm(channels, 32, 3, stride=2),
        Branches(32, 24),
        nn.MaxPool2d(2),
        Branches(72, 32),
        Branches(96, 40),
    )
    return Classifier(features, 120, classes)


class InvertedResidual(nn.Module):
    """Widen, filter each channel, squeeze and excite, narrow.

    Sandler et al. 2018, arXiv:1801.04381, with the gate of Hu et al. 2018, arXiv:1709.01507.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        wide = 4 * inputs
        self.expand = ConvNorm(inputs, wide)
        self.depthwise = ConvNorm(wide, wide, 3, stride=stride, groups=wide)
        self.squeeze, self.excite = nn.Conv2d(wide, inputs, 1), nn.Conv2d(inputs, wide, 1)
        self.project = ConvNorm(wide, outputs, active=False)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to images."""
        wide = self.depthwise(self.expand(x))
        gate = F.relu(self.squeeze(F.adaptive_avg_pool2d(wide, 1)))
        wide = wide * torch.sigmoid(self.excite(gate))
        narrow: torch.Tensor = self.project(wide)
        return x + narrow if self.adds else narrow


def inverted(channels: int, size: int, classes: int) -> nn.Module:
    """Inverted residuals with squeeze-and-excitation on streams of 24 and 40 channels."""
    features = nn.Sequential(
        ConvNorm(channels, 24, 3, stride=2),
        InvertedResidual(24, 24, 1),
        InvertedResidual(24, 40, 2),
        InvertedResidual(40, 40, 1),
        InvertedResidual(40, 40, 1),
        ConvNorm(40, 128),
    )
    return Classifier(features, 128, classes)


class ShuffleUnit(nn.Module):
    """One half passes, the other is filtered, then the halves are interleaved.

    Ma et al. 2018, arXiv:1807.11164. With stride 2 both halves read everything.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half, read = outputs // 2, inputs if stride > 1 else inputs // 2
        self.main = nn.Sequential(
            ConvNorm(read, half),
            ConvNorm(half, half, 3, stride=stride, groups=half, active=False),
            ConvNorm(half, half),
        )
        self.side = (
            None
            if stride == 1
            else nn.Sequential(
                ConvNorm(read, read, 3, stride=stride, groups=read, active=False),
                ConvNorm(read, half),
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to images."""
        left, right = (x, x) if self.side is not None else x.chunk(2, 1)
        passed = left if self.side is None else self.side(left)
        both = torch.cat([passed, self.main(right)], 1)
        count, channels, height, width = both.shape
        halves = both.view(count, 2, channels // 2, height, width).transpose(1, 2)
        return halves.reshape(count, channels, height, width)


def shuffle(channels: int, size: int, classes: int) -> nn.Module:
    """Shuffle units on 64, then 128 channels."""
    features = nn.Sequential(
        ConvNorm(channels, 32, 3, stride=2),
        ShuffleUnit(32, 64, 2),
        ShuffleUnit(64, 64, 1),
        ShuffleUnit(64, 64, 1),
        ShuffleUnit(64, 128, 2),
        ShuffleUnit(128, 128, 1),
        ShuffleUnit(128, 128, 1),
        ConvNorm(128, 128),
    )
    return Classifier(features, 128, classes)
