"""Extract: the channel-ordering problem that a pruned model poses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.instance import Access, Instance, Part, Role, Tensor
from reorder_solver.torch_adapter.analysis import analyse, elements_per_channel
from reorder_solver.torch_adapter.capture import capture
from reorder_solver.torch_adapter.flow import flows_in
from reorder_solver.torch_adapter.masks import kept_columns, masked_with_kept
from reorder_solver.torch_adapter.names import name_tensors, number_repeats
from reorder_solver.torch_adapter.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from reorder_solver.torch_adapter.analysis import Analysis, Read
    from reorder_solver.torch_adapter.capture import Captured
    from reorder_solver.torch_adapter.masks import Kept, Masks


@dataclass(frozen=True, slots=True)
class Pin:
    """A tensor that keeps its original order and all its channels, and why."""

    tensor: str
    reason: str


@dataclass(frozen=True, eq=False)
class Extraction:
    """A channel-ordering problem and what it takes to apply a layout.

    Attributes
    ----------
    instance : Instance
        One access per call of a convolution or linear layer, named after the module.
    pins : tuple of Pin
        Every fixed tensor and why it is fixed.
    notes : tuple of str
        What a user should know about the capture.
    name : str
        Class of the model.
    captured, analysis
        The graph and its channel flow, for :func:`apply`.
    tensor_ids : dict of int to str
        Tensor id per class of tied tensors.
    reads : dict of str to Read
        Per access id the operation behind it.
    """

    instance: Instance
    pins: tuple[Pin, ...]
    notes: tuple[str, ...]
    name: str
    captured: Captured
    analysis: Analysis
    tensor_ids: dict[int, str]
    reads: dict[str, Read]

    def __repr__(self) -> str:
        size = f"{len(self.instance.tensors)} tensors, {len(self.instance.accesses)} accesses"
        return f"Extraction({self.name}: {size}, {len(self.pins)} pins)"


def extract(model: nn.Module, example_inputs: Any, masks: Masks | None = None) -> Extraction:
    """Read the channel-ordering problem off a model.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed. A copy is captured in evaluation mode.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
        What the model is called with. Sizes other than the batch size are taken as fixed.
    masks : mapping, optional
        See :func:`masked`. A layer without a mask keeps the input channels whose weights are
        not exactly zero.

    Returns
    -------
    Extraction

    Raises
    ------
    InputError
        If the inputs or masks are wrong.
    CaptureError
        If the model cannot be captured by ``torch.export``.

    Notes
    -----
    A layer all of whose inputs are masked still reads one channel, with zero weights: a
    convolution needs an input. Layers whose results nobody reads pose no access and are removed.
    """
    copied, declared = masked_with_kept(model, masks)
    copied.eval()
    captured = capture(copied, example_inputs)
    analysis = analyse(captured, RULES)
    return _Builder(type(model).__name__, captured, analysis, declared.inputs).build()


class _Builder:
    """Turns an analysis into an instance."""

    def __init__(
        self, name: str, captured: Captured, analysis: Analysis, declared: Mapping[str, Kept]
    ) -> None:
        self._name = name
        self._captured = captured
        self._analysis = analysis
        self._tensors = analysis.tensors
        self._pins = analysis.tensors.pins()
        self._declared = declared

    def build(self) -> Extraction:
        reads = self._analysis.reads
        wanted = _live_reads(self._analysis, self._fill_empty([self._wanted(r) for r in reads]))
        producers = self._used_classes()
        names = name_tensors(producers)
        tensors = [
            Tensor(names[root], self._tensors.channels(root), fixed=root in self._pins)
            for root in producers
        ]
        access_ids = number_repeats(read.module for read in reads)
        accesses = [
            self._access(access_id, read, channels, names)
            for access_id, read, channels in zip(access_ids, reads, wanted, strict=True)
            if channels is not None
        ]
        pins = [
            Pin(names[root], reason)
            for root, reasons in self._pins.items()
            if root in names
            for reason in reasons
        ]
        return Extraction(
            instance=Instance(self._name, tuple(tensors), tuple(accesses)),
            pins=tuple(pins),
            notes=self._captured.notes,
            name=self._name,
            captured=self._captured,
            analysis=self._analysis,
            tensor_ids=names,
            reads=dict(zip(access_ids, reads, strict=True)),
        )

    def _wanted(self, read: Read) -> list[Kept]:
        """Per segment a boolean array over its tensor's channels."""
        kept = self._declared.get(read.weight)
        if kept is None:
            kept = kept_columns(self._captured.attributes[read.weight])
        found: list[Kept] = []
        offset = 0
        for segment in read.flow.segments:
            shape = self._tensors.channels(segment.tensor), segment.block
            features = shape[0] * shape[1]
            found.append(np.any(kept[offset : offset + features].reshape(shape), axis=1))
            offset += features
        return found

    def _fill_empty(self, wanted: list[list[Kept]]) -> list[list[Kept]]:
        """Give a read that wants nothing one channel, if possible one that is wanted anyway."""
        used = _used(self._analysis, wanted)
        for read, channels in zip(self._analysis.reads, wanted, strict=True):
            if any(keep.any() for keep in channels):
                continue
            roots = [self._tensors.root(segment.tensor) for segment in read.flow.segments]
            best = max(range(len(roots)), key=lambda place: (used[roots[place]].any(), -place))
            channels[best] = np.zeros_like(channels[best])
            channels[best][int(np.argmax(used[roots[best]]))] = True
        return wanted

    def _used_classes(self) -> dict[int, tuple[str, ...]]:
        """The classes some value or read is made of, in order, with their producers."""
        flows = [read.flow for read in self._analysis.reads]
        flows += [flow for value in self._analysis.values.values() for flow in flows_in(value)]
        seen = {self._tensors.root(s.tensor) for flow in flows for s in flow.segments}
        return {root: names for root, names in self._tensors.classes().items() if root in seen}

    def _access(
        self, access_id: str, read: Read, channels: list[Kept], names: Mapping[int, str]
    ) -> Access:
        parts = tuple(
            Part(names[self._tensors.root(segment.tensor)], np.flatnonzero(keep))
            for segment, keep in zip(read.flow.segments, channels, strict=True)
        )
        return Access(access_id, parts, Role.READ, bytes=self._bytes(read, channels))

    def _bytes(self, read: Read, channels: list[Kept]) -> int:
        """Bytes per channel and sample; the mean where channels differ in size, rounded up."""
        example = read.source.meta["val"]
        width = self._tensors.width(read.flow)
        elements = elements_per_channel(read.source, width, self._captured.batch)
        counts = [int(keep.sum()) for keep in channels]
        features = sum(
            count * segment.block for count, segment in zip(counts, read.flow.segments, strict=True)
        )
        return int(example.dtype.itemsize * elements * -(-features // sum(counts)))


def _used(analysis: Analysis, wanted: list[list[Kept]]) -> dict[int, Kept]:
    """Per root the channels that some read wants."""
    tensors = analysis.tensors
    used = {root: np.zeros(tensors.channels(root), dtype=np.bool_) for root in tensors.classes()}
    for read, channels in zip(analysis.reads, wanted, strict=True):
        for segment, keep in zip(read.flow.segments, channels, strict=True):
            used[tensors.root(segment.tensor)] |= keep
    return used


def _live_reads(analysis: Analysis, wanted: list[list[Kept]]) -> list[list[Kept] | None]:
    """Drop reads whose result nobody reads, until none is left; None stands for a dropped one."""
    tensors, pinned = analysis.tensors, analysis.tensors.pins()
    live: list[list[Kept] | None] = list(wanted)
    while True:
        nothing = [[np.zeros_like(keep) for keep in channels] for channels in wanted]
        now = [some if some is not None else none for some, none in zip(live, nothing, strict=True)]
        used = _used(analysis, now)
        dead = [
            number
            for number, read in enumerate(analysis.reads)
            if live[number] is not None
            and all(
                (root := tensors.root(segment.tensor)) not in pinned and not used[root].any()
                for segment in read.output.segments
            )
        ]
        if not dead:
            return live
        for number in dead:
            live[number] = None
