"""Pruning: masks by score, for one side of the layers or both, each for itself or jointly."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.connections import connections
from reorder_solver.torch_adapter.joint import JointChannels, channels_of
from reorder_solver.torch_adapter.layer_weights import groups_of, is_depthwise, nonzero
from reorder_solver.torch_adapter.masks import masked, masked_with_kept
from reorder_solver.torch_adapter.scores import Scorer

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from reorder_solver.torch_adapter.connections import Channels, Connection
    from reorder_solver.torch_adapter.layer_weights import Side
    from reorder_solver.torch_adapter.masks import DeclaredMasks, Kept, Masks

_SIDES: dict[str, tuple[Side, ...]] = {
    "input": ("input",),
    "output": ("output",),
    "both": ("input", "output"),
}
_CHOICES = (*_SIDES, "mixed", "joint")


def prune(
    model: nn.Module,
    example_inputs: Any,
    score: str = "l2",
    amount: float = 0.5,
    seed: int = 0,
    *,
    side: str = "input",
    correlation: float = 0.0,
) -> dict[str, dict[str, Kept]]:
    """Masks by which every layer drops its lowest-scored share of channels.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    score : {"l1", "l2", "random"}
        Norm of the weights that belong to a channel of the layer, or a random number, drawn for
        each layer from the seed and its name.
    amount : float
        Share to drop, from 0 to 1, rounded down to whole channels.
    seed : int
        For ``random`` scores and for ``mixed``.
    side : {"input", "output", "both", "mixed", "joint"}
        ``input``: every layer chooses among the channels it reads; ``output``: among those it
        writes; ``both``; ``mixed``: one of the three per layer, at random. ``joint`` is what
        constrained pruning does: all layers that read a tensor drop the same channels, those
        with the lowest sum of their scores, and the layers that write it drop them too.
    correlation : float
        For ``random`` scores: how far layers agree about the channels of a tensor they share,
        from 0 (independent) to 1 (the same scores).

    Returns
    -------
    dict
        ``{module name: {"input": kept, "output": kept}}``, as :func:`masked` takes it.

    Raises
    ------
    InputError
        If an argument is wrong.
    CaptureError
        If the model cannot be captured by ``torch.export``.

    Notes
    -----
    Convolutions and linear layers choose. Their input side is left alone where they read the
    model's input, their output side where they compute its output. A depthwise convolution
    handles each channel by itself and chooses nothing; another grouped one drops equally many in
    each group, and nothing jointly. A linear layer behind a flatten drops whole channels.
    """
    scorer = Scorer(score, seed, correlation)
    if not 0 <= amount <= 1:
        raise InputError(f"amount must be from 0 to 1, got {amount!r}")
    if side not in _CHOICES:
        raise InputError(f"unknown side {side!r}; known: {', '.join(_CHOICES)}")
    layers = _Layers(masked(model).eval(), example_inputs)
    if side == "joint":
        return _lowest_dropped(layers, scorer, amount)
    masks: dict[str, dict[str, Kept]] = {}
    for name, call in layers.first_calls.items():
        for each in _SIDES[_drawn_side(name, seed) if side == "mixed" else side]:
            if name not in layers.prunable[each]:
                continue
            module, channels = layers.modules[name], channels_of(call, each)
            groups = groups_of(module)
            if groups > 1 and channels.owners != channels.owner.size:
                continue
            kept = _highest(scorer(name, module, channels, each), groups, amount)
            masks.setdefault(name, {})[each] = kept[channels.owner]
    return masks


def prune_inputs(
    model: nn.Module,
    example_inputs: Any,
    score: str = "l2",
    amount: float = 0.5,
    seed: int = 0,
    correlation: float = 0.0,
) -> dict[str, dict[str, Kept]]:
    """Masks by which every layer drops its own lowest-scored input channels: see :func:`prune`."""
    return prune(model, example_inputs, score, amount, seed, correlation=correlation)


def prune_outputs(
    model: nn.Module,
    example_inputs: Any,
    score: str = "l2",
    amount: float = 0.5,
    seed: int = 0,
    correlation: float = 0.0,
) -> dict[str, dict[str, Kept]]:
    """Masks by which every layer drops its own lowest-scored output channels: see :func:`prune`."""
    return prune(model, example_inputs, score, amount, seed, side="output", correlation=correlation)


def constrain(
    model: nn.Module, example_inputs: Any, masks: Masks | None = None
) -> dict[str, dict[str, Any]]:
    """Joint masks as near as possible to the given ones: what constrained pruning would do.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    masks : mapping, optional
        See :func:`masked`; where none are given they are read off exact zeros.

    Returns
    -------
    dict
        Masks by which all layers that read a tensor keep the same of its channels, and the
        layers that write it no others. As many are kept as the readers keep on average; those
        that most layers keep, and among equals those of the largest weights (sum of squares over
        the readers). Masks of layers that take no part (grouped convolutions, readers of the
        model's input) are passed on.

    Raises
    ------
    InputError, CaptureError
        As :func:`prune`.

    Notes
    -----
    A reader may get channels back that its own mask drops; weights that are zero in `model` stay
    zero.
    """
    copied, declared = masked_with_kept(model, masks)
    layers = _Layers(copied.eval(), example_inputs)
    joint = layers.joint()
    votes = _Votes(declared)
    whole = dict(masked(model).named_modules(remove_duplicate=False))
    norms = joint.scored(Scorer("l2"), whole, "input")
    wanted = sum(joint.scored(votes, layers.modules, side) for side in _SIDES["both"])
    share = np.minimum(*(joint.shares(votes, layers.modules, side) for side in _SIDES["both"]))
    dropped = np.zeros(norms.size, dtype=np.bool_)
    for groups in joint.units():
        count = math.floor(share[groups[0]] * groups.size + 0.5)
        order = np.lexsort((norms[groups], np.asarray(wanted)[groups]))
        dropped[groups[order[: groups.size - count]]] = True
    result = {name: dict(sides) for name, sides in (masks or {}).items()}
    for name, sides in joint.masks(dropped).items():
        result[name] = result.get(name, {}) | sides
    return result


def _lowest_dropped(layers: _Layers, scorer: Scorer, amount: float) -> dict[str, dict[str, Kept]]:
    joint = layers.joint()
    scores = joint.scored(scorer, layers.modules, "input")
    dropped = np.zeros(scores.size, dtype=np.bool_)
    for groups in joint.units():
        dropped[groups] = ~_highest(scores[groups], 1, amount)
    return joint.masks(dropped)


def _highest(scores: npt.NDArray[np.float64], groups: int, amount: float) -> Kept:
    """False for the lowest share of the scores, equally many in each of equal groups."""
    by_group = scores.reshape(groups, -1)
    lowest = np.argsort(by_group, axis=1, kind="stable")[:, : int(amount * by_group.shape[1])]
    kept = np.ones(by_group.shape, dtype=np.bool_)
    np.put_along_axis(kept, lowest, values=False, axis=1)
    return kept.ravel()


def _drawn_side(name: str, seed: int) -> str:
    """One of the sides at random."""
    number = np.random.default_rng([seed, zlib.crc32(f"{name} side".encode())]).integers(3)
    return list(_SIDES)[int(number)]


class _Layers:
    """The layers of a model by the name of their first call, and which may be pruned.

    Attributes
    ----------
    modules : dict of str to Module
    first_calls : dict of str to Connection
        One per weight.
    prunable : dict of side to set of str
    """

    def __init__(self, model: nn.Module, example_inputs: Any) -> None:
        self.modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
        self.first_calls: dict[str, Connection] = {}
        names: dict[int, str] = {}
        self._calls: list[Connection] = []
        for call in connections(model, example_inputs):
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


class _Votes:
    """Score 1 for what a layer keeps, 0 for what it drops, declared or by exact zeros."""

    def __init__(self, declared: DeclaredMasks) -> None:
        self._declared = declared

    def __call__(
        self, name: str, module: nn.Module, channels: Channels, side: Side
    ) -> npt.NDArray[np.float64]:
        """One number per owner."""
        masks = self._declared.inputs if side == "input" else self._declared.outputs
        kept = masks.get(f"{name}.weight")
        if kept is None:
            kept = nonzero(module, side)
        return (np.bincount(channels.owner, kept, channels.owners) > 0).astype(np.float64)
