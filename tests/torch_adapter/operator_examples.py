"""One small call at least of every operator in the rule table that has no weights of its own.

Each takes two values of shape (batch, CHANNELS, SIZE, SIZE) with free channels. What is written
out is what an operator needs to be called sensibly; the rest follows from its schema.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from reorder_solver.torch_adapter.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    from operator_items import Item

    Example = Callable[["Item", torch.Tensor, torch.Tensor], Any]

CHANNELS = 8
SIZE = 6
aten = torch.ops.aten

#: Modules whose rules are for operators without weights.
MODULES = ("elementwise", "pieces", "pooling", "reductions", "regrouping", "shapes", "views")
OPERATORS = sorted(
    name for name, rule in RULES.items() if rule.__module__.rpartition(".")[2] in MODULES
)


def overload(name: str) -> Any:
    """``aten.relu.default`` as something to call."""
    found: Any = torch.ops
    for part in name.split("."):
        found = getattr(found, part)
    return found


def positive(x: torch.Tensor) -> torch.Tensor:
    return x.abs() + 0.5


def tokens(x: torch.Tensor) -> torch.Tensor:
    """Channels last."""
    return x.flatten(2).transpose(1, 2)


def line(x: torch.Tensor) -> torch.Tensor:
    return x.mean(3)


def plane(x: torch.Tensor) -> torch.Tensor:
    return x


def volume(x: torch.Tensor) -> torch.Tensor:
    return x.unsqueeze(2) * torch.linspace(0.5, 1.5, 2, dtype=x.dtype)[:, None, None]


_ROOMS = {1: line, 2: plane, 3: volume}

#: Further arguments of operators on one value.
_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "hardtanh.default": (-0.5, 0.5),
    "clamp.default": (-0.5, 0.5),
    "clip.default": (-0.5,),
    "threshold.default": (0.1, 0.7),
    "round.decimals": (),
    "to.dtype": (torch.float64,),
    "dropout.default": (0.5, False),
    "feature_dropout.default": (0.5, False),
    "alpha_dropout.default": (0.5, False),
    "full_like.default": (0.3,),
    "div.Tensor_mode": (),
    "flatten.using_ints": (1,),
    "unsqueeze.default": (2,),
    "permute.default": ([0, 2, 3, 1],),
    "permute_copy.default": ([0, 3, 1, 2],),
    "transpose.int": (1, -1),
    "swapaxes.default": (2, 3),
    "swapdims.default": (1, 2),
    "movedim.int": (1, -1),
    "movedim.intlist": ([1, 3], [3, 1]),
    "moveaxis.int": (-1, 1),
    "moveaxis.intlist": ([2], [1]),
    "mT.default": (),
    "reshape.default": ([-1, CHANNELS * SIZE, SIZE],),
    "view.default": ([-1, CHANNELS * SIZE * SIZE],),
    "view_copy.default": ([-1, CHANNELS, 2, 3, SIZE],),
    "_unsafe_view.default": ([-1, CHANNELS, SIZE * SIZE],),
    "_reshape_copy.default": ([-1, CHANNELS, SIZE * SIZE],),
    "unflatten.int": (2, [2, -1]),
    "repeat.default": ([1, 2, 1, 1],),
    "tile.default": ([2, 1],),
    "repeat_interleave.self_int": (2, 1),
    "flip.default": ([1, 3],),
    "roll.default": ([3, 1], [1, 2]),
    "channel_shuffle.default": (4,),
    "native_channel_shuffle.default": (2,),
    "slice.Tensor": (1, 1, -1, 2),
    "slice_copy.Tensor": (3, 1, 4),
    "narrow.default": (1, 2, 4),
    "select.int": (3, -2),
    "select_copy.int": (2, 1),
    "glu.default": (1,),
    "pixel_shuffle.default": (2,),
    "pixel_unshuffle.default": (2,),
    "softmax.int": (1,),
    "_softmax.default": (3, False),
    "log_softmax.int": (2,),
    "_log_softmax.default": (1, False),
    "cumsum.default": (2,),
    "cumprod.default": (3,),
    "logcumsumexp.default": (3,),
    "argsort.default": (2,),
    "mean.dim": ([2, -1], True),
    "sum.dim_IntList": ([1], True),
    "amax.default": ([3],),
    "amin.default": ([1, 2], True),
    "var.correction": ([2, 3],),
    "var.dim": ([1], True, True),
    "std.correction": ([1],),
    "std.dim": ([3],),
    "logsumexp.default": ([1], True),
    "prod.dim_int": (1, True),
    "any.dim": (1, True),
    "any.dims": ([2, 3],),
    "all.dim": (1, True),
    "all.dims": ([1, 2], True),
    "norm.ScalarOpt_dim": (2, [1], True),
    "linalg_vector_norm.default": (2, [1], True),
    "count_nonzero.dim_IntList": ([2],),
    "argmax.default": (2,),
    "argmin.default": (3, True),
    "unfold.default": (2, 2, 2),
    "pad.default": ([1, 0, 2, 0],),
    "constant_pad_nd.default": ([1, 0, 2, 0], 1.5),
    "_pad_circular.default": ([1, 1, 2, 0],),
    "im2col.default": ([2, 2], [1, 1], [0, 0], [2, 2]),
}

#: Of several results, those whose channels follow the operand's, and further arguments.
_SEVERAL: dict[str, tuple[int, tuple[Any, ...]]] = {
    "chunk.default": (1, (3, 1)),
    "split.Tensor": (0, (*([4], 1)[0:0], 3, 1)),
    "split.sizes": (1, ([3, 5], 1)),
    "split_with_sizes.default": (1, ([1, 7], 1)),
    "split_with_sizes_copy.default": (0, ([2, 4], 2)),
    "split_copy.Tensor": (1, (2, 3)),
    "unsafe_chunk.default": (0, (2, 1)),
    "unsafe_split.Tensor": (1, (4, 1)),
    "unsafe_split_with_sizes.default": (1, ([6, 2], 1)),
    "tensor_split.sections": (2, (3, 1)),
    "tensor_split.indices": (1, ([2, 5], 1)),
    "unbind.int": (1, (2,)),
    "unbind_copy.int": (2, (3,)),
    "max.dim": (0, (1, True)),
    "min.dim": (1, (2,)),
    "var_mean.correction": (1, ([1],)),
    "std_mean.correction": (0, ([2, 3],)),
    "aminmax.default": (0, ()),
    "sort.default": (0, (2,)),
    "sort.stable": (1, ()),
    "topk.default": (0, (2, 3)),
    "cummax.default": (0, (2,)),
    "cummin.default": (1, (3,)),
    "getitem": (0, ()),
}

#: What wants more than that.
_SPECIAL: dict[str, Example] = {
    "getitem": lambda net, x, y: aten.adaptive_max_pool2d.default(x, [2, 2])[0],
    "round.decimals": lambda net, x, y: aten.round.decimals(x, decimals=1),
    "sym_size.int": lambda net, x, y: x.view(x.shape[0], -1),
    "_to_copy.default": lambda net, x, y: aten._to_copy.default(x, dtype=torch.float64),
    "to.dtype_layout": lambda net, x, y: aten.to.dtype_layout(x, dtype=torch.float64),
    "div.Tensor_mode": lambda net, x, y: aten.div.Tensor_mode(
        x, positive(y), rounding_mode="floor"
    ),
    "div.Scalar_mode": lambda net, x, y: aten.div.Scalar_mode(x, 0.3, rounding_mode="trunc"),
    "divide.Tensor_mode": lambda net, x, y: aten.divide.Tensor_mode(x, y, rounding_mode=None),
    "divide.Scalar_mode": lambda net, x, y: aten.divide.Scalar_mode(x, 0.3, rounding_mode="floor"),
    "where.self": lambda net, x, y: aten.where.self(x > y, x, net.shift),
    "where.ScalarOther": lambda net, x, y: aten.where.ScalarOther(x > 0, y, 0.3),
    "where.ScalarSelf": lambda net, x, y: aten.where.ScalarSelf(x > 0, 0.3, y),
    "where.Scalar": lambda net, x, y: aten.where.Scalar(x > y, 0.3, 0.7),
    "masked_fill.Scalar": lambda net, x, y: aten.masked_fill.Scalar(x, y > 0, 0.3),
    "masked_fill.Tensor": lambda net, x, y: aten.masked_fill.Tensor(x, net.shift > 0, net.number),
    "lerp.Scalar": lambda net, x, y: aten.lerp.Scalar(x, y, 0.3),
    "lerp.Tensor": lambda net, x, y: aten.lerp.Tensor(x, y, net.shift),
    "addcmul.default": lambda net, x, y: aten.addcmul.default(x, y, net.shift, value=0.5),
    "addcdiv.default": lambda net, x, y: aten.addcdiv.default(x, y, positive(net.shift)),
    "max_unpool2d.default": lambda net, x, y: aten.max_unpool2d.default(
        aten.max_pool2d.default(y, [2, 2]),
        aten.max_pool2d_with_indices.default(x, [2, 2])[1],
        [SIZE, SIZE],
    ),
    "max_unpool3d.default": lambda net, x, y: aten.max_unpool3d.default(
        aten.max_pool3d.default(volume(y), [1, 2, 2]),
        aten.max_pool3d_with_indices.default(volume(x), [1, 2, 2])[1],
        [2, SIZE, SIZE],
        [1, 2, 2],
        [0, 0, 0],
    ),
    "clip.Tensor": lambda net, x, y: aten.clip.Tensor(x, None, y),
    "clamp.Tensor": lambda net, x, y: aten.clamp.Tensor(x, y, net.shift),
    "mul.Tensor": lambda net, x, y: aten.mul.Tensor(x * net.shift, y.mean((2, 3), keepdim=True)),
    "add.Tensor": lambda net, x, y: aten.add.Tensor(x + net.shift, y, alpha=0.5),
    "copy.default": lambda net, x, y: aten.copy.default(x, y),
    "expand_as.default": lambda net, x, y: aten.expand_as.default(x[:, :1], y),
    "expand.default": lambda net, x, y: aten.expand.default(
        x.mean((2, 3), keepdim=True), [-1, CHANNELS, 2, SIZE]
    ),
    "broadcast_to.default": lambda net, x, y: aten.broadcast_to.default(
        x[:, :1], [x.shape[0], CHANNELS, SIZE, SIZE]
    ),
    "heaviside.default": lambda net, x, y: aten.heaviside.default(x, y),
    "cat.default": lambda net, x, y: torch.cat([x, y, x], 1),
    "concat.default": lambda net, x, y: aten.concat.default([x, y], 2),
    "concatenate.default": lambda net, x, y: aten.concatenate.default([tokens(x), tokens(y)], -1),
    "stack.default": lambda net, x, y: torch.stack([x, y], 2).flatten(1, 2),
    "squeeze.dim": lambda net, x, y: aten.squeeze.dim(x.mean(2, keepdim=True), 2),
    "squeeze.dims": lambda net, x, y: aten.squeeze.dims(x.mean((2, 3), keepdim=True), [2, 3]),
    "t.default": lambda net, x, y: aten.t.default(x.mean((2, 3))),
    "index_select.default": lambda net, x, y: aten.index_select.default(x, 1, net.order),
    "index.Tensor": lambda net, x, y: x[:, net.chosen],
    "gather.default": lambda net, x, y: aten.gather.default(x, 3, y.argsort(3)),
    "take_along_dim.default": lambda net, x, y: aten.take_along_dim.default(x, y.argsort(2), 2),
    "slice_scatter.default": lambda net, x, y: aten.slice_scatter.default(x, y[:, :3], 1, 2, 5),
    "select_scatter.default": lambda net, x, y: aten.select_scatter.default(x, y[:, :, 0], 2, 3),
    "sort.stable": lambda net, x, y: aten.sort.stable(x, stable=True, dim=2)[0],
    "aminmax.default": lambda net, x, y: aten.aminmax.default(x, dim=1, keepdim=True)[1],
    "var_mean.correction": lambda net, x, y: aten.var_mean.correction(x, [1], keepdim=True)[1],
    "col2im.default": lambda net, x, y: aten.col2im.default(
        aten.im2col.default(x, [2, 2], [1, 1], [0, 0], [2, 2]), [SIZE, SIZE], [2, 2], [1, 1],
        [0, 0], [2, 2],
    ),
    "grid_sampler.default": lambda net, x, y: aten.grid_sampler.default(
        x, tokens(y)[:, :4, :6].tanh().unflatten(2, (3, 2)), 0, 0, False
    ),
    "grid_sampler_2d.default": lambda net, x, y: aten.grid_sampler_2d.default(
        x, net.grid.expand(x.shape[0], -1, -1, -1), 0, 0, False
    ),
    "grid_sampler_3d.default": lambda net, x, y: aten.grid_sampler_3d.default(
        volume(x), net.deep.expand(x.shape[0], -1, -1, -1, -1), 0, 0, False
    ),
}  # fmt: skip

#: Further calls: broadcasting, other axes, and chains that only make sense together.
FURTHER: dict[str, Example] = {
    "squeeze everything": lambda net, x, y: x.mean((2, 3), keepdim=True).squeeze(),
    "scalar times values": lambda net, x, y: aten.mul.Tensor(x, 2.5),
    "one channel scales many": lambda net, x, y: x * torch.sigmoid(y[:, 2:3]),
    "a parameter on one channel": lambda net, x, y: x[:, :1] * net.shift,
    "a plain value meets channels": lambda net, x, y: x + y.cumsum(1),
    "pad the channels": lambda net, x, y: nn.functional.pad(x, (0, 0, 0, 0, 2, 3)),
    "pad everything": lambda net, x, y: nn.functional.pad(x, (1, 0, 0, 1, 1, 0), value=0.25) * 2,
    "reflect": lambda net, x, y: nn.functional.pad(x, (1, 2, 1, 0), mode="reflect"),
    "replicate": lambda net, x, y: nn.functional.pad(x, (1, 2, 1, 0), mode="replicate"),
    "circular": lambda net, x, y: nn.functional.pad(x, (1, 2, 1, 0), mode="circular"),
    "shuffle by views": lambda net, x, y: x.view(-1, 2, 4, SIZE, SIZE)
    .transpose(1, 2).reshape(x.shape[0], CHANNELS, SIZE, SIZE),
    "shuffle by unflatten": lambda net, x, y: x.unflatten(1, (4, 2)).relu()
    .transpose(1, 2).contiguous().flatten(1, 2),
    "shuffle in three axes": lambda net, x, y: x.reshape(-1, 2, 2, 2, SIZE, SIZE)
    .permute(0, 3, 1, 2, 4, 5).flatten(1, 3),
    "shuffle of tokens": lambda net, x, y: tokens(x).unflatten(2, (2, 4)).mT.flatten(2),
    "halves by view": lambda net, x, y: x.view(-1, 2, 4, SIZE, SIZE)[:, 1] * y[:, :4],
    "halves by unbind": lambda net, x, y: x.unflatten(1, (2, 4)).unbind(1)[0],
    "maxout": lambda net, x, y: x.view(-1, 2, 4, SIZE, SIZE).amax(1),
    "maxout of neighbours": lambda net, x, y: x.view(-1, 4, 2, SIZE, SIZE).max(2)[0],
    "radix softmax": lambda net, x, y: (
        x.view(-1, 2, 4, SIZE, SIZE)
        * y.mean((2, 3), keepdim=True).view(-1, 1, 2, 4).transpose(1, 2).softmax(1)
        .reshape(x.shape[0], -1).view(-1, 2, 4, 1, 1)
    ).sum(1),
    "heads": lambda net, x, y: tokens(x).reshape(-1, SIZE * SIZE, 2, 4).permute(0, 2, 1, 3)
    .softmax(-1).transpose(1, 2).reshape(-1, SIZE * SIZE, CHANNELS),
    "three in one": lambda net, x, y: tokens(torch.cat([x, y, x * y], 1))
    .reshape(x.shape[0], -1, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)[1].cumsum(2)
    .transpose(1, 2).flatten(2),
    "window partition": lambda net, x, y: x.permute(0, 2, 3, 1)
    .view(-1, 2, 3, 2, 3, CHANNELS).permute(0, 1, 3, 2, 4, 5).reshape(-1, 9, CHANNELS),
    "window reverse": lambda net, x, y: x.permute(0, 2, 3, 1)
    .view(-1, 2, 3, 2, 3, CHANNELS).transpose(2, 3).reshape(-1, 9, CHANNELS)
    .view(-1, 2, 2, 3, 3, CHANNELS).transpose(2, 3).reshape(-1, SIZE, SIZE, CHANNELS),
    "windows, channels first": lambda net, x, y: x.view(-1, CHANNELS, 2, 3, 2, 3)
    .permute(0, 2, 4, 1, 3, 5).reshape(-1, CHANNELS, 3, 3),
    "patches to channels": lambda net, x, y: x.view(-1, CHANNELS, 3, 2, 3, 2)
    .permute(0, 1, 3, 5, 2, 4).reshape(-1, 4 * CHANNELS, 3, 3),
    "patches before channels": lambda net, x, y: x.permute(0, 2, 3, 1)
    .view(-1, 3, 2, 3, 2, CHANNELS).transpose(2, 3).reshape(-1, 9, 4 * CHANNELS),
    "swin merging": lambda net, x, y: torch.cat(
        [tokens(x)[:, ::2], tokens(x)[:, 1::2], tokens(y)[:, ::2]], -1
    ),
    "interleaved stack": lambda net, x, y: torch.stack([x, y], 2).view(-1, 16, SIZE, SIZE),
    "stack before": lambda net, x, y: torch.stack([x, y], 1).view(-1, 16, SIZE, SIZE),
    "normalised channels": lambda net, x, y: nn.functional.normalize(x, dim=1),
    "spatial attention": lambda net, x, y: x * torch.cat(
        [y.mean(1, keepdim=True), y.amax(1, keepdim=True)], 1
    ).sigmoid().mean(1, keepdim=True),
    "sum of channels": lambda net, x, y: x.sum(1),
    "one feature": lambda net, x, y: x[:, 3],
    "mean of everything": lambda net, x, y: x.mean((1, 2)),
    "flat features": lambda net, x, y: x.flatten(1).view(-1, CHANNELS, SIZE, SIZE),
    "index other axes": lambda net, x, y: x[:, :, net.picks, 1:],
    "index two axes": lambda net, x, y: x[:, :, net.picks, net.picks],
    "index apart": lambda net, x, y: x.permute(0, 2, 1, 3)[:, net.picks, :, net.picks],
    "split features": lambda net, x, y: torch.cat(x.flatten(1).split(2 * SIZE * SIZE, 1)[:3], 1),
    "turned halves": lambda net, x, y: torch.cat([x.chunk(2, 1)[1], y.chunk(2, 1)[0]], 1),
    "repeat other axes": lambda net, x, y: x.repeat(1, 1, 2, 1),
    "reduce tokens": lambda net, x, y: tokens(x).mean(1),
    "dynamic resize": lambda net, x, y: nn.functional.interpolate(x, size=y.shape[-2:]),
    "write to a slice": lambda net, x, y: _written(x, y),
    "pixel shuffle of blocks": lambda net, x, y: aten.pixel_shuffle.default(
        aten.pixel_unshuffle.default(x, 2), 2
    ),
}  # fmt: skip


def _written(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[:, :, 1:3] = y[:, :, 2:4]
    return x


def _pooling(name: str) -> Example | None:
    """By the number of spatial axes in the name."""
    operator, _, kind = name.partition(".")
    digits = re.findall(r"[123](?=d)", operator)
    if not digits:
        return None
    room, axes = _ROOMS[int(digits[-1])], int(digits[-1])
    if "upsample" in operator:
        factors = [1.0, 2.0, 1.5][-axes:]
        aligned = () if "nearest" in operator else (False,)
        given = (None, *aligned, factors) if kind == "vec" else ([2, 3, 4][-axes:], *aligned)
    elif "adaptive" in operator:
        given = ([1, 2, 3][-axes:],)
    elif "_pad" in operator:
        given = ([1, 0] * axes if axes < 3 else [1, 0, 2, 1, 1, 1],)
    else:
        given = ([1, 2, 2][-axes:],)
    call = overload(f"aten.{name}")

    def run(net: Item, x: torch.Tensor, y: torch.Tensor) -> Any:
        made = call(room(x), *given)
        return made[0] if isinstance(made, tuple) else made

    return run


def _from_schema(name: str) -> Example:
    """Values for tensors, a number for the rest that has no default."""
    call = overload(f"aten.{name}")
    arguments = [one for one in call._schema.arguments if not one.has_default_value()]
    operator = name.partition(".")[0]
    extra = _ARGUMENTS.get(name)
    domain = {"acosh": 1.0, "erfinv": 0.0, "atanh": 0.0, "asin": 0.0, "acos": 0.0, "logit": 0.0}

    def suited(value: torch.Tensor) -> torch.Tensor:
        if operator.startswith("bitwise"):
            return value > 0
        if operator in domain:
            return positive(value) + 1 if domain[operator] else value.tanh() * 0.9
        wants = ("log", "sqrt", "pow", "float_power", "xlogy", "rsqrt")
        return positive(value) if operator.startswith(wants) and operator != "logical" else value

    def run(net: Item, x: torch.Tensor, y: torch.Tensor) -> Any:
        operands = iter((suited(x), suited(y), net.shift))
        if extra is not None:
            return call(next(operands), *extra)
        given: list[Any] = []
        for one in arguments:
            if str(one.type) in ("Tensor", "Optional[Tensor]"):
                given.append(next(operands))
            else:
                given.append(operator.startswith("bitwise") or 0.7)
        return call(*given)

    return run


def example(name: str) -> Example:
    """The example of an operator, or one of the further ones."""
    if name in FURTHER:
        return FURTHER[name]
    short = name.removeprefix("aten.")
    if short in _SPECIAL:
        return _SPECIAL[short]
    if short in _SEVERAL:
        number, extra = _SEVERAL[short]
        call = overload(name)
        return lambda net, x, y: call(x, *extra)[number]
    pooled = None if short in _ARGUMENTS else _pooling(short)
    return (
        pooled if pooled is not None and "pool" in RULES[name].__module__ else _from_schema(short)
    )
