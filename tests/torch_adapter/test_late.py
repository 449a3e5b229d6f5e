"""Late choices: pools handle all that is stored where they would copy a slice of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from adapter_nets import TOLERANCE, build, conv, image
from torch import nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.extract import extract
from reorder_solver.torch_adapter.late import late_choices
from reorder_solver.torch_adapter.operations import PerChannel
from reorder_solver.torch_adapter.usage import Usage

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Branches(nn.Module):
    """Concatenations read by pointwise convolutions and, behind a pool, by another one."""

    def __init__(self, pool: type[nn.Module] = nn.MaxPool2d, kernel: int = 1) -> None:
        super().__init__()
        self.stem = nn.ModuleList([conv(3, 8, 3), conv(3, 8, 3)])
        self.reads = nn.ModuleList(conv(16, 6) for _ in range(3))
        self.pool = pool(3, stride=1, padding=1)
        self.behind = conv(16, 6, kernel)

    def forward(self, x: torch.Tensor) -> Any:
        x = torch.cat([stem(x).relu() for stem in self.stem], 1)
        return [read(x) for read in self.reads], self.behind(self.pool(x))


class Averaging(Branches):
    """The same with means, which see the border."""

    def __init__(self) -> None:
        super().__init__(nn.AvgPool2d)


class Wide(Branches):
    """A convolution that copies slices itself."""

    def __init__(self) -> None:
        super().__init__(kernel=3)


NAMES = [*(f"reads.{number}" for number in range(3)), "behind"]


def masks_for(seed: int) -> Any:
    """Half of the inputs of each reader."""
    rng = np.random.default_rng(seed)
    return {name: {"input": rng.permutation(16) < 8} for name in NAMES}


@pytest.mark.parametrize("net", [Branches, Averaging, Wide])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_pools_copy_no_slices(net: type[nn.Module], form: str, seed: int) -> None:
    """For fewer bytes; what is computed is the same, for other batches too."""
    model, masks = build(net), masks_for(seed)
    inputs = image(4).contiguous(memory_format=FORMATS[form])
    copied = {}
    for late in (True, False):
        allowed = ta.Transformations(late=late)
        out = ta.compact(model, inputs, masks, transformations=allowed)
        module = out.module.to(memory_format=FORMATS[form])
        for batch in (1, 4):
            other = image(batch, seed=7).contiguous(memory_format=FORMATS[form])
            error = ta.max_relative_error(ta.masked(model, masks), module, other)
            assert error <= TOLERANCE
        copied[late] = ta.copied_bytes(module, inputs)
    assert copied[True].total <= copied[False].total
    assert not any("pool" in caller for caller in copied[True].by_caller) or net is Wide


def test_bytes_are_saved_by_it() -> None:
    """With these masks a pool reads a slice, and would copy it."""
    model, inputs = build(Branches), image(4)
    totals = {}
    for late in (True, False):
        allowed = ta.Transformations(late=late)
        module = ta.compact(model, inputs, masks_for(0), transformations=allowed).module
        totals[late] = ta.copied_bytes(module, inputs).total
    assert totals[True] < totals[False]


def late_names(net: type[nn.Module], usage: Usage | None) -> list[str]:
    """The operators that handle all that is stored."""
    model = build(net)
    masks = {
        name: sides for name, sides in masks_for(0).items() if name in dict(model.named_modules())
    }
    extraction = extract(model, image(4), masks)
    found = late_choices(extraction.facts, usage)
    assert all(isinstance(one, PerChannel) for one in found)
    return [one.output.name for one in found if one.output is not None]


def test_which_operators_wait() -> None:
    """Those that copy more than what reads their result, where time is no matter."""
    assert late_names(Branches, Usage(4, late=True)) == ["max_pool2d"]
    assert late_names(Branches, Usage(4, late=False)) == []
    assert late_names(Branches, None) == []
    # A slice of one sample is not copied; a wide convolution copies as much as the pool.
    assert late_names(Branches, Usage(1, late=True)) == []
    assert late_names(Wide, Usage(4, late=True)) == []
    # Without products, the pointwise convolution copies it.
    assert late_names(Branches, Usage(4, multiply=False, late=True)) == []


class Several(nn.Module):
    """Several values of one tensor that share copies, concatenations among them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleList([conv(3, 6, 3), conv(3, 6, 3), conv(3, 4)])
        self.reads = nn.ModuleList(conv(16, 5, kernel) for kernel in (1, 1, 3, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> Any:
        x = torch.cat([stem(x).relu() for stem in self.stem], 1)
        mixed = nn.functional.channel_shuffle(x, 2)
        mixed = torch.cat([mixed[:, 8:], nn.functional.avg_pool2d(mixed[:, :8], 3, 1, 1)], 1)
        pooled = nn.functional.avg_pool2d(x, 3, 1, 1)
        most = nn.functional.max_pool2d(x, 3, 1, 1).mul_(2.0).relu_()
        values = (x.relu(), x, mixed, pooled.relu(), most)
        last = nn.functional.avg_pool2d(values[0].relu(), 3, 1, 1)
        return [read(value) for read, value in zip(self.reads, (*values, last), strict=True)]


def test_copies_are_shared_of_several_values() -> None:
    """A buffer of one value is no obstacle to writing another one twice."""
    model = build(Several)
    rng = np.random.default_rng(7076)
    masks = {
        f"reads.{number}": {"input": rng.permutation(16) < int(rng.integers(6, 12))}
        for number in range(6)
    }
    out = ta.compact(model, image(3, size=9), masks)
    assert out.report.error is not None
    assert out.report.error <= TOLERANCE


class Depthwise(nn.Module):
    """A depthwise convolution behind which channels are chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 16, 3)
        self.deep = conv(16, 16, 3, groups=16)
        self.behind = conv(16, 6)
        self.reads = nn.ModuleList([conv(16, 6)])

    def forward(self, x: torch.Tensor) -> Any:
        x = self.stem(x)
        return self.reads[0](x), self.behind(self.deep(x))


def test_layers_do_not_wait() -> None:
    """More channels are more work there."""
    assert late_names(Depthwise, Usage(4, late=True)) == []
