"""A tiny network and tiny images in place of the real ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from reorder_solver.experiments import architectures
from reorder_solver.experiments.checkpoints import path_of
from reorder_solver.experiments.data import ArrayData, split
from reorder_solver.experiments.subjects import Subject, trained_here
from reorder_solver.experiments.training import Task, train_missing

torch.set_num_threads(1)


class Tiny(nn.Module):
    """Three readers of one sum."""

    def __init__(self, channels: int, size: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.down, self.up = nn.Conv2d(8, 6, 1), nn.Conv2d(6, 8, 3, padding=1)
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = x + self.up(torch.relu(self.down(x)))
        return self.head(x.mean((2, 3)))


def stripes(count: int = 200, size: int = 8) -> ArrayData:
    """Images of noisy stripes, across, along, or dots: three classes, sorted."""
    rng = np.random.default_rng(5)
    targets = np.sort(np.arange(count) % 3)
    patterns = np.zeros((3, size, size))
    patterns[0, ::2], patterns[1, :, ::2], patterns[2, ::2, ::2] = 1, 1, 2
    images = patterns[targets][:, None] + rng.normal(0, 0.3, (count, 1, size, size))
    return split("stripes", images, targets)


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> ArrayData:
    """Data that the tiny architecture, which is known meanwhile, learns in a second."""
    monkeypatch.setitem(architectures.ARCHITECTURES, "tiny", Tiny)
    return stripes()


@pytest.fixture
def subject(data: ArrayData, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp("checkpoints")
    train_missing(Task("tiny", 0, path_of(folder, "tiny", data.name, 0)), data, 30)
    return trained_here(folder, "tiny", 0, data)
