"""Trainable: batch norm and dropout as layers again, so that an export has a training mode.

A graph is captured in evaluation mode, where dropout does nothing and batch norm reads what it has
stored. Layers of PyTorch's own take the place of these operators: in evaluation mode they compute
the same, in training mode what the model computes there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from reorder_solver.torch_adapter.schema import bind, operator_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import fx

#: Key in a node's metadata: the node of the captured graph that it stands for.
ORIGIN = "reorder_solver_origin"

_NORM_LAYERS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_NORMS_BY_RANK: dict[int, type[nn.Module]] = {
    2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d,
}  # fmt: skip
#: Batch norm with stored statistics, and whether it has several results.
_NORM_OPERATORS = {
    "aten.batch_norm.default": False,
    "aten._native_batch_norm_legit_no_training.default": True,
    "aten._batch_norm_no_update.default": True,
}
_DROPOUTS: dict[str, type[nn.Module]] = {
    "aten.dropout": nn.Dropout, "aten.alpha_dropout": nn.AlphaDropout,
}  # fmt: skip
#: Of whole channels, by rank. Where there are only channels, every element is one.
_FEATURE_DROPOUTS: dict[int, type[nn.Module]] = {
    2: nn.Dropout, 3: nn.Dropout1d, 4: nn.Dropout2d, 5: nn.Dropout3d,
}  # fmt: skip
_FIELDS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True, slots=True, eq=False)
class NormSetting:
    """What a batch norm of the model knows that its operator does not tell.

    Attributes
    ----------
    momentum : float or None
        None for the average over all batches.
    tracks : bool
        Training updates the running statistics.
    batches : torch.Tensor or None
        How many batches they have seen.
    """

    momentum: float | None
    tracks: bool
    batches: torch.Tensor | None


def norm_settings(model: nn.Module) -> dict[str, NormSetting]:
    """The batch norms of a model, by every name that they have."""
    found: dict[str, NormSetting] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, _NORM_LAYERS):
            batches = module.num_batches_tracked
            found[name] = NormSetting(
                module.momentum,
                module.track_running_stats,
                None if batches is None else batches.detach().clone(),
            )
    return found


def forgotten_modules(model: nn.Module, graph: fx.Graph) -> list[str]:
    """Modules that do something in training mode of which the captured graph knows nothing.

    Stochastic depth and dropout inside of attention leave no operator behind in evaluation mode;
    instance norms with running statistics are captured as they are there.
    """
    known = {_dropout_name(node) for node in graph.nodes if node.op == "call_function"}
    found = []
    for name, module in model.named_modules():
        kind = type(module).__name__
        share = 0.0
        if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
            share = module.dropout
        elif "drop" in kind.lower() or kind == "StochasticDepth":
            share = getattr(module, "p", getattr(module, "drop_prob", 0.0))
        tracks = isinstance(module, _INSTANCE_NORMS) and module.track_running_stats
        if tracks or (isinstance(share, int | float) and share > 0 and name not in known):
            found.append(name)
    return found


def make_trainable(
    graph: fx.Graph,
    values: Mapping[str, Any],
    origins: Mapping[str, str],
    norms: Mapping[str, NormSetting],
) -> dict[str, nn.Module]:
    """Replace batch norm and dropout by layers.

    Parameters
    ----------
    graph : torch.fx.Graph
        Changed: ``call_module`` nodes take the place of the operators.
    values : mapping of str to object
        What its ``get_attr`` nodes refer to.
    origins : mapping of str to str
        From names of `values` to those of the parameters in the model.
    norms : mapping of str to NormSetting
        The batch norms of the model. One that the model called as a function stays as it is.

    Returns
    -------
    dict of str to torch.nn.Module
        The layers by their names in the graph.
    """
    layers = _Layers(graph, values, origins, norms)
    for node in list(graph.nodes):
        if node.op == "call_function":
            layers.replace(node)
    for node in list(graph.nodes):
        if node.op == "get_attr" and not node.users:
            graph.erase_node(node)
    return layers.made


class _Layers:
    """The layers of one graph, as they are made."""

    def __init__(
        self,
        graph: fx.Graph,
        values: Mapping[str, Any],
        origins: Mapping[str, str],
        norms: Mapping[str, NormSetting],
    ) -> None:
        self.made: dict[str, nn.Module] = {}
        self._graph = graph
        self._values = values
        self._origins = origins
        self._norms = norms
        self._names: dict[Any, str] = {}
        self._loose = {str(stored.target) for stored in graph.nodes if self._is_loose(stored)}

    def replace(self, node: fx.Node) -> None:
        """Put a layer in the place of a node if it stands for one."""
        operator = operator_name(node)
        if operator in _NORM_OPERATORS:
            name = self._norm(node)
            results = list(node.users) if _NORM_OPERATORS[operator] else [node]
        else:
            name = self._dropout(node, operator)
            results = [node]
        if name is None:
            return
        with self._graph.inserting_before(node):
            called = self._graph.call_module(name, (next(iter(bind(node).values())),))
        for result in results:
            result.replace_all_uses_with(called)
            self._graph.erase_node(result)
        if node not in results:
            self._graph.erase_node(node)

    def _norm(self, node: fx.Node) -> str | None:
        bound = bind(node)
        owner = self._owner(node, bound)
        if owner is None:
            return None
        kind = _NORMS_BY_RANK[_rank(node)]
        names = {field: str(bound[field].target) for field in _FIELDS if bound[field] is not None}
        key = owner, *names.values(), bound["eps"]
        if key not in self._names:
            fits = owner not in self.made and all(
                names.get(field) == f"{owner}.{field}" or f"{owner}.{field}" not in self._loose
                for field in _FIELDS
            )
            name = owner if fits else self._free(f"{owner}_2", owner)
            stored = {
                field: self._values[used]
                if used == f"{name}.{field}"
                else _copy(self._values[used])
                for field, used in names.items()
            }
            self.made[name] = _make_norm(kind, stored, bound["eps"], self._norms[owner])
            self._names[key] = name
        return self._names[key]

    def _owner(self, node: fx.Node, bound: Mapping[str, Any]) -> str | None:
        """The module whose norm this is; None if it cannot be told, or is in training."""
        if _rank(node) not in _NORMS_BY_RANK:
            return None
        if _NORM_OPERATORS[operator_name(node)] and any(
            operator_name(user) != "getitem" or user.args[1] != 0 for user in node.users
        ):
            return None
        if bound.get("training") or bound["running_mean"] is None or bound["running_var"] is None:
            return None
        owners: set[str] = set()
        for field in _FIELDS:
            given = bound[field]
            if given is None:
                continue
            if given.op != "get_attr":
                return None
            name = str(given.target)
            owner, _, last = self._origins.get(name, name).rpartition(".")
            trained = isinstance(self._values[name], nn.Parameter)
            if last != field or trained == field.startswith("running"):
                return None
            owners.add(owner)
        owner = owners.pop()
        return owner if not owners and owner and owner in self._norms else None

    def _is_loose(self, stored: fx.Node) -> bool:
        """True if something else than a batch norm uses a stored tensor."""
        return stored.op == "get_attr" and any(
            user.op != "call_function"
            or operator_name(user) not in _NORM_OPERATORS
            or self._owner(user, bind(user)) is None
            for user in stored.users
        )

    def _dropout(self, node: fx.Node, operator: str) -> str | None:
        stem = operator.removesuffix(".default")
        inplace = stem.endswith("_")
        stem = stem.removesuffix("_")
        if stem == "aten.feature_dropout":
            kind = _FEATURE_DROPOUTS.get(_rank(node))
        else:
            kind = _DROPOUTS.get(stem)
        if kind is None:
            return None
        bound = bind(node)
        if bound["train"]:
            return None
        wanted = _dropout_name(node.meta.get(ORIGIN))
        key = wanted, kind, bound["p"], inplace
        if key not in self._names:
            self._names[key] = self._free(wanted, wanted)
            self.made[self._names[key]] = kind(bound["p"], inplace)
        return self._names[key]

    def _free(self, wanted: str, stem: str) -> str:
        number, name = 2, wanted
        while name in self.made or any(f"{used}.".startswith(f"{name}.") for used in self._taken()):
            name = f"{stem}_{number}"
            number += 1
        return name

    def _taken(self) -> Iterator[str]:
        yield from self._values
        yield from self._norms


def _make_norm(
    kind: type[nn.Module], stored: Mapping[str, torch.Tensor], eps: float, setting: NormSetting
) -> nn.Module:
    mean = stored["running_mean"]
    layer: Any = kind(mean.numel(), eps, setting.momentum, affine=False, device="meta")
    layer.affine = "weight" in stored
    layer.track_running_stats = setting.tracks
    for field, tensor in stored.items():
        setattr(layer, field, tensor)
    batches = torch.tensor(0) if setting.batches is None else setting.batches
    layer.num_batches_tracked = batches.clone().to(mean.device)
    return layer  # type: ignore[no-any-return]


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    data = tensor.detach().clone()
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(data, requires_grad=tensor.requires_grad)
    return data


def _rank(node: fx.Node) -> int:
    """Number of axes of a node's first result, -1 if that is not known."""
    origin = node.meta.get(ORIGIN)
    example = None if origin is None else origin.meta.get("val")
    if isinstance(example, tuple | list):
        example = example[0]
    return example.ndim if isinstance(example, torch.Tensor) else -1


def _dropout_name(origin: fx.Node | None) -> str:
    """The dropout layer's name in the model, or one in the module that called the function."""
    stack = {} if origin is None else origin.meta.get("nn_module_stack") or {}
    if not stack:
        return "dropout"
    path, kind = list(stack.values())[-1]
    path = re.sub(r"@\d+", "", str(path))
    kind = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    if path and kind.rpartition(".")[2] in _DROPOUT_CLASSES:
        return path
    return f"{path}.dropout" if path else "dropout"


_DROPOUT_CLASSES = frozenset(
    kind.__name__ for kind in (*_DROPOUTS.values(), *_FEATURE_DROPOUTS.values())
)
