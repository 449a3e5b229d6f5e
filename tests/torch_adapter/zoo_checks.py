"""The check that every export of an architecture equals the masked model, whatever the masks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from conversion import conversion
from torch import nn
from torch.utils import _pytree as pytree
from zoo import Case, images, network

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter import layer_weights
from reorder_solver.torch_adapter.capture import capture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIDES: tuple[layer_weights.Side, ...] = ("input", "output")
LAST = "-last"
CONVERTED = "-converted"
#: With ``-last`` for calls in channels-last; with ``-converted`` images are computed in it, which
#: only the objective ``latency`` does by itself.
EXPORTS = ("naive", "upscale", "optimal", f"optimal{LAST}", f"optimal{CONVERTED}")
#: The largest error of an export, relative to the scale of the output.
TOLERANCE = 1e-10
#: Another input must move the output by at least this share of its scale.
SENSITIVE = 1e-6

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(slots=True)
class Outcome:
    """One export of one masked model.

    Attributes
    ----------
    case, side, export : str
    amount, correlation : float
    error : float
        The worst over batches and memory formats.
    sensitivity : float
        How far another input moves the output, relative to its scale.
    accesses, pins : int
    reasons : tuple of str
        Of the pins.
    capture_seconds, export_seconds : float
    failure : str
        Empty if there was no exception.
    """

    case: str
    side: str
    export: str
    amount: float
    correlation: float
    error: float = float("nan")
    sensitivity: float = float("nan")
    accesses: int = 0
    pins: int = 0
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    capture_seconds: float = float("nan")
    export_seconds: float = float("nan")
    failure: str = ""

    @property
    def verdict(self) -> str:
        """``equal``; ``insensitive``: equal, but the output is constant; ``WRONG``; ``FAILED``."""
        if self.failure:
            return "FAILED"
        if not self.error <= TOLERANCE:
            return "WRONG"
        return "equal" if self.sensitivity >= SENSITIVE else "insensitive"


@dataclass(frozen=True, slots=True)
class Pruned:
    """A model, masks for it, and what they are.

    Attributes
    ----------
    side : {"input", "output", "both", "mixed", "joint", "every"}
        As for :func:`prune`; ``every``: see :func:`masks_everywhere`.
    correlation : float
        0 for masks by the L2 norm, each layer for itself; else random and correlated.
    """

    case: Case
    side: str
    amount: float
    correlation: float
    model: nn.Module
    masks: dict[str, Any]

    @classmethod
    def make(
        cls, case: Case, side: str, amount: float, correlation: float = 0.0, seed: int = 0
    ) -> Pruned:
        """Prune; give the norms the statistics that they have behind the masks."""
        model = network(case)
        if side == "every":
            masks = masks_everywhere(model, amount, seed)
        else:
            score = "random" if correlation else "l2"
            masks = ta.prune(
                model, images(case, 2), score, amount, seed, side=side, correlation=correlation
            )
        return cls(case, side, amount, correlation, _settled(case, model, masks), masks)

    def reference(self) -> nn.Module:
        """What every export must equal."""
        return ta.masked(self.model, self.masks)

    def outcomes(self, exports: Iterable[str] = EXPORTS, **options: Any) -> Iterator[Outcome]:
        """Export, compare, and go on with the next export after a failure."""
        started = time.perf_counter()
        capture(self.reference(), images(self.case, 2))
        seconds = time.perf_counter() - started
        moved = sensitivity(self.case, self.reference())
        for export in exports:
            found = Outcome(self.case.id, self.side, export, self.amount, self.correlation)
            found.capture_seconds, found.sensitivity = seconds, moved
            try:
                self._measure(found, options)
            except Exception as error:
                first = (str(error).strip().splitlines() or [""])[0]
                found.failure = f"{type(error).__name__}: {first}"
            yield found

    def _measure(self, found: Outcome, options: dict[str, Any]) -> None:
        started = time.perf_counter()
        inputs, export = images(self.case, 2), found.export
        if export.endswith(LAST):
            inputs, export = (
                inputs.contiguous(memory_format=torch.channels_last),
                export.removesuffix(LAST),
            )
        with conversion(export.endswith(CONVERTED)):
            out = ta.compact(
                self.model,
                inputs,
                self.masks,
                export=export.removesuffix(CONVERTED),
                check=False,
                **options,
            )
        found.export_seconds = time.perf_counter() - started
        found.accesses = len(out.instance.accesses)
        pins = out.report.pins
        found.pins, found.reasons = len({pin.tensor for pin in pins}), tuple(p.reason for p in pins)
        found.notes = tuple(out.report.notes)
        found.error = worst_error(self.case, self.reference(), out.module)


def masks_everywhere(model: nn.Module, amount: float, seed: int) -> dict[str, Any]:
    """Random masks for every side of every layer that takes one.

    Depthwise layers and norms, layers that compute their weights from the masked ones, and those
    at the model's input and output: all that pruning leaves alone.
    """
    rng = np.random.default_rng(seed)
    masks: dict[str, Any] = {}
    for name, module in model.named_modules():
        weight = dict(module.named_parameters(recurse=False)).get("weight")
        for side in SIDES:
            if weight is not None and layer_weights.maskable(module, side):
                size = layer_weights.channels(module, side)
                masks.setdefault(name, {})[side] = rng.random(size) >= amount
    return masks


def _settled(case: Case, model: nn.Module, masks: dict[str, Any]) -> nn.Module:
    """A copy of `model` whose batch norms have the statistics of the masked one.

    Deep in a pruned network, the signal would be lost otherwise. A variance is at least a
    hundredth of the norm's largest: a channel that is constant has none, and what rounding
    leaves of it must not be blown up.
    """
    settled, calibrated = ta.masked(model), ta.masked(model, masks)
    ta.calibrate(calibrated, images(case, 8, seed=7))
    theirs = dict(calibrated.named_modules())
    for name, norm in settled.named_modules():
        if isinstance(norm, _NORMS) and norm.running_var is not None:
            source = theirs[name]
            floor = max(float(source.running_var.max()) / 100, 1e-3)
            norm.running_mean.copy_(source.running_mean)
            norm.running_var.copy_(source.running_var.clamp(min=floor))
    return settled


def worst_error(case: Case, reference: nn.Module, module: nn.Module) -> float:
    """Over batches of 1 and 4, contiguous and, unless its weights have five axes, channels-last."""
    is_deep = any(each.ndim == 5 for each in reference.state_dict().values())
    last = () if is_deep else (torch.channels_last,)
    errors = [
        ta.max_relative_error(
            reference.to(memory_format=layout),
            module.to(memory_format=layout),
            images(case, batch).contiguous(memory_format=layout),
        )
        for layout in (torch.contiguous_format, *last)
        for batch in (1, 4)
    ]
    return max(errors)


def sensitivity(case: Case, model: nn.Module) -> float:
    """How far another input moves the output, relative to its scale."""
    with torch.no_grad():
        one, other = (
            pytree.tree_leaves(model.eval()(images(case, 2, seed=seed))) for seed in (1, 2)
        )
    moved = [
        float((a - b).abs().max() / a.abs().max())
        for a, b in zip(one, other, strict=True)
        if bool(a.any())
    ]
    return max(moved, default=0.0)
