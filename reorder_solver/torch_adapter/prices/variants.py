"""Variants: the ways to serve an access at a site, as things that can be timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from reorder_solver.core.prices import Mode
from reorder_solver.torch_adapter.kernels import gather_rows, multiply_slice, takes_threads
from reorder_solver.torch_adapter.prices.site import MEMORY_FORMATS
from reorder_solver.torch_adapter.traffic import copied_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    Task = Callable[[], torch.Tensor]

    from reorder_solver.torch_adapter.prices.site import AccessSite

_CONVOLUTIONS = {"conv1d": F.conv1d, "conv2d": F.conv2d, "conv3d": F.conv3d}
#: The calls that an exported graph makes.
_NARROW = torch.ops.aten.narrow.default
_SELECT = torch.ops.aten.index_select.default
_CAT = torch.ops.aten.cat.default
_ADD = torch.ops.aten.add.Tensor


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A way to serve an access, and the facts its price depends on.

    Attributes
    ----------
    mode : Mode
    channels, runs, span : int
        Wanted channels, the runs they are in, and the positions from the first to the last.
    """

    mode: Mode
    channels: int
    runs: int
    span: int


def view_of(channels: int) -> Point:
    """A view of this many channels."""
    return Point(Mode.VIEW, channels, 1, channels)


class _Reading(nn.Module):
    """An operator as a module."""

    def __init__(self, operator: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self._operator = operator

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Apply it."""
        return self._operator(value)


class Workbench:
    """The tensors of a site, and what to call for each point.

    What a gather or concatenation costs is timed without the operator, beside which it is small;
    but with the copy that the operator makes of its input, if it makes one. What ``cover`` and
    ``split`` cost is in the operator, so there the operator is timed.

    The value has two channels more than the site, so that every view is a strict slice, with what
    that brings (a batch of slices is not contiguous). All weights share memory: what differs
    between points is not how warm it is.
    """

    def __init__(self, site: AccessSite) -> None:
        self._site = site
        self._dtype = getattr(torch, site.dtype)
        self._total = site.stored + 2
        shape = list(site.shape)
        shape[site.axis] = self._total * site.block
        self._format = MEMORY_FORMATS[site.memory_format]
        self._value = self._ones(shape).contiguous(memory_format=self._format)
        self._bias = self._ones([max(1, site.out_channels)])
        size = site.out_channels * site.stored * site.block * int(np.prod(site.kernel, dtype=int))
        self._weights = self._ones([size]).mul_(0.01)
        self._inside: dict[Mode, bool] = {}

    def copying(self, point: Point) -> Task:
        """What to call to bring the input into the form that the operator works on.

        Raises
        ------
        ValueError
            If the mode of the point does not copy: only ``view``, ``gather`` and ``cat`` do.
        """
        arrange = self._arranging(point)
        if not self._is_copied_inside(point):
            return arrange
        form = self._format
        return lambda: arrange().contiguous(memory_format=form)

    def serving(self, point: Point) -> Task:
        """What to call to serve an access, operator included, at this point."""
        if point.mode is Mode.SPLIT:
            return self._splitting(point.channels, point.runs)
        if point.mode is Mode.COVER:
            point = view_of(point.span)
        is_slice = point.mode is Mode.VIEW
        arrange = self._arranging(point)
        operator = self._operator(point.channels, is_slice=is_slice)
        return lambda: operator(arrange())

    def adding(self) -> Task:
        """What to call to add two results of the operator, as every further part needs."""
        result = self.serving(view_of(1))()
        return lambda: _ADD(result, result)

    def _arranging(self, point: Point) -> Task:
        channels = point.channels
        if point.mode is Mode.VIEW:
            return self._slicing(channels)
        if point.mode is Mode.GATHER:
            return self._gathering(channels)
        if point.mode is Mode.CAT:
            return self._concatenating(channels, point.runs)
        raise ValueError(f"{point.mode.value} copies nothing")

    def _is_copied_inside(self, point: Point) -> bool:
        """Whether the operator itself copies the input it is given, as for a batch of slices."""
        if not self._site.has_operator:
            return False
        if point.mode not in self._inside:
            arranged = self._arranging(point)()
            operator = self._operator(point.channels, is_slice=point.mode is Mode.VIEW)
            found = copied_bytes(_Reading(operator), arranged)
            self._inside[point.mode] = any(
                each.kind == "hidden" and each.bytes == arranged.nbytes for each in found.copies
            )
        return self._inside[point.mode]

    def _slicing(self, width: int) -> Task:
        value, axis, block = self._value, self._site.axis, self._site.block
        # Never at the front.
        first = 1 + (self._site.stored - width) // 2
        begin, end = first * block, (first + width) * block
        return lambda: _NARROW(value, axis, begin, end - begin)

    def _gathering(self, channels: int) -> Task:
        value, axis, block = self._value, self._site.axis, self._site.block
        rng = np.random.default_rng(channels)
        wanted = np.sort(rng.choice(self._site.stored, channels, replace=False))
        features = (wanted[:, None] * block + np.arange(block)).reshape(-1)
        index = torch.from_numpy(features).to(value.device)
        if self._site.has_rows:
            shape = self._site.shape
            inner = [size for number, size in enumerate(shape) if number not in (0, axis)]
            elements = features.size * shape[0] * int(np.prod(inner, dtype=int))
            threaded = takes_threads(elements, self._site.threads, value.device)
            return lambda: gather_rows(value, axis, index, inner, threaded=threaded)
        return lambda: _SELECT(value, axis, index)

    def _concatenating(self, channels: int, runs: int) -> Task:
        value, axis = self._value, self._site.axis
        places = self._places(channels, runs)
        return lambda: _CAT([_NARROW(value, axis, a, b - a) for a, b in places], axis)

    def _splitting(self, channels: int, runs: int) -> Task:
        value, axis, block = self._value, self._site.axis, self._site.block
        places = self._places(channels, runs)
        parts = [
            (self._operator((end - begin) // block, bias=number == 0, is_slice=True), begin, end)
            for number, (begin, end) in enumerate(places)
        ]
        (first, begin, end), others = parts[0], parts[1:]

        def run() -> torch.Tensor:
            total = first(_NARROW(value, axis, begin, end - begin))
            for operator, start, stop in others:
                total = _ADD(total, operator(_NARROW(value, axis, start, stop - start)))
            return total

        return run

    def _places(self, channels: int, runs: int) -> list[tuple[int, int]]:
        """Where the runs begin and end, in features: equally long and far apart if possible."""
        ends = [channels * (number + 1) // runs for number in range(runs)]
        widths = np.diff([0, *ends])
        spare = self._total - channels
        gaps = [spare * (number + 1) // (runs + 1) for number in range(runs)]
        begins = [gap + end - width for gap, end, width in zip(gaps, ends, widths, strict=True)]
        block = self._site.block
        return [
            (int(begin) * block, int(begin + width) * block)
            for begin, width in zip(begins, widths, strict=True)
        ]

    def _operator(
        self, width: int, *, bias: bool = True, is_slice: bool = False
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """What reads this many channels."""
        site = self._site
        added = self._bias if bias else None
        if not site.has_operator:
            return lambda value: value
        weight = self._weight(width)
        if site.operator == "linear":
            return lambda value: F.linear(value, weight, added)
        convolution = _CONVOLUTIONS[site.operator]
        stride, padding, dilation = site.stride, site.padding, site.dilation
        if site.multiplied and is_slice:
            sizes, is_last = site.shape[2:], site.is_last
            return lambda value: multiply_slice(value, weight, added, sizes, is_last=is_last)
        return lambda value: convolution(value, weight, added, stride, padding, dilation)

    def _weight(self, width: int) -> torch.Tensor:
        site = self._site
        features = width * site.block
        size = site.out_channels * features * int(np.prod(site.kernel, dtype=int))
        flat = self._weights[:size]
        if self._format == torch.channels_last and site.kernel:
            stored = flat.view(site.out_channels, *site.kernel, features)
            return stored.movedim(-1, 1)
        return flat.view(site.out_channels, features, *site.kernel)

    def _ones(self, shape: list[int]) -> torch.Tensor:
        return torch.ones(shape, dtype=self._dtype, device=self._site.device)
