"""Apply: a model laid out as a layout says, with everything dropped that no operation reads."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn

from reorder_solver.core.errors import InputError
from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.layout import Layout
from reorder_solver.core.prices import Objective
from reorder_solver.torch_adapter.analysis import Read, schema_arguments
from reorder_solver.torch_adapter.errors import ExportMismatchError
from reorder_solver.torch_adapter.flow import Arrangement, Flow, flows_in

if TYPE_CHECKING:
    from reorder_solver.core.result import Result
    from reorder_solver.torch_adapter.analysis import Analysis, ParameterUse
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.flow import IndexArray

#: Operators on sizes, as methods: torch.jit.trace takes what the operators return for constants.
_METHODS: dict[Any, str] = {
    torch.ops.aten.sym_size.int: "size",
    torch.ops.aten.view.default: "view",
    torch.ops.aten.reshape.default: "reshape",
    torch.ops.aten.expand.default: "expand",
}


def apply(extraction: Extraction, result: Result | Layout) -> nn.Module:
    """Build the module that stores its channels as the layout says.

    Parameters
    ----------
    extraction : Extraction
    result : Result or Layout
        Of the extraction's instance.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, with parameters of its own. State dict names are those of the model,
        apart from parameters that nothing uses any more, index buffers of gathers
        (``<module>.input_index``), and a further copy (``<name>_2``) of a parameter that is
        needed in two arrangements.

    Raises
    ------
    LayoutError
        If the layout is not one of the instance.
    InputError
        If the result has no layout.

    Notes
    -----
    An access is served by reading the whole value, one slice of it (a view), or, in every other
    case, by ``index_select``; modes other than view and gather are served by gather.
    """
    layout = result if isinstance(result, Layout) else result.layout
    if layout is None:
        raise InputError("the result has no layout to apply")
    layout.check(extraction.instance)
    return _Export(extraction, layout).build()


class _Export:
    """One graph being rebuilt."""

    def __init__(self, extraction: Extraction, layout: Layout) -> None:
        self._extraction = extraction
        self._analysis: Analysis = extraction.analysis
        self._layout = layout
        self._attributes = dict(extraction.captured.attributes)
        self._transient = set(extraction.captured.transient)
        self._arrangement = _arrangement(extraction, layout)
        self._graph = fx.Graph()
        self._new: dict[fx.Node, fx.Node] = {}
        self._columns: dict[Read, IndexArray] = {}

    def build(self) -> nn.Module:
        for node in self._extraction.captured.graph.nodes:
            self._new[node] = self._graph.node_copy(node, self._new.__getitem__)
        self._drop_empty_values()
        self._reads()
        self._widths()
        self._parameters()
        self._graph.eliminate_dead_code()
        return self._module()

    def _reads(self) -> None:
        facts = evaluate(self._extraction.instance, self._layout, Objective.COPIES).accesses
        tensors, names = self._analysis.tensors, self._extraction.tensor_ids
        for access in self._extraction.instance.accesses:
            read = self._extraction.reads[access.id]
            wanted = np.zeros(tensors.width(read.flow), dtype=np.bool_)
            offset = 0
            for segment, part in zip(read.flow.segments, access.parts, strict=True):
                assert part.tensor == names[tensors.root(segment.tensor)]
                inner = np.arange(segment.block)
                wanted[(offset + part.channels[:, None] * segment.block + inner).ravel()] = True
                offset += tensors.channels(segment.tensor) * segment.block
            stored = self._arrangement.features(read.flow)
            places = np.flatnonzero(wanted[stored])
            self._columns[read] = stored[places]
            view = bool(places[-1] - places[0] + 1 == places.size)
            if view != (facts[access.id].runs <= 1):
                raise ExportMismatchError(f"{access.id}: evaluation and export disagree on a view")
            if places.size < stored.size:
                self._select(read, places, view=view)

    def _select(self, read: Read, places: IndexArray, *, view: bool) -> None:
        node, source = self._new[read.node], self._new[read.source]
        axis, count = read.flow.axis, int(places.size)
        with self._graph.inserting_before(node):
            if view:
                chosen = self._graph.call_function(
                    torch.ops.aten.narrow.default, (source, axis, int(places[0]), count)
                )
            else:
                owner = read.weight.rpartition(".")[0]
                name = self._free_name(f"{owner}.input_index" if owner else "input_index")
                device = self._attributes[read.weight].device
                self._attributes[name] = torch.from_numpy(places).to(device)
                index = self._graph.get_attr(name)
                chosen = self._graph.call_function(
                    torch.ops.aten.index_select.default, (source, axis, index)
                )
        _set_argument(node, "input", chosen)

    def _widths(self) -> None:
        for use in self._analysis.widths:
            if self._is_empty(use.node):
                continue
            node, width = self._new[use.node], self._arrangement.width(use.flow)
            if use.element is None:
                _set_argument(node, use.argument, width)
            else:
                sizes = list(_argument(node, use.argument))
                sizes[use.element] = width
                _set_argument(node, use.argument, sizes)
        for old, node in self._new.items():
            # Fewer channels may be laid out differently in memory. With a second user of its
            # source, a view must stay one: what is written to it shows there.
            moved = self._analysis.values.get(old) is not None and not node.kwargs
            alone = moved and len(old.all_input_nodes[0].users) == 1
            if alone and old.target == torch.ops.aten.view.default:
                node.target = torch.ops.aten.reshape.default

    def _parameters(self) -> None:
        by_target: dict[str, list[ParameterUse]] = {}
        for use in self._analysis.parameters:
            if not self._is_empty(use.node):
                by_target.setdefault(use.target, []).append(use)
        holders = {str(n.target): n for n in self._new.values() if n.op == "get_attr"}
        for target, uses in by_target.items():
            self._arrange_parameter(holders[target], target, uses)

    def _arrange_parameter(self, holder: fx.Node, target: str, uses: list[ParameterUse]) -> None:
        original: torch.Tensor = self._attributes[target]
        variants: dict[tuple[tuple[int, bytes], ...], fx.Node] = {}
        tensors: dict[fx.Node, torch.Tensor] = {}
        for use in uses:
            indices = self._indices(use, original)
            key = tuple((axis, index.tobytes()) for axis, index in indices.items())
            if not key:
                continue
            if key not in variants:
                with self._graph.inserting_after(holder):
                    variants[key] = self._graph.create_node("get_attr", target)
                tensors[variants[key]] = _select_from(original, indices)
            _set_argument(self._new[use.node], use.argument, variants[key])
        kept_whole = bool(holder.users)
        for number, (node, tensor) in enumerate(tensors.items()):
            if number or kept_whole:
                name = self._free_name(target)
                if target in self._transient:
                    self._transient.add(name)
                node.target = name
            self._attributes[str(node.target)] = tensor

    def _indices(self, use: ParameterUse, original: torch.Tensor) -> dict[int, IndexArray]:
        """Per axis the original indices in their new order, where that changes anything."""
        found: dict[int, IndexArray] = {}
        for axis, follows in sorted(use.axes.items()):
            if isinstance(follows, Flow):
                index = self._arrangement.features(follows)
            else:
                index = self._columns[follows]
            if not np.array_equal(index, np.arange(original.shape[axis])):
                found[axis] = index
        return found

    def _drop_empty_values(self) -> None:
        """Remove what has no channels left; only concatenations may still refer to it."""
        empty = {self._new[old]: None for old in self._new if self._is_empty(old)}
        for node in empty:
            for user in list(node.users):
                if user not in empty:
                    pieces = [one for one in _argument(user, "tensors") if one is not node]
                    _set_argument(user, "tensors", pieces)
        for node in reversed(empty):
            self._graph.erase_node(node)

    def _is_empty(self, old: fx.Node) -> bool:
        flows = list(flows_in(self._analysis.values.get(old)))
        return bool(flows) and all(self._arrangement.width(flow) == 0 for flow in flows)

    def _free_name(self, wanted: str) -> str:
        number = 2
        name = wanted
        while name in self._attributes:
            name = f"{wanted}_{number}"
            number += 1
        return name

    def _module(self) -> nn.Module:
        used = [str(node.target) for node in self._graph.nodes if node.op == "get_attr"]
        root = {name: _own(self._attributes[name]) for name in used}
        for node in self._graph.nodes:
            node.meta = {}
            if node.target in _METHODS and not node.kwargs:
                node.op, node.target = "call_method", _METHODS[node.target]
        self._graph.lint()
        module = fx.GraphModule(root, self._graph, class_name=self._extraction.name)
        for name in self._transient.intersection(used):
            owner, _, field = name.rpartition(".")
            module.get_submodule(owner).register_buffer(field, root[name], persistent=False)
        return module.eval()


def _arrangement(extraction: Extraction, layout: Layout) -> Arrangement:
    placed = extraction.instance.placed_channels()
    orders = {
        root: layout[name][placed[name][layout[name]]]
        for root, name in extraction.tensor_ids.items()
    }
    return Arrangement(extraction.analysis.tensors, orders)


def _own(attribute: Any) -> Any:
    """A copy that the new module owns."""
    if not isinstance(attribute, torch.Tensor):
        return copy.deepcopy(attribute)
    data = attribute.detach().clone()
    if isinstance(attribute, nn.Parameter):
        return nn.Parameter(data, requires_grad=attribute.requires_grad)
    return data


def _select_from(original: torch.Tensor, indices: dict[int, IndexArray]) -> torch.Tensor:
    chosen = original.detach()
    for axis, index in indices.items():
        chosen = chosen.index_select(axis, torch.from_numpy(index).to(chosen.device))
    if isinstance(original, nn.Parameter):
        return nn.Parameter(chosen, requires_grad=original.requires_grad)
    return chosen


def _position(node: fx.Node, argument: str) -> int:
    return [one.name for one in schema_arguments(node)].index(argument)


def _argument(node: fx.Node, argument: str) -> Any:
    position = _position(node, argument)
    return node.args[position] if position < len(node.args) else node.kwargs[argument]


def _set_argument(node: fx.Node, argument: str, value: Any) -> None:
    position = _position(node, argument)
    if position < len(node.args):
        node.update_arg(position, value)
    else:
        node.update_kwarg(argument, value)
