"""What a model writes whatever its inputs are is stored, and exactly that."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from adapter_nets import build, conv, image
from torch import nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.capture import capture
from reorder_solver.torch_adapter.schema import operator_name


class Masked(nn.Module):
    """A mask made of zeros, filled through views, as for shifted windows."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head, self.drop = conv(3, 8, 3), conv(8, 4), nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        mask = x.new_zeros((8, 8))
        for number, rows in enumerate((slice(0, 3), slice(3, -1), slice(-1, None))):
            mask[rows, 2:5] = number / 4
        mask = mask.view(2, 4, 8)[None, None] / 3
        return self.head(self.drop((x.unflatten(2, (2, 4)) * mask).flatten(2, 3)))


class ReadBetween(nn.Module):
    """Somebody reads before the last write."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        mask = x.new_zeros((8,))
        mask[2:5] = 1
        y = x + mask
        mask[1:3] = 7
        return y * mask


class WrittenByInput(nn.Module):
    """What is written depends on the input."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        mask = x.new_zeros((8, 8))
        mask[2:5] = x.mean()
        return x * mask


class Noise(nn.Module):
    """Random numbers are no constants."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        noise = torch.rand(8)
        noise[3:] = 0.5
        return self.stem(x) + 0 * noise


def written(module: nn.Module) -> list[str]:
    """Names of the operators of a capture that fill or copy."""
    graph = capture(module.eval(), image()).graph
    names = [operator_name(node) for node in graph.nodes if node.op == "call_function"]
    return [name for name in names if any(word in name for word in ("fill", "copy", "scatter"))]


def test_masks_are_stored() -> None:
    """In the module's precision, beside the state dict; dropout is not lost.

    What is made of a mask on five axes is computed: it could not be brought into channels-last.
    """
    model = build(Masked)
    assert not written(build(Masked))
    masks = ta.prune_inputs(model, image(), amount=0.5)
    out = ta.compact(model, image(), masks)
    module: Any = out.module
    buffers = dict(module.named_buffers())
    stored = [name for name in buffers if name.startswith("constant_")]
    assert len(stored) == 1
    assert buffers[stored[0]].dtype == torch.float32
    assert not set(stored) & set(module.state_dict())
    assert isinstance(module.drop, nn.Dropout)
    assert out.report.error is not None
    assert out.report.error <= 1e-12
    for batch in (1, 3):
        x = image(batch)
        torch.testing.assert_close(module(x), ta.masked(model, masks)(x))
    x = image(3).to(memory_format=torch.channels_last)
    last = module.to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x), ta.masked(model, masks)(x))


@pytest.mark.parametrize("net", [ReadBetween, WrittenByInput, Noise])
def test_what_is_no_constant_is_left_alone(net: type[nn.Module]) -> None:
    """It is captured by PyTorch's own functionalisation, as ever."""
    model = build(net)
    assert not any(name.startswith("constant_") for name in capture(model, image()).attributes)
    masks = ta.prune(model, image(), "l2", 0.5, side="output")
    module = ta.compact(model, image(), masks).module
    for batch in (1, 3):
        x = image(batch)
        torch.testing.assert_close(module(x), ta.masked(model, masks)(x))
