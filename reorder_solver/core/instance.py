"""The problem as a value: tensors, accesses and the instance they form, checked once and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import InputError, InstanceError, shown
from reorder_solver.core.prices import PriceList, as_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ChannelArray = npt.NDArray[np.int64]

#: Most channels one tensor may have; OR-Library's rail4284 has 1 092 610 columns.
MAX_CHANNELS = 1 << 21
#: Most characters of an identifier.
MAX_ID_LENGTH = 512


class Role(StrEnum):
    """What the operation behind an access does with its channels."""

    READ = "read"
    WRITE = "write"
    PASS = "pass"


def check_id(value: object, what: str) -> str:
    """Return an identifier; raise :class:`InstanceError` unless it is short and printable."""
    if not isinstance(value, str):
        raise InstanceError(f"{what} must be a string, got {type(value).__name__}")
    if not 0 < len(value) <= MAX_ID_LENGTH or not value.isprintable():
        raise InstanceError(f"{what} must have 1 to {MAX_ID_LENGTH} printable characters")
    return value


def check_flag(value: object, what: str) -> None:
    """Raise :class:`InstanceError` unless `value` is True or False."""
    if not isinstance(value, bool):
        raise InstanceError(f"{what} must be true or false, got {shown(value)}")


def channel_array(channels: Iterable[int] | npt.NDArray[Any]) -> ChannelArray:
    """Return `channels` as a sorted, read-only int64 array.

    Raises
    ------
    InstanceError
        If a channel is no integer, negative, or listed twice.
    """
    raw = channels if isinstance(channels, np.ndarray) else np.asarray(list(channels))
    if raw.size == 0:
        raw = np.empty(0, dtype=np.int64)
    if raw.ndim != 1 or raw.dtype.kind not in "iu":
        raise InstanceError("channels must be a flat list of integers")
    if raw.size and int(raw.max()) >= MAX_CHANNELS:
        raise InstanceError(f"channel {int(raw.max())} is past the limit of {MAX_CHANNELS}")
    array = np.sort(raw.astype(np.int64))
    if array.size and array[0] < 0:
        raise InstanceError(f"channel {int(array[0])} is negative")
    twice = array[1:][array[1:] == array[:-1]]
    if twice.size:
        raise InstanceError(f"channel {int(twice[0])} is listed twice")
    array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True)
class Tensor:
    """An activation whose channel order may be chosen.

    Parameters
    ----------
    id : str
        Unique within the instance.
    channels : int
        How many channels it has, at least 1.
    fixed : bool
        True if its order may not change; then unused channels keep their places too.
    """

    id: str
    channels: int
    fixed: bool = False

    def __post_init__(self) -> None:
        check_id(self.id, "tensor id")
        place = f"tensor {self.id!r}"
        try:
            object.__setattr__(self, "channels", as_integer(self.channels, "channels", minimum=1))
            if self.channels > MAX_CHANNELS:
                raise InstanceError(f"channels must be at most {MAX_CHANNELS}")
            check_flag(self.fixed, "fixed")
        except InputError as error:
            raise InstanceError(error.rule, place=place) from None


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The channels that an access wants of one tensor.

    Parameters
    ----------
    tensor : str
        Id of the tensor.
    channels : iterable of int
        Wanted channels; stored as a sorted, read-only int64 array. May be empty: the tensor
        still takes up room in the concatenation.
    """

    tensor: str
    channels: ChannelArray

    def __post_init__(self) -> None:
        check_id(self.tensor, "tensor id")
        object.__setattr__(self, "channels", channel_array(self.channels))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Part):
            return NotImplemented
        return self.tensor == other.tensor and np.array_equal(self.channels, other.channels)

    def __hash__(self) -> int:
        return hash((self.tensor, self.channels.tobytes()))


@dataclass(frozen=True, slots=True)
class Access:
    """One operation that wants a subset of the channels of a tensor, or of a concatenation.

    Parameters
    ----------
    id : str
        Unique within the instance.
    parts : sequence of Part
        In order; the access sees the layouts of the parts' tensors laid end to end.
    role : Role
        ``read``, ``write`` or ``pass``.
    bytes : int
        Bytes of one channel, for the objective ``bytes``.
    weight : int
        Price of a run beyond the first, for the objective ``runs``.
    required : bool
        True if only a view will do.
    prices : PriceList, optional
        Measured prices in nanoseconds, for the objective ``latency``.
    """

    id: str
    parts: tuple[Part, ...]
    role: Role = Role.READ
    bytes: int = 1
    weight: int = 1
    required: bool = False
    prices: PriceList | None = None

    def __post_init__(self) -> None:
        check_id(self.id, "access id")
        try:
            self._normalise()
        except InputError as error:
            raise InstanceError(error.rule, place=f"access {self.id!r}") from None

    def _normalise(self) -> None:
        parts = tuple(self.parts)
        if not parts or not all(isinstance(part, Part) for part in parts):
            raise InstanceError("parts must be a non-empty list of parts")
        object.__setattr__(self, "parts", parts)
        try:
            object.__setattr__(self, "role", Role(self.role))
        except ValueError:
            known = ", ".join(role.value for role in Role)
            raise InstanceError(f"unknown role {shown(self.role)}; known: {known}") from None
        object.__setattr__(self, "bytes", as_integer(self.bytes, "bytes"))
        object.__setattr__(self, "weight", as_integer(self.weight, "weight"))
        check_flag(self.required, "required")
        if self.prices is not None and not isinstance(self.prices, PriceList):
            raise InstanceError("prices must be a PriceList")

    @property
    def size(self) -> int:
        """Number of wanted channels over all parts (``n``)."""
        return sum(part.channels.size for part in self.parts)


@dataclass(frozen=True, slots=True)
class Instance:
    """A channel-ordering problem: tensors and the accesses to them, immutable and validated.

    Parameters
    ----------
    name : str
        A label, may be empty.
    tensors : sequence of Tensor
    accesses : sequence of Access
    meta : mapping of str to object, optional
        Free description (origin, seed ...); no part of the problem, ignored by comparison.

    Raises
    ------
    InstanceError
        On a duplicate id, an unknown tensor or a channel outside its tensor.
    """

    name: str
    tensors: tuple[Tensor, ...]
    accesses: tuple[Access, ...]
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or len(self.name) > MAX_ID_LENGTH:
            raise InstanceError(f"name must be a string of at most {MAX_ID_LENGTH} characters")
        if self.name and not self.name.isprintable():
            raise InstanceError("name must have printable characters only")
        object.__setattr__(self, "tensors", tuple(self.tensors))
        object.__setattr__(self, "accesses", tuple(self.accesses))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))
        check_unique("tensor", [tensor.id for tensor in self.tensors])
        check_unique("access", [access.id for access in self.accesses])
        widths = {tensor.id: tensor.channels for tensor in self.tensors}
        for access in self.accesses:
            for part in access.parts:
                _check_part(access.id, part, widths)

    def tensor(self, tensor_id: str) -> Tensor:
        """The tensor called `tensor_id` (KeyError if there is none)."""
        for tensor in self.tensors:
            if tensor.id == tensor_id:
                return tensor
        raise KeyError(tensor_id)

    def replace(self, **changes: Any) -> Instance:
        """A copy with some fields changed, validated again."""
        return replace(self, **changes)

    def used_channels(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Per tensor id a boolean array, True where some access wants the channel."""
        used = {tensor.id: np.zeros(tensor.channels, dtype=np.bool_) for tensor in self.tensors}
        for access in self.accesses:
            for part in access.parts:
                used[part.tensor][part.channels] = True
        return used

    def placed_channels(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Per tensor id the channels that take up a position.

        Unused channels are dropped, except in a fixed tensor, where nothing moves.
        """
        placed = self.used_channels()
        for tensor in self.tensors:
            if tensor.fixed:
                placed[tensor.id][:] = True
        return placed

    def __getstate__(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "tensors": self.tensors,
            "accesses": self.accesses,
            "meta": dict(self.meta),
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        for key, value in state.items():
            object.__setattr__(self, key, MappingProxyType(value) if key == "meta" else value)


def check_unique(what: str, ids: Sequence[str]) -> None:
    """Raise :class:`InstanceError` if an id occurs twice."""
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise InstanceError(f"{what} id {one!r} is used twice; ids must be unique")
        seen.add(one)


def _check_part(access_id: str, part: Part, widths: Mapping[str, int]) -> None:
    place = f"access {access_id!r}"
    width = widths.get(part.tensor)
    if width is None:
        raise InstanceError(f"unknown tensor {shown(part.tensor)}", place=place)
    if part.channels.size and part.channels[-1] >= width:
        last = int(part.channels[-1])
        raise InstanceError(
            f"channel {last} is outside tensor {part.tensor!r} of {width} channels", place=place
        )
