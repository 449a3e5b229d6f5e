"""Training: small networks, the same from the same seed."""

from __future__ import annotations

import copy
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from reorder_solver import __version__
from reorder_solver.core.errors import InputError
from reorder_solver.experiments.architectures import build
from reorder_solver.experiments.checkpoints import Trained, describe, path_of, save
from reorder_solver.torch_adapter.modes import evaluating
from reorder_solver.torch_adapter.timing import threads_set_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import nn

    from reorder_solver.experiments.data import ArrayData, Data

#: Epochs that an architecture gets if no number is given.
EPOCHS = {"transformer": 16}
_USUAL_EPOCHS = 8
_BATCH = 64
#: A decay this strong leaves weights near zero that the network can do without.
_RATE, _DECAY = 4e-3, 0.5
_TEST_BATCH = 500


def train(
    architecture: str,
    data: ArrayData,
    seed: int = 0,
    epochs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[nn.Module, Trained]:
    """Train a network with AdamW under a one-cycle rate on randomly shifted images.

    Parameters
    ----------
    architecture : str
    data : ArrayData
    seed : int
        Of weights, order and shifts.
    epochs : int, optional
        Eight, for a transformer sixteen.
    progress : callable, optional
        Called with the epochs done and all after each.

    Returns
    -------
    model : torch.nn.Module
        In evaluation mode.
    trained : Trained

    Raises
    ------
    InputError
        If there is no such architecture.

    Notes
    -----
    One thread and deterministic algorithms: the same weights for the same seed, versions and
    machine.
    """
    epochs = EPOCHS.get(architecture, _USUAL_EPOCHS) if epochs is None else epochs
    model = build(architecture, data.channels, data.size, data.classes, seed)
    begin = time.thread_time()
    _fit(model, data, epochs, seed, _RATE, progress)
    seconds = time.thread_time() - begin
    return model.eval(), Trained(
        architecture,
        data.name,
        seed,
        epochs,
        data.channels,
        data.size,
        data.classes,
        accuracy(model, data),
        __version__,
        torch.__version__,
        round(seconds, 1),
    )


def fine_tune(model: nn.Module, data: ArrayData, epochs: int, seed: int = 0) -> nn.Module:
    """Train on, with a fifth of the rate; weights that are zero, as those of masks, stay zero.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    data : ArrayData
    epochs : int
    seed : int
        For the order of the images and their shifts.

    Returns
    -------
    torch.nn.Module
        A copy, in evaluation mode.
    """
    tuned = copy.deepcopy(model)
    held = [(each, each != 0) for each in tuned.parameters() if each.ndim > 1]
    _fit(tuned, data, epochs, seed, _RATE / 5, held=held)
    return tuned.eval()


def _fit(
    model: nn.Module,
    data: ArrayData,
    epochs: int,
    seed: int,
    rate: float,
    progress: Callable[[int, int], None] | None = None,
    held: Sequence[tuple[torch.Tensor, torch.Tensor]] = (),
) -> None:
    images, targets = data.train
    steps = -(-len(images) // _BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=rate, total_steps=max(1, epochs * steps)
    )
    generator = torch.Generator().manual_seed(seed)
    with threads_set_to(1), deterministic():
        model.train()
        for epoch in range(epochs):
            order = torch.randperm(len(images), generator=generator)
            for start in range(0, len(images), _BATCH):
                chosen = order[start : start + _BATCH]
                shifted = shift(images[chosen], max(1, data.size // 12), generator)
                loss = F.cross_entropy(model(shifted), targets[chosen], label_smoothing=0.05)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
                with torch.no_grad():
                    for parameter, kept in held:
                        parameter.mul_(kept)
            if progress is not None:
                progress(epoch + 1, epochs)


def shift(images: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    """Each image moved by up to `most` pixels along either axis; its edge values fill in."""
    count, _, height, width = images.shape
    padded = F.pad(images, (most,) * 4, mode="replicate")
    down, right = torch.randint(0, 2 * most + 1, (2, count, 1), generator=generator)
    rows = (down + torch.arange(height))[:, None, :, None]
    columns = (right + torch.arange(width))[:, None, None, :]
    each, channel = torch.arange(count)[:, None, None, None], torch.arange(images.shape[1])
    return padded[each, channel[None, :, None, None], rows, columns]


def accuracy(model: nn.Module, data: Data, most: int | None = None) -> float:
    """The share of test images whose highest score is that of their class (top-1).

    Parameters
    ----------
    model : torch.nn.Module
        Put into evaluation mode meanwhile.
    data : Data
    most : int, optional
        Test images to use.
    """
    right = seen = 0
    with evaluating(model), torch.inference_mode():
        for images, targets in data.batches("test", _TEST_BATCH):
            right += int((model(images).argmax(1) == targets).sum())
            seen += len(targets)
            if most is not None and seen >= most:
                break
    return right / seen


@contextmanager
def deterministic() -> Iterator[None]:
    """PyTorch refuses operators that may differ from run to run."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@dataclass(frozen=True, slots=True)
class Task:
    """A network to be trained.

    Attributes
    ----------
    architecture : str
    seed : int
    path : Path
        Of its checkpoint.
    """

    architecture: str
    seed: int
    path: Path


def tasks(
    folder: Path, architectures: Sequence[str], data: str, seeds: Sequence[int]
) -> list[Task]:
    """All networks, one seed after the other, so that an interrupted run has whole seeds."""
    return [
        Task(name, seed, path_of(folder, name, data, seed))
        for seed in seeds
        for name in architectures
    ]


def train_missing(
    task: Task,
    data: ArrayData,
    epochs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Trained, bool]:
    """The checkpoint of a task, trained now if it is not there; True if it was trained.

    Raises
    ------
    InputError
        If the file that is there is no checkpoint, or of other training than asked for.
    """
    if task.path.exists():
        found = describe(task.path)
        asked = (task.architecture, data.name, task.seed, epochs or found.epochs)
        if (found.architecture, found.data, found.seed, found.epochs) != asked:
            raise InputError(
                f"is of {found.architecture}, {found.data}, seed {found.seed}, {found.epochs} "
                "epochs; remove it or choose another folder",
                source=str(task.path),
            )
        return found, False
    model, trained = train(task.architecture, data, task.seed, epochs, progress)
    save(model, trained, task.path)
    return trained, True
