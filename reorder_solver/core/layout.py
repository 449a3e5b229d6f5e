"""Layout: one permutation of channels per tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_solver.core.instance import Instance
    from reorder_solver.core.windows import WindowsInstance

Order = npt.NDArray[np.int64]


def _permutation(tensor_id: str, channels: Iterable[int] | npt.NDArray[Any]) -> Order:
    place = f"layout of tensor {tensor_id!r}"
    raw = np.array(channels if isinstance(channels, np.ndarray) else list(channels))
    if raw.ndim != 1 or (raw.size and raw.dtype.kind not in "iu"):
        raise LayoutError("must be a flat list of integers", place=place)
    order = raw.astype(np.int64)
    seen = np.zeros(order.size, dtype=np.bool_)
    if order.size and (order.min() < 0 or order.max() >= order.size):
        raise LayoutError(f"must hold each of 0..{order.size - 1} once", place=place)
    seen[order] = True
    if not seen.all():
        missing = int(np.flatnonzero(~seen)[0])
        raise LayoutError(f"is no permutation: channel {missing} is missing", place=place)
    order.flags.writeable = False
    return order


class Layout(Mapping[str, Order]):
    """For each tensor id, its channels position by position (read-only int64 arrays).

    Parameters
    ----------
    orders : mapping of str to sequence of int
        Each a permutation of ``0 .. channels - 1``.

    Raises
    ------
    LayoutError
        If an order is no permutation.
    """

    __slots__ = ("_orders",)

    def __init__(self, orders: Mapping[str, Iterable[int] | npt.NDArray[Any]]) -> None:
        self._orders = {key: _permutation(key, value) for key, value in orders.items()}

    def __getitem__(self, tensor_id: str) -> Order:
        return self._orders[tensor_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._orders)

    def __len__(self) -> int:
        return len(self._orders)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layout):
            return NotImplemented
        return self.keys() == other.keys() and all(
            np.array_equal(order, other[key]) for key, order in self.items()
        )

    def __hash__(self) -> int:
        return hash(frozenset((key, order.tobytes()) for key, order in self._orders.items()))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{key}: {order.size}" for key, order in self._orders.items())
        return f"Layout({{{sizes}}})"

    @classmethod
    def identity(cls, instance: Instance) -> Layout:
        """The original order of every tensor."""
        return cls({tensor.id: np.arange(tensor.channels) for tensor in instance.tensors})

    def check(self, instance: Instance | WindowsInstance) -> None:
        """Raise :class:`LayoutError` unless this is a layout of `instance`.

        There must be one order per tensor, of its length, and the original one where the tensor
        is fixed.
        """
        known = {tensor.id for tensor in instance.tensors}
        for key in self._orders:
            if key not in known:
                raise LayoutError(f"unknown tensor {key!r}", place="layout")
        for tensor in instance.tensors:
            order = self._orders.get(tensor.id)
            place = f"layout of tensor {tensor.id!r}"
            if order is None:
                raise LayoutError("is missing", place=place)
            if order.size != tensor.channels:
                raise LayoutError(
                    f"has {order.size} channels instead of {tensor.channels}", place=place
                )
            if tensor.fixed and not np.array_equal(order, np.arange(tensor.channels)):
                raise LayoutError("changes a fixed tensor; its order must stay", place=place)

    def unused_last(self, instance: Instance) -> Layout:
        """The same layout with the channels that no access wants moved to the end, in order.

        Costs are the same by definition: unused channels are dropped (fixed tensors are left
        as they are).
        """
        placed = instance.placed_channels()
        orders: dict[str, Order] = {}
        for key, order in self._orders.items():
            keep = placed[key]
            orders[key] = np.concatenate([order[keep[order]], np.flatnonzero(~keep)])
        return Layout(orders)
