"""Heads: channels that views have spread over an axis of heads and one of features in each head.

Which views they were does not matter: numbers run through them tell where everything went.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from reorder_solver.torch_adapter.schema import operator_name
from reorder_solver.torch_adapter.sizes import hint

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.program import Value

_VIEWS = frozenset(
    {
        "aten.view.default", "aten.reshape.default", "aten._unsafe_view.default",
        "aten.permute.default", "aten.transpose.int", "aten.t.default", "aten.unflatten.int",
        "aten.flatten.using_ints", "aten.unsqueeze.default", "aten.squeeze.dim",
        "aten.squeeze.dims", "aten.contiguous.default",
        "aten.clone.default", "aten.select.int", "aten.unbind.int", "aten.chunk.default",
        "aten.split.Tensor", "aten.split_with_sizes.default", "aten.slice.Tensor",
        "aten.narrow.default", "aten.detach.default", "aten.alias.default", "aten.swapaxes.default",
        "aten.movedim.int", "getitem",
    }
)  # fmt: skip
_SCALINGS = {"aten.mul.Tensor": 1, "aten.mul.Scalar": 1, "aten.div.Tensor": -1}


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """A tensor whose channels are on an axis of heads and one of features.

    Attributes
    ----------
    shape : tuple of int or SymInt
        Of the tensor.
    head : int or None
        Axis of the heads; None if there is a single one.
    feature : int
    labels : ndarray of int64, shape (heads, features)
        The channel at each place.
    others : tuple of int
        The other axes of the value with channels, in the order in which the tensor's own others
        hold them, some of those perhaps merged or split.
    """

    shape: tuple[Any, ...]
    head: int | None
    feature: int
    labels: IndexArray
    others: tuple[int, ...]

    def own_others(self) -> list[int]:
        """The axes that are neither of heads nor of features."""
        return [axis for axis in range(len(self.shape)) if axis not in (self.head, self.feature)]

    def sizes(self) -> list[Any] | None:
        """The sizes of the other axes, one that varies given as -1; None if several do."""
        sizes = [self.shape[axis] for axis in self.own_others()]
        if sum(1 for size in sizes if not isinstance(size, int)) > 1:
            return None
        return [size if isinstance(size, int) else -1 for size in sizes]


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """What an attention takes: the heads of a value, times a number."""

    value: Value
    heads: Heads
    factor: float

    def get(self, channels: IndexArray, emitter: Emitter) -> fx.Node:
        """The given channels of each head, shape (heads, features), in the shape of the heads."""
        heads, axis = self.heads, self.value.flow.axis
        node = emitter.get(self.value, channels.ravel())
        node = emitter.emit(torch.ops.aten.unflatten.int, node, axis, list(channels.shape))
        order = [one if one < axis else one + 1 for one in heads.others]
        node = _permuted(node, [*order, axis, axis + 1], emitter)
        sizes = heads.sizes()
        assert sizes is not None
        if heads.head is None:
            node = _reshaped(node, [*sizes, channels.shape[1]], emitter)
            order = [*heads.own_others(), heads.feature]
        else:
            node = _reshaped(node, [*sizes, *channels.shape], emitter)
            order = [*heads.own_others(), heads.head, heads.feature]
        node = _permuted(node, [order.index(place) for place in range(len(order))], emitter)
        if self.factor == 1:
            return node
        return emitter.emit(torch.ops.aten.mul.Tensor, node, self.factor)


def _reshaped(node: fx.Node, sizes: list[Any], emitter: Emitter) -> fx.Node:
    made: fx.Node = emitter.graph.call_method("reshape", (node, sizes))
    return made


def _permuted(node: fx.Node, order: list[int], emitter: Emitter) -> fx.Node:
    if order == list(range(len(order))):
        return node
    return emitter.emit(torch.ops.aten.permute.default, node, order)


def origin(node: fx.Node) -> tuple[fx.Node, list[fx.Node], float]:
    """Back through views and scalings: where a tensor comes from, the steps, and the factor."""
    steps: list[fx.Node] = []
    factor = 1.0
    while node.op == "call_function":
        name = operator_name(node)
        if name in _SCALINGS and isinstance(node.args[1], int | float):
            factor *= float(node.args[1]) ** _SCALINGS[name]
        elif name in _VIEWS:
            steps.append(node)
        else:
            break
        source = node.args[0]
        if not isinstance(source, fx.Node):
            break
        node = source
    return node, steps[::-1], factor


def follow(node: fx.Node) -> list[fx.Node]:
    """The views that a tensor goes through before anything else uses it."""
    steps: list[fx.Node] = []
    while len(node.users) == 1:
        (user,) = node.users
        if operator_name(user) not in _VIEWS or user.args[0] is not node:
            break
        steps.append(user)
        node = user
    return steps


def run(steps: list[fx.Node], numbers: torch.Tensor) -> Any:
    """Numbers after some views."""
    found: Any = numbers
    for step in steps:
        rest = fx.map_arg(step.args[1:], lambda one: hint(one.meta["val"]))
        kwargs = fx.map_arg(step.kwargs, lambda one: hint(one.meta["val"]))
        target: Any = step.target
        if operator_name(step) in ("aten.view.default", "aten._unsafe_view.default"):
            target = torch.ops.aten.reshape.default
        found = target(found, *rest, **kwargs)
    return found


def spread_heads(
    value: Value, steps: list[fx.Node], shape: tuple[Any, ...], feature: int
) -> Heads | None:
    """How views spread the channels of `value`; None if not over heads and features alone.

    Parameters
    ----------
    value : Value
        With one feature per channel.
    steps : list of torch.fx.Node
    shape : tuple of int or SymInt
        After them.
    feature : int
        Axis of features within a head after them.
    """
    if value.flow.block != 1:
        return None
    sizes = [hint(size) for size in value.example.shape]
    numbers = torch.arange(math.prod(sizes)).reshape(sizes)
    moved = run(steps, numbers)
    if not isinstance(moved, torch.Tensor) or tuple(moved.shape) != tuple(map(hint, shape)):
        return None
    behind = math.prod(sizes[value.flow.axis + 1 :])
    channels = (moved // behind % value.channels).numpy()
    places = moved.numpy() - channels * behind
    varying = {axis for axis in range(channels.ndim) if _varies(channels, axis)} - {feature}
    if len(varying) > 1:
        return None
    head = varying.pop() if varying else None
    if any(_varies(places, axis) for axis in (head, feature) if axis is not None):
        return None
    labels = _corner(channels, (feature,) if head is None else (head, feature))
    labels = labels.reshape(-1, channels.shape[feature])
    if np.unique(labels).size < labels.size:
        return None
    rest = _corner(
        places, tuple(axis for axis in range(places.ndim) if axis not in (head, feature))
    )
    before = numbers.select(value.flow.axis, 0).numpy()
    others = _order(before, rest)
    if others is None:
        return None
    axes = [axis for axis in range(len(sizes)) if axis != value.flow.axis]
    made = Heads(tuple(shape), head, feature, labels, tuple(axes[one] for one in others))
    return None if made.sizes() is None else made


def _order(before: np.ndarray, after: np.ndarray) -> tuple[int, ...] | None:
    """The order of the axes of `before` in which it holds the numbers of `after`, one by one."""
    if before.size != after.size:
        return None
    for order in itertools.permutations(range(before.ndim)):
        if np.array_equal(before.transpose(order).ravel(), after.ravel()):
            return order
    return None


def _varies(numbers: np.ndarray, axis: int) -> bool:
    first = numbers.take([0], axis=axis)
    return not bool((numbers == first).all())


def _corner(numbers: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The numbers at zero on all axes but some, in the order given."""
    index = tuple(slice(None) if axis in axes else 0 for axis in range(numbers.ndim))
    corner = numbers[index]
    if len(axes) == 2 and axes[0] > axes[1]:
        corner = corner.T
    return corner


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Views that put the features of all heads on one axis again.

    Attributes
    ----------
    node : torch.fx.Node
        The last of them.
    axis : int
        Where the features are then.
    labels : ndarray of int64
        For each of them ``head * features + feature``.
    others : tuple of int
        The other axes of the heads in the order in which the node's own hold them.
    sizes : list of int
        Of the node's other axes, one that varies given as -1.
    own : tuple of int
        The axes of heads, if there is one, and of features.
    """

    node: fx.Node
    axis: int
    labels: IndexArray
    others: tuple[int, ...]
    sizes: list[Any]
    own: tuple[int, ...]

    def put(self, node: fx.Node, width: int, emitter: Emitter) -> fx.Node:
        """The same for any number of heads and features, in the order of the heads."""
        node = _permuted(node, [*self.others, *self.own], emitter)
        node = _reshaped(node, [*self.sizes, width], emitter)
        order = list(range(len(self.sizes)))
        order.insert(self.axis, len(order))
        return _permuted(node, order, emitter)


def gathered(node: fx.Node, head: int | None, feature: int) -> Gathered | None:
    """Where the features of all heads come together on one axis, if views alone lead there."""
    example = node.meta["val"]
    sizes = [hint(size) for size in example.shape]
    numbers = torch.arange(math.prod(sizes)).reshape(sizes)
    own = (feature,) if head is None else (head, feature)
    rest = [axis for axis in range(len(sizes)) if axis not in own]
    by_place = numbers.permute(*rest, *own).ravel()
    order = torch.empty_like(by_place)
    order[by_place] = torch.arange(numbers.numel())
    steps: list[fx.Node] = []
    for step in [None, *follow(node)]:
        if step is not None:
            steps.append(step)
        after = run(steps, order[numbers])
        if not isinstance(after, torch.Tensor) or after.numel() != numbers.numel():
            return None
        found = _gathered_at(step or node, after.numpy(), [sizes[axis] for axis in rest], rest, own)
        if found is not None:
            return found
    return None


def _gathered_at(
    node: fx.Node,
    numbers: np.ndarray,
    sizes: list[int],
    rest: list[int],
    own: tuple[int, ...],
) -> Gathered | None:
    width = numbers.size // math.prod(sizes)
    channels, places = numbers % width, numbers // width
    varying = [axis for axis in range(numbers.ndim) if _varies(channels, axis)]
    if len(varying) != 1 or numbers.shape[varying[0]] != width or _varies(places, varying[0]):
        return None
    axis = varying[0]
    before = np.arange(math.prod(sizes)).reshape(sizes)
    others = _order(before, places.take(0, axis=axis))
    shape = [size for place, size in enumerate(node.meta["val"].shape) if place != axis]
    if others is None or sum(1 for size in shape if not isinstance(size, int)) > 1:
        return None
    fixed = [size if isinstance(size, int) else -1 for size in shape]
    labels = _corner(channels, (axis,)).astype(np.int64)
    return Gathered(node, axis, labels, tuple(rest[one] for one in others), fixed, own)
