"""The emitter: writes a programme down as a graph, whatever is stored in whichever order."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn

from reorder_solver.core.prices import Mode
from reorder_solver.torch_adapter.errors import ExportMismatchError
from reorder_solver.torch_adapter.facts import filled_arguments
from reorder_solver.torch_adapter.flow import is_run
from reorder_solver.torch_adapter.functional import IN_PLACE
from reorder_solver.torch_adapter.kernel_writer import KernelWriter
from reorder_solver.torch_adapter.late import late_choices
from reorder_solver.torch_adapter.ledger import FREE, Ledger
from reorder_solver.torch_adapter.operations import Opaque, resolve
from reorder_solver.torch_adapter.traceable import call_traceable
from reorder_solver.torch_adapter.trainable import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, Flow, IndexArray
    from reorder_solver.torch_adapter.joining import JoinCosts
    from reorder_solver.torch_adapter.mixing import Mix
    from reorder_solver.torch_adapter.operations import Place
    from reorder_solver.torch_adapter.program import Operation, Value
    from reorder_solver.torch_adapter.usage import Usage

    Edit = Callable[[torch.Tensor], torch.Tensor]


class Emitter:
    """One graph being written.

    Parameters
    ----------
    facts : Facts
    attributes : mapping of str to object
        What the captured graph's ``get_attr`` nodes refer to.
    sequences : mapping of Value to ndarray of int64
        Per value the channels to store, in order. At least the live ones.
    modes : mapping of operation to Mode
        How one is served that finds its channels scattered; gather where nothing is said.
    joins : JoinCosts
        What the steps of a concatenation cost.
    usage : Usage or None
        How the graph is going to be called, if that is known.
    free : bool
        Replace every copy of scattered channels by a slice of the right size: the result
        computes nonsense, as fast as any layout could make it.

    Attributes
    ----------
    kernels : KernelWriter
        What writes gathers and products.
    late : frozenset of Operation
        Those that handle all that is stored rather than copy a slice of it.
    ledger : Ledger
        Every selection and concatenation written, and the sizes of weights.
    """

    def __init__(
        self,
        facts: Facts,
        attributes: Mapping[str, Any],
        sequences: Mapping[Value, IndexArray],
        modes: Mapping[Operation, Mode],
        joins: JoinCosts,
        usage: Usage | None = None,
        *,
        free: bool = False,
    ) -> None:
        self.facts = facts
        self.joins = joins
        self.ledger = Ledger(facts.program.captured.batch)
        self.graph = fx.Graph()
        self.kernels = KernelWriter(self.graph, usage)
        self.late = late_choices(facts, usage)
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self._attributes = attributes
        self._free = free
        self._modes = modes
        self._sequences = sequences
        self._positions: dict[Value, IndexArray] = {}
        self._current: Operation | None = None
        self._made: dict[Value, fx.Node] = {}
        self._nodes: dict[fx.Node, fx.Node] = {}
        self._selected: dict[tuple[fx.Node, int, bytes], fx.Node] = {}
        self._variants: dict[tuple[str, Any], list[tuple[torch.Tensor, fx.Node]]] = {}

    def write(self) -> None:
        """Emit every operation that is needed."""
        program = self.facts.program
        for node in program.captured.graph.nodes:
            if node.op == "placeholder":
                self._nodes[node] = self.graph.node_copy(node)
        for operation in program.operations:
            self._current = operation
            self.ledger.begin(operation)
            if operation.output is None:
                assert isinstance(operation, Opaque)
                if self.facts.is_needed(operation.node):
                    self._nodes[operation.node] = operation.lower(np.arange(0), self)
                continue
            sequence = self._sequences.get(operation.output)
            if sequence is None or not sequence.size:
                continue
            made = operation.lower(sequence, self)
            self._made[operation.output] = made
            self.ledger.made(made, operation.output)
        self.graph.eliminate_dead_code()

    def stored(self, value: Value) -> IndexArray:
        """The channels of `value` that can be had, in the order in which they are stored."""
        base, index = resolve(value)
        places = self._places(base)[index]
        channels = np.flatnonzero(places >= 0)
        return channels[np.argsort(places[channels], kind="stable")]

    def get(self, value: Value, sequence: IndexArray) -> fx.Node:
        """`value` with just the channels of `sequence`, in that order."""
        base, index = resolve(value)
        # A concatenation of one value is the same node as that value.
        self.ledger.made(self._made[base], base)
        made, order = self._made[base], self._sequences[base]
        return self.select(made, base.flow, order, index[sequence], base.example)

    def whole(self, value: Value) -> fx.Node:
        """`value` as it was in the model."""
        return self.get(value, np.arange(value.channels))

    def mode(self, operation: Operation) -> Mode:
        """How an operation is served that finds its channels scattered."""
        return self._modes.get(operation, Mode.GATHER)

    def read(self, operation: Mix, wanted: BoolArray) -> tuple[fx.Node, IndexArray]:
        """The input of `operation`: the wanted channels in any order, maybe with others."""
        value = operation.source
        channels = self.stored(value)
        places = np.flatnonzero(wanted[channels])
        if self.mode(operation) is Mode.COVER:
            covered = np.arange(places[0], places[-1] + 1)
            # What is stored without being live may be anything, infinity too.
            if self.facts.live(value)[channels[covered]].all():
                places = covered
        chosen = channels[places]
        return self.get(value, chosen), chosen

    def runs(self, value: Value, channels: IndexArray) -> list[IndexArray]:
        """`channels` of `value`, cut where they are not neighbours in memory."""
        base, index = resolve(value)
        places = self._places(base)[index[channels]]
        cuts = np.flatnonzero(np.diff(places) != 1) + 1
        return np.split(channels, cuts)

    def select(
        self,
        made: fx.Node,
        flow: Flow,
        order: IndexArray,
        sequence: IndexArray,
        example: torch.Tensor | None = None,
    ) -> fx.Node:
        """Choose channels of a node that holds those of `order`.

        `example` has the sizes of the node's axes other than the channels', if they are known.
        """
        if np.array_equal(order, sequence):
            return made
        held = flow.take(order)
        features = held.features(_inside(order, sequence))
        # One node may carry channels on several axes: an input read by layers of different kinds.
        key = made, held.axis, features.tobytes()
        if key in self._selected:
            self.ledger.reused(self._selected[key])
        else:
            self._selected[key] = self._selection(made, held, features, example)
        return self._selected[key]

    def _selection(
        self, made: fx.Node, flow: Flow, features: IndexArray, example: torch.Tensor | None
    ) -> fx.Node:
        if is_run(features):
            node = self._narrow(made, flow.axis, int(features[0]), features.size)
            return self.ledger.selected(node, made, Mode.VIEW.value, features)
        if self._free and features.size <= flow.width:
            node = self._narrow(made, flow.axis, 0, features.size)
            return self.ledger.selected(node, made, FREE, features)
        if self._current is not None and self.mode(self._current) is Mode.CAT:
            cuts = np.flatnonzero(np.diff(features) != 1) + 1
            pieces = [
                self._narrow(made, flow.axis, int(run[0]), run.size)
                for run in np.split(features, cuts)
            ]
            node = self.concatenate(pieces, flow.axis)
            return self.ledger.selected(node, made, Mode.CAT.value, features)
        index = self.indices(features)
        node = self.kernels.gather(made, flow.axis, index, example, features.size)
        return self.ledger.selected(node, made, Mode.GATHER.value, features)

    def indices(self, features: IndexArray) -> fx.Node:
        """A stored index."""
        name = self._free_name("channel_index")
        self.values[name] = torch.from_numpy(features).to(_device(self._attributes))
        return self.graph.create_node("get_attr", name)

    def _narrow(self, made: fx.Node, axis: int, start: int, length: int) -> fx.Node:
        return self.graph.call_function(torch.narrow, (made, axis, start, length))

    def slices(self, value: Value, channels: IndexArray) -> list[fx.Node]:
        """Nodes that hold `channels` when laid end to end, none of them copied."""
        if self._free:
            return [self.get(value, channels)]
        return [self.get(value, run) for run in self.runs(value, channels)]

    def count_slices(self, value: Value, channels: IndexArray) -> int:
        """How many nodes that takes."""
        return 1 if self._free else len(self.runs(value, channels))

    def concatenate(self, pieces: Sequence[fx.Node], axis: int) -> fx.Node:
        """Lay pieces end to end; a single one needs no operator."""
        if len(pieces) == 1:
            return pieces[0]
        return self.graph.call_function(torch.cat, (list(pieces), axis))

    def _places(self, base: Value) -> IndexArray:
        if base not in self._positions:
            places = np.full(base.channels, -1, dtype=np.int64)
            sequence = self._sequences[base]
            places[sequence] = np.arange(sequence.size)
            self._positions[base] = places
        return self._positions[base]

    def original(self, node: fx.Node) -> fx.Node:
        """The node of the captured graph, every channel in place."""
        value = self.facts.program.values.get(node)
        if value is not None:
            return self.whole(value)
        if node.op == "get_attr":
            name = str(node.target)
            stored = self._attributes[name]
            if isinstance(stored, torch.Tensor):
                return self.parameter(name, {})
            self.values[name] = stored
            return self.graph.create_node("get_attr", name)
        return self._nodes[node]

    def call(self, node: fx.Node, replaced: Mapping[Place, Any], *, target: Any = None) -> fx.Node:
        """The same call with some arguments replaced."""
        if node.op == "output":
            return self.graph.node_copy(node, self.original)
        args, kwargs = filled_arguments(node, replaced, self.original)
        called: Any = target or node.target
        traceable = call_traceable(self.graph, called, args, kwargs)
        if traceable is not None:
            return traceable
        made = self.graph.call_function(called, args, kwargs)
        made.meta[ORIGIN] = node
        if IN_PLACE in node.meta and target is None:
            made.meta[IN_PLACE] = node.meta[IN_PLACE]
        return made

    def emit(self, target: Any, *args: Any) -> fx.Node:
        """Call an operator that the captured graph does not have."""
        return self.graph.call_function(target, args)

    def method(self, name: str, *args: Any) -> fx.Node:
        """Call a method of a tensor that the captured graph does not call."""
        return self.graph.call_method(name, args)

    def buffer(self, name: str, numbers: torch.Tensor) -> fx.Node:
        """Numbers that the model did not store, in the type of what it did."""
        free = self._free_name(name)
        dtype = next(
            stored.dtype
            for stored in self._attributes.values()
            if isinstance(stored, torch.Tensor) and stored.is_floating_point()
        )
        self.values[free] = numbers.to(_device(self._attributes), dtype)
        return self.graph.create_node("get_attr", free)

    def item(self, results: fx.Node, element: int) -> fx.Node:
        """One of several results."""
        return self.graph.call_function(operator.getitem, (results, element))

    def parameter(
        self,
        name: str,
        indices: Mapping[int, IndexArray],
        *,
        before: Edit | None = None,
        after: Edit | None = None,
    ) -> fx.Node:
        """A stored tensor, edited, rearranged along some axes, and edited again."""
        tensor = self._attributes[name].detach()
        moved = {
            axis: index
            for axis, index in indices.items()
            if not np.array_equal(index, np.arange(tensor.shape[axis]))
        }
        if before is not None:
            tensor = before(tensor)
        for axis, index in moved.items():
            tensor = tensor.index_select(axis, torch.from_numpy(index).to(tensor.device))
        if after is not None:
            tensor = after(tensor)
        self.ledger.used(name, tensor.numel())
        fresh = bool(moved) and after is None
        return self._store(name, name, tensor, moved, fresh=fresh)

    def new_parameter(
        self, name: str, tensor: torch.Tensor, index: IndexArray, *, like: str
    ) -> fx.Node:
        """A parameter that the model did not have, for the channels of `index`, typed as `like`."""
        return self._store(name, like, tensor.to(self._attributes[like].detach()), {0: index})

    def _store(
        self,
        name: str,
        like: str,
        tensor: torch.Tensor,
        moved: Mapping[int, IndexArray],
        *,
        fresh: bool = False,
    ) -> fx.Node:
        """A stored tensor; one that is not `fresh` may be memory of something else."""
        # Equal numbers in another arrangement would no longer be equal after a training step.
        arrangement = tuple((axis, moved[axis].tobytes()) for axis in sorted(moved))
        variants = self._variants.setdefault((name, arrangement), [])
        for known, node in variants:
            if known.shape == tensor.shape and torch.equal(known, tensor):
                return node
        free = self._free_name(name)
        original = self._attributes[like]
        data = tensor if fresh else tensor.clone(memory_format=torch.preserve_format)
        if isinstance(original, nn.Parameter):
            data = nn.Parameter(data, requires_grad=original.requires_grad)
        self.values[free] = data
        self.origins[free] = like
        node = self.graph.create_node("get_attr", free)
        variants.append((tensor, node))
        return node

    def _free_name(self, wanted: str) -> str:
        number, name = 2, wanted
        while name in self.values or (name != wanted and name in self._attributes):
            name = f"{wanted}_{number}"
            number += 1
        return name


def _inside(order: IndexArray, sequence: IndexArray) -> IndexArray:
    """The places in `order` of the members of `sequence`."""
    places = np.full(max(int(order.max()), int(sequence.max())) + 1, -1, dtype=np.int64)
    places[order] = np.arange(order.size)
    found = places[sequence]
    if (found < 0).any():
        raise ExportMismatchError("a channel is read that is not stored")
    return found


def _device(attributes: Mapping[str, Any]) -> torch.device:
    for stored in attributes.values():
        if isinstance(stored, torch.Tensor):
            return stored.device
    return torch.device("cpu")
