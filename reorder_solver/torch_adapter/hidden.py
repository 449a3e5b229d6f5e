"""Hidden copies: what operators copy of a slice of channels that they are given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from reorder_solver.torch_adapter.errors import CaptureError
from reorder_solver.torch_adapter.kernels import multiply_slice
from reorder_solver.torch_adapter.schema import bind, operator_name, schema_of
from reorder_solver.torch_adapter.traffic import copied_bytes

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.usage import Usage

_CONVOLUTIONS = ("aten.conv1d.", "aten.conv2d.", "aten.conv3d.")
#: Channels of the slice that an operator is tried on, and those of the value around it.
_WIDTH, _MORE = 4, 2


def is_multiplied(node: fx.Node, usage: Usage) -> bool:
    """Whether a layer that is given a slice is written as a product of matrices.

    That is a convolution with a kernel of one place, without padding, stride and groups, that
    would copy the slice.
    """
    return (
        usage.multiply
        and node not in usage.convolved
        and is_pointwise(node)
        and _share(node, usage, multiplied=False) > 0
    )


def is_pointwise(node: fx.Node) -> bool:
    """Whether a node is a convolution that looks at every place by itself."""
    if not operator_name(node).startswith(_CONVOLUTIONS):
        return False
    bound = bind(node)
    weight = bound["weight"].meta["val"]
    sizes = node.meta["val"].shape[2:]
    padding = bound["padding"]
    is_padded = any(padding) if isinstance(padding, list | tuple) else padding not in (0, "valid")
    strides = bound["stride"]
    is_strided = any(step != 1 for step in ([strides] if isinstance(strides, int) else strides))
    # Around a single place, "same" adds nothing.
    is_padded &= padding != "same"
    return (
        bound["groups"] == 1
        and all(int(size) == 1 for size in weight.shape[2:])
        and not is_padded
        and not is_strided
        and all(isinstance(size, int) for size in sizes)
        and int(weight.shape[1]) > 0
    )


def product(node: fx.Node, value: Any, weight: Any, bias: Any, *, is_last: bool) -> Any:
    """A pointwise convolution's result, computed as a product of matrices."""
    # Sizes as they come: a network of convolutions takes others than those of the example.
    sizes = [value.size(axis) for axis in range(2, node.meta["val"].ndim)]
    # Only images have a memory format of their own.
    last = is_last and len(sizes) == 2
    return multiply_slice(value, weight, bias, sizes, is_last=last)


def copied_share(node: fx.Node | None, usage: Usage) -> float:
    """The share of a slice's bytes that is copied when an operator reads one.

    Parameters
    ----------
    node : torch.fx.Node or None
        A call of an operator on one value, and on parameters.
    usage : Usage

    Returns
    -------
    float
        Between 0 and 1; 0 for an operator that cannot be tried by itself.
    """
    if node is None:
        return 0.0
    return _share(node, usage, multiplied=is_multiplied(node, usage))


def _share(node: fx.Node, usage: Usage, *, multiplied: bool) -> float:
    trial = _trial(node)
    if trial is None:
        return 0.0
    try:
        return _copied(trial, min(usage.batch, 2), is_last=usage.is_last, multiplied=multiplied)
    except (CaptureError, OSError):
        # Nothing can be observed now, as while the caller records a trace; later it may be.
        return 0.0


@dataclass(frozen=True, slots=True)
class _Trial:
    """A call of an operator with few channels, and all else as it is.

    Attributes
    ----------
    target : operator
    value : str
        The argument that is a slice.
    sizes : tuple of int
        Of its axes behind the channels.
    stored : tuple of (str, tuple of int)
        Arguments that are parameters, and their shapes.
    others : tuple of (str, object)
    outputs : tuple of int
        Sizes of the result's axes behind the channels.
    dtype, device
    """

    target: Any
    value: str
    sizes: tuple[int, ...]
    stored: tuple[tuple[str, tuple[int, ...]], ...]
    others: tuple[tuple[str, Any], ...]
    outputs: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


def _trial(node: fx.Node) -> _Trial | None:
    """What to try; None if the operator needs more than a value and parameters."""
    target: Any = node.target
    if schema_of(target) is None:
        return None
    if torch.Tag.nondeterministic_seeded in target.tags:
        # A trial would change what the caller draws next.
        return None
    bound = bind(node)
    nodes = {name: one for name, one in bound.items() if isinstance(one, fx.Node)}
    values = [name for name, one in nodes.items() if one.op != "get_attr"]
    if len(values) != 1 or not isinstance(node.meta.get("val"), torch.Tensor):
        return None
    value = nodes[values[0]].meta.get("val")
    if not isinstance(value, torch.Tensor) or value.ndim < 3:
        return None
    sizes, outputs = value.shape[2:], node.meta["val"].shape[2:]
    if not all(isinstance(size, int) for size in (*sizes, *outputs)):
        return None
    groups = bound.get("groups", 1)
    if groups != 1:
        groups = bound["groups"] = _WIDTH if groups == value.shape[1] else 2
    stored = []
    for name, one in nodes.items():
        if name not in values:
            shape = one.meta["val"].shape
            kernel = (_WIDTH // groups, *shape[2:]) if len(shape) > 1 else ()
            stored.append((name, (_WIDTH, *(int(size) for size in kernel))))
    others = tuple(
        (name, tuple(one) if isinstance(one, list) else one)
        for name, one in bound.items()
        if name not in nodes
    )
    try:
        hash(others)
    except TypeError:
        return None
    return _Trial(
        target,
        values[0],
        tuple(sizes),
        tuple(stored),
        others,
        tuple(outputs),
        value.dtype,
        value.device,
    )


class _Alone(nn.Module):
    """A trial as a module that takes the value around the slice."""

    def __init__(self, trial: _Trial, *, is_last: bool, multiplied: bool) -> None:
        super().__init__()
        self._trial = trial
        self._is_last = is_last and len(trial.sizes) == 2
        self._multiplied = multiplied
        for name, shape in trial.stored:
            stored = torch.ones(shape, dtype=trial.dtype, device=trial.device)
            if self._is_last and stored.ndim == 4:
                stored = stored.contiguous(memory_format=torch.channels_last)
            self.register_parameter(name, nn.Parameter(stored))

    def forward(self, around: torch.Tensor) -> Any:
        """Read a slice."""
        trial = self._trial
        value = around.narrow(1, 1, _WIDTH)
        stored = {name: getattr(self, name) for name, _ in trial.stored}
        others = dict(trial.others)
        if not self._multiplied:
            return trial.target(**{trial.value: value}, **stored, **others)
        weight, bias = stored["weight"], stored.get("bias")
        return multiply_slice(value, weight, bias, trial.outputs, is_last=self._is_last)


@cache
def _copied(trial: _Trial, batch: int, *, is_last: bool, multiplied: bool) -> float:
    shape = batch, _WIDTH + _MORE, *trial.sizes
    around = torch.ones(shape, dtype=trial.dtype, device=trial.device)
    if is_last and around.ndim == 4:
        around = around.contiguous(memory_format=torch.channels_last)
    if not around.nbytes:
        return 0.0
    try:
        with torch.autocast(trial.device.type, enabled=False):
            found = copied_bytes(_Alone(trial, is_last=is_last, multiplied=multiplied), around)
    except (CaptureError, OSError):
        raise
    except Exception:  # operators fail with errors of no common base class
        # Without a kernel for this type or these numbers there is nothing to be known.
        return 0.0
    return min(1.0, found.total * (_WIDTH + _MORE) / (_WIDTH * around.nbytes))
