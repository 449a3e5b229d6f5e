"""Site: all that the price of an access depends on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from reorder_solver.core.errors import InputError, shown

#: Operators to the number of their spatial axes; a copy has no operator behind it.
OPERATORS: dict[str, int | None] = {
    "conv1d": 1,
    "conv2d": 2,
    "conv3d": 3,
    "linear": None,
    "copy": None,
}
MEMORY_FORMATS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}
#: Numbers of wanted channels are rounded up to this many shares of all, so that sites can share.
_LEVELS = 8


@dataclass(frozen=True, slots=True)
class AccessSite:
    """Where an access takes place.

    Parameters
    ----------
    operator : str
        What reads: ``conv1d``, ``conv2d``, ``conv3d`` (one group), ``linear``, or ``copy`` for a
        selection with no such operator behind it, as before an elementwise step.
    shape : tuple of int
        Of the value read, with all the channels that are stored.
    axis : int
        Its channel axis: 1 for convolutions, the last for linear.
    channels : int
        Channels wanted.
    out_channels : int
        Rows of the weight; 0 for ``copy``.
    kernel, stride, padding, dilation : tuple of int
        Of a convolution, one number per spatial axis.
    block : int
        Consecutive features on the axis that make up one channel.
    dtype : str
        Such as ``float32``.
    memory_format : {"contiguous", "channels_last"}
    device : str
        Such as ``cpu`` or ``cuda:0``.
    threads : int
        PyTorch's threads within operators.
    multiplied : bool
        A slice is read by a product of matrices, not by the convolution, whose kernel is one place.

    Raises
    ------
    InputError
        If these do not fit together.
    """

    operator: str
    shape: tuple[int, ...]
    axis: int
    channels: int
    out_channels: int = 0
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    block: int = 1
    dtype: str = "float32"
    memory_format: str = "contiguous"
    device: str = "cpu"
    threads: int = 1
    multiplied: bool = False

    def __post_init__(self) -> None:
        for rule, holds in self._rules():
            if not holds:
                raise InputError(rule, source=f"site {self.operator} {self.shape}")

    def _rules(self) -> tuple[tuple[str, bool], ...]:
        spatial = OPERATORS.get(self.operator)
        rank = len(self.shape)
        geometry = (self.kernel, self.stride, self.padding, self.dilation)
        is_last = rank == 4 or self.memory_format != "channels_last"
        in_shape = 0 <= self.axis < rank and min(self.shape, default=0) >= 1
        axis = {"linear": rank - 1, "copy": self.axis}.get(self.operator, 1)
        return (
            (f"unknown operator; known: {', '.join(OPERATORS)}", self.operator in OPERATORS),
            ("axis must lie in a shape of numbers from 1", in_shape),
            (f"the channel axis of {self.operator} is {axis}", self.axis == axis),
            ("a convolution has a batch axis", spatial is None or rank == spatial + 2),
            (
                "kernel, stride, padding and dilation need a number per spatial axis",
                all(len(each) == (spatial or 0) for each in geometry),
            ),
            (
                "out_channels must be at least 1, and 0 for a copy",
                (self.out_channels > 0) == (self.operator != "copy"),
            ),
            (
                "the channel axis must be whole blocks",
                not in_shape or (self.block >= 1 and self.shape[self.axis] % self.block == 0),
            ),
            (
                f"channels must be from 1 to those stored, got {shown(self.channels)}",
                not in_shape or 1 <= self.channels <= self.stored,
            ),
            ("channels_last is for four axes", is_last),
            (
                f"memory_format must be one of {', '.join(MEMORY_FORMATS)}",
                self.memory_format in MEMORY_FORMATS,
            ),
            (f"unknown dtype {shown(self.dtype)}", _is_floating(self.dtype)),
            (f"no device to be timed: {shown(self.device)}", _is_device(self.device)),
            ("threads must be at least 1", self.threads >= 1),
            (
                "only convolutions of single places, without padding and stride, can be multiplied",
                not self.multiplied
                or (
                    bool(spatial) and {*self.kernel, *self.stride} == {1} and not any(self.padding)
                ),
            ),
        )

    @property
    def stored(self) -> int:
        """Channels that the value has."""
        return self.shape[self.axis] // max(1, self.block)

    @property
    def has_operator(self) -> bool:
        """Whether an operator with weights reads: then `cover` and `split` are possible."""
        return self.operator != "copy"

    @property
    def is_last(self) -> bool:
        """Whether the channels of an image are innermost in memory."""
        return self.memory_format == "channels_last"

    @property
    def has_rows(self) -> bool:
        """Whether channels are innermost in memory, and there are several axes around them."""
        innermost = self.axis == len(self.shape) - 1 or (self.is_last and self.axis == 1)
        return innermost and len(self.shape) > 2

    def rounded(self) -> AccessSite:
        """The site whose timings stand for this one: wanted channels rounded up to an eighth."""
        level = -(-_LEVELS * self.channels // self.stored)
        return replace(self, channels=level * self.stored // _LEVELS)


def _is_floating(name: str) -> bool:
    dtype = getattr(torch, name, None)
    return isinstance(dtype, torch.dtype) and dtype.is_floating_point


def _is_device(name: str) -> bool:
    try:
        return torch.device(name).type != "meta"
    except RuntimeError:
        return False
