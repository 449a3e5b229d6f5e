"""Subjects: trained networks with the data that they are judged by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from reorder_solver.core.errors import InputError, MissingPackageError
from reorder_solver.experiments.checkpoints import load, path_of
from reorder_solver.experiments.data import FolderData
from reorder_solver.torch_adapter.layer_weights import mixes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import nn

    from reorder_solver.experiments.data import Data
    from reorder_solver.torch_adapter.pruning import Pruner

#: Training images that scores see: of first-order Taylor in batches, of HRank at once.
_TAYLOR_BATCH, _TAYLOR_BATCHES, _RANK_IMAGES = 64, 16, 64


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A trained network.

    Attributes
    ----------
    architecture : str
    seed : int
    digest : str
        Of its weights.
    model : torch.nn.Module
        In evaluation mode.
    data : Data
    """

    architecture: str
    seed: int
    digest: str
    model: nn.Module
    data: Data

    def inputs(self, count: int) -> torch.Tensor:
        """The first test images."""
        images, _ = next(iter(self.data.batches("test", count)))
        return images

    def scores(self, pruner: Pruner, score: str, side: str) -> dict[str, dict[str, Any]]:
        """Channel scores, where they need data from training images and the cross-entropy."""
        images = _first(self.data, _RANK_IMAGES, 1)
        if score == "taylor":
            images = _first(self.data, _TAYLOR_BATCH, _TAYLOR_BATCHES)
        sides = "both" if side == "output" else "input"
        return pruner.scores(score, sides, data=images, loss=F.cross_entropy)

    def suits(self, score: str) -> bool:
        """False for the rank of maps in a network most of whose layers have none."""
        layers = [each for each in self.model.modules() if mixes(each)]
        linear = sum(isinstance(each, torch.nn.Linear) for each in layers)
        return score != "hrank" or 2 * linear < len(layers)


def _first(data: Data, size: int, batches: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for number, batch in enumerate(data.batches("train", size)):
        if number == batches:
            break
        yield batch


def trained_here(folder: Path, architecture: str, seed: int, data: Data) -> Subject:
    """A network that ``train`` made.

    Raises
    ------
    InputError
        If its checkpoint is missing or damaged, or for other data.
    """
    path = path_of(folder, architecture, data.name, seed)
    if not path.exists():
        raise InputError(
            "no such checkpoint; make it with 'reorder-solver train'", source=str(path)
        )
    model, trained = load(path)
    if (trained.data, trained.classes) != (data.name, data.classes):
        raise InputError(f"was trained on {trained.data}, not {data.name}", source=str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Subject(architecture, seed, digest, model, data)


def torchvision_subject(name: str, folder: Path) -> Subject:
    """A network of torchvision with its published weights, and images of the classes it knows.

    Parameters
    ----------
    name : str
        Such as ``resnet50``.
    folder : Path
        See :class:`~reorder_solver.experiments.data.FolderData`; its classes in alphabetical
        order must be those of the weights.

    Raises
    ------
    InputError
        If there is no such network, no weights of it can be had, or the folder does not fit.
    """
    try:
        from torchvision import models
    except ModuleNotFoundError:
        raise MissingPackageError(
            "torchvision is needed for its weights: pip install 'reorder-solver[torch]'"
        ) from None
    if name not in models.list_models():
        raise InputError(f"torchvision has no model {name!r}")
    weights = models.get_model_weights(name).DEFAULT
    data = FolderData(folder, weights.transforms())
    if data.classes != len(weights.meta["categories"]):
        raise InputError(
            f"has {data.classes} classes, the weights know {len(weights.meta['categories'])}",
            source=str(folder),
        )
    try:
        model = models.get_model(name, weights=weights).eval()
    except OSError as error:
        raise InputError(f"no weights of {name!r}: {error}") from None
    return Subject(f"torchvision:{name}", 0, str(weights), model, data)
