"""Models: reproducible networks, and statistics that make their outputs mean something."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import nn

from reorder_solver.core.errors import InputError, MissingPackageError
from reorder_solver.torch_adapter.capture import as_arguments

#: Models whose default initialisation is slow and warns.
_SLOW_TO_INITIALISE = frozenset({"googlenet", "inception_v3"})

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def load_model(spec: str, seed: int = 0) -> nn.Module:
    """Build a model with random weights, the same for the same seed.

    Parameters
    ----------
    spec : str
        ``"torchvision:resnet18"``, or ``"package.module:callable"`` for something that returns a
        module when called without arguments.
    seed : int
        Of PyTorch's generator while the model is built; its state is put back afterwards.

    Returns
    -------
    torch.nn.Module
        In evaluation mode.
    """
    source, _, name = spec.partition(":")
    if not source or not name:
        raise InputError(f"model must be 'torchvision:name' or 'module:callable', got {spec!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _from_torchvision(name) if source == "torchvision" else _call(source, name)
    if not isinstance(model, nn.Module):
        raise InputError(f"{spec} returns a {type(model).__name__}, not a torch.nn.Module")
    return model.eval()


def random_images(size: int, seed: int = 0) -> torch.Tensor:
    """One square image of 3 channels, normally distributed."""
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(seed))


def _from_torchvision(name: str) -> Any:
    try:
        from torchvision import models
    except ModuleNotFoundError:
        raise MissingPackageError(
            "torchvision is needed for its models: pip install 'reorder-solver[torch]'"
        ) from None
    if name not in models.list_models():
        raise InputError(f"torchvision has no model {name!r}")
    options = {"init_weights": False} if name in _SLOW_TO_INITIALISE else {}
    return models.get_model(name, weights=None, **options)


def _call(source: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(source), name)()
    except ModuleNotFoundError as error:
        raise InputError(f"cannot import {source!r}: {error}") from None
    except AttributeError:
        raise InputError(f"module {source!r} has no {name!r}") from None


def calibrate(model: nn.Module, inputs: Any) -> nn.Module:
    """Set the statistics of batch normalisation from data, in place.

    With random weights and the default statistics, a deep network's output hardly depends on its
    input; a comparison of two such networks would prove little.

    Parameters
    ----------
    model : torch.nn.Module
        Changed. Its modes (training or evaluation) stay.
    inputs : tensor, tuple of tensors, or mapping of str to tensor
        One batch of at least two samples.

    Returns
    -------
    torch.nn.Module
        The same object.
    """
    args, kwargs = as_arguments(inputs)
    modes = {module: module.training for module in model.modules()}
    norms = [
        module
        for module in model.modules()
        if isinstance(module, _NORMS) and module.track_running_stats
    ]
    momenta = {norm: norm.momentum for norm in norms}
    model.eval()
    try:
        for norm in norms:
            norm.reset_running_stats()
            # None averages over all batches seen: here, over the one.
            norm.momentum = None
            norm.train()
        with torch.no_grad():
            model(*args, **kwargs)
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        for module, mode in modes.items():
            module.training = mode
    return model
