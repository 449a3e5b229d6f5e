"""Operators that select, join, tie and permute channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from random_nets.drawing import WIDEST, operator

if TYPE_CHECKING:
    from random_nets.drawing import Drawing, Value

_ALL = ("map", "line", "last", "tokens", "vector")


def at(x: Value, index: str) -> str:
    """An index on the channel axis."""
    return f"[:, {index}]" if x.axis == 1 else f"[..., {index}]"


@operator("select", *_ALL)
def part(d: Drawing, x: Value) -> Value:
    start, stop = d.cut(x.channels)
    axis, size = x.axis, stop - start
    indices = d.rng.permutation(x.channels)[: max(2, x.channels // 2)].tolist()
    names = [at(x, f"{start}:{stop}"), f".narrow({axis}, {start}, {size})", at(x, "::2")]
    names += [at(x, "1::2"), at(x, str(indices)), at(x, str(sorted(indices)))]
    code = d.choose([*names, "index"])
    if code == "index":
        index = d.layer(f"nn.Buffer(torch.tensor({indices}))", "index")
        code = d.choose([f".index_select({axis}, {index})", at(x, index)])
    d.require(x.channels > 3)
    return d.emit(x.form, "{0}" + code, x)


@operator("select", *_ALL)
def pieces_back_together(d: Drawing, x: Value) -> Value:
    """Split, work on one piece, concatenate in another order."""
    d.require(x.channels > 3)
    start, stop = d.cut(x.channels)
    axis = x.axis
    if d.chance(0.5) and x.channels % 2 == 0:
        first, second = f"{{0}}.chunk(2, {axis})[0]", f"{{0}}.chunk(2, {axis})[1]"
    else:
        sizes = [start, stop - start, x.channels - stop]
        split = f"{{0}}.split({sizes}, {axis})"
        first, second = f"{split}[1]", f"{split}[{0 if start else 2}]"
        d.require(start or stop < x.channels)
    one = d.emit(x.form, first, x)
    two = d.emit(x.form, second, x)
    names = [d.choose(["{0}", "F.relu({0})", "{0}.tanh()"]), d.choose(["{1}", "{1} * 0.5"])]
    order = ", ".join(names if d.chance(0.5) else reversed(names))
    return d.emit(x.form, f"torch.cat([{order}], {axis})", one, two)


@operator("select", "map")
def one_channel(d: Drawing, x: Value) -> Value:
    number = int(d.rng.integers(x.channels))
    code = d.choose(["[:, {}].unsqueeze(1)", ".select(1, {}).unsqueeze(1)", "[:, {}, None]"])
    if d.chance(0.5):
        return d.emit("map", "{0} * torch.sigmoid({0}" + code.format(number) + ")", x)
    return d.emit("map", "{0}" + code.format(number) + ".expand(-1, 4, -1, -1)", x)


@operator("add", *_ALL)
def add(d: Drawing, x: Value) -> Value:
    y = d.other(x)
    codes = [
        "{0} + {1}", "{0} + {1}", "{1} + {0}", "{0} - {1}", "{0}.add({1}, alpha=0.5)",
        "torch.maximum({0}, {1})", "torch.lerp({0}, {1}, 0.3)", "{0} + {1} + {0}",
        "F.relu({0} + {1})", "torch.minimum({0}, {1})", "torch.addcmul({0}, {1}, {1}, value=0.2)",
    ]  # fmt: skip
    return d.emit(x.form, d.choose(codes), x, y)


@operator("partial", *_ALL)
def partial_add(d: Drawing, x: Value) -> Value:
    y = d.other(x, like="size")
    small = min(x.channels, y.channels)
    count = int(d.rng.integers(1, small + 1))
    head, tail = at(x, f":{count}"), at(x, f"{count}:")
    code = "{0}" + head + " + {1}" + head
    if count < x.channels:
        pieces = [code, "{0}" + tail]
        if d.chance(0.3):
            pieces = [at(x, f"-{count}:"), at(x, f":-{count}")]
            pieces = ["{0}" + pieces[1], "{0}" + pieces[0] + " + {1}" + head]
        code = f"torch.cat([{', '.join(pieces)}], {x.axis})"
    return d.emit(x.form, code, x, y)


@operator("mul", *_ALL)
def multiply(d: Drawing, x: Value) -> Value:
    y = d.other(x)
    codes = ["{0} * {1}", "{0} * torch.sigmoid({1})", "torch.tanh({0}) * {1}"]
    return d.emit(x.form, d.choose([*codes, "{0} / (1 + {1}.abs())", "F.silu({0}) * {1}"]), x, y)


@operator("cat", *_ALL)
def concatenate(d: Drawing, x: Value) -> Value:
    y = d.other(x, like="size", new=False)
    d.require(x.channels + y.channels <= WIDEST + 6)
    names = ["{0}", "{1}"] if d.chance(0.6) else ["{1}", "F.relu({0})"]
    if d.chance(0.2) and 2 * x.channels + y.channels <= WIDEST:
        names.append(d.choose(["{0}", "-{0}"]))
    if d.chance(0.2):
        z = d.other(x, like="size", new=False)
        d.require(x.channels + y.channels + z.channels <= WIDEST + 6)
        return d.emit(x.form, f"torch.cat([{{0}}, {{2}}, {{1}}], {x.axis})", x, y, z)
    return d.emit(x.form, f"torch.cat([{', '.join(names)}], {x.axis})", x, y)


@operator("nested", *_ALL)
def sums_in_concatenations(d: Drawing, x: Value) -> Value:
    """``cat([x + y, z])``, or two concatenations added, cut at the same or other places."""
    y, z = d.other(x, new=False), d.other(x, like="size", new=False)
    d.require(x.channels + z.channels <= WIDEST + 6)
    one = f"torch.cat([{{0}} + {{1}}, {{2}}], {x.axis})"
    other = f"torch.cat([{d.choose(['{1}, {2}', '{2}, {1}'])}], {x.axis})"
    return d.emit(x.form, one if d.chance(0.5) else f"{one} + {other}", x, y, z)


@operator("nested", "map", "line")
def concatenation_in_a_sum(d: Drawing, x: Value) -> Value:
    """A sum of a concatenation and a convolution of it."""
    y = d.other(x, like="size", new=False)
    width = x.channels + y.channels
    d.require(width <= WIDEST)
    both = d.emit(x.form, "torch.cat([{0}, {1}], 1)", x, y)
    kind = "Conv2d" if x.form == "map" else "Conv1d"
    conv = d.layer(f"nn.{kind}({width}, {width}, 1)", "conv")
    return d.emit(x.form, f"F.relu({{0}} + {conv}({{0}}))", both)


@operator("shuffle", "map", "line")
def shuffle(d: Drawing, x: Value) -> Value:
    groups = d.divisor(x.channels)
    size = ", ".join(map(str, x.size))
    each = x.channels // groups
    codes = [
        f"{{0}}.reshape(-1, {groups}, {each}, {size}).transpose(1, 2)"
        f".reshape(-1, {x.channels}, {size})",
        f"{{0}}.unflatten(1, ({groups}, {each})).transpose(1, 2).flatten(1, 2)",
        f"{{0}}.unflatten(1, ({groups}, -1)).transpose(1, 2).contiguous().flatten(1, 2)",
    ]
    if x.form == "map":
        codes.append(f"F.channel_shuffle({{0}}, {groups})")
    return d.emit(x.form, d.choose(codes), x)


@operator("constant", "map")
def constant(d: Drawing, x: Value) -> Value:
    c, h, w = x.shape
    shapes = [(c, 1, 1), (c, 1, 1), (1, c, 1, 1), (c, h, w), (1, c, h, w), (h, w), (1,), (c, 1, w)]
    table = d.parameter(*d.choose(shapes))
    codes = ["{0} + TABLE", "{0} * TABLE", "TABLE - {0}", "torch.maximum({0}, TABLE)"]
    codes += ["{0} / (TABLE.abs() + 0.5)", "torch.sigmoid(TABLE) * {0}", "{0} * TABLE + TABLE"]
    return d.emit("map", d.choose(codes).replace("TABLE", table), x)


@operator("constant", "last", "tokens", "line", "vector")
def constant_elsewhere(d: Drawing, x: Value) -> Value:
    shapes = [x.shape, (1, *x.shape), (1,)]
    shapes.append((x.channels,) if x.axis == -1 or x.form == "vector" else (x.channels, 1))
    table = d.parameter(*d.choose(shapes))
    return d.emit(x.form, d.choose(["{0} + TABLE", "{0} * TABLE"]).replace("TABLE", table), x)


@operator("constant", "map")
def constant_channels_joined(d: Drawing, x: Value) -> Value:
    """A constant concatenated: coordinates, a learned map."""
    count = int(d.choose([1, 2]))
    table = d.parameter(1, count, *x.size)
    table += f".expand({{0}}.shape[0], -1, {x.size[0]}, {x.size[1]})"
    return d.emit("map", f"torch.cat([{d.choose(['{0}, TABLE', 'TABLE, {0}'])}], 1)".replace(
        "TABLE", table), x)  # fmt: skip


@operator("glu", *_ALL)
def halves_to_one(d: Drawing, x: Value) -> Value:
    d.require(x.channels % 2 == 0)
    axis = x.axis
    halves = f"{{0}}.chunk(2, {axis})"
    codes = [f"F.glu({{0}}, {axis})", f"torch.maximum(*{halves})", f"torch.mul(*{halves})"]
    if axis == 1:
        codes.append(f"{{0}}.unflatten(1, ({x.channels // 2}, 2)).amax(2)")
        codes.append(f"{{0}}.unflatten(1, (2, {x.channels // 2})).sum(1)")
        codes.append("{0}.unflatten(1, (2, -1)).unbind(1)[1] + {0}.unflatten(1, (2, -1))[:, 0]")
    return d.emit(x.form, d.choose(codes), x)


@operator("stack", "map", "line")
def stack(d: Drawing, x: Value) -> Value:
    y = d.other(x)
    codes = [
        "torch.stack([{0}, {1}], 1).sum(1)",
        "torch.stack([{0}, {1}], 1).amax(1)",
        "torch.stack([{0}, {1}], dim=-1).mean(-1)",
    ]
    if x.channels * 2 <= WIDEST:
        codes.append("torch.stack([{0}, {1}], 2).flatten(1, 2)")
        codes.append("torch.stack([{0}, {1}], 1).flatten(1, 2)")
    return d.emit(x.form, d.choose(codes), x, y)


@operator("repeat", "map", "line")
def repeat(d: Drawing, x: Value) -> Value:
    d.require(x.channels * 2 <= WIDEST)
    ones = ", 1" * len(x.size)
    codes = ["{0}.repeat_interleave(2, dim=1)", f"{{0}}.repeat(1, 2{ones})", "{0}[:, :, None]"]
    code = d.choose(codes)
    if code.endswith("None]"):
        code += f".expand(-1, -1, 2{', -1' * len(x.size)}).flatten(1, 2)"
    return d.emit(x.form, code, x)


@operator("where", *_ALL)
def where(d: Drawing, x: Value) -> Value:
    y = d.other(x, new=False)
    codes = [
        "torch.where({0} > 0.1234, {0}, {1})", "{0}.masked_fill({1} > 0.3217, 0.5)",
        "{0} * ({1} > -0.2345)", "torch.where({1} < 0.1357, 0.2, {0})",
    ]  # fmt: skip
    return d.emit(x.form, d.choose(codes), x, y)
