"""Operators with weights, norms, activations, pooling and resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from random_nets.drawing import operator

if TYPE_CHECKING:
    from random_nets.drawing import Drawing, Value


def convolution(d: Drawing, x: Value, out: int, kernel: int, **options: object) -> Value:
    """A convolution of the dimension that the form of `x` has."""
    kind = {"map": "Conv2d", "line": "Conv1d"}[x.form]
    if not options.get("bias", d.chance(0.75)):
        options["bias"] = False
    more = "".join(f", {key}={value!r}" for key, value in options.items())
    return d.called(d.layer(f"nn.{kind}({x.channels}, {out}, {kernel}{more})", "conv"), x)


@operator("conv", "map", "line")
def pointwise(d: Drawing, x: Value) -> Value:
    return convolution(d, x, d.width(), 1)


@operator("conv", "map", "line")
def spatial(d: Drawing, x: Value) -> Value:
    padding = d.choose([1, 1, 1, 1, 0, "same", "valid"])
    d.require(min(x.size) > 4 or padding not in (0, "valid"))
    mode = {}
    if padding in (1, "same") and d.chance(0.3):
        d.require(min(x.size) > 1)
        mode = {"padding_mode": d.choose(["reflect", "circular", "replicate"])}
    return convolution(d, x, d.width(), 3, padding=padding, **mode)


@operator("strided", "map")
def strided(d: Drawing, x: Value) -> Value:
    d.require(min(x.size) >= 4)
    kernel = int(d.choose([1, 2, 3]))
    return convolution(d, x, d.width(), kernel, stride=2, padding=kernel // 2)


@operator("dilated", "map")
def dilated(d: Drawing, x: Value) -> Value:
    d.require(min(x.size) >= 3)
    return convolution(d, x, d.width(), 3, padding=2, dilation=2)


@operator("grouped", "map", "line")
def grouped(d: Drawing, x: Value) -> Value:
    groups = d.divisor(x.channels)
    out = groups * int(d.choose([1, 2, 3, x.channels // groups]))
    kernel = int(d.choose([1, 3]))
    return convolution(d, x, out, kernel, padding=kernel // 2, groups=groups)


@operator("depthwise", "map", "line")
def depthwise(d: Drawing, x: Value) -> Value:
    times = int(d.choose([1, 1, 1, 2])) if x.channels <= 12 else 1
    options: dict[str, object] = {"padding": 1, "groups": x.channels}
    if d.chance(0.15) and min(x.size) > 1:
        options["padding_mode"] = "reflect"
    return convolution(d, x, x.channels * times, 3, **options)


@operator("transposed", "map")
def transposed(d: Drawing, x: Value) -> Value:
    groups = d.divisor(x.channels) if d.chance(0.35) else 1
    out = groups * int(d.choose([2, 3, 4]))
    options = "kernel_size=3, padding=1"
    if max(x.size) <= 4:
        options = d.choose(
            ["kernel_size=2, stride=2", "kernel_size=3, stride=2, padding=1, output_padding=1"]
        )
    bias = ", bias=False" if d.chance(0.3) else ""
    text = f"nn.ConvTranspose2d({x.channels}, {out}, {options}, groups={groups}{bias})"
    return d.called(d.layer(text, "up"), x)


@operator("functional", "map")
def weight_as_parameter(d: Drawing, x: Value) -> Value:
    out = d.width()
    weight = d.layer(f"nn.Parameter(torch.empty({out}, {x.channels}, 1, 1))", "weight")
    if d.chance(0.3):
        weight = f"({weight} - {weight}.mean((1, 2, 3), keepdim=True))"
    return d.emit("map", f"F.conv2d({{0}}, {weight})", x)


@operator("shared", "map", "line", "last", "tokens", "vector")
def called_again(d: Drawing, x: Value) -> Value:
    found = [
        layer
        for layer, form, shape in d.calls
        if (form, shape) == (x.form, x.shape)
        or (form == x.form == "map" and shape[0] == x.channels and ".conv" in layer and shape[1] > 2
            and min(x.size) > 4)
    ]  # fmt: skip
    d.require(found)
    return d.called(d.choose(found), x)


@operator("linear", "last", "tokens", "vector")
def linear(d: Drawing, x: Value) -> Value:
    bias = ", bias=False" if d.chance(0.25) else ""
    return d.called(d.layer(f"nn.Linear({x.channels}, {d.width()}{bias})", "linear"), x)


@operator("linear", "line", "map")
def linear_on_the_last_axis(d: Drawing, x: Value) -> Value:
    d.require(d.chance(0.3))
    return d.called(d.layer(f"nn.Linear({x.shape[-1]}, {x.shape[-1]})", "linear"), x)


@operator("norm", "map", "line", "vector")
def batch_norm(d: Drawing, x: Value) -> Value:
    kind = {"map": "2d", "line": "1d", "vector": "1d"}[x.form]
    affine = ", affine=False" if d.chance(0.15) else ""
    return d.called(d.layer(f"nn.BatchNorm{kind}({x.channels}{affine})", "norm"), x)


@operator("instance_norm", "map", "line")
def instance_norm(d: Drawing, x: Value) -> Value:
    d.require(min(x.size) > 1)
    kind = {"map": "2d", "line": "1d"}[x.form]
    options = d.choose(["affine=True", "affine=False", "affine=True, track_running_stats=True"])
    text = f"nn.InstanceNorm{kind}({x.channels}, eps=1e-2, {options})"
    return d.called(d.layer(text, "norm"), x)


@operator("group_norm", "map", "line", "vector")
def group_norm(d: Drawing, x: Value) -> Value:
    groups = int(d.choose([n for n in range(1, x.channels + 1) if x.channels % n == 0]))
    d.require(x.form != "vector" or groups < x.channels)
    affine = ", affine=False" if d.chance(0.2) else ""
    return d.called(d.layer(f"nn.GroupNorm({groups}, {x.channels}, eps=1e-2{affine})", "norm"), x)


@operator("channel_norm", "last", "tokens", "vector")
def layer_norm(d: Drawing, x: Value) -> Value:
    d.require(x.channels > 1)
    kind = d.choose(["LayerNorm", "LayerNorm", "RMSNorm"])
    affine = ", elementwise_affine=False" if d.chance(0.2) else ""
    return d.called(d.layer(f"nn.{kind}({x.channels}, eps=1e-2{affine})", "norm"), x)


@operator("channel_norm", "map")
def norm_of_a_map(d: Drawing, x: Value) -> Value:
    d.require(x.channels > 1)
    if d.chance(0.2):
        size = ", ".join(map(str, x.shape))
        return d.called(d.layer(f"nn.LayerNorm([{size}], eps=1e-2)", "norm"), x)
    if d.chance(0.25):
        return d.emit("map", "F.normalize({0}, dim=1, eps=1e-2)", x)
    if d.chance(0.15):
        return d.emit("map", "F.local_response_norm({0}, 3)", x)
    norm = d.layer(f"nn.LayerNorm({x.channels}, eps=1e-2)", "norm")
    return d.emit("map", f"{norm}({{0}}.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)", x)


_ACTIVATIONS = [
    "F.relu({0})", "F.relu({0})", "F.relu({0})", "F.gelu({0})", "F.gelu({0}, approximate='tanh')",
    "F.silu({0})", "F.hardswish({0})", "F.hardsigmoid({0})", "torch.sigmoid({0})",
    "torch.tanh({0})", "F.elu({0})", "F.leaky_relu({0}, 0.2)", "F.relu6({0})", "F.mish({0})",
    "F.softplus({0})", "{0}.abs()", "F.celu({0})", "F.selu({0})", "F.hardtanh({0}, -0.4, 0.9)",
    "{0}.clamp(min=-0.3)", "{0}.clamp(-0.7, 0.6)", "F.softsign({0})", "F.logsigmoid({0})",
    "{0}.square() * 0.3", "torch.exp(-{0}.square())", "{0}.pow(3) * 0.1", "{0}.sin()", "-{0}",
    "torch.cos({0})", "F.tanhshrink({0})", "F.softshrink({0}, 0.15)", "1 - {0}", "{0} / 1.7",
    "({0}.square() + 0.5).sqrt()", "({0}.square() + 0.5).rsqrt()", "1 / ({0}.abs() + 0.8)",
    "F.threshold({0}, 0.123, 0.123)", "torch.erf({0})",
]  # fmt: skip


@operator("activation", "map", "line", "last", "tokens", "vector")
def activation(d: Drawing, x: Value) -> Value:
    if d.style in ("plain", "dense", "mobile") and d.chance(0.8):
        return d.emit(x.form, d.choose(["F.relu({0})", "F.silu({0})", "F.hardswish({0})"]), x)
    return d.emit(x.form, d.choose(_ACTIVATIONS), x)


@operator("prelu", "map", "line", "vector")
def prelu(d: Drawing, x: Value) -> Value:
    return d.called(d.layer(f"nn.PReLU({x.channels if d.chance(0.7) else 1})", "slope"), x)


@operator("dropout", "map", "line", "last", "tokens", "vector")
def dropout(d: Drawing, x: Value) -> Value:
    kinds = ["Dropout(0.3)", "AlphaDropout(0.2)", "Identity()"]
    if x.form == "map":
        kinds.append("Dropout2d(0.2)")
    return d.called(d.layer(f"nn.{d.choose(kinds)}", "drop"), x)


@operator("pool", "map")
def pool(d: Drawing, x: Value) -> Value:
    codes = [
        "F.max_pool2d({0}, 3, 1, 1)", "F.avg_pool2d({0}, 3, 1, 1)", "F.adaptive_avg_pool2d({0}, 3)",
        "F.avg_pool2d({0}, 3, 1, 1, count_include_pad=False)", "F.adaptive_max_pool2d({0}, 3)",
        "F.adaptive_avg_pool2d({0}, (4, 5))",
    ]  # fmt: skip
    if min(x.size) >= 4:
        codes += [
            "F.max_pool2d({0}, 2)", "F.avg_pool2d({0}, 2)",
            "F.max_pool2d({0}, 3, 2, ceil_mode=True)",
            "F.lp_pool2d({0}.abs() + 0.1, 2, 2)", "F.avg_pool2d({0}, 3, 2, ceil_mode=True)",
        ]  # fmt: skip
    return d.emit("map", d.choose(codes), x)


@operator("pool", "line")
def pool_line(d: Drawing, x: Value) -> Value:
    codes = ["F.max_pool1d({0}, 3, 1, 1)", "F.avg_pool1d({0}, 3, 1, 1)"]
    return d.emit("line", d.choose([*codes, "F.adaptive_avg_pool1d({0}, 4)"]), x)


@operator("resize", "map")
def resize(d: Drawing, x: Value) -> Value:
    codes = ["F.interpolate({0}, size=(5, 4), mode='bilinear')", "F.interpolate({0}, size=(3, 6))"]
    codes.append("F.interpolate({0}, size=5, mode='bicubic', align_corners=True)")
    codes.append("F.interpolate({0}, size=(4, 4), mode='bilinear', antialias=True)")
    if max(x.size) <= 4:
        codes.append("F.interpolate({0}, scale_factor=2, mode='nearest')")
        codes.append("F.interpolate({0}, scale_factor=2.0, mode='bilinear', align_corners=False)")
        if x.channels % 4 == 0:
            codes.append("F.pixel_shuffle({0}, 2)")
    if x.channels <= 6 and x.size[0] % 2 == x.size[1] % 2 == 0:
        codes.append("F.pixel_unshuffle({0}, 2)")
    return d.emit("map", d.choose(codes), x)


@operator("pad", "map")
def pad(d: Drawing, x: Value) -> Value:
    value = d.choose([0.0, 0.7, -0.4])
    codes = [
        f"F.pad({{0}}, (1, 1, 0, 0), value={value})[..., 1:-1]",
        f"F.max_pool2d(F.pad({{0}}, (1, 0, 1, 0), value={value}), 2, 1)",
        f"F.pad({{0}}, (0, 0, 0, 0, 1, 2), value={value})",
        f"F.pad({{0}}, (0, 0, 0, 0, 2, -1), value={value})",
    ]
    if max(x.size) < 8:
        codes.append(f"F.pad({{0}}, (1, 0, 0, 1), value={value})")
    if min(x.size) > 1:
        codes.append(f"F.pad({{0}}, (1, 1, 1, 1), mode={d.choose(['reflect', 'circular'])!r})"
                     "[:, :, 1:-1, :-2]")  # fmt: skip
    return d.emit("map", d.choose(codes), x)


@operator("gate", "map")
def squeeze_excite(d: Drawing, x: Value) -> Value:
    inner, sigmoid = int(d.choose([2, 3, 4])), d.choose(["torch.sigmoid", "F.hardsigmoid"])
    if d.chance(0.2):
        conv = d.layer("nn.Conv1d(1, 1, 3, padding=1)", "line")
        mean = "{0}.mean((2, 3)).unsqueeze(1)"
        code = f"{{0}} * torch.sigmoid({conv}({mean})).transpose(1, 2).unsqueeze(-1)"
        return d.emit("map", code, x)
    if d.chance(0.6):
        first = d.layer(f"nn.Conv2d({x.channels}, {inner}, 1)", "conv")
        second = d.layer(f"nn.Conv2d({inner}, {x.channels}, 1)", "conv")
        mean = d.choose(["F.adaptive_avg_pool2d({0}, 1)", "{0}.mean((2, 3), keepdim=True)"])
        return d.emit("map", f"{{0}} * {sigmoid}({second}(F.relu({first}({mean}))))", x)
    first = d.layer(f"nn.Linear({x.channels}, {inner})", "linear")
    second = d.layer(f"nn.Linear({inner}, {x.channels})", "linear")
    gate = f"{sigmoid}({second}(F.relu({first}({{0}}.mean((2, 3))))))"
    shape = d.choose([f".view(-1, {x.channels}, 1, 1)", "[:, :, None, None]"])
    return d.emit("map", f"{gate}{shape} * {{0}}", x)


@operator("gate", "map")
def spatial_gate(d: Drawing, x: Value) -> Value:
    if d.chance(0.5):
        conv = d.layer(f"nn.Conv2d({x.channels}, 1, 1)", "conv")
        return d.emit("map", f"{{0}} * torch.sigmoid({conv}({{0}}))", x)
    conv = d.layer("nn.Conv2d(2, 1, 3, padding=1)", "conv")
    both = "torch.cat([{0}.mean(1, keepdim=True), {0}.amax(1, keepdim=True)], 1)"
    return d.emit("map", f"{{0}} * torch.sigmoid({conv}({both}))", x)
