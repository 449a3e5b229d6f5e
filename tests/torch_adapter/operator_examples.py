"""One example per operator in the rule table, called on a value with free channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from reorder_solver.torch_adapter.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    Example = Callable[["OneOperator", torch.Tensor, torch.Tensor], Any]

CHANNELS = 8
SIZE = 6
aten = torch.ops.aten


def overload(name: str) -> Any:
    """``aten.relu.default`` as something to call."""
    found: Any = torch.ops
    for part in name.split("."):
        found = getattr(found, part)
    return found


_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "aten.hardtanh.default": (-0.5, 0.5),
    "aten.clamp.default": (-0.5, 0.5),
    "aten.pow.Tensor_Scalar": (3,),
    "aten.to.dtype": (torch.float64,),
    "aten.dropout.default": (0.5, False),
    "aten.feature_dropout.default": (0.5, False),
    "aten.alpha_dropout.default": (0.5, False),
    "aten.max_pool2d.default": ([3, 3], [1, 1], [1, 1]),
    "aten.avg_pool2d.default": ([2, 2],),
    "aten.adaptive_avg_pool2d.default": ([2, 3],),
    "aten.upsample_nearest2d.vec": (None, [2.0, 2.0]),
    "aten.upsample_bilinear2d.vec": (None, False, [2.0, 2.0]),
    "aten.pad.default": ([1, 0, 2, 0],),
    "aten.constant_pad_nd.default": ([1, 0, 2, 0], 1.5),
    "aten.mean.dim": ([2, -1], True),
    "aten.sum.dim_IntList": ([2, 3],),
    "aten.amax.default": ([3],),
    "aten.amin.default": ([-2, -1],),
    "aten.flatten.using_ints": (1,),
    "aten.unsqueeze.default": (2,),
    "aten.permute.default": ([0, 2, 3, 1],),
    "aten.transpose.int": (1, -1),
    "aten.reshape.default": ([-1, CHANNELS * SIZE, SIZE],),
    "aten._unsafe_view.default": ([-1, CHANNELS, SIZE * SIZE],),
}

_CHANNELS_LAST = ("aten.permute.default", "aten.transpose.int")

#: Operators that want something other than one value of four axes.
_SPECIAL: dict[str, Example] = {
    "getitem": lambda net, x, y: aten.adaptive_max_pool2d.default(x, [2, 2])[0],
    "aten.adaptive_max_pool2d.default": lambda net, x, y: aten.adaptive_max_pool2d.default(
        x, [3, 2]
    )[0],
    "aten.sym_size.int": lambda net, x, y: x.view(x.shape[0], -1),
    "aten.view.default": lambda net, x, y: x.view(-1, CHANNELS * SIZE * SIZE),
    "aten.to.dtype_layout": lambda net, x, y: aten.to.dtype_layout(x, dtype=torch.float64),
    "aten.cat.default": lambda net, x, y: torch.cat([x, y, x], 1),
    "aten.squeeze.dim": lambda net, x, y: aten.squeeze.dim(x.mean(2, keepdim=True), 2),
    "aten.squeeze.dims": lambda net, x, y: aten.squeeze.dims(x.mean((2, 3), keepdim=True), [2, 3]),
    "aten.batch_norm.default": lambda net, x, y: aten.batch_norm.default(
        x, net.weight, net.shift, net.mean, net.variance, False, 0.1, 1e-5, False
    ),
    "aten.prelu.default": lambda net, x, y: aten.prelu.default(x, net.weight),
    "aten.linear.default": lambda net, x, y: aten.linear.default(x.mean((2, 3)), net.matrix),
    "aten.conv2d.default": lambda net, x, y: aten.conv2d.default(
        x, net.depth, net.shift, [1, 1], [1, 1], [1, 1], CHANNELS
    ),
    "aten.conv2d.padding": lambda net, x, y: aten.conv2d.padding(x, net.mix, None, [1, 1], "same"),
    "aten.conv1d.default": lambda net, x, y: aten.conv1d.default(x.flatten(2), net.line),
    "aten.conv1d.padding": lambda net, x, y: aten.conv1d.padding(
        x.flatten(2), net.line, net.shift, [1], "same"
    ),
    "aten.conv3d.default": lambda net, x, y: aten.conv3d.default(x.unsqueeze(2), net.volume),
    "aten.conv3d.padding": lambda net, x, y: aten.conv3d.padding(
        x.unsqueeze(2), net.volume, net.shift, [1, 1, 1], "valid"
    ),
}


def _pooling(name: str, arguments: tuple[Any, ...]) -> Example:
    call = overload(name)
    if "1d" in name:
        return lambda net, x, y: call(x.flatten(2), *arguments)
    return lambda net, x, y: call(x.unsqueeze(2), *arguments)


_SPECIAL |= {
    name: _pooling(name, arguments)
    for name, arguments in {
        "aten.max_pool1d.default": ([2],),
        "aten.avg_pool1d.default": ([2],),
        "aten.adaptive_avg_pool1d.default": ([3],),
        "aten.max_pool3d.default": ([1, 2, 2],),
        "aten.avg_pool3d.default": ([1, 2, 2],),
        "aten.adaptive_avg_pool3d.default": ([1, 2, 3],),
    }.items()
}


def is_binary(name: str) -> bool:
    """True for an operator on two values of equal standing."""
    if name in _SPECIAL:
        return False
    return sum(str(one.type) == "Tensor" for one in overload(name)._schema.arguments) == 2


def family(name: str) -> str:
    """The operator that does the same without writing to its operand."""
    return name.replace("_.", ".")


def example(name: str) -> Example:
    """The example of an operator and of its in-place twin, one behind the other."""
    if name in _SPECIAL:
        return _SPECIAL[name]
    twin = name[::-1].replace(".", "._", 1)[::-1]
    calls = [overload(one) for one in (name, twin) if one in RULES]
    extra = _ARGUMENTS.get(name, ())

    def run(net: OneOperator, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = x * x if "sqrt" in name else x
        operands = (y * y + 1 if "div" in name else y,) if is_binary(name) else extra
        for call in calls:
            x = call(x, *operands)
        return x

    return run


class OneOperator(nn.Module):
    """Two convolutions, the operator on their results, and a layer that reads what comes out."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.example = example(name)
        self.binary = name == "aten.cat.default" or is_binary(name)
        self.one, self.two = nn.Conv2d(3, CHANNELS, 1), nn.Conv2d(3, CHANNELS, 1)
        self.register_buffer("mean", torch.randn(CHANNELS))
        self.weight = nn.Parameter(torch.randn(CHANNELS))
        self.shift = nn.Parameter(torch.randn(CHANNELS))
        self.register_buffer("variance", torch.rand(CHANNELS) + 0.5)
        self.depth = nn.Parameter(torch.randn(CHANNELS, 1, 3, 3))
        self.mix = nn.Parameter(torch.randn(5, CHANNELS, 3, 3))
        self.matrix = nn.Parameter(torch.randn(5, CHANNELS))
        self.line = nn.Parameter(torch.randn(CHANNELS, CHANNELS, 3))
        self.volume = nn.Parameter(torch.randn(CHANNELS, CHANNELS, 1, 3, 3))
        self.head: nn.Module = nn.Identity()
        with torch.no_grad():
            values = torch.randn(2, 2, CHANNELS, SIZE, SIZE)
            result = self.example(self, values[0], values[1])
        self.head = _reader(result.shape, last=name in _CHANNELS_LAST)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.one(x)
        other = self.two(x) if self.binary else one
        result: torch.Tensor = self.head(self.example(self, one, other))
        return result


def _reader(shape: torch.Size, *, last: bool) -> nn.Module:
    if len(shape) == 2 or last:
        return nn.Linear(shape[-1], 4)
    kinds = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
    return kinds[len(shape)](shape[1], 4, 1)
