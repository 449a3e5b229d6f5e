"""Facts: which channels are constants, found forward, and which are live, found backward."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.operations import Opaque
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.schema import schema_arguments
from reorder_solver.torch_adapter.sizes import size_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import fx

    from reorder_solver.torch_adapter.flow import BoolArray, Flow, IndexArray
    from reorder_solver.torch_adapter.operations import ChannelWise, Place
    from reorder_solver.torch_adapter.program import Constants, Operation, Program, Value


class Facts:
    """Constants and liveness of a programme.

    Parameters
    ----------
    program : Program
    attributes : mapping of str to tensor
        The stored tensors to compute with; those of the capture, or the same in another type.
    """

    def __init__(self, program: Program, attributes: Mapping[str, Any]) -> None:
        self.program = program
        self._attributes = attributes
        self._constants: dict[Value, Constants] = {}
        self._live: dict[Value, BoolArray] = {}
        self._fillers: dict[Value, int] = {}
        self._needed: set[fx.Node] = set()
        for operation in program.operations:
            if operation.output is not None:
                self._constants[operation.output] = _finite(operation.constants(self))
        self.spread_liveness()

    def attribute(self, name: str) -> torch.Tensor:
        """A parameter or buffer."""
        found = self._attributes[name]
        assert isinstance(found, torch.Tensor)
        return found

    def constants(self, value: Value) -> Constants:
        """Per channel the number it always is, or NaN."""
        return self._constants[value]

    def live(self, value: Value | None) -> BoolArray:
        """Per channel whether some result of the model depends on it."""
        assert value is not None
        return self._live[value]

    def is_needed(self, node: fx.Node) -> bool:
        """True if `node` is a result of the model, or one depends on it."""
        return node in self._needed

    def filler(self, value: Value) -> int:
        """A channel to read where none is wanted: an operator must read something."""
        return self._fillers.get(value, 0)

    def evaluate(self, operation: ChannelWise, sequence: IndexArray) -> Constants:
        """What the operation makes of constants, NaN where that is no one number."""
        # What depends on the number of samples is no constant.
        batch = self.program.captured.batch
        one, other = (self._evaluated(operation, sequence, batch + more) for more in (0, 1))
        return np.where(one == other, one, np.nan)

    def _evaluated(self, operation: ChannelWise, sequence: IndexArray, samples: int) -> Constants:
        output = operation.output
        assert output is not None
        try:
            with torch.no_grad():
                eager: Any = _Eager(self, samples)
                result: Any = operation.lower(sequence, eager)
        except _UnknownError:
            return np.full(sequence.size, np.nan)
        sizes = output.flow.sizes[sequence]
        if not result.numel():
            # Of no entries, there is no one number.
            return np.full(sequence.size, np.nan)
        by_feature = result.movedim(output.flow.axis, 0).reshape(int(sizes.sum()), -1)
        least, most = (bound.double().cpu().numpy() for bound in torch.aminmax(by_feature, dim=1))
        starts = np.cumsum(sizes) - sizes
        lowest = np.minimum.reduceat(least, starts)
        highest = np.maximum.reduceat(most, starts)
        return np.where(lowest == highest, lowest, np.nan)

    def with_live(self, also: Mapping[Value, BoolArray]) -> Facts:
        """The same, with further channels taken for live."""
        found = copy.copy(self)
        found.spread_liveness(also)
        return found

    def spread_liveness(
        self, also: Mapping[Value, BoolArray] | None = None
    ) -> dict[Value, BoolArray]:
        """Find what is live; `also` are channels that are to be taken for live as well.

        Where an operation wants nothing of a value but must read something, it reads a channel
        that is live whatever is read there, or made of one that is, if there is one.
        """
        self._fillers = {}
        first = self._round(also or {})
        self._fillers = {value: value.channels - 1 for value in first}
        second = self._round(also or {})
        self._fillers = {}
        for operation in self.program.operations:
            if (value := operation.output) is not None:
                chosen = self._choose(operation, first[value] & second[value])
                if chosen is not None:
                    self._fillers[value] = chosen
        self._live = self._round(also or {})
        return self._live

    def _choose(self, operation: Operation, live: BoolArray) -> int | None:
        """A live channel, or one made of what is read of a source if none is wanted."""
        if live.any():
            return int(np.argmax(live))
        for source in operation.sources():
            if source.index is not None and source.value in self._fillers:
                made = source.index == self._fillers[source.value]
                if made.any():
                    return int(np.argmax(made))
        return None

    def close(self, keep: Mapping[Value, BoolArray]) -> dict[Value, BoolArray]:
        """What must be stored of each value so that `keep` can be.

        A channel that is kept without being live may hold anything. So operations that mix
        channels need nothing for it; the others need its sources stored, to be passed through.
        """
        kept = {value: live.copy() for value, live in self._live.items()}
        for value, channels in keep.items():
            kept[value] |= channels
        for operation in reversed(self.program.operations):
            if operation.output is None or isinstance(operation, Mix):
                continue
            mask = kept[operation.output] = operation.widen(kept[operation.output], self)
            if mask.any():
                for value, channels in operation.needs(mask, self):
                    kept[value] |= channels
        return kept

    def _round(self, also: Mapping[Value, BoolArray]) -> dict[Value, BoolArray]:
        live: dict[Value, BoolArray] = {
            operation.output: np.zeros(operation.output.channels, dtype=np.bool_)
            for operation in self.program.operations
            if operation.output is not None
        }
        for value, channels in also.items():
            live[value] |= channels
        wanted_nodes = self._needed = set()
        for operation in reversed(self.program.operations):
            if operation.output is None:
                mask = np.ones(1, dtype=np.bool_)
                assert isinstance(operation, Opaque)
                if not operation.is_result and operation.node not in wanted_nodes:
                    continue
                wanted_nodes.add(operation.node)
            else:
                mask = live[operation.output] = operation.widen(live[operation.output], self)
                if not mask.any():
                    continue
            wanted_nodes.update(operation.inputs())
            for value, channels in operation.needs(mask, self):
                live[value] |= channels
        return live


def _finite(constants: Constants) -> Constants:
    return np.where(np.isfinite(constants), constants, np.nan)


class _UnknownError(Exception):
    """An argument is not known before the model runs."""


class _Eager:
    """Runs an operation on constants, where the emitter would write it down."""

    late: frozenset[Operation] = frozenset()

    def __init__(self, facts: Facts, samples: int) -> None:
        self.facts = facts
        self._samples = samples

    def get(self, value: Value, sequence: IndexArray) -> torch.Tensor:
        """The channels, each filled with its constant."""
        numbers = torch.from_numpy(self.facts.constants(value)[sequence])
        shape = [size_for(size, self._samples) for size in value.example.shape]
        sizes = value.flow.sizes[sequence]
        shape[value.flow.axis] = int(sizes.sum())
        column = [1] * len(shape)
        column[value.flow.axis] = -1
        repeated = numbers.repeat_interleave(torch.from_numpy(sizes))
        filled = repeated.reshape(column).expand(shape)
        return filled.to(_precise(value.example.dtype)).contiguous()

    def whole(self, value: Value) -> torch.Tensor:
        """A value that is used as a whole is not looked into."""
        raise _UnknownError

    def original(self, node: fx.Node) -> Any:
        """A stored tensor or a size."""
        if node.op == "get_attr":
            if node.target in self.facts.program.captured.written:
                raise _UnknownError
            tensor = self.facts.attribute(str(node.target)).detach()
            return tensor.to(_precise(tensor.dtype))
        found = node.meta.get("val")
        if not isinstance(found, int | torch.SymInt):
            raise _UnknownError
        return size_for(found, self._samples)

    def parameter(self, name: str, indices: Mapping[int, IndexArray]) -> torch.Tensor:
        """Part of a stored tensor."""
        tensor = self.facts.attribute(name).detach()
        for axis, index in indices.items():
            tensor = tensor.index_select(axis, torch.from_numpy(index).to(tensor.device))
        return tensor.to("cpu", _precise(tensor.dtype))

    def item(self, results: Any, element: int) -> Any:
        """One of several results."""
        return results[element]

    def emit(self, target: Any, *args: Any) -> Any:
        """Run an operator that the model did not have."""
        return target(*args)

    def call(self, node: fx.Node, replaced: Mapping[Place, Any], *, target: Any = None) -> Any:
        """Run the operator."""
        args, kwargs = filled_arguments(node, replaced, self.original)
        if any(isinstance(one, torch.Tensor) and one.is_cuda for one in args):
            raise _UnknownError
        called: Any = target or node.target
        return called(*args, **kwargs)

    def select(
        self, made: torch.Tensor, flow: Flow, order: IndexArray, sequence: IndexArray
    ) -> torch.Tensor:
        """Operations that cannot choose their channels are not looked into."""
        raise _UnknownError


def _precise(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype.is_floating_point else dtype


def filled_arguments(
    node: fx.Node, replaced: Mapping[Place, Any], convert: Callable[[fx.Node], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call with some replaced, and the nodes among the others converted."""
    names = [argument.name for argument in schema_arguments(node)]
    count = len(node.args)
    missing = {name for name, _ in replaced} - set(names[:count]) - set(node.kwargs)
    if missing and any(name not in names for name in missing):
        raise NotUnderstoodError(f"{node.name} has no argument {sorted(missing)[0]}")

    def fill(name: str, given: Any) -> Any:
        if (name, None) in replaced:
            return replaced[name, None]
        if isinstance(given, list | tuple):
            return [
                replaced[name, place] if (name, place) in replaced else _converted(one, convert)
                for place, one in enumerate(given)
            ]
        return _converted(given, convert)

    args = [
        fill(names[place] if place < len(names) else str(place), given)
        for place, given in enumerate(node.args)
    ]
    kwargs = {name: fill(name, given) for name, given in node.kwargs.items()}
    for name, place in replaced:
        if name in missing:
            assert place is None
            kwargs[name] = replaced[name, place]
    return tuple(args), kwargs


def _converted(given: Any, convert: Callable[[fx.Node], Any]) -> Any:
    from torch import fx

    return fx.map_arg(given, convert)
