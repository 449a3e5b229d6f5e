"""Generator: a whole program by its seed, in one of several styles."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from random_nets import channels, layers, mixing, writing
from random_nets.drawing import OPERATORS, WIDEST, Drawing, RejectedError, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from random_nets.program import Program

#: Modules that register operators.
SOURCES = (layers, channels, mixing, writing)

_PLAIN = {"conv": 8, "strided": 1, "norm": 4, "activation": 4, "add": 4, "cat": 2, "pool": 1}
#: Weights of the families of operators; a family not named has the weight of "other".
STYLES: dict[str, dict[str, float]] = {
    "plain": _PLAIN | {"gate": 0.5, "shared": 0.5, "flatten": 0.3, "linear": 4, "other": 0},
    "mobile": _PLAIN | {"depthwise": 4, "gate": 2, "grouped": 2, "shuffle": 2, "select": 2,
                        "prelu": 1, "inplace": 1, "dropout": 0.5, "other": 0.03},
    "dense": _PLAIN | {"cat": 8, "nested": 4, "partial": 3, "select": 3, "stack": 1, "glu": 1,
                       "shared": 1, "repeat": 1, "other": 0.03},
    "residual": _PLAIN | {"add": 8, "partial": 4, "nested": 3, "constant": 3, "slices": 1,
                          "shared": 2, "mul": 1, "other": 0.05},
    "transformer": {"conv": 1, "convert": 2, "linear": 4, "channel_norm": 3, "attention": 3,
                    "mlp": 4, "add": 2, "activation": 1, "constant": 2, "tokens": 3, "cat": 1,
                    "glu": 1, "select": 1, "flatten": 1, "film": 2, "other": 0.1},
    "convnext": {"conv": 2, "mlp": 4, "channel_norm": 3, "group_norm": 2, "depthwise": 2,
                 "constant": 3, "convert": 2, "linear": 3, "add": 3, "activation": 1, "cat": 1,
                 "strided": 1, "other": 0.1},
    "segmentation": _PLAIN | {"resize": 3, "transposed": 3, "dilated": 2, "pad": 2, "pool": 3,
                              "instance_norm": 1, "attention": 1, "cat": 4, "other": 0.05},
    "writing": _PLAIN | {"inplace": 5, "slices": 4, "views": 4, "dropout": 1, "other": 0.1},
    "borders": _PLAIN | {"conv": 10, "constant": 4, "pad": 4, "places": 2, "depthwise": 3,
                         "grouped": 2, "transposed": 2, "pool": 2, "other": 0.1},
    "exotic": {"conv": 4, "norm": 2, "other": 1},
}  # fmt: skip
_INPUTS = ((3, 6, 6), (4, 6, 6), (6, 8, 8), (3, 5, 7), (2, 4, 4))
_MIN_STEPS, _MAX_STEPS = 8, 20


def draw(seed: int, style: str | None = None) -> Program:
    """The network of this seed; styles take turns unless one is given."""
    rng = np.random.default_rng([seed, 0])
    style = style or list(STYLES)[seed % len(STYLES)]
    shapes = [_INPUTS[int(rng.integers(len(_INPUTS)))]]
    if rng.random() < 0.35:
        shapes.append(shapes[0] if rng.random() < 0.5 else _INPUTS[int(rng.integers(5))])
    drawing = Drawing(seed, style, shapes)
    for value in list(drawing.values):
        kernel = int(drawing.choose([1, 3]))
        layers.convolution(drawing, value, drawing.width(), kernel, padding=kernel // 2)
    for _ in range(int(rng.integers(_MIN_STEPS, _MAX_STEPS + 1)) - len(shapes)):
        _step(drawing)
    _heads(drawing)
    return drawing.program(*_outputs(drawing))


def _step(drawing: Drawing) -> None:
    weights = STYLES[drawing.style]
    while True:
        source = _recent(drawing)
        options = OPERATORS[source.form]
        odds = np.array([float(weights.get(f, weights["other"])) for f, _ in options])
        shares = {family: sum(f == family for f, _ in options) for family, _ in options}
        odds /= [shares[family] for family, _ in options]
        if source.number < len(drawing.inputs) and drawing.chance(0.7):
            continue
        if not odds.sum():
            continue
        _, function = options[int(drawing.rng.choice(len(options), p=odds / odds.sum()))]
        if _try(drawing, partial(function, drawing, source)):
            return


def _try(drawing: Drawing, function: Callable[[], Value]) -> bool:
    """Add steps, or nothing where they do not fit."""
    before = len(drawing.values)
    try:
        result = function()
        drawing.require(result.channels <= 6 * WIDEST, max(result.size, default=1) <= 40)
    except RejectedError:
        drawing.undo(before)
        return False
    return True


def _recent(drawing: Drawing) -> Value:
    values = drawing.values
    if drawing.chance(0.5):
        values = _unread(drawing)[-4:] or values
    elif drawing.chance(0.6):
        values = values[-6:]
    source: Value = drawing.choose(values)
    if source.channels > WIDEST:
        return drawing.choose(drawing.values)
    return source


def _unread(drawing: Drawing) -> list[Value]:
    read = {source for step in drawing.steps for source in step.sources}
    return [v for v in drawing.values[len(drawing.inputs) :] if v.number not in read]


def _heads(drawing: Drawing) -> None:
    """Join some of the ends, and put a layer behind some."""
    ends = [value for value in _unread(drawing) if value.form == "map"][-6:]
    if len(ends) > 1 and drawing.chance(0.6):
        _try(drawing, lambda: _joined(drawing, ends))
    for value in _unread(drawing):
        if drawing.chance(0.6):
            _try(drawing, lambda value=value: _head(drawing, value))


def _joined(drawing: Drawing, ends: list[Value]) -> Value:
    pooled = [drawing.emit("map", "F.adaptive_avg_pool2d({0}, 2)", value) for value in ends]
    names = ", ".join(f"{{{number}}}" for number in range(len(pooled)))
    return drawing.emit("map", f"torch.cat([{names}], 1)", *pooled)


def _head(drawing: Drawing, value: Value) -> Value:
    if value.form in ("map", "line"):
        return layers.convolution(drawing, value, 5, 1)
    return drawing.called(drawing.layer(f"nn.Linear({value.channels}, 5)", "linear"), value)


def _outputs(drawing: Drawing) -> tuple[Sequence[int], str]:
    """Most of the ends, perhaps an inner value or an input; the rest has no reader."""
    moving = [v.number for v in drawing.values[len(drawing.inputs) :] if drawing.moves(v.number)]
    ends = {value.number for value in _unread(drawing)}
    found = [number for number in moving if number in ends and drawing.chance(0.85)]
    found = found or [moving[-1]]
    if drawing.chance(0.25):
        found.append(drawing.choose(moving))
    if drawing.chance(0.08):
        found.append(int(drawing.rng.integers(len(drawing.inputs))))
    order = [found[each] for each in drawing.rng.permutation(len(found))]
    if len(order) == 1 and drawing.chance(0.8):
        return order, "single"
    return order, drawing.choose(["tuple", "tuple", "dict", "nested"])
