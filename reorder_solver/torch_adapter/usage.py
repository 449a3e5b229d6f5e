"""Usage: how an export is going to be called, as far as kernels depend on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from reorder_solver.torch_adapter.capture import as_arguments

if TYPE_CHECKING:
    from torch import fx


@dataclass(frozen=True, slots=True)
class Usage:
    """How an export is going to be called.

    Attributes
    ----------
    batch : int
        Samples per call.
    memory_format : {"contiguous", "channels_last"}
        Of values with four axes; others are contiguous.
    multiply : bool
        Slices that a pointwise convolution would copy may be read by a matrix product.
    late : bool
        Operators without weights that would copy a slice handle all that is stored instead.
    convolved : frozenset of torch.fx.Node
        Convolutions that are no products although they copy slices, since that is faster.
    handed_over : {"contiguous", "channels_last"} or None
        The memory format of images that callers give, where that is another one: they are
        converted first.
    threads : int
        Of PyTorch within operators.
    """

    batch: int = 1
    memory_format: str = "contiguous"
    multiply: bool = True
    late: bool = False
    convolved: frozenset[fx.Node] = frozenset()
    handed_over: str | None = None
    threads: int = 1

    @property
    def is_last(self) -> bool:
        """True if the channels of images are innermost in memory."""
        return self.memory_format == "channels_last"


def as_called(inputs: Any, usage: Usage) -> Any:
    """Example inputs cut to the batch of a usage, and in the memory format that callers give.

    Parameters
    ----------
    inputs : tensor, tuple of tensors, or mapping of str to tensor
        With at least as many samples.
    usage : Usage
    """
    batch = usage_of(inputs).batch

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        if leaf.ndim and len(leaf) == batch:
            leaf = leaf[: usage.batch]
        form = usage.handed_over or usage.memory_format
        is_last = form == "channels_last" and leaf.ndim == 4
        return leaf.contiguous(memory_format=torch.channels_last) if is_last else leaf

    return pytree.tree_map(one, inputs)


def usage_of(example_inputs: Any, *, multiply: bool = True, late: bool = False) -> Usage:
    """Read batch size and memory format off example inputs, and take PyTorch's present threads.

    Parameters
    ----------
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    multiply, late : bool
    """
    args, kwargs = as_arguments(example_inputs)
    tensors = [one for one in (*args, *kwargs.values()) if isinstance(one, torch.Tensor)]
    is_last = any(
        one.is_contiguous(memory_format=torch.channels_last) and not one.is_contiguous()
        for one in tensors
        if one.ndim == 4
    )
    return Usage(
        batch=max(1, len(tensors[0]) if tensors[0].ndim else 1),
        memory_format="channels_last" if is_last else "contiguous",
        multiply=multiply,
        late=late,
        threads=torch.get_num_threads(),
    )
