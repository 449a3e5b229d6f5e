"""Operators that mix channels or places, and the ways from one form to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from random_nets.drawing import operator

if TYPE_CHECKING:
    from random_nets.drawing import Drawing, Value

_ALL = ("map", "line", "last", "tokens", "vector")


@operator("reduce", *_ALL)
def over_channels(d: Drawing, x: Value) -> Value:
    """Statistics over the channels, used beside them or alone."""
    axis = x.axis
    d.require(x.channels > 1)
    kinds = [
        f"{{0}}.mean({axis}, keepdim=True)", f"{{0}}.sum({axis}, keepdim=True) * 0.2",
        f"{{0}}.amax({axis}, keepdim=True)", f"{{0}}.amin({axis}, keepdim=True)",
        f"{{0}}.logsumexp({axis}, keepdim=True)", f"{{0}}.max({axis}, keepdim=True).values",
        f"({{0}}.var({axis}, keepdim=True) + 0.1).sqrt()",
    ]  # fmt: skip
    kind = d.choose(kinds)
    if d.chance(0.2) and x.form == "map":
        return d.emit("map", kind, x)
    return d.emit(x.form, d.choose([f"{{0}} - {kind}", f"{{0}} * {kind}"]), x)


@operator("reduce", *_ALL)
def softmax(d: Drawing, x: Value) -> Value:
    d.require(x.channels > 1)
    codes = ["F.softmax({0}, AXIS)", "F.log_softmax({0}, AXIS)", "{0} * F.softmax({0}, AXIS)"]
    codes.append("F.softmin({0}, AXIS)")
    return d.emit(x.form, d.choose(codes).replace("AXIS", str(x.axis)), x)


@operator("order", *_ALL)
def reorder(d: Drawing, x: Value) -> Value:
    """Order matters, or changes."""
    axis = x.axis
    dim = axis if axis == 1 else len(x.shape)
    codes = [
        f"{{0}}.flip({axis})", f"{{0}}.roll(2, {axis})", f"{{0}}.cumsum({axis}) * 0.3",
        f"{{0}}.sort({axis}).values", f"{{0}}.roll((1, 1), ({dim}, {max(1, dim - 1)}))",
    ]  # fmt: skip
    if x.channels > 3:
        codes.append(f"{{0}}.topk(3, {axis}).values")
        codes.append(f"{{0}}.diff(dim={axis})")
    return d.emit(x.form, d.choose(codes), x)


@operator("places", "map")
def places(d: Drawing, x: Value) -> Value:
    """Moves and mixes of places, channel by channel."""
    codes = [
        "{0}.flip(3)", "{0}.roll((1, -1), (2, 3))", "{0}.transpose(2, 3)", "{0}.cumsum(2) * 0.4",
        "torch.cat([{0}, {0} * 2], 3)[..., ::2]", "{0} - {0}.mean((2, 3), keepdim=True)",
        "F.softmax({0}, 3)", "F.softmax({0}.flatten(2), 2).view({0}.shape)", "{0}.mT",
        "{0} * {0}.amax((2, 3), keepdim=True)", "{0} + {0}.mean(2, keepdim=True)",
        "{0}.contiguous(memory_format=torch.channels_last)", "{0}.clone()", "{0}.contiguous()",
        "{0} + {0}.mean((1, 2, 3), keepdim=True)", "{0}.permute(0, 1, 3, 2).contiguous()",
    ]  # fmt: skip
    if x.size[0] > 2:
        codes += ["{0}[:, :, 1:]", "{0}[:, :, ::2]", "{0}[:, :, :-1].relu()"]
    return d.emit("map", d.choose(codes), x)


@operator("places", "map")
def matrix_on_places(d: Drawing, x: Value) -> Value:
    table = d.parameter(x.size[1], x.size[1])
    codes = [f"{{0}} @ {table} * 0.4", f"torch.einsum('bchw,wv->bchv', {{0}}, {table}) * 0.4"]
    return d.emit("map", d.choose(codes), x)


@operator("matrix", "map")
def matrix_on_channels(d: Drawing, x: Value) -> Value:
    table = d.parameter(x.channels, int(d.choose([4, 6, 8])))
    codes = [
        f"torch.einsum('bchw,cd->bdhw', {{0}}, {table}) * 0.4",
        f"torch.tensordot({{0}}, {table}, dims=([1], [0])).permute(0, 3, 1, 2) * 0.4",
        f"({{0}}.permute(0, 2, 3, 1) @ {table}).permute(0, 3, 1, 2) * 0.4",
    ]
    return d.emit("map", d.choose(codes), x)


@operator("attention", "map")
def attention_of_a_map(d: Drawing, x: Value) -> Value:
    inner = int(d.choose([2, 3, 4]))
    query, key = (d.layer(f"nn.Conv2d({x.channels}, {inner}, 1)", "conv") for _ in range(2))
    value = d.layer(f"nn.Conv2d({x.channels}, {x.channels}, 1)", "conv")
    size = f"{x.size[0]}, {x.size[1]}"
    q = d.emit("line", f"{query}({{0}}).flatten(2)", x)
    k = d.emit("line", f"{key}({{0}}).flatten(2)", x)
    v = d.emit("line", f"{value}({{0}}).flatten(2)", x)
    if d.chance(0.5):
        code = "F.softmax(torch.einsum('bcn,bcm->bnm', {0}, {1}), -1)"
        mixed = d.emit("line", f"torch.einsum('bnm,bcm->bcn', {code}, {{2}})", q, k, v)
    else:
        code = "F.softmax({0}.transpose(1, 2) @ {1}, -1)"
        mixed = d.emit("line", f"{{2}} @ {code}.transpose(1, 2)", q, k, v)
    return d.emit("map", f"{{0}}.unflatten(2, ({size})) + {{1}}", mixed, x)


@operator("attention", "line")
def gram(d: Drawing, x: Value) -> Value:
    """Attention between channels."""
    d.require(x.shape[1] > 1)
    codes = ["F.softmax({0} @ {0}.transpose(1, 2) * 0.3, -1) @ {0}"]
    codes.append("torch.bmm(torch.bmm({0}, {0}.mT).tanh(), {0}) * 0.3")
    return d.emit("line", d.choose(codes), x)


@operator("attention", "tokens")
def attention(d: Drawing, x: Value) -> Value:
    heads, each = int(d.choose([1, 2, 3])), int(d.choose([2, 3]))
    inner = heads * each
    back = d.layer(f"nn.Linear({inner}, {x.channels})", "linear")
    split = f".unflatten(-1, ({heads}, {each})).transpose(1, 2)"
    if d.chance(0.5):
        all_three = d.layer(f"nn.Linear({x.channels}, {3 * inner})", "linear")
        whole = d.emit("tokens", f"{all_three}({{0}})", x)
        q, k, v = (d.emit("tokens", f"{{0}}.chunk(3, -1)[{i}]", whole) for i in range(3))
    else:
        layers = [d.layer(f"nn.Linear({x.channels}, {inner})", "linear") for _ in range(3)]
        q, k, v = (d.emit("tokens", f"{layer}({{0}})", x) for layer in layers)
    names = [f"{{{i}}}{split}" for i in range(3)]
    code = f"F.scaled_dot_product_attention({', '.join(names)})"
    if d.chance(0.5):
        code = f"F.softmax({names[0]} @ {names[1]}.mT * 0.6, -1) @ {names[2]}"
    code = f"{{3}} + {back}(({code}).transpose(1, 2).flatten(2))"
    return d.emit("tokens", code, q, k, v, x)


@operator("attention", "tokens")
def attention_module(d: Drawing, x: Value) -> Value:
    d.require(x.channels % 2 == 0, x.shape[0] > 1)
    layer = d.layer(f"nn.MultiheadAttention({x.channels}, 2, batch_first=True)", "attention")
    return d.emit("tokens", f"{{0}} + {layer}({{0}}, {{0}}, {{0}}, need_weights=False)[0]", x)


@operator("mlp", "tokens", "last")
def mlp(d: Drawing, x: Value) -> Value:
    """Norm, two linear layers, a scale, the residual."""
    d.require(x.channels > 1)
    hidden = int(d.choose([6, 8, 12]))
    norm = d.layer(f"nn.LayerNorm({x.channels}, eps=1e-2)", "norm")
    up = d.layer(f"nn.Linear({x.channels}, {hidden})", "linear")
    down = d.layer(f"nn.Linear({hidden}, {x.channels})", "linear")
    gamma = f" * {d.parameter(x.channels)}" if d.chance(0.5) else ""
    return d.emit(x.form, f"{{0}} + {down}(F.gelu({up}({norm}({{0}})))){gamma}", x)


@operator("mlp", "map")
def convnext_block(d: Drawing, x: Value) -> Value:
    d.require(x.channels > 1)
    hidden = int(d.choose([6, 8, 12]))
    depth = d.layer(f"nn.Conv2d({x.channels}, {x.channels}, 3, padding=1, groups={x.channels})",
                    "conv")  # fmt: skip
    norm = d.layer(f"nn.LayerNorm({x.channels}, eps=1e-2)", "norm")
    up = d.layer(f"nn.Linear({x.channels}, {hidden})", "linear")
    down = d.layer(f"nn.Linear({hidden}, {x.channels})", "linear")
    gamma = d.parameter(x.channels)
    y = d.emit("last", f"{norm}({depth}({{0}}).permute(0, 2, 3, 1))", x)
    y = d.emit("last", f"{down}(F.gelu({up}({{0}}))) * {gamma}", y)
    return d.emit("map", "{0} + {1}.permute(0, 3, 1, 2)", x, y)


@operator("mlp", "tokens")
def mixer(d: Drawing, x: Value) -> Value:
    """A linear layer over the tokens."""
    layer = d.layer(f"nn.Linear({x.shape[0]}, {x.shape[0]})", "linear")
    return d.emit("tokens", f"{{0}} + {layer}({{0}}.transpose(1, 2)).transpose(1, 2)", x)


@operator("tokens", "tokens")
def class_token(d: Drawing, x: Value) -> Value:
    d.require(x.shape[0] <= 36)
    token = d.layer(f"nn.Parameter(torch.empty(1, 1, {x.channels}))", "token")
    return d.emit("tokens", f"torch.cat([{token}.expand({{0}}.shape[0], -1, -1), {{0}}], 1)", x)


@operator("tokens", "last")
def shifted_windows(d: Drawing, x: Value) -> Value:
    h, w, c = x.shape
    d.require(h % 2 == 0, w % 2 == 0)
    x = d.emit("last", "{0}.roll((1, 1), (1, 2))", x)
    code = f"{{0}}.reshape(-1, {h // 2}, 2, {w // 2}, 2, {c}).permute(0, 1, 3, 2, 4, 5)"
    if d.chance(0.5):
        return d.emit("tokens", f"{code}.reshape(-1, {h * w}, {c})", x)
    d.require(c * 4 <= 32)
    return d.emit("tokens", f"{code}.reshape(-1, {h * w // 4}, {4 * c})", x)


@operator("convert", "map")
def from_map(d: Drawing, x: Value) -> Value:
    forms = ["line", "tokens", "last", "vector"]
    if d.style == "plain":
        forms = ["vector"]
    elif d.style == "transformer":
        forms += ["tokens", "tokens", "tokens"]
    form = d.choose(forms)
    codes = {
        "line": ["{0}.flatten(2)", "{0}.mean(2)",
                 f"{{0}}.reshape(-1, {x.channels}, {x.size[0] * x.size[1]})"],
        "tokens": ["{0}.flatten(2).transpose(1, 2)", "{0}.flatten(2).permute(0, 2, 1)"],
        "last": ["{0}.permute(0, 2, 3, 1)", "{0}.permute(0, 2, 3, 1).contiguous()"],
        "vector": ["{0}.mean((2, 3))", "F.adaptive_avg_pool2d({0}, 1).flatten(1)",
                   "{0}.amax((2, 3))",
                   "F.adaptive_avg_pool2d({0}, 1)[:, :, 0, 0]", "{0}.mean(3).mean(2)"],
    }  # fmt: skip
    return d.emit(form, d.choose(codes[form]), x)


@operator("flatten", "map", "tokens", "line")
def flatten_to_linear(d: Drawing, x: Value) -> Value:
    """Blocks of features into a linear layer."""
    if x.form == "map" and max(x.size) > 4:
        x = d.emit("map", "F.adaptive_max_pool2d({0}, (2, 3))", x)
    features = 1
    for each in x.shape:
        features *= each
    d.require(features <= 240)
    flat = d.emit("vector", d.choose(["{0}.flatten(1)", f"{{0}}.reshape(-1, {features})"]), x)
    if d.chance(0.2):
        flat = d.called(d.layer(f"nn.BatchNorm1d({features})", "norm"), flat)
    return d.called(d.layer(f"nn.Linear({features}, {d.width()})", "linear"), flat)


@operator("convert", "line", "tokens", "last", "vector")
def to_map(d: Drawing, x: Value) -> Value:
    if x.form == "last":
        return d.emit("map", "{0}.permute(0, 3, 1, 2)", x)
    length = x.size[0] if x.size else x.channels
    sides = [n for n in (2, 3, 4, 5, 6) if length % n == 0 and length // n <= 8]
    d.require(sides)
    height = int(d.choose(sides))
    if x.form == "line":
        return d.emit("map", f"{{0}}.unflatten(2, ({height}, {length // height}))", x)
    if x.form == "tokens":
        code = f"{{0}}.transpose(1, 2).unflatten(2, ({height}, {length // height}))"
        return d.emit("map", code, x)
    d.require(length // height > 1)
    code = f"{{0}}.view(-1, {length // height}, {height}, 1).expand(-1, -1, -1, 4)"
    return d.emit("map", code, x)


@operator("convert", "line", "tokens", "last")
def to_others(d: Drawing, x: Value) -> Value:
    form, code = {
        "line": d.choose([("tokens", "{0}.transpose(1, 2)"), ("vector", "{0}.mean(2)")]),
        "tokens": d.choose([
            ("line", "{0}.transpose(1, 2)"), ("vector", "{0}.mean(1)"), ("vector", "{0}[:, 0]"),
            ("vector", "{0}.amax(1)"),
        ]),
        "last": d.choose([("tokens", "{0}.flatten(1, 2)"), ("vector", "{0}.mean((1, 2))")]),
    }[x.form]  # fmt: skip
    return d.emit(form, code, x)


@operator("film", "vector")
def vector_onto_map(d: Drawing, x: Value) -> Value:
    """A vector that scales or shifts the channels of a map."""
    maps = [y for y in d.values if y.form == "map" and y.channels == x.channels]
    d.require(maps)
    code = d.choose(["{1} * {0}[:, :, None, None]", "{1} + {0}.unsqueeze(-1).unsqueeze(-1)"])
    return d.emit("map", code, x, d.choose(maps))


@operator("film", "vector")
def outer(d: Drawing, x: Value) -> Value:
    y = d.other(x, like="size", new=False)
    d.require(x.channels * y.channels <= 60)
    code = "torch.einsum('bi,bj->bij', {0}, {1})"
    if d.chance(0.5):
        return d.emit("line", code, x, y)
    return d.called(
        d.layer(f"nn.Linear({x.channels * y.channels}, {d.width()})", "linear"),
        d.emit("vector", f"{code}.flatten(1)", x, y),
    )
