"""Kernel writer: which kernels an export calls, where that depends on how it will be called."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from reorder_solver.torch_adapter.functional import IN_PLACE
from reorder_solver.torch_adapter.hidden import is_multiplied, product
from reorder_solver.torch_adapter.in_place import FRESH
from reorder_solver.torch_adapter.kernels import add_rows, gather_rows, takes_threads
from reorder_solver.torch_adapter.schema import operator_name

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.usage import Usage


class KernelWriter:
    """Writes gathers, partial sums and products into a graph.

    Parameters
    ----------
    graph : torch.fx.Graph
    usage : Usage or None
        How the graph is going to be called; None if that is not known.
    """

    def __init__(self, graph: fx.Graph, usage: Usage | None) -> None:
        self._graph = graph
        self._tracer = fx.proxy.GraphAppendingTracer(graph)
        self._usage = usage

    def gather(
        self,
        made: fx.Node,
        axis: int,
        index: fx.Node,
        example: torch.Tensor | None,
        features: int,
    ) -> fx.Node:
        """Choose so many features of a node on one of its axes.

        `example` has the sizes of its other axes, if they are known.
        """
        if example is None or not self._has_rows(made, axis, example):
            return self._graph.call_function(torch.index_select, (made, axis, index))
        value = self._proxy(made)
        # Sizes as they come: a network of convolutions takes others than those of the example.
        others = [other for other in range(1, example.ndim) if other != axis]
        inner: Any = [value.size(other) for other in others]
        assert self._usage is not None
        elements = features * self._usage.batch * math.prod(example.shape[one] for one in others)
        threaded = takes_threads(elements, self._usage.threads, example.device)
        index_of = self._proxy(index)
        found: fx.Node = gather_rows(value, axis, index_of, inner, threaded=threaded).node
        found.meta[FRESH] = True
        return found

    def add_some(
        self,
        made: fx.Node,
        axis: int,
        index: fx.Node,
        more: fx.Node,
        example: torch.Tensor,
        *,
        in_place: bool,
    ) -> fx.Node:
        """Add to some features of a node on one of its axes.

        With `in_place`, the node's memory may be written to, for nothing else looks at it.
        """
        is_image = example.ndim == 4 and axis == 1
        if is_image and self._has_rows(made, axis, example):
            value = self._proxy(made)
            inner: Any = [value.size(other) for other in range(1, example.ndim) if other != axis]
            places, others = self._proxy(index), self._proxy(more)
            added: fx.Node = add_rows(value, axis, places, others, inner, in_place=in_place).node
            added.meta[FRESH] = True
            return added
        operator = torch.ops.aten.index_add_ if in_place else torch.ops.aten.index_add
        added = self._graph.call_function(operator.default, (made, axis, index, more))
        if in_place:
            added.meta[FRESH] = True
        else:
            added.meta[IN_PLACE] = torch.ops.aten.index_add_.default
        return added

    def _has_rows(self, made: fx.Node, axis: int, example: torch.Tensor) -> bool:
        """Whether channels are innermost in memory, and there are several axes around them."""
        if self._usage is None or example.ndim < 3 or _is_turned(made):
            return False
        is_image = example.ndim == 4 and axis == 1
        if axis != example.ndim - 1 and not (self._usage.is_last and is_image):
            return False
        inner = [size for number, size in enumerate(example.shape) if number not in (0, axis)]
        # Rows of nothing have no number.
        return all(isinstance(size, int) and size > 0 for size in inner)

    def multiplies(self, node: fx.Node, read: fx.Node) -> bool:
        """Whether a layer had better multiply what it reads, since it would copy that slice."""
        is_slice = read.target is torch.narrow
        return is_slice and self._usage is not None and is_multiplied(node, self._usage)

    def product(
        self, node: fx.Node, read: fx.Node, weight: fx.Node, bias: fx.Node | None
    ) -> fx.Node:
        """A pointwise convolution as a product of matrices."""
        assert self._usage is not None
        made: fx.Node = product(
            node,
            self._proxy(read),
            self._proxy(weight),
            None if bias is None else self._proxy(bias),
            is_last=self._usage.is_last,
        ).node
        made.meta[FRESH] = True
        return made

    def _proxy(self, node: fx.Node) -> fx.Proxy:
        """A stand-in for a tensor: what is done with it is written down."""
        return fx.Proxy(node, self._tracer)


def _is_turned(made: fx.Node) -> bool:
    """Whether a node looks at memory in which other axes are innermost."""
    if made.meta.get(FRESH):
        # A product's result or a gather's, which has channels where they are expected.
        return False
    name = operator_name(made).replace("conv_transpose", "")
    return any(word in name for word in ("transpose", "permute", "movedim"))
