"""Drawing: random programs, made step by step while they run."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from random_nets.program import Program, Step, set_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BATCH = 2
#: Wider values are only read by operators that narrow them.
WIDEST = 24
#: Values are between 0.05 and 30 in size; a result below this is a zero that was rounded, such as
#: the mean of an instance norm. Brought to scale, it would be noise that no two exports share.
_ROUNDING = 1e-10
#: Results of these may or may not share memory with their source, by its memory format; nothing
#: may be written to either of them afterwards, since the model's own meaning would depend on it.
_PERHAPS_VIEWS = re.compile(
    r"(?<!un)flatten\(|reshape\(|contiguous\(|expand|einsum|unbind|chunk|split|shuffle|\bto\("
)


class RejectedError(Exception):
    """The step drawn does not fit here."""


@dataclass(frozen=True)
class Value:
    """An input or the result of a step."""

    number: int
    form: str
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[-1] if self.form in ("last", "tokens") else self.shape[0]

    @property
    def size(self) -> tuple[int, ...]:
        """All but the channels."""
        return self.shape[:-1] if self.form in ("last", "tokens") else self.shape[1:]

    @property
    def axis(self) -> int:
        """Of the channels."""
        return -1 if self.form in ("last", "tokens") else 1


Operator = "Callable[[Drawing, Value], Value]"
#: Per form of the source, the operators with their families.
OPERATORS: dict[str, list[tuple[str, Callable[[Drawing, Value], Value]]]] = {}


def operator(family: str, *forms: str) -> Callable[[Any], Any]:
    """Register a function that adds steps reading a value of one of the forms."""

    def register(function: Any) -> Any:
        for form in forms:
            OPERATORS.setdefault(form, []).append((family, function))
        return function

    return register


class Drawing:
    """A program under construction, with the values of one run."""

    def __init__(self, seed: int, style: str, inputs: Sequence[tuple[int, ...]]) -> None:
        self.rng = np.random.default_rng([seed, 1])
        self.seed, self.style = seed, style
        self.inputs = tuple(inputs)
        self.steps: list[Step] = []
        self.constructors: dict[str, str] = {}
        #: Layers with the form and the channels they were made for.
        self.calls: list[tuple[str, str, tuple[int, ...]]] = []
        self._model = nn.Module()
        self._scope: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "self": self._model}
        self._frozen: set[int] = set()
        self._data = [torch.from_numpy(self.rng.standard_normal((BATCH, *s))) for s in inputs]
        self.values = [Value(number, "map", shape) for number, shape in enumerate(inputs)]
        for number, data in enumerate(self._data):
            self._scope[f"v{number}"] = data
            self._frozen.add(self._memory(number))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def choose(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def require(self, *conditions: object) -> None:
        if not all(conditions):
            raise RejectedError

    def width(self) -> int:
        return int(self.choose([4, 5, 6, 6, 8, 8, 8, 9, 12, 16]))

    def divisor(self, number: int, largest: int = 4) -> int:
        """A divisor from 2 to `largest`."""
        found = [each for each in range(2, largest + 1) if number % each == 0]
        self.require(found)
        return int(self.choose(found))

    def cut(self, length: int) -> tuple[int, int]:
        """Ends of a part of an axis, neither empty nor everything."""
        self.require(length > 1)
        size = int(self.rng.integers(1, length))
        start = int(self.rng.integers(0, length - size + 1))
        return start, start + size

    def layer(self, constructor: str, stem: str) -> str:
        """Add a layer (or parameter, or buffer) and return how it is written."""
        name = f"{stem}{len(self.constructors)}"
        self.constructors[name] = constructor
        made = eval(constructor, self._scope)
        setattr(self._model, name, made)
        if isinstance(made, nn.Module):
            set_weights(made, self.seed, f"{name}.")
            made.double().eval()
        else:
            holder = nn.Module()
            setattr(holder, name, made)
            set_weights(holder, self.seed)
            if made.is_floating_point():
                made.data = made.data.double()
        return f"self.{name}"

    def parameter(self, *shape: int) -> str:
        """A parameter or buffer."""
        kind = self.choose(["Parameter", "Buffer"])
        return self.layer(f"nn.{kind}(torch.empty({', '.join(map(str, shape))}))", "table")

    def called(self, layer: str, x: Value, form: str | None = None) -> Value:
        """Call a layer."""
        self.calls.append((layer, x.form, x.shape))
        return self.emit(form or x.form, layer + "({0})", x)

    def other(self, x: Value, like: str = "shape", new: bool = True) -> Value:
        """Another value of the same form: of the same shape, or the same size but for channels."""
        found = [
            y
            for y in self.values
            if y.form == x.form
            and (y.number != x.number or not new)
            and (y.shape == x.shape if like == "shape" else y.size == x.size)
            and (y.number >= len(self.inputs) or self.chance(0.3))
        ]
        self.require(found)
        return found[-1 - int(min(len(found) - 1, self.rng.geometric(0.35) - 1))]

    def writable(self, x: Value) -> None:
        self.require(self._memory(x.number) not in self._frozen)

    def apart(self, x: Value, y: Value) -> None:
        """Require that the two share no memory."""
        self.require(self._memory(x.number) != self._memory(y.number))

    def emit(self, form: str, code: str, *sources: Value, writes: bool = False) -> Value:
        """Add a step, run it, and keep its result at a reasonable scale."""
        number = len(self.values)
        numbers = tuple(source.number for source in sources)
        step = Step(number, code, numbers, form, writes=writes)
        self._run(step)
        result = self._scope[f"v{number}"]
        peak = float(result.abs().max())
        # Before the checks, so that a write is undone if they fail.
        self.values.append(Value(number, form, tuple(result.shape[1:])))
        self.steps.append(replace(step, shape=tuple(result.shape[1:])))
        self.require(np.isfinite(peak), peak > _ROUNDING, self.moves(number))
        self._freeze(code, (number, *numbers), result)
        if peak > 30 or (peak < 0.05 and not writes):
            factor = 2.0 ** -round(np.log2(peak / 2))
            text = f"{{0}}.mul_({factor!r})" if writes else f"{{0}} * {factor!r}"
            return self.emit(form, text, self.values[-1], writes=writes)
        return self.values[-1]

    def moves(self, number: int) -> bool:
        """Whether a value depends on the inputs by now."""
        one, other = self._scope[f"v{number}"]
        return bool((one - other).abs().max() > 1e-5 * max(one.abs().max(), other.abs().max()))

    def _run(self, step: Step) -> None:
        names = {each: f"v{each}" for each in (*step.sources, step.number)}
        with torch.no_grad():
            exec(step.text(names), self._scope)

    def _freeze(self, code: str, numbers: Sequence[int], result: torch.Tensor) -> None:
        if _PERHAPS_VIEWS.search(code) or 0 in result.stride():
            self._frozen.update(self._memory(number) for number in numbers)

    def _memory(self, number: int) -> int:
        return int(self._scope[f"v{number}"].untyped_storage().data_ptr())

    def undo(self, count: int) -> None:
        """Forget all but the first `count` values, and what was written since."""
        first = count - len(self.inputs)
        written = any(step.writes for step in self.steps[first:])
        del self.values[count:]
        del self.steps[first:]
        if written:
            for step in self.steps:
                self._run(step)

    def program(self, outputs: Sequence[int], structure: str) -> Program:
        return Program(
            self.seed,
            self.style,
            self.inputs,
            tuple(self.steps),
            tuple(outputs),
            structure,
            self.constructors,
        )
