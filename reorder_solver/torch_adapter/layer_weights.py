"""Layer weights: which entries of a layer's parameters belong to one of its channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Kept = npt.NDArray[np.bool_]

Side = Literal["input", "output"]

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
#: Layers that mix channels: an output channel is a weighted sum over input channels.
_MIXING = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)
#: Layers with a factor and a shift per channel: they have outputs to mask, but no inputs.
_SCALING = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.GroupNorm,
)


def mixes(module: nn.Module) -> bool:
    """True for linear layers and convolutions, grouped and transposed ones included."""
    return isinstance(module, _MIXING)


def maskable(module: nn.Module, side: Side = "input") -> bool:
    """True for the layers that a mask of this side can be given for."""
    return mixes(module) or (side == "output" and isinstance(module, _SCALING))


def groups_of(module: nn.Module) -> int:
    """Number of groups of a convolution; 1 for any other layer."""
    return int(getattr(module, "groups", 1)) if mixes(module) else 1


def is_depthwise(module: nn.Module) -> bool:
    """True where each output channel is computed from one input channel alone."""
    groups = groups_of(module)
    return groups > 1 and groups == getattr(module, "in_channels", 0)


def signature(module: nn.Module) -> tuple[bool, int]:
    """Equal for two layers that would read the channels of a shared weight alike."""
    return isinstance(module, _TRANSPOSED), groups_of(module)


def channels(module: nn.Module, side: Side) -> int:
    """Number of channels (features, for a linear layer) on one side of a maskable layer."""
    by_group = _by_group(module, module.get_parameter("weight"))
    return int(by_group.shape[0] * by_group.shape[1 if side == "output" else 2])


def zero(module: nn.Module, side: Side, kept: Kept) -> None:
    """Set everything that belongs to channels that are not kept to zero, in place.

    The bias belongs to the output channels. ``kept`` has one entry per channel of that side.
    """
    with torch.no_grad():
        weight = module.get_parameter("weight")
        dropped = torch.from_numpy(~kept).to(weight.device)
        by_channel = channels_first(module, weight, side)
        by_channel[dropped.reshape(by_channel.shape[:2])] = 0
        bias = dict(module.named_parameters(recurse=False)).get("bias")
        if side == "output" and bias is not None:
            bias[dropped] = 0


def norms(
    module: nn.Module, weight: torch.Tensor, side: Side, order: int
) -> npt.NDArray[np.float64]:
    """Per channel the sum of ``|entry| ** order`` over its weights, without the bias."""
    entries = channels_first(module, weight.detach().double().abs() ** order, side)
    totals: npt.NDArray[np.float64] = entries.flatten(2).sum(dim=2).flatten().cpu().numpy()
    return totals


def nonzero(module: nn.Module, side: Side) -> Kept:
    """Per channel whether anything that belongs to it, the bias included, is not exactly zero."""
    weight = module.get_parameter("weight")
    found = (channels_first(module, weight.detach(), side) != 0).flatten(2).any(dim=2).flatten()
    bias = dict(module.named_parameters(recurse=False)).get("bias")
    if side == "output" and bias is not None:
        found = found | (bias.detach() != 0)
    kept: Kept = found.cpu().numpy()
    return kept


def channels_first(module: nn.Module, weight: torch.Tensor, side: Side) -> torch.Tensor:
    """A view whose first axis counts groups and whose second the channels of one within it."""
    by_group = _by_group(module, weight)
    return by_group if side == "output" else by_group.transpose(1, 2)


def _by_group(module: nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """A view with the axes (group, output in it, input in it, kernel ...)."""
    if not mixes(module):
        return weight[None, :, None]
    split: torch.Tensor = weight.unflatten(0, (groups_of(module), -1))  # type: ignore[no-untyped-call]
    return split.transpose(1, 2) if isinstance(module, _TRANSPOSED) else split
