"""Kernels: faster ways to gather channels, to add to some, and to read slices of them.

The functions are written for tensors, and for ``torch.fx`` proxies that stand for tensors, so that
what is measured is what is exported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Elements that PyTorch gives a thread at least.
_GRAIN = 32768


def takes_threads(elements: int, threads: int, device: torch.device) -> bool:
    """Whether columns of a matrix are chosen faster by a kernel that shares the rows out.

    PyTorch's selection of columns runs on one thread. Its gather takes up to a fifth longer on
    one, but half as long on two, once there is enough for both.

    Parameters
    ----------
    elements : int
        Chosen in all.
    threads : int
    device : torch.device
        Selection is shared out on other devices than the CPU.
    """
    return device.type == "cpu" and threads > 1 and elements >= 2 * _GRAIN


def gather_rows(
    value: Any, axis: int, index: Any, inner: Sequence[int], *, threaded: bool = False
) -> Any:
    """Choose features on the axis that is innermost in memory, as columns of a matrix.

    PyTorch's selection on the last of two axes copies runs of memory; on the last of more, or on
    an axis that is innermost by its strides, it goes element by element, several times slower.

    Parameters
    ----------
    value : torch.Tensor
        Of rank 3 or more.
    axis : int
    index : torch.Tensor of int64
    inner : sequence of int
        Sizes of the axes other than the first and `axis`.
    threaded : bool
        Share the rows out among threads; see :func:`takes_threads`.

    Returns
    -------
    torch.Tensor
        ``value.index_select(axis, index)``, with `axis` innermost in memory.
    """
    last = len(inner) + 1
    moved = value if axis == last else value.movedim(axis, -1)
    rows = moved.flatten(0, last - 1)
    if threaded:
        # Sizes that are proxies can be given to methods of proxies only, and an index is no proxy
        # where a stored graph is traced again.
        like = rows.narrow(1, 0, 1).expand(-1, index.size(0))
        columns = rows.gather(1, index.expand_as(like))
    else:
        columns = rows.index_select(1, index)
    chosen = columns.unflatten(0, (-1, *inner))
    return chosen if axis == last else chosen.movedim(-1, axis)


def add_rows(
    value: Any, axis: int, index: Any, more: Any, inner: Sequence[int], *, in_place: bool = False
) -> Any:
    """Add to some features on the axis that is innermost in memory, as columns of a matrix.

    PyTorch's own sum at an index goes feature by feature, and where channels are innermost only by
    their strides, every one of these sums is as slow as a copy of the whole.

    Parameters
    ----------
    value : torch.Tensor
    axis : int
        Any but the last.
    index : torch.Tensor of int64
    more : torch.Tensor
        As `value`, with only the features of `index`.
    inner : sequence of int
        Sizes of the axes other than the first and `axis`.
    in_place : bool
        `value` may be written to.

    Returns
    -------
    torch.Tensor
        ``value.index_add(axis, index, more)``, with `axis` innermost in memory.
    """
    last = len(inner) + 1
    rows = value.movedim(axis, -1).flatten(0, last - 1)
    columns = more.movedim(axis, -1).flatten(0, last - 1)
    added = (rows.index_add_ if in_place else rows.index_add)(1, index, columns)
    return added.unflatten(0, (-1, *inner)).movedim(-1, axis)


def multiply_slice(
    value: Any,
    weight: Any,
    bias: Any,
    sizes: Sequence[int],
    *,
    is_last: bool,
) -> Any:
    """A convolution with a kernel of one place, as a product of matrices.

    Convolutions copy what is not contiguous, as a batch of slices is not; products of matrices
    take rows or columns at any distance. That is so without a stride only: with one, choosing the
    places takes longer than the convolution's copy.

    Parameters
    ----------
    value : torch.Tensor, shape (batch, channels, ...)
    weight : torch.Tensor, shape (outputs, channels, 1, ...)
    bias : torch.Tensor or None, shape (outputs,)
    sizes : sequence of int
        Of the axes behind the channels.
    is_last : bool
        True if channels are innermost in memory; they are then in the result, too.

    Returns
    -------
    torch.Tensor, shape (batch, outputs, *sizes)
    """
    matrix = weight.flatten(1)
    if is_last and bias is None:
        return F.linear(value.movedim(1, -1), matrix).movedim(-1, 1)
    if is_last:
        # A linear layer would add the bias in a pass of its own.
        rows = torch.addmm(bias, value.movedim(1, -1).flatten(0, -2), matrix.t())
        shaped = rows.unflatten(0, (value.size(0), *sizes))  # type: ignore[no-untyped-call]
        return shaped.movedim(-1, 1)
    many = matrix.expand(value.size(0), -1, -1)
    places = value.flatten(2)
    made = (
        torch.bmm(many, places) if bias is None else torch.baddbmm(bias.unsqueeze(1), many, places)
    )
    if len(sizes) == 1:
        return made
    return made.unflatten(2, tuple(sizes))  # type: ignore[no-untyped-call]
