"""A plan: the rewritten instance, its buffers, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reorder_solver.core.errors import InputError
from reorder_solver.core.prices import PriceList, as_integer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from reorder_solver.core.instance import Instance
    from reorder_solver.core.layout import Layout
    from reorder_solver.core.prices import Objective


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor that buffers may be copied from.

    Parameters
    ----------
    bytes : int
        Of one channel, where it is copied.
    is_written : bool
        True for a tensor that is itself a copy, as of a concatenation: its buffers are written
        from where it would be, and what is stored in the tensor has to be paid for as well.
    prices : PriceList, optional
        Of a fill, for solving the rewritten instance under ``latency``.

    Raises
    ------
    InputError
        If `bytes` is no integer or negative, or `prices` no price list.
    """

    bytes: int
    is_written: bool = False
    prices: PriceList | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "bytes", as_integer(self.bytes, "bytes of a source"))
        if self.prices is not None and not isinstance(self.prices, PriceList):
            raise InputError("prices of a source must be a PriceList")


@dataclass(frozen=True, slots=True, eq=False)
class SharedBuffer:
    """A tensor of the rewritten instance that is copied from another.

    Attributes
    ----------
    tensor, source : str
        Ids of the buffer and of the tensor it is copied from.
    fill : str
        Id of the access that copies: a read of the source, or a write of the buffer itself where
        the source is written.
    channels : ndarray of int64
        Channel ``i`` of the buffer is channel ``channels[i]`` of the source; ascending.
    readers : tuple of str
        Ids of the accesses that moved to the buffer; at least two, unless the source is written.
    """

    tensor: str
    source: str
    fill: str
    channels: npt.NDArray[np.int64]
    readers: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SharingPlan:
    """An instance with shared buffers, and how it relates to the one it came from.

    Attributes
    ----------
    original, instance : Instance
        Before and after; the same object if nothing is shared.
    buffers : tuple of SharedBuffer
    layout : Layout
        A layout of `instance` that does what was planned: a warm start for ``solve``. Tensors that
        no buffer could help are ordered as in the warm start of the plan, or not at all.
    objective : Objective
        What the plan minimises.
    is_proven : bool
        Whether no other choice of buffers gives the rewritten instance a smaller optimum.
    """

    original: Instance
    instance: Instance
    buffers: tuple[SharedBuffer, ...]
    layout: Layout
    objective: Objective
    is_proven: bool

    def reads(self) -> dict[str, tuple[str, ...]]:
        """Per access of the original instance, the tensors of its parts in the rewritten one."""
        known = {access.id: access for access in self.instance.accesses}
        return {
            access.id: tuple(part.tensor for part in known[access.id].parts)
            for access in self.original.accesses
        }

    def contents(self, layout: Layout) -> dict[str, npt.NDArray[np.int64]]:
        """Per tensor, position by position, which channel of the original tensor is stored.

        Parameters
        ----------
        layout : Layout
            Of the rewritten instance.

        Returns
        -------
        dict of str to ndarray of int64
            Without dropped channels. For a buffer, the channels of its source.

        Raises
        ------
        LayoutError
            If the layout does not belong to the rewritten instance.
        """
        layout.check(self.instance)
        placed = self.instance.placed_channels()
        found = {key: order[placed[key][order]] for key, order in layout.items()}
        for buffer in self.buffers:
            found[buffer.tensor] = buffer.channels[found[buffer.tensor]]
        return found
