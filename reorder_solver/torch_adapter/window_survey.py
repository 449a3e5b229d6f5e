"""Survey: which choices of channels an export serves without a copy, whatever their scores.

A layer reads a view if what it keeps is contiguous in the one order of the tensor it reads: a
window. The only reader of a concatenation may keep anything, since the concatenation copies
anyway and takes what is wanted; several readers of one need a window each in the order of the
concatenated tensor, which the concatenation is free to choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.torch_adapter.attention import Weighted
from reorder_solver.torch_adapter.connections import analysed, label_of
from reorder_solver.torch_adapter.joint import channels_of
from reorder_solver.torch_adapter.layer_weights import groups_of, is_depthwise
from reorder_solver.torch_adapter.masks import masked
from reorder_solver.torch_adapter.plan import live_operations
from reorder_solver.torch_adapter.prunable import PrunableLayers
from reorder_solver.torch_adapter.window_stretches import Cuts, Order, Stretches
from reorder_solver.torch_adapter.work import layers as work_layers

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from reorder_solver.torch_adapter.connections import Channels, Connection
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.layer_weights import Side
    from reorder_solver.torch_adapter.window_stretches import Piece, Stretch, TensorKey

    IntArray = npt.NDArray[np.int64]
    Key = tuple[str, Side]


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """One side of a layer that keeps all its channels, and why."""

    layer: str
    side: Side
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One side of a layer that may drop channels.

    Attributes
    ----------
    layer : str
    side : {"input", "output"}
    owner : ndarray of int64, shape (features,)
        The owner of each channel (feature) of the layer.
    owners : int
    pieces : tuple of Piece
    free : bool
        True if anything may be kept without a copy; otherwise there is one piece, and what is
        kept must be a window.
    macs : int
        Multiply-adds per owner and sample, with all channels on the other side.
    entries : int
        Entries of the weight per owner.
    """

    layer: str
    side: Side
    owner: IntArray
    owners: int
    pieces: tuple[Piece, ...]
    free: bool
    macs: int
    entries: int

    @property
    def key(self) -> Key:
        """Layer and side."""
        return self.layer, self.side

    @property
    def id(self) -> str:
        """Of the access."""
        return self.layer if self.side == "input" else f"{self.layer} output"

    def kept(self, owners: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """A mask of the layer's channels from one of its owners."""
        return owners[self.owner]


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What windows a model allows.

    Attributes
    ----------
    name : str
        Class of the model.
    choices : tuple of Choice
    stretches : dict of str to Stretch
    left : tuple of LeftAlone
    layers : PrunableLayers
    """

    name: str
    choices: tuple[Choice, ...]
    stretches: dict[str, Stretch]
    left: tuple[LeftAlone, ...]
    layers: PrunableLayers

    def readers(self, stretch: str) -> list[Choice]:
        """The choices that must be windows of a stretch."""
        return [
            each
            for each in self.choices
            if not each.free and any(piece.stretch == stretch for piece in each.pieces)
        ]


def survey(model: nn.Module, example_inputs: Any, sides: tuple[Side, ...] = ("input",)) -> Survey:
    """Find the windows that a model allows.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    sides : tuple of {"input", "output"}
        Of the layers that are to choose.

    Raises
    ------
    InputError, CaptureError
        If the inputs are wrong, or the model cannot be captured.
    """
    copied = masked(model).eval()
    facts = analysed(copied, example_inputs)
    return _Surveyor(type(model).__name__, copied, facts, sides).survey()


class _Surveyor:
    """Collects choices; see :func:`survey`."""

    def __init__(self, name: str, model: nn.Module, facts: Facts, sides: tuple[Side, ...]) -> None:
        self._name = name
        self._model = model
        self._sides = sides
        self._modules = dict(model.named_modules(remove_duplicate=False))
        self._laid = Order(model, facts, end_to_end=True)
        self._own = Order(model, facts, end_to_end=False)
        self._left: list[LeftAlone] = []
        self._heads = _heads(facts, self._laid)
        self._work = _work(facts)
        self._calls: dict[str, list[tuple[Connection, Connection]]] = {}
        names: dict[int, str] = {}
        for laid, own in zip(self._laid.calls, self._own.calls, strict=True):
            weight = id(self._modules[laid.module].get_parameter("weight"))
            self._calls.setdefault(names.setdefault(weight, laid.module), []).append((laid, own))

    def survey(self) -> Survey:
        reads = self._wanting("input")
        writes = self._wanting("output") if "output" in self._sides else {}
        homes = {name: self._home(name) for name in reads}
        orders = {False: self._laid, True: self._own}
        cuts = Cuts(homes, self._whole_reads(set(reads)), orders)
        for name in [name for name, home in homes.items() if home[0] in cuts.mixed]:
            self._leave(name, "input", "layers read overlapping parts of its tensor")
            del reads[name], homes[name]
        if "input" not in self._sides:
            reads, homes = {}, {}
        stretches = Stretches(orders, cuts)
        choices = [self._read(name, homes[name], stretches) for name in reads]
        choices += [self._write(name, stretches) for name in writes]
        order = {name: place for place, name in enumerate(self._calls)}
        choices.sort(key=lambda each: order[each.layer])
        layers = PrunableLayers(self._model, None, self._laid.calls)
        return Survey(self._name, tuple(choices), stretches.found, tuple(self._left), layers)

    def _wanting(self, side: Side) -> dict[str, None]:
        """Layers that may choose on one side."""
        found: dict[str, None] = {}
        for name, calls in self._calls.items():
            module = self._modules[name]
            if is_depthwise(module):
                continue
            reason = self._obstacle(module, calls, side)
            if reason is None:
                found[name] = None
            elif side in self._sides:
                self._leave(name, side, reason)
        return found

    def _obstacle(
        self, module: nn.Module, calls: list[tuple[Connection, Connection]], side: Side
    ) -> str | None:
        if side == "input" and any(call.reads_model_input for call, _ in calls):
            return "reads the model's input"
        if side == "output" and any(call.writes_model_output for call, _ in calls):
            return "computes the model's output"
        if groups_of(module) > 1:
            return "is a convolution in groups"
        first, own = (channels_of(call, side) for call in calls[0])
        if not self._laid.follows(first) or not self._own.follows(own):
            return "its channels are not known one by one"
        for call in calls[1:]:
            if not _equal(channels_of(call[1], side), own):
                return "is called on several tensors"
        if side == "input" and len(set(own.tensor)) > 1:
            return "reads several tensors as one"
        if side == "input" and not self._heads.isdisjoint(first.tensor):
            return "reads heads of attention side by side: a window would take whole heads"
        return None

    def _leave(self, name: str, side: Side, reason: str) -> None:
        self._left.append(LeftAlone(name, side, reason))

    def _home(self, name: str) -> tuple[TensorKey, IntArray]:
        """The tensor that the window of a reader would lie in, and the channels of its owners.

        That is the one it reads; a concatenation has an order of its own.
        """
        laid, own = (call.reads for call in self._calls[name][0])
        joined = len(set(laid.tensor)) > 1
        chosen = own if joined else laid
        return (joined, chosen.tensor[0]), chosen.channel

    def _whole_reads(self, choosing: set[str]) -> list[tuple[TensorKey, IntArray]]:
        """What layers read that keep everything."""
        found = []
        for name, calls in self._calls.items():
            if name in choosing or is_depthwise(self._modules[name]):
                continue
            for laid, own in calls:
                for joined, channels in ((False, laid.reads), (True, own.reads)):
                    labels = np.array(channels.tensor)
                    for label in dict.fromkeys(channels.tensor):
                        found.append(((joined, label), channels.channel[labels == label]))
        return found

    def _read(self, name: str, home: tuple[TensorKey, IntArray], stretches: Stretches) -> Choice:
        reads = self._calls[name][0][0].reads
        key, channels = home
        free = key[0] and stretches.cuts.alone(key) and not self._own.fixed(key[1])
        pieces = stretches.pieces(reads) if free else stretches.window(key, channels)
        return self._choice(name, "input", reads, pieces, free=free)

    def _write(self, name: str, stretches: Stretches) -> Choice:
        # A row of a weight can always be left out: it takes no copy.
        writes = self._calls[name][0][0].writes
        return self._choice(name, "output", writes, stretches.pieces(writes), free=True)

    def _choice(
        self, name: str, side: Side, channels: Channels, pieces: tuple[Piece, ...], *, free: bool
    ) -> Choice:
        count = max(1, channels.owners)
        macs, entries = (each // count for each in self._work.get(name, (0, 0)))
        return Choice(
            name,
            side,
            channels.owner,
            channels.owners,
            pieces,
            free,
            macs // count,
            entries // count,
        )


def _equal(one: Channels, other: Channels) -> bool:
    return one.tensor == other.tensor and np.array_equal(one.channel, other.channel)


def _heads(facts: Facts, order: Order) -> set[str]:
    """Tensors that attention makes."""
    return {
        label_of(order.tensors, int(number))
        for operation in live_operations(facts)
        if isinstance(operation, Weighted) and operation.output is not None
        for number in np.unique(order.tensors.atoms(operation.output).tensors)
    }


def _work(facts: Facts) -> dict[str, tuple[int, int]]:
    """Per layer its multiply-adds per sample, over all calls, and the entries of its weight."""
    found: dict[str, tuple[int, int]] = {}
    for layer in work_layers(facts.program):
        macs, _ = found.get(layer.name, (0, 0))
        found[layer.name] = macs + layer.macs_before, layer.entries
    return found
