"""Checkpoints: trained weights as safetensors, with what they are."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from reorder_solver.core.errors import InputError, MissingPackageError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

_KEY = "reorder-solver"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a checkpoint says about itself.

    Attributes
    ----------
    architecture, data : str
    seed : int
    epochs : int
    channels, size, classes : int
        Of the images.
    accuracy : float
        Share of the test images classified right, from 0 to 1.
    version : str
        Of this package.
    torch : str
        Version of PyTorch.
    seconds : float
        On the processor.
    """

    architecture: str
    data: str
    seed: int
    epochs: int
    channels: int
    size: int
    classes: int
    accuracy: float
    version: str
    torch: str
    seconds: float


def default_folder() -> Path:
    """Where checkpoints go unless told otherwise: this user's cache."""
    try:
        from platformdirs import user_cache_path
    except ModuleNotFoundError:
        raise MissingPackageError(
            "platformdirs is needed to find the cache: pip install 'reorder-solver[experiments]'"
        ) from None
    return user_cache_path("reorder-solver") / "checkpoints"


def path_of(folder: Path, architecture: str, data: str, seed: int) -> Path:
    """The file of one network."""
    return folder / f"{data}-{architecture}-{seed}.safetensors"


def save(model: nn.Module, trained: Trained, path: Path) -> None:
    """Write weights and description; the file is there whole or not at all."""
    _require()
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
        save_file(tensors, name, {_KEY: json.dumps(asdict(trained))})
        os.replace(name, path)
    except BaseException:
        name.unlink(missing_ok=True)
        raise


def describe(path: Path) -> Trained:
    """What a checkpoint is, without its weights.

    Raises
    ------
    InputError
        If the file is missing, damaged, or not one of ours.
    """
    _require()
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return Trained(**json.loads((file.metadata() or {})[_KEY]))
    except FileNotFoundError:
        raise InputError("no such checkpoint", source=str(path)) from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"is no safetensors file: {error}", source=str(path)) from None
    except (KeyError, TypeError, ValueError):
        raise InputError("is no checkpoint of a trained network", source=str(path)) from None


def load(path: Path) -> tuple[nn.Module, Trained]:
    """The network of a checkpoint, in evaluation mode.

    Raises
    ------
    InputError
        If the file is missing, damaged, or does not fit its architecture.
    """
    from safetensors.torch import load_file

    from reorder_solver.experiments.architectures import build

    trained = describe(path)
    model = build(trained.architecture, trained.channels, trained.size, trained.classes)
    try:
        model.load_state_dict(load_file(path))
    except RuntimeError:
        raise InputError(
            f"its weights do not fit the architecture {trained.architecture!r}", source=str(path)
        ) from None
    return model.eval(), trained


def _require() -> None:
    try:
        import safetensors  # noqa: F401
    except ModuleNotFoundError:
        raise MissingPackageError(
            "safetensors is needed for checkpoints: pip install 'reorder-solver[experiments]'"
        ) from None
