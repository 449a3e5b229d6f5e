"""Programs: networks as short Python programs, which are run as they are printed."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

_LAYER = re.compile(r"self\.(\w+)")


@dataclass(frozen=True)
class Step:
    """One statement or a few; `code` has ``{0}``, ``{1}`` for its sources and ``{out}``.

    Attributes
    ----------
    form : str
        Meaning of the axes: "map" (N, C, H, W), "last" (N, H, W, C), "tokens" (N, L, C),
        "line" (N, C, L) or "vector" (N, C).
    shape : tuple of int
        Of the result, without the batch.
    writes : bool
        Writes in place, so it matters even where nothing reads its result.
    """

    number: int
    code: str
    sources: tuple[int, ...]
    form: str
    shape: tuple[int, ...] = ()
    writes: bool = False

    @property
    def layers(self) -> list[str]:
        return _LAYER.findall(self.code)

    def text(self, names: dict[int, str]) -> str:
        code = self.code if "{out}" in self.code else "{out} = " + self.code
        return code.format(*(names[one] for one in self.sources), out=names[self.number])


@dataclass(frozen=True)
class Program:
    """A network: inputs are the values 0, 1, ...; the steps follow in order."""

    seed: int
    style: str
    inputs: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    structure: str
    constructors: dict[str, str] = field(compare=False)

    @property
    def names(self) -> dict[int, str]:
        found = {number: f"x{number}" for number in range(len(self.inputs))}
        return found | {step.number: f"v{step.number}" for step in self.steps}

    @property
    def layers(self) -> list[str]:
        """Names of the layers, parameters and buffers in use."""
        return list(dict.fromkeys(name for step in self.steps for name in step.layers))

    def source(self) -> str:
        """A class definition."""
        names = self.names
        lines = ["class Net(nn.Module):", "    def __init__(self):", "        super().__init__()"]
        lines += [f"        self.{name} = {self.constructors[name]}" for name in self.layers]
        arguments = ", ".join(names[number] for number in range(len(self.inputs)))
        lines += ["", f"    def forward(self, {arguments}):"]
        for step in self.steps:
            statements = step.text(names).splitlines()
            lines += [f"        {each}" for each in statements]
            lines[-1] += f"  # {step.form} {'x'.join(map(str, step.shape))}"
        return "\n".join([*lines, f"        return {self._returned()}", ""])

    def _returned(self) -> str:
        names = [self.names[number] for number in self.outputs]
        if self.structure == "single" and len(names) == 1:
            return names[0]
        if self.structure == "dict":
            return "{" + ", ".join(f'"{i}": {name}' for i, name in enumerate(names)) + "}"
        if self.structure == "nested":
            return f'{{"a": {names[0]}, "b": [{", ".join(names[1:])}], "c": 3}}'
        return f"({', '.join(names)},)"


def build(program: Program) -> nn.Module:
    """The network in double precision, in evaluation mode, weights set by the seed."""
    scope: dict[str, Any] = {"torch": torch, "nn": nn, "F": F}
    exec(compile(program.source(), f"<network {program.seed}>", "exec"), scope)
    model: nn.Module = scope["Net"]()
    set_weights(model, program.seed)
    return model.double().eval()


def set_weights(model: nn.Module, seed: int, prefix: str = "") -> None:
    """Random weights by the seed and the name, whatever else the model has."""
    norms = {f"{n}." for n, m in model.named_modules() if "Norm" in type(m).__name__}
    slopes = {f"{n}." for n, m in model.named_modules() if isinstance(m, nn.PReLU)}
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if not tensor.is_floating_point():
            continue
        rng = np.random.default_rng([seed, zlib.crc32((prefix + name).encode())])
        owner, _, field_name = name.rpartition(".")
        values = rng.standard_normal(tuple(tensor.shape))
        if f"{owner}." in slopes:
            values = rng.uniform(0.05, 0.6, tuple(tensor.shape))
        elif field_name == "running_var" or (f"{owner}." in norms and field_name == "weight"):
            values = rng.uniform(0.5, 1.6, tuple(tensor.shape))
        elif field_name == "weight" and tensor.ndim > 1:
            values /= np.sqrt(np.prod(tensor.shape[1:]))
        elif "weight" in field_name and tensor.ndim > 1:
            values /= np.sqrt(tensor.shape[-1])
        elif owner:
            values *= 0.4
        tensor.data = torch.from_numpy(np.asarray(values)).to(tensor.dtype)


def sample(program: Program, batch: int, seed: int) -> tuple[torch.Tensor, ...]:
    """Inputs in double precision."""
    rng = np.random.default_rng([program.seed, seed, batch])
    return tuple(torch.from_numpy(rng.standard_normal((batch, *s))) for s in program.inputs)
