"""Pruning: masks by score, for one side of the layers or both, each for itself or jointly."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.budgets import Pool, dropped
from reorder_solver.torch_adapter.joint import channels_of
from reorder_solver.torch_adapter.layer_weights import groups_of
from reorder_solver.torch_adapter.masks import masked, masked_with_kept
from reorder_solver.torch_adapter.prunable import PrunableLayers
from reorder_solver.torch_adapter.scores import WITHIN_LAYERS, GivenScores, score_table, scorer
from reorder_solver.torch_adapter.weight_scores import Magnitude, Votes

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from reorder_solver.torch_adapter.connections import Channels
    from reorder_solver.torch_adapter.data_scores import Data, Loss
    from reorder_solver.torch_adapter.layer_weights import Side
    from reorder_solver.torch_adapter.masks import Kept, Masks
    from reorder_solver.torch_adapter.scores import Scores

_SIDES: dict[str, tuple[Side, ...]] = {
    "input": ("input",),
    "output": ("output",),
    "both": ("input", "output"),
}
_CHOICES = (*_SIDES, "mixed", "joint")


class Pruner:
    """A model whose layers are known: scores and masks without looking at it again.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    layers : PrunableLayers, optional
        The model's, if they are known.

    Raises
    ------
    CaptureError
        If the model cannot be captured by ``torch.export``.
    """

    def __init__(
        self,
        model: nn.Module | None,
        example_inputs: Any,
        layers: PrunableLayers | None = None,
    ) -> None:
        if layers is None:
            assert model is not None
            layers = PrunableLayers(masked(model).eval(), example_inputs)
        self._layers = layers

    def scores(
        self,
        score: str = "l2",
        side: str = "both",
        *,
        data: Data | None = None,
        loss: Loss | None = None,
        seed: int = 0,
        correlation: float = 0.0,
    ) -> dict[str, dict[str, npt.NDArray[np.float64]]]:
        """See :func:`channel_scores`."""
        if side not in _SIDES:
            raise InputError(f"unknown side {side!r}; known: {', '.join(_SIDES)}")
        function = scorer(
            self._layers, score, data=data, loss=loss, seed=seed, correlation=correlation
        )
        return score_table(self._layers, function, _SIDES[side])

    def masks(
        self,
        scores: Scores,
        amount: float = 0.5,
        *,
        side: str = "input",
        budget: str = "local",
        relative: bool = False,
        seed: int = 0,
    ) -> dict[str, dict[str, Kept]]:
        """Masks that drop the lowest scores; see :func:`prune`.

        Parameters
        ----------
        scores : mapping
            As :meth:`scores` gives them.
        amount : float
        side : {"input", "output", "both", "mixed", "joint"}
        budget : {"local", "global"}
        relative : bool
            Compare layers by their scores over the layer's mean (of absolute values).
        seed : int
            For ``mixed``.
        """
        if side not in _CHOICES:
            raise InputError(f"unknown side {side!r}; known: {', '.join(_CHOICES)}")
        given = GivenScores(self._layers, scores)
        if side == "joint":
            return self._joint(given, amount, budget, relative=relative)
        masks: dict[str, dict[str, Kept]] = {name: {} for name in self._layers.first_calls}
        for each in _SIDES["both"]:
            chosen = [
                name
                for name in self._layers.first_calls
                if each in _SIDES[_drawn_side(name, seed) if side == "mixed" else side]
                and (name, each) in given
            ]
            for name, kept in self._side(chosen, each, given, amount, budget, relative).items():
                masks[name][each] = kept
        return {name: sides for name, sides in masks.items() if sides}

    def _side(
        self,
        names: list[str],
        side: Side,
        given: GivenScores,
        amount: float,
        budget: str,
        relative: bool,
    ) -> dict[str, Kept]:
        """Masks of one side; a grouped layer drops equally many in each group."""
        orders: dict[str, npt.NDArray[np.int64]] = {}
        pools: list[Pool] = []
        for name in names:
            module = self._layers.modules[name]
            channels, groups = channels_of(self._layers.first_calls[name], side), groups_of(module)
            blocks = groups > 1 and channels.owners != channels.owner.size
            if name not in self._layers.prunable[side] or blocks or not channels.owners:
                continue
            found = given(name, module, channels, side).reshape(groups, -1)
            orders[name] = np.argsort(found, axis=1, kind="stable")
            ranks = np.take_along_axis(found, orders[name], axis=1).mean(axis=0)
            costs = np.full(ranks.size, groups, dtype=np.int64)
            scale = np.abs(found).mean() if relative else 1.0
            pools.append(Pool(np.arange(ranks.size, dtype=np.float64), costs, ranks / (scale or 1)))
        masks: dict[str, Kept] = {}
        for name, lost in zip(orders, dropped(pools, amount, budget), strict=True):
            kept = np.ones(orders[name].shape, dtype=np.bool_)
            np.put_along_axis(kept, orders[name][:, lost], values=False, axis=1)
            masks[name] = kept.ravel()[channels_of(self._layers.first_calls[name], side).owner]
        return masks

    def _joint(
        self, given: GivenScores, amount: float, budget: str, *, relative: bool
    ) -> dict[str, dict[str, Kept]]:
        joint = self._layers.joint()

        def score(name: str, module: nn.Module, channels: Channels, side: Side) -> Any:
            if (name, side) not in given:
                return np.zeros(channels.owners)
            found = given(name, module, channels, side)
            return found / (np.abs(found).mean() or 1) if relative else found

        def known_owners(name: str, module: nn.Module, channels: Channels, side: Side) -> Any:
            return np.full(channels.owners, float((name, side) in given))

        sums, costs = joint.scored(score, self._layers.modules, "input"), joint.readers()
        known = joint.scored(known_owners, self._layers.modules, "input") > 0
        units = [each for each in joint.units() if known[each].any()]
        pools = [Pool(sums[each], costs[each], sums[each] / costs[each]) for each in units]
        lost = np.zeros(sums.size, dtype=np.bool_)
        for groups, each in zip(units, dropped(pools, amount, budget), strict=True):
            lost[groups] = each
        return joint.masks(lost)


def channel_scores(
    model: nn.Module,
    example_inputs: Any,
    score: str = "l2",
    *,
    side: str = "both",
    data: Data | None = None,
    loss: Loss | None = None,
    seed: int = 0,
    correlation: float = 0.0,
) -> dict[str, dict[str, npt.NDArray[np.float64]]]:
    """How much each channel on either side of each layer matters.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    score : {"l1", "l2", "lamp", "fpgm", "hrank", "taylor", "random"}
        Of the weights that belong to a channel: the sum of their absolute values or squares, the
        squares over those of all channels that are not smaller, or the distances to the other
        channels' weights. Of data: the mean rank of the channel's map, or the squared change of
        the loss to first order. Or a random number.
    side : {"input", "output", "both"}
    data : iterable of (inputs, targets), optional
        For ``hrank`` and ``taylor``; read once.
    loss : callable, optional
        For ``taylor``: of the model's outputs and the targets, a tensor with one number.
    seed, correlation
        For ``random``, see :func:`prune`.

    Returns
    -------
    dict
        ``{module name: {"input": numbers, "output": numbers}}`` (float64, one per channel as
        masks count them) for the layers and sides that :func:`prune` chooses on. Features that a
        flatten makes of one channel share its score: the sum over them is the channel's.

    Raises
    ------
    InputError
        If an argument is wrong or missing.
    CaptureError
        If the model cannot be captured by ``torch.export``.
    """
    pruner = Pruner(model, example_inputs)
    return pruner.scores(score, side, data=data, loss=loss, seed=seed, correlation=correlation)


def prune(
    model: nn.Module,
    example_inputs: Any,
    score: str | Scores = "l2",
    amount: float = 0.5,
    seed: int = 0,
    *,
    side: str = "input",
    correlation: float = 0.0,
    budget: str = "local",
    data: Data | None = None,
    loss: Loss | None = None,
) -> dict[str, dict[str, Kept]]:
    """Masks by which the layers drop their lowest-scored share of channels.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    score : str or mapping
        A name that :func:`channel_scores` knows, or scores as it returns them; layers and sides
        that are missing there drop nothing.
    amount : float
        Share to drop, from 0 to 1, rounded down to whole channels.
    seed : int
        For ``random`` scores, drawn for each layer from the seed and its name, and for ``mixed``.
    side : {"input", "output", "both", "mixed", "joint"}
        ``input``: every layer chooses among the channels it reads; ``output``: among those it
        writes; ``both``; ``mixed``: one of the three per layer, at random. ``joint`` is what
        constrained pruning does: all layers that read a tensor drop the same channels, those
        with the lowest sum of their scores, and the layers that write it drop them too.
    correlation : float
        For ``random`` scores: how far layers agree about the channels of a tensor they share,
        from 0 (independent) to 1 (the same scores).
    budget : {"local", "global"}
        ``local``: the share is dropped of each layer (with ``joint``, of each tensor).
        ``global``: of all layers together, for each side, by one ranking, and at least one channel
        of each layer (or tensor) stays. There ``l1``, ``l2``, ``fpgm`` and ``hrank`` count over
        the layer's mean, and a joint choice is ranked by the mean over its readers.
    data, loss
        For ``hrank`` and ``taylor``, see :func:`channel_scores`.

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
    if side not in _CHOICES:
        raise InputError(f"unknown side {side!r}; known: {', '.join(_CHOICES)}")
    dropped([], amount, budget)
    pruner = Pruner(model, example_inputs)
    relative = isinstance(score, str) and score in WITHIN_LAYERS
    if isinstance(score, str):
        scored = "input" if side == "joint" else "both" if side == "mixed" else side
        score = pruner.scores(
            score, scored, data=data, loss=loss, seed=seed, correlation=correlation
        )
    elif correlation:
        raise InputError("correlation is for score 'random', not for given scores")
    return pruner.masks(score, amount, side=side, budget=budget, relative=relative, seed=seed)


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
    layers = PrunableLayers(copied.eval(), example_inputs)
    joint = layers.joint()
    votes = Votes(declared)
    whole = dict(masked(model).named_modules(remove_duplicate=False))
    norms = joint.scored(Magnitude(2), whole, "input")
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


def _drawn_side(name: str, seed: int) -> str:
    """One of the sides at random."""
    number = np.random.default_rng([seed, zlib.crc32(f"{name} side".encode())]).integers(3)
    return list(_SIDES)[int(number)]
