"""Scores: how much the channels on one side of a layer matter."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.layer_weights import norms

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from reorder_solver.torch_adapter.connections import Channels
    from reorder_solver.torch_adapter.layer_weights import Side

SCORES = ("l1", "l2", "random")
_ORDERS = {"l1": 1, "l2": 2}


@dataclass(frozen=True, slots=True)
class Scorer:
    """A score per owner of a layer's channels (see :class:`~.connections.Channels`).

    Attributes
    ----------
    score : {"l1", "l2", "random"}
        ``l1``, ``l2``: the sum of the absolute values (squares) of the weights that belong to a
        channel. ``random``: normally distributed.
    seed : int
        For ``random``; what is drawn depends on it and on names, not on the sequence of calls.
    correlation : float
        For ``random``: of the scores that two layers give one channel of one tensor, from 0 to 1.

    Raises
    ------
    InputError
        If they are not as described.
    """

    score: str = "l2"
    seed: int = 0
    correlation: float = 0.0

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise InputError(f"unknown score {self.score!r}; known: {', '.join(SCORES)}")
        if not 0 <= self.correlation <= 1:
            raise InputError(f"correlation must be from 0 to 1, got {self.correlation!r}")
        if self.correlation and self.score != "random":
            raise InputError(f"correlation is for score 'random', not for {self.score!r}")

    def __call__(
        self, name: str, module: nn.Module, channels: Channels, side: Side
    ) -> npt.NDArray[np.float64]:
        """One score per owner."""
        if self.score == "random":
            return self._random(name, channels, side)
        by_feature = norms(module, module.get_parameter("weight"), side, _ORDERS[self.score])
        return np.bincount(channels.owner, by_feature, channels.owners).astype(np.float64)

    def _random(self, name: str, channels: Channels, side: Side) -> npt.NDArray[np.float64]:
        layer = name if side == "input" else f"{name} output"
        own = self._normal(layer, channels.owners)
        if not self.correlation:
            return own
        tensors = np.array(channels.tensor)
        shared = np.empty(channels.owners)
        for tensor in dict.fromkeys(channels.tensor):
            here = tensors == tensor
            numbers = channels.channel[here]
            shared[here] = self._normal(f"tensor {tensor}", int(numbers.max()) + 1)[numbers]
        if self.correlation == 1:
            return shared
        return self.correlation * shared + math.sqrt(1 - self.correlation**2) * own

    def _normal(self, label: str, count: int) -> npt.NDArray[np.float64]:
        uniform = np.random.default_rng([self.seed, zlib.crc32(label.encode())]).random(count)
        numbers: npt.NDArray[np.float64] = ndtri(uniform)
        return numbers
