"""Operators that write in place, to values and to views of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from random_nets.channels import at
from random_nets.drawing import operator

if TYPE_CHECKING:
    from random_nets.drawing import Drawing, Value

_ALL = ("map", "line", "last", "tokens", "vector")


@operator("inplace", *_ALL)
def in_place(d: Drawing, x: Value) -> Value:
    d.writable(x)
    codes = [
        "{0}.relu_()", "F.relu({0}, inplace=True)", "F.silu({0}, inplace=True)", "{0}.mul_(0.7)",
        "{0}.add_(0.3)", "F.hardswish({0}, inplace=True)", "{0}.clamp_(min=-0.2)", "{0}.tanh_()",
        "F.leaky_relu_({0}, 0.1)", "{0}.sigmoid_()", "F.relu6({0}, inplace=True)", "{0}.sub_(0.1)",
        "{0}.masked_fill_({0} > 0.4321, 0.4)",
    ]  # fmt: skip
    return d.emit(x.form, d.choose(codes), x, writes=True)


@operator("inplace", *_ALL)
def in_place_with_another(d: Drawing, x: Value) -> Value:
    d.writable(x)
    y = d.other(x)
    d.apart(x, y)
    codes = [
        "{0}.add_({1})", "{0}.mul_({1})", "{0} += {1}\n{out} = {0}", "{0} *= 0.5\n{out} = {0}",
        "{0}.add_({1}, alpha=0.4)", "{0}.copy_({1} * 0.9)", "{0} -= {1}.tanh()\n{out} = {0}",
        "{0}.lerp_({1}, 0.25)", "{0}[:] = {1}.tanh()\n{out} = {0}",
    ]  # fmt: skip
    return d.emit(x.form, d.choose(codes), x, y, writes=True)


@operator("slices", *_ALL)
def part_in_place(d: Drawing, x: Value) -> Value:
    """Assignment to some channels."""
    d.writable(x)
    y = d.other(x, like="size")
    d.apart(x, y)
    d.require(x.channels > 1)
    count = int(d.rng.integers(1, min(x.channels - 1, y.channels) + 1))
    start = int(d.rng.integers(0, x.channels - count + 1))
    target = "{0}" + at(x, f"{start}:{start + count}")
    source = "{1}" + at(x, f":{count}")
    codes = [
        f"{target} += {source}\n{{out}} = {{0}}", f"{target} = {source}.tanh()\n{{out}} = {{0}}",
        f"{target}.mul_(0.5)\n{{out}} = {{0}}", f"{target}.relu_()\n{{out}} = {{0}}",
        f"{target} = 0.25\n{{out}} = {{0}}", f"{target}.copy_({source} * 0.8)\n{{out}} = {{0}}",
        f"{{0}}.narrow({x.axis}, {start}, {count}).add_({source})\n{{out}} = {{0}}",
        "{0}" + at(x, "::2") + ".mul_(-0.5)\n{out} = {0}",
        "{0}" + at(x, "0") + " = 0.5\n{out} = {0}",
        "{0}" + at(x, "[0, -1]") + " = 0.2\n{out} = {0}",
    ]  # fmt: skip
    return d.emit(x.form, d.choose(codes), x, y, writes=True)


@operator("views", "map")
def through_a_view(d: Drawing, x: Value) -> Value:
    """A write to a view, the source of which is read on."""
    d.writable(x)
    c, h, w = x.shape
    codes = [
        "{0}.transpose(1, 2).mul_(0.6)", "{0}[:, :, 1:].relu_()",
        "{0}.permute(0, 2, 3, 1).add_(0.2)",
        "{0}[:, :, 0] = 0.3", "{0}.transpose(2, 3).relu_()", "{0}.unsqueeze(0).tanh_()",
        "{0}[..., :1].copy_({0}[..., -1:].clone())",
    ]  # fmt: skip
    table = d.parameter(c)
    codes.append(f"{{0}}.permute(0, 2, 3, 1).mul_({table})")
    d.require(h * w > 1)
    return d.emit("map", d.choose(codes) + "\n{out} = {0}", x, writes=True)


@operator("views", *_ALL)
def view_written_later(d: Drawing, x: Value) -> Value:
    """A view taken first, its source written, both read."""
    d.writable(x)
    start, stop = d.cut(x.channels)
    view = d.emit(x.form, "{0}" + at(x, f"{start}:{stop}"), x)
    if d.chance(0.5):
        d.emit(x.form, d.choose(["{0}.relu_()", "{0}.mul_(0.5)", "{0}.add_(0.25)"]), x, writes=True)
        return view
    d.emit(x.form, d.choose(["{0}.relu_()", "{0}.mul_(0.5)", "{0}.tanh_()"]), view, writes=True)
    return d.emit(x.form, d.choose(["{0} * 1.25", "torch.sigmoid({0})"]), x)
