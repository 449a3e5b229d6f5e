"""Scores: how much the channels on one side of a layer matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.data_scores import MapRanks, Taylor
from reorder_solver.torch_adapter.joint import channels_of
from reorder_solver.torch_adapter.weight_scores import Chance, Magnitude, fpgm, lamp

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from reorder_solver.torch_adapter.connections import Channels
    from reorder_solver.torch_adapter.data_scores import Data, Loss
    from reorder_solver.torch_adapter.joint import Score
    from reorder_solver.torch_adapter.layer_weights import Side
    from reorder_solver.torch_adapter.prunable import PrunableLayers

    FloatArray = npt.NDArray[np.float64]

#: ``{module name: {"input": numbers, "output": numbers}}``, one per channel of that side.
Scores = Mapping[str, Mapping[str, Any]]

SCORES = ("l1", "l2", "lamp", "fpgm", "hrank", "taylor", "random")
#: Scores made to be compared within one layer: across layers, each counts over its layer's mean.
WITHIN_LAYERS = frozenset({"l1", "l2", "fpgm", "hrank"})


def scorer(
    layers: PrunableLayers,
    score: str,
    *,
    data: Data | None = None,
    loss: Loss | None = None,
    seed: int = 0,
    correlation: float = 0.0,
) -> Score:
    """The function behind a score's name.

    Raises
    ------
    InputError
        If there is no such score, or what it needs is missing.
    """
    if score not in SCORES:
        raise InputError(f"unknown score {score!r}; known: {', '.join(SCORES)}")
    if not 0 <= correlation <= 1:
        raise InputError(f"correlation must be from 0 to 1, got {correlation!r}")
    if correlation and score != "random":
        raise InputError(f"correlation is for score 'random', not for {score!r}")
    if data is None and score in ("hrank", "taylor"):
        raise InputError(f"score {score!r} needs data: an iterable of pairs (inputs, targets)")
    if loss is None and score == "taylor":
        raise InputError("score 'taylor' needs a loss: a function of outputs and targets")
    scored = {name: layers.modules[name] for name in layers.first_calls}
    if score == "hrank" and data is not None:
        return MapRanks(layers.model, scored, data)
    if score == "taylor" and data is not None and loss is not None:
        return Taylor(layers.model, scored, data, loss)
    by_name: dict[str, Score] = {
        "l1": Magnitude(1),
        "l2": Magnitude(2),
        "lamp": lamp,
        "fpgm": fpgm,
        "random": Chance(seed, correlation),
    }
    return by_name[score]


def score_table(
    layers: PrunableLayers, score: Score, sides: tuple[Side, ...]
) -> dict[str, dict[str, FloatArray]]:
    """The scores of all layers that may drop channels; features of one channel share its score."""
    table: dict[str, dict[str, FloatArray]] = {}
    for name, call in layers.first_calls.items():
        for side in sides:
            if name in layers.prunable[side]:
                channels = channels_of(call, side)
                found = score(name, layers.modules[name], channels, side)
                shares = found / np.maximum(np.bincount(channels.owner), 1)
                table.setdefault(name, {})[side] = shares[channels.owner]
    return table


class GivenScores:
    """Scores by table, as :func:`score_table` makes it or a user of their own."""

    def __init__(self, layers: PrunableLayers, table: Scores) -> None:
        self._table = {name: dict(sides) for name, sides in _checked(layers, table)}

    def __contains__(self, key: tuple[str, Side]) -> bool:
        """True if there are scores for this side of this layer."""
        name, side = key
        return side in self._table.get(name, {})

    def __call__(self, name: str, module: nn.Module, channels: Channels, side: Side) -> FloatArray:
        """One score per owner: the sum over its features."""
        found = self._table[name][side]
        return np.bincount(channels.owner, found, channels.owners).astype(np.float64)


def _checked(layers: PrunableLayers, table: Scores) -> Any:
    if not isinstance(table, Mapping):
        raise InputError("scores must be a name or a mapping from module names", source="scores")
    for name, sides in table.items():
        place = f"module {name!r}"
        if name not in layers.modules:
            raise InputError("the model has no such module", source="scores", place=place)
        if not isinstance(sides, Mapping):
            raise InputError("must be a mapping {'input': numbers}", source="scores", place=place)
        if name not in layers.first_calls:
            raise InputError(
                "is no convolution or linear layer that the model calls",
                source="scores",
                place=place,
            )
        yield name, {side: _numbers(layers, name, side, numbers) for side, numbers in sides.items()}


def _numbers(layers: PrunableLayers, name: str, side: Any, numbers: Any) -> FloatArray:
    place = f"module {name!r}"
    if side not in ("input", "output"):
        raise InputError(
            f"unknown side {side!r}; give 'input' or 'output'", source="scores", place=place
        )
    try:
        found = np.asarray(numbers.detach().cpu() if hasattr(numbers, "detach") else numbers)
        found = found.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{side} scores must be numbers", source="scores", place=place) from None
    size = channels_of(layers.first_calls[name], side).owner.size
    if found.shape != (size,):
        shape = "x".join(map(str, found.shape)) or "one number"
        raise InputError(
            f"{side} scores must be {size} numbers, got {shape}", source="scores", place=place
        )
    if not np.isfinite(found).all():
        raise InputError(f"{side} scores must be finite", source="scores", place=place)
    return found
