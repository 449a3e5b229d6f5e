"""Prunable layers: which layers of a model may drop channels, and who must agree with whom."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reorder_solver.torch_adapter.connections import connections
from reorder_solver.torch_adapter.joint import JointChannels
from reorder_solver.torch_adapter.layer_weights import groups_of, is_depthwise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from reorder_solver.torch_adapter.connections import Connection
    from reorder_solver.torch_adapter.layer_weights import Side


class PrunableLayers:
    """The layers of a model by the name of their first call, and which may be pruned.

    Attributes
    ----------
    model : torch.nn.Module
        In evaluation mode; changed where its gradients are asked for.
    modules : dict of str to Module
    first_calls : dict of str to Connection
        One per weight.
    prunable : dict of side to set of str

    Parameters
    ----------
    model : torch.nn.Module
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    calls : sequence of Connection, optional
        The model's, if they are known.
    """

    def __init__(
        self, model: nn.Module, example_inputs: Any, calls: Sequence[Connection] | None = None
    ) -> None:
        self.model = model
        self.modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
        self.first_calls: dict[str, Connection] = {}
        names: dict[int, str] = {}
        self._calls: list[Connection] = []
        for call in connections(model, example_inputs) if calls is None else calls:
            weight = id(self.modules[call.module].get_parameter("weight"))
            name = names.setdefault(weight, call.module)
            self._calls.append(replace(call, module=name))
            self.first_calls.setdefault(name, call)
        raw = {call.module for call in self._calls if call.reads_model_input}
        last = {call.module for call in self._calls if call.writes_model_output}
        able = {name for name in self.first_calls if not is_depthwise(self.modules[name])}
        self.prunable: dict[Side, set[str]] = {"input": able - raw, "output": able - last}

    def joint(self) -> JointChannels:
        """The channels of the layers that can agree about them.

        A tensor that something else depends on, too, must go on being written in full.
        """
        simple = [name for name in self.first_calls if groups_of(self.modules[name]) == 1]
        readers = [name for name in simple if name in self.prunable["input"]]
        held = {
            tensor
            for call in self._calls
            if call.module not in readers and not is_depthwise(self.modules[call.module])
            for tensor in call.reads.tensor
        }
        bound = {
            call.module
            for call in self._calls
            if not call.writes.free or not held.isdisjoint(call.writes.tensor)
        }
        writers = [n for n in simple if n in self.prunable["output"] and n not in bound]
        return JointChannels(self._calls, readers, writers)
