"""Scores that a layer's weights alone decide: magnitudes, LAMP, geometric median, chance."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import ndtri

from reorder_solver.torch_adapter.layer_weights import channels_first, nonzero, norms

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from reorder_solver.torch_adapter.connections import Channels
    from reorder_solver.torch_adapter.layer_weights import Side
    from reorder_solver.torch_adapter.masks import DeclaredMasks

    FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Magnitude:
    """The sum of ``|weight| ** order`` over the weights of a channel.

    References
    ----------
    .. [1] H. Li, A. Kadav, I. Durdanovic, H. Samet, H. P. Graf, Pruning filters for efficient
           ConvNets, 2017, arXiv:1608.08710.
    """

    order: int

    def __call__(self, name: str, module: nn.Module, channels: Channels, side: Side) -> FloatArray:
        """One score per owner."""
        by_feature = norms(module, module.get_parameter("weight"), side, self.order)
        return np.bincount(channels.owner, by_feature, channels.owners).astype(np.float64)


def lamp(name: str, module: nn.Module, channels: Channels, side: Side) -> FloatArray:
    """Each channel's sum of squares over the sum of those of it and all that are not smaller.

    One of the largest scores 1, so that it comes last in a ranking over all layers. Channels that
    are all zero score 0.

    References
    ----------
    .. [1] J. Lee, S. Park, S. Mo, S. Ahn, J. Shin, Layer-adaptive sparsity for the
           magnitude-based pruning, 2021, arXiv:2010.07611; for channels in place of weights.
    """
    squares = Magnitude(2)(name, module, channels, side)
    order = np.argsort(squares, kind="stable")
    ascending = squares[order]
    rest = np.cumsum(ascending[::-1])[::-1]
    scores = np.empty_like(squares)
    scores[order] = np.divide(ascending, rest, out=np.zeros_like(rest), where=rest > 0)
    return scores


def fpgm(name: str, module: nn.Module, channels: Channels, side: Side) -> FloatArray:
    """The sum of Euclidean distances from a channel's weights to those of all in its group.

    What lies near the geometric median of all can be stood in for by the others.

    References
    ----------
    .. [1] Y. He, P. Liu, Z. Wang, Z. Hu, Y. Yang, Filter pruning via geometric median for deep
           convolutional neural networks acceleration, 2019, arXiv:1811.00250.
    """
    weight = module.get_parameter("weight").detach().double()
    by_group = channels_first(module, weight, side).flatten(2)
    if channels.owners != channels.owner.size:
        return _spread(_by_owner(by_group.flatten(0, 1), channels)[None])
    return np.bincount(channels.owner, _spread(by_group), channels.owners).astype(np.float64)


def _spread(vectors: torch.Tensor) -> FloatArray:
    """Per vector the sum of its distances to all of its group; shape (groups, vectors, width)."""
    distances = torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist")
    sums: FloatArray = distances.sum(dim=2).flatten().cpu().numpy()
    return sums


@dataclass(frozen=True, slots=True)
class Chance:
    """Normally distributed numbers that depend on the seed and on names, not on other calls.

    Attributes
    ----------
    seed : int
    correlation : float
        Of the scores that two layers give one channel of one tensor, from 0 to 1.
    """

    seed: int = 0
    correlation: float = 0.0

    def __call__(self, name: str, module: nn.Module, channels: Channels, side: Side) -> FloatArray:
        """One score per owner."""
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

    def _normal(self, label: str, count: int) -> FloatArray:
        uniform = np.random.default_rng([self.seed, zlib.crc32(label.encode())]).random(count)
        numbers: FloatArray = ndtri(uniform)
        return numbers


def _by_owner(by_feature: torch.Tensor, channels: Channels) -> torch.Tensor:
    """The weights of all features of an owner as one row; shorter rows end in zeros."""
    order = np.argsort(channels.owner, kind="stable")
    owners = channels.owner[order]
    counts = np.bincount(owners, minlength=channels.owners)
    place = np.arange(order.size) - (np.cumsum(counts) - counts)[owners]
    width = by_feature.shape[1]
    rows = by_feature.new_zeros((channels.owners, int(counts.max(initial=0)), width))
    rows[torch.from_numpy(owners), torch.from_numpy(place)] = by_feature[torch.from_numpy(order)]
    return rows.flatten(1)


class Votes:
    """Score 1 for what a layer keeps, 0 for what it drops, declared or by exact zeros."""

    def __init__(self, declared: DeclaredMasks) -> None:
        self._declared = declared

    def __call__(self, name: str, module: nn.Module, channels: Channels, side: Side) -> FloatArray:
        """One number per owner."""
        masks = self._declared.inputs if side == "input" else self._declared.outputs
        kept = masks.get(f"{name}.weight")
        if kept is None:
            kept = nonzero(module, side)
        return (np.bincount(channels.owner, kept, channels.owners) > 0).astype(np.float64)
