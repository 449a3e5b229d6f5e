"""What a model writes whatever its inputs are is stored, and exactly that."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import torch
from adapter_nets import build, conv, image
from torch import nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.capture import capture
from reorder_solver.torch_adapter.schema import operator_name

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[[torch.Tensor], Any]


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


class Stem(nn.Module):
    """Two convolutions with something between them."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.stem, self.head, self.body = conv(3, 8, 3), conv(8, 4), body

    def forward(self, x: torch.Tensor) -> Any:
        found = self.body(self.stem(x))
        first, *others = found if isinstance(found, tuple) else (found,)
        return (self.head(first), *others)


def exported(body: Body) -> tuple[nn.Module, Any, list[str]]:
    """The masked model, its export, and the names of what the export stores besides."""
    model = Stem(body).eval()
    masks = {"head": {"input": torch.arange(8) % 3 > 0}}
    module: Any = ta.compact(model, image(), masks).module
    stored = [name for name, _ in module.named_buffers() if name.startswith("constant_")]
    return ta.masked(model, masks), module, stored


def check(reference: nn.Module, module: Any) -> None:
    """The same results, of the same types, call after call, whatever is done with them."""
    for batch in (1, 3, 3):
        x = image(batch)
        for found, wanted in zip(module(x), reference(x), strict=True):
            assert found.dtype == wanted.dtype
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
            with torch.no_grad():
                found.fill_(1)


def filled(mask: torch.Tensor, number: float = 0.5) -> torch.Tensor:
    """A part of a tensor written to."""
    mask[..., 2:5] = number
    return mask


def deep(y: torch.Tensor) -> torch.Tensor:
    """A mask of five axes."""
    return filled(y.new_zeros((1, 1, 4, 4, 8)))


def by_blocks(y: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (y.unflatten(2, (2, 4)) * mask).flatten(2, 3)


def written_between(y: torch.Tensor) -> torch.Tensor:
    """A list of tensors is written to."""
    mask = filled(y.new_zeros((8,)))
    y = y * mask
    torch._foreach_add_([mask], 1.0)
    return y * mask


NOT_STORED: dict[str, Body] = {
    "a result of the model": lambda y: (y, filled(y.new_zeros((8,)))),
    "a view that is a result": lambda y: (y, filled(y.new_zeros((8,))).expand(y.shape[0], 8)),
    "a result that keeps its type": lambda y: (y, 2 * filled(torch.zeros(8))),
    "what decides the type of a result": lambda y: (
        y,
        filled(torch.zeros(8)) * torch.arange(8) * y.shape[0],
    ),
    "a number": lambda y: y * filled(y.new_zeros((8,))).sum().item(),
    "five axes": lambda y: by_blocks(y, deep(y)[:, :, :2].clone()),
    "five axes themselves": lambda y: by_blocks(y, filled(y.new_zeros((1, 1, 2, 4, 8)))),
    "several results of five axes": lambda y: by_blocks(y, sum(deep(y).chunk(2, 2))),
    "what depends on the batch": lambda y: (
        y * filled(y.new_zeros((8,))).expand(y.shape[0], 8, 8, 8)
    ),
    "a comparison near the border": lambda y: y * (filled(y.new_zeros((8,)), 0.1) + 0.2 == 0.3),
    "a step near the border": lambda y: (
        y * (filled(y.new_zeros((8,)), 0.1).copy_(torch.arange(8) / 10) > 0.3)
    ),
    "a list": written_between,
}


@pytest.mark.parametrize("kind", NOT_STORED)
def test_what_a_buffer_cannot_stand_for_is_not_stored(kind: str) -> None:
    """Neither changed by who gets it, nor of another type, nor different in another precision."""
    reference, module, stored = exported(NOT_STORED[kind])
    assert kind == "what depends on the batch" or not stored
    check(reference, module)
    copy.deepcopy(module).to(memory_format=torch.channels_last)


def test_a_stored_tensor_that_the_model_counts_in_is_no_constant() -> None:
    """PyTorch refuses to capture it; it may not be taken for what it is in the first call."""
    model = Stem(lambda y: y * calls.add_(1))
    calls = model.calls = torch.zeros(1)
    with pytest.raises((RuntimeError, ta.CaptureError)):
        capture(model.eval(), image())


def test_random_numbers_in_written_memory_are_drawn() -> None:
    """The dropout of what is a constant is none."""

    def body(y: torch.Tensor) -> torch.Tensor:
        return y + 0 * nn.functional.dropout(torch.ones(8).mul_(2), training=True)

    reference, module, _ = exported(body)
    check(reference, module)


def test_types_of_their_own_are_stored_beside_activations() -> None:
    """As long as these say what type the result has."""
    reference, module, stored = exported(lambda y: y * filled(torch.zeros(8)))
    assert stored
    check(reference, module)
