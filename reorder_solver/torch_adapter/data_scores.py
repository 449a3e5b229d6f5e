"""Scores that need data: the rank of feature maps, and the first-order Taylor expansion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.capture import as_arguments
from reorder_solver.torch_adapter.layer_weights import channels_first
from reorder_solver.torch_adapter.weight_scores import Magnitude

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy.typing as npt

    from reorder_solver.torch_adapter.connections import Channels
    from reorder_solver.torch_adapter.layer_weights import Side

    FloatArray = npt.NDArray[np.float64]
    #: Pairs of what the model is called on and what the loss compares its output with.
    Data = Iterable[tuple[Any, Any]]
    Loss = Callable[[Any, Any], torch.Tensor]

#: Layers whose channels are maps with two axes, which have a rank.
_WITH_MAPS = (nn.Conv2d, nn.ConvTranspose2d)
_SIDES: tuple[Side, ...] = ("input", "output")


@dataclass
class MapRanks:
    """The rank of a channel's feature map, in the mean over the data (HRank).

    The input side counts the maps as the layer reads them, the output side as it writes them,
    before any norm. Layers without maps (linear ones) score by the sum of squares instead.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    modules : mapping of str to torch.nn.Module
        The layers to score.
    data : iterable of (inputs, targets)
        Targets are not looked at.

    Raises
    ------
    InputError
        If there is no data.

    References
    ----------
    .. [1] M. Lin, R. Ji, Y. Wang, Y. Zhang, B. Zhang, Y. Tian, L. Shao, HRank: filter pruning
           using high-rank feature map, 2020, arXiv:2002.10179.
    """

    model: nn.Module
    modules: Mapping[str, nn.Module]
    data: Data
    sums: dict[tuple[str, Side], FloatArray] = field(default_factory=dict)
    images: dict[tuple[str, Side], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        hooks = [
            module.register_forward_hook(self._hook(name))
            for name, module in self.modules.items()
            if isinstance(module, _WITH_MAPS)
        ]
        try:
            with torch.no_grad():
                for args, kwargs, _ in _batches(self.data):
                    self.model(*args, **kwargs)
        finally:
            for hook in hooks:
                hook.remove()

    def __call__(self, name: str, module: nn.Module, channels: Channels, side: Side) -> FloatArray:
        """One score per owner."""
        if not isinstance(module, _WITH_MAPS):
            return Magnitude(2)(name, module, channels, side)
        if (name, side) not in self.sums:
            raise InputError("no map of this layer in the data", place=f"module {name!r}")
        ranks = self.sums[name, side] / self.images[name, side]
        return np.bincount(channels.owner, ranks, channels.owners).astype(np.float64)

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def add(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            sides: tuple[tuple[Side, Any], ...] = (("input", inputs[0]), ("output", output))
            for side, maps in sides:
                if maps.ndim == 4:
                    self._add(name, side, maps.detach())

        return add

    def _add(self, name: str, side: Side, maps: torch.Tensor) -> None:
        ranks = torch.linalg.matrix_rank(maps).double().sum(dim=0).cpu().numpy()
        self.sums[name, side] = self.sums.get((name, side), 0) + ranks
        self.images[name, side] = self.images.get((name, side), 0) + len(maps)


@dataclass
class Taylor:
    """The squared change of the loss, to first order, if a channel were dropped.

    That is the square of the sum of gradient times value over what belongs to the channel (on
    the output side with its bias), in the mean over the batches.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    modules : mapping of str to torch.nn.Module
        The layers to score.
    data : iterable of (inputs, targets)
    loss : callable
        ``loss(outputs, targets)``, a tensor with one number.

    Raises
    ------
    InputError
        If there is no data, or the loss is not one finite number.

    References
    ----------
    .. [1] P. Molchanov, A. Mallya, S. Tyree, I. Frosio, J. Kautz, Importance estimation for
           neural network pruning, 2019, arXiv:1906.10771.
    """

    model: nn.Module
    modules: Mapping[str, nn.Module]
    data: Data
    loss: Loss
    changes: list[dict[tuple[str, Side], FloatArray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model.requires_grad_(True)
        for args, kwargs, targets in _batches(self.data):
            value = self.loss(self.model(*args, **kwargs), targets)
            if not isinstance(value, torch.Tensor) or value.numel() != 1 or not value.isfinite():
                raise InputError("loss must return a tensor with one finite number")
            self.changes.append(self._changes(value))

    def __call__(self, name: str, module: nn.Module, channels: Channels, side: Side) -> FloatArray:
        """One score per owner."""
        total = np.zeros(channels.owners)
        for batch in self.changes:
            total += np.bincount(channels.owner, batch[name, side], channels.owners) ** 2
        return total / len(self.changes)

    def _changes(self, value: torch.Tensor) -> dict[tuple[str, Side], FloatArray]:
        """Per feature of each layer the sum of gradient times value."""
        parameters = {
            (name, kind): parameter
            for name, module in self.modules.items()
            for kind, parameter in module.named_parameters(recurse=False)
            if kind in ("weight", "bias")
        }
        gradients = torch.autograd.grad(
            value, list(parameters.values()), allow_unused=True, materialize_grads=True
        )
        products = {
            key: (parameter * gradient).detach().double()
            for (key, parameter), gradient in zip(parameters.items(), gradients, strict=True)
        }
        found: dict[tuple[str, Side], FloatArray] = {}
        for name, module in self.modules.items():
            for side in _SIDES:
                by_channel = channels_first(module, products[name, "weight"], side)
                by_feature = by_channel.flatten(2).sum(dim=2).flatten()
                if side == "output" and (name, "bias") in products:
                    by_feature = by_feature + products[name, "bias"]
                found[name, side] = by_feature.cpu().numpy()
        return found


def _batches(data: Data) -> Iterator[tuple[tuple[Any, ...], dict[str, Any], Any]]:
    empty = True
    for number, batch in enumerate(data):
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise InputError("must be a pair (inputs, targets)", source=f"data: batch {number}")
        inputs, targets = batch
        args, kwargs = as_arguments(inputs)
        yield args, kwargs, targets
        empty = False
    if empty:
        raise InputError("data has no batches")
