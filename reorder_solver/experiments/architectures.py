"""Architectures by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from reorder_solver.core.errors import InputError
from reorder_solver.experiments import convolutional
from reorder_solver.experiments.transformer import Transformer

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

#: From the number of channels, the side of the images and the number of classes to a network.
ARCHITECTURES: dict[str, Callable[[int, int, int], nn.Module]] = {
    "residual": convolutional.residual,
    "preactivation": convolutional.preactivation,
    "dense": convolutional.dense,
    "inception": convolutional.inception,
    "inverted": convolutional.inverted,
    "shuffle": convolutional.shuffle,
    "transformer": Transformer,
}


def build(
    name: str, channels: int = 1, size: int = 28, classes: int = 10, seed: int = 0
) -> nn.Module:
    """A network with random weights, the same for the same seed.

    Parameters
    ----------
    name : str
        See :data:`ARCHITECTURES`.
    channels, size : int
        Of the images, which are square.
    classes : int
    seed : int
        Of PyTorch's generator meanwhile; its state is put back.

    Raises
    ------
    InputError
        If there is no such architecture.
    """
    if name not in ARCHITECTURES:
        raise InputError(f"unknown architecture {name!r}; known: {', '.join(ARCHITECTURES)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ARCHITECTURES[name](channels, size, classes)
