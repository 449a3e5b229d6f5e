"""What depends on the number of samples is no constant, and what a model writes is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from adapter_nets import TOLERANCE
from torch import nn

from reorder_solver import torch_adapter as ta

if TYPE_CHECKING:
    from collections.abc import Callable

EXPORTS = ("naive", "optimal")


def images(batch: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, 5, 5, generator=generator, dtype=torch.float64)


class Between(nn.Module):
    """Something between two layers, the first of which makes two constant channels."""

    def __init__(self, step: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.step = step
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1)
        with torch.no_grad():
            self.first.weight[[1, 4]] = 0
            self.first.bias[[1, 4]] = torch.tensor([0.7, -0.4])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.step(self.first(x)))


STEPS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sum": lambda y: y.sum(0, keepdim=True),
    "divided": lambda y: y / (y.shape[0] + 1),
    "times": lambda y: y * y.shape[0],
    "softmax": lambda y: y.softmax(0),
    "normalised": lambda y: F.normalize(y, dim=0),
    "running": lambda y: y.cumsum(0),
    "centred": lambda y: y - y.mean(0, keepdim=True),
}


class Viewed(nn.Module):
    """Samples and places as one axis, by an operator that takes no strides but some."""

    def __init__(self, view: Callable[[torch.Tensor, list[int]], torch.Tensor]) -> None:
        super().__init__()
        self.view = view
        self.first, self.last = nn.Linear(5, 12), nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.view(self.first(x).relu(), [x.shape[0] * 6, 12]))


@pytest.mark.parametrize("export", EXPORTS)
@pytest.mark.parametrize("operator", ["view", "_unsafe_view"])
def test_no_export_depends_on_strides(operator: str, export: str) -> None:
    """Regression: other samples or orders than the capture's have strides that fail a view."""
    torch.manual_seed(0)
    net = Viewed(getattr(torch.ops.aten, operator).default).double().eval()
    with torch.no_grad():
        net.last.weight[:, [1, 5, 9]] = 0
    module = ta.compact(net, tokens(2), export=export).module
    assert not [each for each in module.graph.nodes if "view" in str(each.target)]
    for batch in (1, 2, 3):
        assert ta.max_relative_error(net, module, tokens(batch)) <= TOLERANCE


def tokens(batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, 6, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("export", EXPORTS)
@pytest.mark.parametrize("step", STEPS)
def test_other_numbers_of_samples(step: str, export: str) -> None:
    """A constant channel must not be folded with the batch size of the capture in it."""
    torch.manual_seed(0)
    net = Between(STEPS[step]).double().eval()
    module = ta.compact(net, images(2), export=export).module
    for batch in (1, 2, 3, 5):
        assert ta.max_relative_error(net, module, images(batch, batch)) <= TOLERANCE


class Counts(nn.Module):
    """Counts its calls and multiplies by the number, before or after counting."""

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.body = Between(torch.relu)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.first:
            self.calls += 1
            return self.body(x) * self.calls
        found = self.body(x) * self.calls
        self.calls += 1
        return found


class Remembers(nn.Module):
    """Subtracts a running mean of what it has seen, which follows the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Between(self.centred)
        self.register_buffer("mean", torch.linspace(0, 1, 8))

    def centred(self, y: torch.Tensor) -> torch.Tensor:
        self.mean.mul_(0.9).add_(y.mean((0, 2, 3)) * 0.1)
        return y - self.mean[:, None, None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


@pytest.mark.parametrize("export", EXPORTS)
@pytest.mark.parametrize(
    "make", [lambda: Counts(first=True), lambda: Counts(first=False), Remembers]
)
def test_buffers_written_in_evaluation_mode(make: Callable[[], nn.Module], export: str) -> None:
    """Every call finds what the calls before it left, as in the model."""
    torch.manual_seed(0)
    net = make().double().eval()
    module = ta.compact(net, images(2), export=export).module
    with torch.no_grad():
        for call in range(3):
            expected, found = net(images(2, call)), module(images(2, call))
            assert torch.allclose(expected, found, rtol=1e-10, atol=1e-12)
    for name, buffer in net.named_buffers():
        assert torch.allclose(buffer, module.get_buffer(name), rtol=1e-10)


def test_inputs_written_to() -> None:
    """The caller's tensor changes as it does under the model."""

    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = Between(torch.relu)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x.relu_())

    torch.manual_seed(0)
    net = Writes().double().eval()
    module = ta.compact(net, images(2)).module
    one, other = images(2, 1), images(2, 1)
    with torch.no_grad():
        assert torch.allclose(net(one), module(other), rtol=1e-10, atol=1e-12)
    assert torch.equal(one, other)
    assert not torch.equal(one, images(2, 1))
